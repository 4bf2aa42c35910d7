package store

import (
	"bytes"
	"iter"
)

// An engine on a disk writes a batch whole or not at all, and does not read what
// it has not written. A command reads what it wrote before it ends; so its
// changes wait in memory, above the engine, until they are one batch.
//
//	            command                      reads see
//	Set b=2     pending   b=2  c=gone        the upper row of each key:
//	Delete c    engine    a=1  b=1  c=1      a=1  b=2
//	Commit      engine    a=1  b=2           one batch

// Engine is what NewOverlay makes a Storage of. Its methods are called as those
// of a Storage are.
type Engine interface {
	Reader
	// Write makes the changes, all of them or none, in their order; it keeps
	// nothing of them.
	Write(changes iter.Seq[Change])
	View() View
	Defragment()
	Close()
}

// Change is a row set, or gone.
type Change struct {
	Table      Table
	Key, Value []byte
	Gone       bool
}

// overlay is a command's changes above an engine.
type overlay struct {
	Engine
	pending [tables]tree
	gone    []byte // the value, by its address, of what is deleted
}

// NewOverlay returns a Storage that keeps its rows in e.
func NewOverlay(e Engine) Storage { return &overlay{Engine: e, gone: make([]byte, 1)} }

func (o *overlay) isGone(v []byte) bool { return len(v) == 1 && &v[0] == &o.gone[0] }

func (o *overlay) Set(t Table, key, value []byte) { o.pending[t].set(key, value) }
func (o *overlay) Delete(t Table, key []byte)     { o.pending[t].set(key, o.gone) }

func (o *overlay) Get(t Table, key []byte) ([]byte, bool) {
	if v, ok := o.pending[t].get(key); ok {
		if o.isGone(v) {
			return nil, false
		}
		return v, true
	}
	return o.Engine.Get(t, key)
}

func (o *overlay) Commit() {
	o.Write(func(yield func(Change) bool) {
		for t := range o.pending {
			c := treeCursor{root: o.pending[t].root}
			for c.Seek(nil); c.Valid(); c.Next() {
				if !yield(Change{Table(t), c.Key(), c.Value(), o.isGone(c.Value())}) {
					return
				}
			}
		}
	})
	o.pending = [tables]tree{}
}

func (o *overlay) Cursor(t Table) Cursor {
	below := o.Engine.Cursor(t)
	if o.pending[t].root == nil {
		return below
	}
	return &overlayCursor{overlay: o, above: treeCursor{root: o.pending[t].root}, below: below}
}

// overlayCursor merges what is pending with what is written. It stands on above
// where both have the key.
type overlayCursor struct {
	overlay *overlay
	above   treeCursor
	below   Cursor
	onAbove bool
}

func (c *overlayCursor) Seek(key []byte) {
	c.above.Seek(key)
	c.below.Seek(key)
	c.settle()
}

// settle finds the side to stand on, past what is gone.
func (c *overlayCursor) settle() {
	for c.above.Valid() {
		order := -1
		if c.below.Valid() {
			order = bytes.Compare(c.above.Key(), c.below.Key())
		}
		if order > 0 {
			break
		}
		if order == 0 {
			c.below.Next() // hidden
		}
		if !c.overlay.isGone(c.above.Value()) {
			c.onAbove = true
			return
		}
		c.above.Next()
	}
	c.onAbove = false
}

func (c *overlayCursor) Valid() bool { return c.onAbove || c.below.Valid() }

func (c *overlayCursor) Next() {
	if c.onAbove {
		c.above.Next()
	} else {
		c.below.Next()
	}
	c.settle()
}

func (c *overlayCursor) Key() []byte {
	if c.onAbove {
		return c.above.Key()
	}
	return c.below.Key()
}

func (c *overlayCursor) Value() []byte {
	if c.onAbove {
		return c.above.Value()
	}
	return c.below.Value()
}

func (c *overlayCursor) Close() { c.below.Close() }
