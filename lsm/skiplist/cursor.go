package skiplist

import (
	"sync/atomic"

	"github.com/flagship-go/flagship/lsm/key"
)

// Cursor walks over a list (see [key.Cursor]). It sees the entries that were
// there when it was made, and of later ones those it gets to. Its keys and values
// are parts of the arena. It may be copied.
type Cursor struct {
	list *List
	at   node // the head, or 0: no entry
}

var _ key.Cursor = (*Cursor)(nil)

// NewCursor returns a cursor at no entry.
func (l *List) NewCursor() *Cursor {
	c := new(Cursor)
	c.Init(l)
	return c
}

// Init makes c a cursor of l, at no entry.
func (c *Cursor) Init(l *List) { c.list, c.at = l, l.head }

// SeekGE goes to the first entry at or after ikey.
func (c *Cursor) SeekGE(ikey []byte) []byte {
	userKey, trailer := key.Split(ikey)
	_, c.at = c.list.seek(userKey, trailer)
	return c.key()
}

// SeekLT goes to the last entry before ikey.
func (c *Cursor) SeekLT(ikey []byte) []byte {
	userKey, trailer := key.Split(ikey)
	c.at, _ = c.list.seek(userKey, trailer)
	return c.key()
}

// First goes to the first entry.
func (c *Cursor) First() []byte {
	c.at = c.list.next(c.list.head, 0).node()
	return c.key()
}

// Last goes to the last entry.
func (c *Cursor) Last() []byte {
	c.at = c.list.last()
	return c.key()
}

// Next goes to the next entry.
func (c *Cursor) Next() []byte {
	c.at = c.list.next(c.at, 0).node()
	return c.key()
}

// Prev goes to the entry before.
func (c *Cursor) Prev() []byte {
	c.at = c.list.before(c.at)
	return c.key()
}

func (c *Cursor) key() []byte {
	if c.at == 0 || c.at == c.list.head {
		return nil
	}
	return c.list.key(c.at)
}

// Value returns the value of the current entry.
func (c *Cursor) Value() []byte { return c.list.value(c.at) }

// Err returns nil: memory does not fail.
func (c *Cursor) Err() error { return nil }

// Close does nothing.
func (c *Cursor) Close() error { return nil }

// last returns the last node, or the head of an empty list.
func (l *List) last() node {
	n := l.head
	for level := int(l.height.Load()) - 1; level >= 0; level-- {
		for {
			after := l.next(n, level).node()
			if after == 0 {
				break
			}
			n = after
		}
	}
	return n
}

// before returns the node before n. Where entries were added at the same time,
// prev may have missed some between it and n: they are walked over.
func (l *List) before(n node) node {
	p := node(atomic.LoadUint32(l.prev(n)))
	for {
		after := l.next(p, 0).node()
		if after == n {
			return p
		}
		p = after
	}
}
