package table

import "github.com/flagship-go/flagship/lsm/key"

// blockCursor walks over the entries of one block. Of each it puts the internal
// key together, in a buffer that the next entry's shared bytes are still in.
//
// It is valid at an entry: key is then not nil. Otherwise it is before the first
// entry, or after the last, or the block is damaged.
type blockCursor struct {
	block
	at   place // of the current entry
	cur  entry // its parts
	key  []byte
	buf  []byte
	fail bool
	back backlog
}

// init makes c a cursor of b, at no entry.
func (c *blockCursor) init(b block) {
	c.block, c.key, c.fail = b, nil, false
	c.back.clear()
}

// load goes to the entry at a place; the entry before it must be what buf holds,
// unless it is at a restart. Behind the last entry key becomes nil.
func (c *blockCursor) load(at place) []byte {
	c.key, c.at = nil, at
	if at.key >= len(c.keys) {
		return nil
	}
	e, ok := c.decode(at)
	if !ok || e.shared > len(c.buf) {
		c.fail = true
		return nil
	}
	c.cur = e
	c.buf = append(c.buf[:e.shared], c.keyOf(e)...)
	c.key = c.buf
	return c.key
}

// enter goes to restart i.
func (c *blockCursor) enter(i int) []byte {
	c.buf = c.buf[:0]
	return c.load(c.restart(i))
}

func (c *blockCursor) value() []byte { return c.valueOf(c.cur) }

func (c *blockCursor) first() []byte {
	if c.len() == 0 {
		return nil
	}
	return c.enter(0)
}

func (c *blockCursor) last() []byte {
	if c.len() == 0 {
		return nil
	}
	return c.lastBefore(c.len()-1, len(c.keys))
}

// next goes to the entry after the current one.
func (c *blockCursor) next() []byte { return c.load(c.cur.next) }

// prev goes to the entry before the current one.
func (c *blockCursor) prev() []byte {
	if k := c.back.pop(c); k != nil {
		return k
	}
	// The last restart before the current entry.
	lo, hi := 0, c.len()
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if c.restart(mid).key < c.at.key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		c.key = nil
		return nil
	}
	return c.lastBefore(lo-1, c.at.key)
}

// lastBefore goes to the last entry behind restart i whose key begins before end.
func (c *blockCursor) lastBefore(i, end int) []byte {
	c.back.clear()
	k := c.enter(i)
	for k != nil && c.cur.next.key < end {
		c.back.push(c)
		k = c.next()
	}
	return k
}

// seekGE goes to the first entry at or after ikey.
func (c *blockCursor) seekGE(o key.Order, ikey []byte) []byte {
	if c.len() == 0 {
		return nil
	}
	i, ok := c.search(o, ikey)
	if !ok {
		c.fail = true
		c.key = nil
		return nil
	}
	k := c.enter(i)
	for k != nil && o.Compare(k, ikey) < 0 {
		k = c.next()
	}
	return k
}

// seekLT goes to the last entry before ikey.
func (c *blockCursor) seekLT(o key.Order, ikey []byte) []byte {
	k := c.seekGE(o, ikey)
	switch {
	case c.fail:
		return nil
	case k == nil:
		return c.last()
	}
	return c.prev()
}

// backlog holds the entries that were passed on the way to the one that prev was
// after: the next prevs go there.
//
//	restart   a  b  c  d  e
//	                      ^ current: prev walks from the restart to d, and
//	          [a  b  c]     remembers these
type backlog struct {
	entries []passed
	keys    []byte
	at      place // of the entry that the last one of entries is before
}

type passed struct {
	at       place
	cur      entry
	from, to int // its key in keys
}

func (l *backlog) clear() { l.entries, l.keys = l.entries[:0], l.keys[:0] }

func (l *backlog) push(c *blockCursor) {
	from := len(l.keys)
	l.keys = append(l.keys, c.key...)
	l.entries = append(l.entries, passed{c.at, c.cur, from, len(l.keys)})
	l.at = c.cur.next
}

// pop moves c to the entry before the current one; nil if the log has it not.
func (l *backlog) pop(c *blockCursor) []byte {
	n := len(l.entries) - 1
	if n < 0 || l.at != c.at {
		return nil
	}
	e := l.entries[n]
	c.at, c.cur = e.at, e.cur
	c.buf = append(c.buf[:0], l.keys[e.from:e.to]...)
	c.key = c.buf
	l.entries, l.keys, l.at = l.entries[:n], l.keys[:e.from], e.at
	return c.key
}
