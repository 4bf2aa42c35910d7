package table

import (
	"sync"

	"github.com/flagship-go/flagship/lsm/key"
)

// Cursor walks over the entries of a table (see [key.Cursor]). Range tombstones
// are not among them.
type Cursor struct {
	r     *Reader
	tr    *Trace
	scan  bool
	ahead readAhead
	err   error

	part  int // of the index; -1: none is loaded
	index index
	first int // the number of its first data block
	block int // in the part; -1: none is loaded
	at    handle
	c     blockCursor
}

var _ key.Cursor = (*Cursor)(nil)

// cursors keeps cursors with their buffers.
var cursors = sync.Pool{New: func() any { return new(Cursor) }}

// NewCursor returns a cursor at no entry. Its Close makes it ready for
// another use: it must be called once.
func (r *Reader) NewCursor(tr *Trace) *Cursor {
	c := cursors.Get().(*Cursor)
	c.r, c.tr, c.scan, c.err = r, tr, false, nil
	c.part, c.block = -1, -1
	c.ahead.buf = c.ahead.buf[:0] // it is of another file
	if r.closed {
		c.err = r.errClosed()
	}
	return c
}

// NewScan returns a cursor for reading much of the table once, as a compaction
// does: it reads far ahead, and leaves the cache to others.
func (r *Reader) NewScan(tr *Trace) *Cursor {
	c := r.NewCursor(tr)
	c.scan = true
	return c
}

// Close makes c free for another use.
func (c *Cursor) Close() error {
	err := c.err
	if c.r == nil {
		return nil
	}
	c.r, c.tr, c.err = nil, nil, nil
	c.index, c.c.block, c.c.key = index{}, block{}, nil
	cursors.Put(c)
	return err
}

// Err returns why the last move found nothing, nil if there was nothing.
func (c *Cursor) Err() error { return c.err }

// Value returns the value of the current entry: a part of the mapping or of a
// block. It stays valid until the table's Close, of a scan's cursor until the
// next move.
func (c *Cursor) Value() []byte { return c.c.value() }

// SeekGE goes to the first entry at or after ikey.
func (c *Cursor) SeekGE(ikey []byte) []byte {
	switch i, ok := c.seek(ikey); {
	case !ok:
		return nil
	case i == c.r.root.len():
		return nil
	}
	return c.forward(c.c.seekGE(c.r.order, ikey))
}

// SeekLT goes to the last entry before ikey.
func (c *Cursor) SeekLT(ikey []byte) []byte {
	switch i, ok := c.seek(ikey); {
	case !ok:
		return nil
	case i == c.r.root.len():
		return c.Last()
	}
	return c.backward(c.c.seekLT(c.r.order, ikey))
}

// seek loads the block that ikey would be in, and returns its part: the number of
// parts if it is beyond all. False after an error.
func (c *Cursor) seek(ikey []byte) (part int, ok bool) {
	if c.err != nil {
		return 0, false
	}
	i, ok := c.r.root.find(c.r.order, ikey)
	if !ok {
		return 0, c.corrupt(c.r.footer.root)
	}
	if i == c.r.root.len() {
		return i, true
	}
	if !c.loadPart(i) {
		return 0, false
	}
	j, ok := c.index.find(c.r.order, ikey)
	if !ok || j == c.index.len() {
		return 0, c.corrupt(c.r.footer.root)
	}
	return i, c.loadBlock(j)
}

// First goes to the first entry.
func (c *Cursor) First() []byte {
	if c.err != nil {
		return nil
	}
	if c.r.root.len() == 0 || !c.loadPart(0) || !c.loadBlock(0) {
		return nil
	}
	return c.forward(c.c.first())
}

// Last goes to the last entry.
func (c *Cursor) Last() []byte {
	if c.err != nil {
		return nil
	}
	n := c.r.root.len()
	if n == 0 || !c.loadPart(n-1) || !c.loadBlock(c.index.len()-1) {
		return nil
	}
	return c.backward(c.c.last())
}

// Next goes to the next entry.
func (c *Cursor) Next() []byte { return c.forward(c.c.next()) }

// Prev goes to the entry before.
func (c *Cursor) Prev() []byte { return c.backward(c.c.prev()) }

// forward returns k, or the first entry of the blocks that follow if there is
// none in this one.
func (c *Cursor) forward(k []byte) []byte {
	for k == nil {
		switch {
		case c.c.fail:
			c.corrupt(c.at)
			return nil
		case c.block+1 < c.index.len():
			if !c.loadBlock(c.block + 1) {
				return nil
			}
		case c.part+1 < c.r.root.len():
			if !c.loadPart(c.part+1) || !c.loadBlock(0) {
				return nil
			}
		default:
			return nil
		}
		k = c.c.first()
	}
	return k
}

// backward returns k, or the last entry of the blocks before if there is none in
// this one.
func (c *Cursor) backward(k []byte) []byte {
	for k == nil {
		switch {
		case c.c.fail:
			c.corrupt(c.at)
			return nil
		case c.block > 0:
			if !c.loadBlock(c.block - 1) {
				return nil
			}
		case c.part > 0:
			if !c.loadPart(c.part-1) || !c.loadBlock(c.index.len()-1) {
				return nil
			}
		default:
			return nil
		}
		k = c.c.last()
	}
	return k
}

// loadPart makes part i of the index the current one.
func (c *Cursor) loadPart(i int) bool {
	if c.part == i {
		return true
	}
	x, first, err := c.r.part(i, c.tr)
	if err != nil {
		return c.fail(err)
	}
	if x.len() == 0 {
		return c.corrupt(c.r.footer.root)
	}
	c.part, c.index, c.first, c.block = i, x, first, -1
	return true
}

// loadBlock makes block j of the part the current one, with no current entry.
func (c *Cursor) loadBlock(j int) bool {
	if c.block == j {
		return true
	}
	h, _, ok := c.index.handle(j)
	if !ok {
		return c.corrupt(c.r.footer.root)
	}
	var b []byte
	var err error
	if c.scan && c.r.mapped == nil {
		c.tr.block(h, false)
		b, err = c.ahead.load(c.r, h)
	} else {
		b, err = c.r.load(h, c.first+j, c.tr, !c.scan)
	}
	if err != nil {
		return c.fail(err)
	}
	blk, ok := parseBlock(b)
	if !ok {
		return c.corrupt(h)
	}
	c.block, c.at = j, h
	c.c.init(blk)
	return true
}

func (c *Cursor) corrupt(h handle) bool { return c.fail(c.r.corrupt(h, notABlock)) }

func (c *Cursor) fail(err error) bool {
	c.err, c.part, c.block = err, -1, -1
	return false
}

// readAhead reads a file in large pieces, for somebody who reads it in order.
type readAhead struct {
	buf []byte
	at  int64 // of buf in the file
}

const aheadSize = 256 << 10

// load returns the block at h, valid until the next load.
func (a *readAhead) load(r *Reader, h handle) ([]byte, error) {
	limit := r.size - footerSize
	if h.length == 0 || !h.within(limit) {
		return nil, r.corrupt(h, notABlock)
	}
	from, size := int64(h.offset), int64(h.length)+blockTrailer
	if from < a.at || from+size > a.at+int64(len(a.buf)) {
		want := min(max(size, aheadSize), limit-from)
		if int64(cap(a.buf)) < want {
			a.buf = make([]byte, want)
		}
		a.at, a.buf = from, a.buf[:want]
		if err := r.readAt(a.buf, from); err != nil {
			a.buf = a.buf[:0]
			return nil, err
		}
	}
	raw := a.buf[from-a.at:][:size:size]
	return r.unpack(h, raw)
}
