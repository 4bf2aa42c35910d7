package lsm

import (
	"github.com/flagship-go/flagship/lsm/key"
)

// merger is a key.Cursor over the union of several. It is a tree of losers:
// every inner node remembers the source that lost there, so that after the
// winner has moved, one comparison per level of the tree finds the next one
// (Knuth, volume 3, section 5.4.1).
//
//	        winner: 2
//	      [loser: 0]
//	     /          \
//	[loser: 1]    [loser: 3]
//	 /     \       /     \
//	0:c    1:f    2:a    3:d
//
// Of sources with equal keys the one with the lower index comes first: sources
// are given from the newest to the oldest.
type merger struct {
	order   key.Order
	sources []source
	losers  []int32 // losers[0] is the winner
	reverse bool
	// err is the first error of a source. A source that failed is not at its
	// end: without it the others would tell of deleted keys and old values.
	err error
}

type source struct {
	cur key.Cursor
	// key is where cur is, nil at an end, and prefix its first bytes.
	key    []byte
	prefix uint64
}

// init makes m a cursor over the sources; the slice stays m's.
func (m *merger) init(order key.Order, sources []source) {
	m.order, m.sources, m.reverse, m.err = order, sources, false, nil
	if cap(m.losers) < len(sources) {
		m.losers = make([]int32, len(sources))
	}
	m.losers = m.losers[:len(sources)]
}

func (m *merger) set(s *source, k []byte) {
	s.key = k
	if k != nil {
		s.prefix = prefixOf(k)
	} else if err := s.cur.Err(); err != nil && m.err == nil {
		m.err = err
	}
}

// before reports whether source a comes before source b in the direction of
// travel; the order of what has no key does not matter, but that it is last.
func (m *merger) before(a, b int32) bool {
	x, y := &m.sources[a], &m.sources[b]
	switch {
	case x.key == nil || y.key == nil:
		return x.key != nil || y.key == nil && a < b
	case m.reverse:
		c := m.order.Compare(x.key, y.key)
		return c > 0 || c == 0 && a > b
	case x.prefix != y.prefix && m.decides(x, y):
		return x.prefix < y.prefix
	}
	c := m.order.Compare(x.key, y.key)
	return c < 0 || c == 0 && a < b
}

// decides reports whether the prefixes are of the bare keys alone. A shorter
// key's prefix has bytes of its trailer in it.
func (m *merger) decides(x, y *source) bool {
	n := 8 + key.TrailerLen + int(m.order)
	return len(x.key) >= n && len(y.key) >= n
}

// build plays all matches.
func (m *merger) build() []byte {
	n := len(m.sources)
	if n == 0 {
		return nil
	}
	for i := range m.losers {
		m.losers[i] = -1
	}
	for i := n - 1; i >= 0; i-- {
		m.play(int32(i), true)
	}
	return m.top()
}

// play lets source i go up the tree, from its leaf to the root. While the tree is
// being built, it waits at the first node where nobody has been.
func (m *merger) play(i int32, building bool) {
	for node := (int(i) + len(m.sources)) / 2; node > 0; node /= 2 {
		other := m.losers[node]
		if other < 0 && building {
			m.losers[node] = i
			return
		}
		if m.before(other, i) {
			m.losers[node], i = i, other
		}
	}
	m.losers[0] = i
}

func (m *merger) top() []byte {
	if m.err != nil {
		return nil
	}
	return m.sources[m.losers[0]].key
}

// start sends all sources somewhere.
func (m *merger) start(reverse bool, move func(key.Cursor) []byte) []byte {
	m.reverse = reverse
	for i := range m.sources {
		m.set(&m.sources[i], move(m.sources[i].cur))
	}
	return m.build()
}

func (m *merger) SeekGE(ikey []byte) []byte {
	return m.start(false, func(c key.Cursor) []byte { return c.SeekGE(ikey) })
}

func (m *merger) SeekLT(ikey []byte) []byte {
	return m.start(true, func(c key.Cursor) []byte { return c.SeekLT(ikey) })
}

func (m *merger) First() []byte { return m.start(false, key.Cursor.First) }
func (m *merger) Last() []byte  { return m.start(true, key.Cursor.Last) }

func (m *merger) Next() []byte {
	if m.reverse {
		m.turn(false)
	}
	return m.moved(m.sources[m.losers[0]].cur.Next())
}

func (m *merger) Prev() []byte {
	if !m.reverse {
		m.turn(true)
	}
	return m.moved(m.sources[m.losers[0]].cur.Prev())
}

// moved finds the next winner, after the last one has moved to k.
func (m *merger) moved(k []byte) []byte {
	w := m.losers[0]
	m.set(&m.sources[w], k)
	if len(m.sources) > 1 {
		m.play(w, false)
	}
	return m.top()
}

// skipTo moves on to the first key at or after ikey, which must be beyond the
// merger's. Only sources before it are asked.
func (m *merger) skipTo(ikey []byte) []byte {
	if m.reverse {
		m.turn(false)
	}
	for i := range m.sources {
		if s := &m.sources[i]; s.key != nil && m.order.Compare(s.key, ikey) < 0 {
			m.set(s, s.cur.SeekGE(ikey))
		}
	}
	return m.build()
}

// turn changes the direction: every source but the winner is on the wrong side
// of the winner's key.
func (m *merger) turn(reverse bool) {
	w := m.losers[0]
	at := m.sources[w].key
	m.reverse = reverse
	for i := range m.sources {
		s := &m.sources[i]
		switch {
		case int32(i) == w:
		case reverse:
			m.set(s, s.cur.SeekLT(at))
		default:
			// The others are at smaller keys: the first at or after at is after it.
			m.set(s, s.cur.SeekGE(at))
		}
	}
	m.build()
}

// Value returns the value at the winner's key.
func (m *merger) Value() []byte { return m.sources[m.losers[0]].cur.Value() }

func (m *merger) Err() error { return m.err }

// Close closes the sources.
func (m *merger) Close() error {
	var first error
	for i := range m.sources {
		if err := m.sources[i].cur.Close(); err != nil && first == nil {
			first = err
		}
		m.sources[i] = source{}
	}
	m.sources = m.sources[:0]
	return first
}
