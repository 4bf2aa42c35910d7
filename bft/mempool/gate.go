package mempool

import (
	"sync"
	"time"
)

// A gate lets many checks in, or one update (M4). Unlike a sync.RWMutex it may be waited at in a testing/synctest bubble.
type gate struct {
	mu      sync.Mutex
	changed sync.Cond
	checks  int
	update  bool // is in, or waits for the last check to leave
}

func (g *gate) init() { g.changed.L = &g.mu }

func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.update {
		g.changed.Wait()
	}
	g.checks++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.checks--; g.checks == 0 {
		g.changed.Broadcast()
	}
}

// lock keeps new checks out, and waits for those that are in; false: they have not left in time, and it is locked all the same.
func (g *gate) lock(patience time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.update {
		g.changed.Wait()
	}
	g.update = true
	late := false
	timer := time.AfterFunc(patience, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		late = true
		g.changed.Broadcast()
	})
	defer timer.Stop()
	for g.checks > 0 && !late {
		g.changed.Wait()
	}
	return g.checks == 0
}

func (g *gate) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.update = false
	g.changed.Broadcast()
}
