package skiplist

import "sync/atomic"

// Add adds an entry. It copies userKey and value. With ErrFull or ErrExists readers
// see the list as it was.
func (l *List) Add(userKey []byte, trailer uint64, value []byte) error {
	t, height := l.target(userKey, trailer), heightOf(trailer)
	var gaps [maxHeight]gap
	if l.find(&t, height, &gaps) {
		return ErrExists
	}
	n := l.newNode(height, userKey, trailer, value)
	if n == 0 {
		return ErrFull
	}
	// From the lowest level up: a node that is found on a level is on all below.
	for level := range height {
		if !l.insert(n, level, &t, &gaps[level]) {
			return ErrExists
		}
	}
	l.added(height)
	return nil
}

// find finds the gaps of t, on the levels of a tower at least; true if the list has it.
func (l *List) find(t *target, height int, gaps *[maxHeight]gap) (exists bool) {
	g := gap{before: l.head}
	for level := max(height, int(l.height.Load())) - 1; level >= 0; level-- {
		if g, exists = l.walk(g.before, level, t, g.after.node()); exists {
			return true
		}
		gaps[level] = g
	}
	return false
}

// added counts an entry, and makes searches begin at its height.
func (l *List) added(height int) {
	for {
		h := l.height.Load()
		if int(h) >= height || l.height.CompareAndSwap(h, int32(height)) {
			break
		}
	}
	if l.count.Add(1) == sampled {
		l.sample(l.last())
	}
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
