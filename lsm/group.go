package lsm

import (
	"runtime"
	"sync"
)

// Group commit. A sync takes as long as many writes, so writers who want theirs durable
// share it: those who come while one is under way wait, and the first of them then
// leads all of them. It writes their batches to the log at once and syncs it, while the
// next ones gather; they insert their own.
//
//	a  |lock: log a|=== sync ===| insert a |
//	b     waits                 |lock: log b c d|=== sync ===| insert b |
//	c      waits                                             | insert c |
//	d          waits                                         | insert d |
//	a                               waits                    |lock: log a ...
//
// What readers see of such a batch is durable already. Every store with
// Options.SyncWrites commits this way. In others a batch with Sync goes the common way
// and is synced last: those behind it, who need no sync, must not wait for one.
type groups struct {
	mu      sync.Mutex
	waiting []*Batch // in the order they came
	led     bool     // somebody leads
	writers int      // how many there were when the last group was done
	members []*Batch // memory for gather
}

// turn is what a waiting batch is told.
type turn struct {
	lead   bool // lead the next group
	logged bool // it is in the log
	err    error
}

// join reports whether b is to lead; if not, its turn will come.
func (g *groups) join(b *Batch) (lead bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, b)
	if !g.led {
		g.led = true
		return true
	}
	if b.turn == nil {
		b.turn = make(chan turn, 1)
	}
	return false
}

// patience is how often a leader looks in vain for somebody to come.
const patience = 20

// linger lets those come whom the last sync has served. Else two halves of the writers
// would take turns, and each sync serve one.
func (g *groups) linger() {
	for n, vain := 0, 0; vain < patience; vain++ {
		g.mu.Lock()
		now, all := len(g.waiting), g.writers
		g.mu.Unlock()
		if now >= all {
			return
		}
		if now > n {
			n, vain = now, 0
		}
		runtime.Gosched()
	}
}

// gather returns the leader's group, which takes at most room of a memtable, but for
// a leader who alone takes more.
func (g *groups) gather(room int) []*Batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for n < len(g.waiting) && (n == 0 || g.waiting[n].room <= room) {
		room -= g.waiting[n].room
		n++
	}
	g.members = append(g.members[:0], g.waiting[:n]...)
	left := copy(g.waiting, g.waiting[n:])
	clear(g.waiting[left:])
	g.waiting = g.waiting[:left]
	return g.members
}

// hand tells the group how it went, and makes the first who waits the leader.
func (g *groups) hand(group []*Batch, t turn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writers = len(group) + len(g.waiting)
	for _, b := range group[1:] {
		b.turn <- t
	}
	clear(group)
	g.led = len(g.waiting) > 0
	if g.led {
		g.waiting[0].turn <- turn{lead: true}
	}
}

// commitSynced makes b durable, and then visible.
func (d *DB) commitSynced(b *Batch) error {
	t := turn{lead: true}
	if !d.groups.join(b) {
		t = <-b.turn
	}
	if t.lead {
		d.groups.linger()
		t = d.leadGroup()
	}
	if !t.logged {
		return t.err
	}
	return d.place(b, t.err)
}

// leadGroup takes those who wait through the log.
func (d *DB) leadGroup() turn {
	group := d.groups.gather(d.opts.MemTableSize / 4)
	d.pipe.mu.Lock()
	t := turn{err: d.prepare(false, group...)}
	d.pipe.mu.Unlock()
	if t.logged = t.err == nil; t.logged {
		t.err = d.syncTo(group[len(group)-1].logSeq)
	}
	d.groups.hand(group, t)
	return t
}
