package ordmap

import (
	"sync"
	"sync/atomic"
)

// Snapshot is the map as it was when it was opened. It is safe for concurrent use.
// What it returns may be read as long as one likes, and must not be changed.
type Snapshot struct {
	m      *Map
	pin    *pin
	seq    uint64
	closed atomic.Bool
	// The first iterator that somebody asks for is within; most need no other.
	first Iterator
	lent  atomic.Bool
}

// Snapshot opens one. Writers do not wait for it, but what it sees takes memory until
// it is closed.
func (m *Map) Snapshot() *Snapshot {
	p := m.pins.acquire(&m.visible)
	return &Snapshot{m: m, pin: p, seq: p.seq}
}

// Close gives up what only this snapshot sees. It and its iterators must not be used
// after; a second Close does nothing.
func (s *Snapshot) Close() {
	if s.closed.Swap(true) {
		return
	}
	m := s.m
	if oldest := m.pins.release(s.pin); oldest && m.queued.Load() > 0 && m.mu.TryLock() {
		m.writer.begin(m.visible.Load())
		m.writer.sweep(sweepOnClose)
		m.mu.Unlock()
	}
}

// sweepOnClose is how many leaves are swept when the oldest snapshot is closed: a few,
// for its user does not wait for that.
const sweepOnClose = 8

// Get returns the value of a key, and whether there is one.
func (s *Snapshot) Get(space int, key []byte) (value []byte, ok bool) {
	b := s.m.spaces[space].find(key, false).leaf
	i, found := b.search(key)
	if !found {
		return nil, false
	}
	for {
		if r := b.slots[i].rec; r.seq <= s.seq {
			if r.deleted() {
				return nil, false
			}
			return r.value(), true
		}
		if i++; i == len(b.slots) || !b.same(i-1, i) {
			return nil, false
		}
	}
}

// pins are the sequence numbers at which there are open snapshots, in a list from the
// oldest to the newest: as the numbers grow, so does the list, at one end.
type pins struct {
	mu             sync.Mutex
	oldest, newest *pin
	spare          *pin // one that was given back, for the next
}

// pin is a sequence number with open snapshots.
type pin struct {
	seq          uint64
	refs         int
	older, newer *pin
}

// acquire pins what is visible: nobody may look for pins between the two.
func (p *pins) acquire(visible *atomic.Uint64) *pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	seq, last := visible.Load(), p.newest
	if last != nil && last.seq == seq {
		last.refs++
		return last
	}
	n := p.spare
	if p.spare = nil; n == nil {
		n = new(pin)
	}
	*n = pin{seq: seq, refs: 1, older: last}
	if last == nil {
		p.oldest = n
	} else {
		last.newer = n
	}
	p.newest = n
	return n
}

// release reports whether it was the last one at the oldest number.
func (p *pins) release(n *pin) (oldest bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.refs--; n.refs > 0 {
		return false
	}
	oldest = p.oldest == n
	if oldest {
		p.oldest = n.newer
	} else {
		n.older.newer = n.newer
	}
	if p.newest == n {
		p.newest = n.older
	} else {
		n.newer.older = n.older
	}
	p.spare = n
	return oldest
}

// list appends the numbers that are pinned, ascending, and that of the next snapshot.
func (p *pins) list(to []uint64, visible uint64) []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := p.oldest; n != nil; n = n.newer {
		to = append(to, n.seq)
	}
	if len(to) == 0 || to[len(to)-1] != visible {
		to = append(to, visible)
	}
	return to
}
