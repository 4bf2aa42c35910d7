package mempool

import "sync"

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

// lock keeps new checks out, and waits for those that are in.
func (g *gate) lock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.update {
		g.changed.Wait()
	}
	g.update = true
	for g.checks > 0 {
		g.changed.Wait()
	}
}

func (g *gate) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.update = false
	g.changed.Broadcast()
}
