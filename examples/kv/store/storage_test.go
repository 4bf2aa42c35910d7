package store_test

import (
	"bytes"
	"iter"
	"maps"
	"slices"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// naive is a storage as an engine on a disk would be one: it shares no memory
// with its caller, its cursors end with a write, and its views are its own. What
// the store may not rely on, it does not give; as the twin in the model test it
// proves that the interface is enough.
type naive struct {
	tables map[store.Table]map[string]string
	writes int
}

func newNaive() store.Storage { return newNaiveEngine() }

func newNaiveEngine() *naive {
	return &naive{tables: map[store.Table]map[string]string{}}
}

func (n *naive) Get(t store.Table, key []byte) ([]byte, bool) {
	v, ok := n.tables[t][string(key)]
	return []byte(v), ok
}

func (n *naive) Set(t store.Table, key, value []byte) {
	if n.tables[t] == nil {
		n.tables[t] = map[string]string{}
	}
	n.tables[t][string(key)] = string(value)
	n.writes++
}

func (n *naive) Delete(t store.Table, key []byte) {
	delete(n.tables[t], string(key))
	n.writes++
}

// Write makes it an Engine.
func (n *naive) Write(changes iter.Seq[store.Change]) {
	for c := range changes {
		if c.Gone {
			n.Delete(c.Table, c.Key)
		} else {
			n.Set(c.Table, c.Key, c.Value)
		}
	}
}

func (n *naive) Commit()     {}
func (n *naive) Defragment() {}
func (n *naive) Close()      {}

func (n *naive) View() store.View {
	v := &naive{tables: map[store.Table]map[string]string{}}
	for t, rows := range n.tables {
		v.tables[t] = maps.Clone(rows)
	}
	return v
}

func (n *naive) Cursor(t store.Table) store.Cursor {
	return &naiveCursor{of: n, rows: n.tables[t], writes: n.writes}
}

// naiveCursor walks the rows that were there when it was sent somewhere.
type naiveCursor struct {
	of     *naive
	rows   map[string]string
	writes int
	left   []string
}

func (c *naiveCursor) Seek(key []byte) {
	c.check()
	c.left = slices.DeleteFunc(slices.Sorted(maps.Keys(c.rows)), func(k string) bool { return bytes.Compare([]byte(k), key) < 0 })
}

// check refuses what an engine would not forgive.
func (c *naiveCursor) check() {
	if c.writes != c.of.writes {
		panic("a cursor was used behind a write")
	}
}

func (c *naiveCursor) Valid() bool   { return len(c.left) > 0 }
func (c *naiveCursor) Next()         { c.check(); c.left = c.left[1:] }
func (c *naiveCursor) Key() []byte   { c.check(); return []byte(c.left[0]) }
func (c *naiveCursor) Close()        {}
func (c *naiveCursor) Value() []byte { c.check(); return []byte(c.rows[c.left[0]]) }
