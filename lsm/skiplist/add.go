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

// Add adds an entry. It copies userKey and value. With ErrFull or ErrExists
// readers see the list as it was. ins may be nil.
func (l *List) Add(userKey []byte, trailer uint64, value []byte, ins *Inserter) error {
	var local Inserter
	if ins == nil {
		ins = &local
	}
	t := l.target(userKey, trailer)
	if l.find(&t, ins) {
		return ErrExists
	}
	height := heightOf(trailer)
	n := l.newNode(height, userKey, trailer, value)
	if n == 0 {
		return ErrFull
	}
	// From the lowest level up: a node that is found on a level is on all below.
	for level := range height {
		if !l.insert(n, level, &t, &ins.gaps[level]) {
			return ErrExists
		}
	}
	l.raise(height)
	if l.count.Add(1) == sampled {
		l.sample()
	}
	return nil
}

// raise makes searches begin at the given height.
func (l *List) raise(height int) {
	for {
		h := l.height.Load()
		if int(h) >= height || l.height.CompareAndSwap(h, int32(height)) {
			return
		}
	}
}

// find makes the gaps of ins those of t; true if the list has it.
func (l *List) find(t *target, ins *Inserter) (exists bool) {
	top := int(l.height.Load()) - 1
	level := 0
	if !ins.ready {
		for i := range ins.gaps {
			ins.gaps[i] = gap{before: l.head}
		}
		ins.ready, level = true, top
	}
	for level < top && !l.fits(ins.gaps[level], t) {
		level++
	}
	g := gap{before: l.head}
	if level < top {
		g.before = ins.gaps[level].before
	}
	for ; level >= 0; level-- {
		if g, exists = l.walk(g.before, level, t, g.after.node()); exists {
			ins.ready = false
			return true
		}
		ins.gaps[level] = g
	}
	return false
}

// fits reports whether t belongs into g. It looks at the end of the gap first: in
// ascending order that is what most gaps are too low for, and the hint tells.
func (l *List) fits(g gap, t *target) bool {
	if after := g.after.node(); after != 0 {
		if h := g.after.hint(); h == t.hint || h == 0 || t.hint == 0 {
			if l.compare(after, t) <= 0 {
				return false
			}
		} else if h < t.hint {
			return false
		}
	}
	return g.before == l.head || l.compare(g.before, t) < 0
}

// insert links n into its gap on a level, and leaves in g the gap behind n; false
// if somebody else has added the entry.
func (l *List) insert(n node, level int, t *target, g *gap) bool {
	for {
		atomic.StoreUint64(l.linkOf(n, level), uint64(g.after))
		if level == 0 {
			atomic.StoreUint32(l.prev(n), uint32(g.before))
		}
		if atomic.CompareAndSwapUint64(l.linkOf(g.before, level), uint64(g.after), uint64(makeLink(n, t.hint))) {
			break
		}
		// Others have added entries into the gap.
		var exists bool
		if *g, exists = l.walk(g.before, level, t, 0); exists {
			return false
		}
	}
	if after := g.after.node(); level == 0 && after != 0 {
		atomic.StoreUint32(l.prev(after), uint32(n))
	}
	g.before = n
	return true
}
