package skiplist

import "sync/atomic"

// Inserter remembers where its last entry went, so that an Add of a key near it
// need not search from the top. It is for one goroutine and one list. The zero
// value is ready.
//
// On each level it has a gap that the last entry went into. Gaps of higher levels
// contain those of lower ones, so the next entry is sought upwards to the first
// gap it fits into, and from there down:
//
//	level 2   [head                                   end)
//	level 1   [head                         k         end)
//	level 0                  [c      e)
//	                           d          h: not in [c e), but in [head k)
type Inserter struct {
	gaps  [maxHeight]gap
	ready bool
}

// gap is where an entry belongs on one level: behind before, and before after.
type gap struct{ before, after node }

// Add adds an entry. It copies userKey and value. With ErrFull or ErrExists
// readers see the list as it was. ins may be nil.
func (l *List) Add(userKey []byte, trailer uint64, value []byte, ins *Inserter) error {
	var local Inserter
	if ins == nil {
		ins = &local
	}
	if l.find(userKey, trailer, ins) {
		return ErrExists
	}
	height := heightOf(trailer)
	n := l.newNode(height, userKey, trailer, value)
	if n == 0 {
		return ErrFull
	}
	// From the lowest level up: a node that is found on a level is on all below.
	for level := range height {
		if !l.insert(n, level, userKey, trailer, &ins.gaps[level]) {
			return ErrExists
		}
	}
	l.count.Add(1)
	for {
		h := l.height.Load()
		if int(h) >= height || l.height.CompareAndSwap(h, int32(height)) {
			return nil
		}
	}
}

// find makes the gaps of ins those of the entry; true if the list has it.
func (l *List) find(userKey []byte, trailer uint64, ins *Inserter) (exists bool) {
	top := int(l.height.Load()) - 1
	level := 0
	if !ins.ready {
		for i := range ins.gaps {
			ins.gaps[i] = gap{before: l.head}
		}
		ins.ready, level = true, top
	}
	for level < top && !l.fits(ins.gaps[level], userKey, trailer) {
		level++
	}
	before := l.head
	if level < top {
		before = ins.gaps[level].before
	}
	for ; level >= 0; level-- {
		ins.gaps[level], exists = l.walk(before, level, userKey, trailer)
		if exists {
			ins.ready = false
			return true
		}
		before = ins.gaps[level].before
	}
	return false
}

// fits reports whether the entry belongs into g.
func (l *List) fits(g gap, userKey []byte, trailer uint64) bool {
	return (g.before == l.head || l.compare(g.before, userKey, trailer) < 0) &&
		(g.after == 0 || l.compare(g.after, userKey, trailer) > 0)
}

// walk returns the entry's gap on a level, from a node before it.
func (l *List) walk(before node, level int, userKey []byte, trailer uint64) (g gap, exists bool) {
	for {
		after := l.next(before, level)
		if after == 0 {
			return gap{before, 0}, false
		}
		if c := l.compare(after, userKey, trailer); c >= 0 {
			return gap{before, after}, c == 0
		}
		before = after
	}
}

// insert links n into its gap on a level, and leaves in g the gap behind n; false
// if somebody else has added the entry.
func (l *List) insert(n node, level int, userKey []byte, trailer uint64, g *gap) bool {
	for {
		atomic.StoreUint32(l.link(n, level), uint32(g.after))
		if level == 0 {
			atomic.StoreUint32(l.prev(n), uint32(g.before))
		}
		if atomic.CompareAndSwapUint32(l.link(g.before, level), uint32(g.after), uint32(n)) {
			break
		}
		// Others have added entries into the gap.
		var exists bool
		if *g, exists = l.walk(g.before, level, userKey, trailer); exists {
			return false
		}
	}
	if level == 0 && g.after != 0 {
		atomic.StoreUint32(l.prev(g.after), uint32(n))
	}
	g.before = n
	return true
}
