package skiplist

import "math/bits"

// Entry is what [List.AddSorted] adds.
type Entry struct {
	User    []byte // the user key
	Trailer uint64
	Value   []byte
}

// width is how many entries are sought at once: a processor waits for some ten
// cache lines at a time.
const width = 16

// group is the state of width searches side by side. One search is a chain of waits,
// each for the node that the node before names; those of different searches do not
// depend on each other, and are waited for together:
//
//	one by one     |wait|wait|wait|  |wait|wait|wait|  |wait|wait|wait|
//	side by side   |wait|wait|wait|
//	                |wait|wait|wait|
//	                 |wait|wait|wait|
type group struct {
	searches [width]search
	left     [maxHeight]left
}

// search is one of a group.
type search struct {
	target
	height int // of the tower to be linked in
	level  int // on which the search is; -1 at its end
	at     gap // on this level, once it has got there
	stop   node
	gaps   [maxHeight]gap // the outcome, on the levels of the tower
}

// left is what an entry has left of the gap that it was linked into.
type left struct {
	of  node // where the gap began
	gap gap
}

// AddSorted adds entries that are in ascending order. It copies keys and values.
// With ErrFull or ErrExists the entries before the one in the way may be in the list.
func (l *List) AddSorted(entries []Entry) error {
	var g group
	for len(entries) > 0 {
		n := min(width, len(entries))
		if err := l.addGroup(&g, entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// addGroup adds up to width entries.
func (l *List) addGroup(g *group, entries []Entry) error {
	top := int(l.height.Load())
	for i := range entries {
		e, s := &entries[i], &g.searches[i]
		if i > 0 && e.Trailer == entries[i-1].Trailer && string(e.User) == string(entries[i-1].User) {
			return ErrExists
		}
		s.target, s.height = l.target(e.User, e.Trailer), heightOf(e.Trailer)
		s.level = max(top, s.height) - 1
		s.at, s.stop = gap{l.head, l.next(l.head, s.level)}, 0
	}
	// What a step loads is looked at in the next round.
	for searching := uint32(1)<<len(entries) - 1; searching != 0; {
		for rest := searching; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros32(rest) & (width - 1)
			s := &g.searches[i]
			if s.step(l) {
				return ErrExists
			}
			if s.level < 0 {
				searching &^= 1 << i
			}
		}
	}
	return l.link(g, entries)
}

// step takes s as far as it gets without a look at another node: down the levels, and
// on to the next node. exists says that the list has the entry sought.
func (s *search) step(l *List) (exists bool) {
	for {
		to := s.at.after.node()
		if to != 0 && to != s.stop {
			h := s.at.after.hint()
			before := h < s.hint
			if h == s.hint || h == 0 || s.hint == 0 {
				c := l.compare(to, &s.target)
				if c == 0 {
					return true
				}
				before = c < 0
			}
			if before {
				s.at = gap{to, l.next(to, s.level)}
				return false
			}
		}
		if s.level < s.height {
			s.gaps[s.level] = s.at
		}
		if s.level--; s.level < 0 {
			return false
		}
		s.stop, s.at.after = to, l.next(s.at.before, s.level)
	}
}

// link links the entries in. Of entries with the same gap, one goes behind the
// one before it.
func (l *List) link(g *group, entries []Entry) error {
	g.left = [maxHeight]left{}
	for i := range entries {
		e, s := &entries[i], &g.searches[i]
		n := l.newNode(s.height, e.User, e.Trailer, e.Value)
		if n == 0 {
			return ErrFull
		}
		for level := range s.height {
			rest, own := &g.left[level], s.gaps[level]
			switch {
			case rest.of != own.before:
				*rest = left{own.before, own}
			case rest.gap.after != own.after:
				// The end of the gap is another than when this entry was sought: others
				// have added entries, and this one may belong behind them.
				var exists bool
				if rest.gap, exists = l.walk(rest.gap.before, level, &s.target, 0); exists {
					return ErrExists
				}
			}
			if !l.insert(n, level, &s.target, &rest.gap) {
				return ErrExists
			}
		}
		l.added(s.height)
	}
	return nil
}
