package lsm

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/flagship-go/flagship/lsm/compact"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
)

// version is the tables of a store at one moment. It is never changed: an edit
// makes the next one, and readers go on in the one they have.
//
//	version 7 --edit{+12 L0}--> version 8 --edit{-12 L0, -3 L6, +13 L6}--> version 9
//	    ^                           ^
//	    iterator                    snapshot of a Get
type version struct {
	order  key.Order
	levels [compact.Levels][]*tableFile // L0 from old to new, the others by key
	// layers are the tables of L0, arranged so that within a layer none
	// overlap, and that a table is above all older ones that it overlaps.
	layers [][]*tableFile
	layer  map[uint64]int
	// sorted are the sorted runs of tables, from new to old: the layers of L0, then
	// the levels that are not empty.
	sorted [][]*tableFile
	// spans are the range deletes of all tables. Sequence numbers say what they
	// cover, so that it does not matter which table one is from.
	spans *key.Fragments

	// replaced are the tables of the version before that are not in this one.
	replaced map[uint64]*tableFile
	refs     atomic.Int32
}

// apply returns the version after e; open gives the tableFile of a new table.
func (v *version) apply(e *manifest.Edit, open func(manifest.Table) *tableFile) (*version, error) {
	next, spans, err := v.next(e, open)
	if err != nil {
		return nil, err
	}
	next.spans = v.spans
	if spans {
		if err := next.collectSpans(); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// next is apply without range deletes; spans says that they have changed. It
// checks what must hold of every version, whoever made the edit.
func (v *version) next(e *manifest.Edit, open func(manifest.Table) *tableFile) (next *version, spans bool, err error) {
	next = &version{order: v.order, replaced: make(map[uint64]*tableFile)}
	gone := make(map[manifest.Removed]bool, len(e.Removed))
	for _, r := range e.Removed {
		gone[r] = true
	}
	for level, tables := range v.levels {
		for _, t := range tables {
			if r := (manifest.Removed{Level: level, Num: t.Num}); gone[r] {
				delete(gone, r)
				next.replaced[t.Num] = t
				spans = spans || t.RangeDeletes > 0
			} else {
				next.levels[level] = append(next.levels[level], t)
			}
		}
	}
	for r := range gone {
		return nil, false, fmt.Errorf("edit removes table %d from level %d, where it is not", r.Num, r.Level)
	}
	for _, t := range e.Added {
		if t.Level < 0 || t.Level >= compact.Levels {
			return nil, false, fmt.Errorf("edit adds table %d to level %d", t.Num, t.Level)
		}
		if len(t.Smallest) < key.TrailerLen+int(v.order) || len(t.Largest) < key.TrailerLen+int(v.order) {
			return nil, false, fmt.Errorf("edit adds table %d without bounds", t.Num)
		}
		f := next.replaced[t.Num]
		if f == nil {
			f = open(t)
		}
		delete(next.replaced, t.Num) // it only moves to another level
		next.levels[t.Level] = append(next.levels[t.Level], f)
		spans = spans || t.RangeDeletes > 0
	}
	return next, spans, next.arrange()
}

// arrange sorts the levels, and checks that below L0 no tables overlap (rule L3).
func (v *version) arrange() error {
	slices.SortStableFunc(v.levels[0], func(a, b *tableFile) int {
		return cmp.Or(cmp.Compare(a.MaxSeq, b.MaxSeq), cmp.Compare(a.MinSeq, b.MinSeq), cmp.Compare(a.Num, b.Num))
	})
	for level := 1; level < compact.Levels; level++ {
		tables := v.levels[level]
		slices.SortFunc(tables, func(a, b *tableFile) int { return v.order.Compare(a.Smallest, b.Smallest) })
		for i := 1; i < len(tables); i++ {
			if v.order.Compare(tables[i-1].Largest, tables[i].Smallest) >= 0 {
				return fmt.Errorf("tables %d and %d overlap in level %d", tables[i-1].Num, tables[i].Num, level)
			}
		}
	}
	v.layers, v.layer = nil, make(map[uint64]int, len(v.levels[0]))
	for _, t := range v.levels[0] {
		n := 0
		for i := len(v.layers) - 1; i >= 0; i-- {
			if v.meetsLayer(t, v.layers[i]) {
				n = i + 1
				break
			}
		}
		if n == len(v.layers) {
			v.layers = append(v.layers, nil)
		}
		v.layers[n] = append(v.layers[n], t)
		v.layer[t.Num] = n
	}
	for i := len(v.layers) - 1; i >= 0; i-- {
		slices.SortFunc(v.layers[i], func(a, b *tableFile) int { return v.order.Compare(a.Smallest, b.Smallest) })
		v.sorted = append(v.sorted, v.layers[i])
	}
	for _, tables := range v.levels[1:] {
		if len(tables) > 0 {
			v.sorted = append(v.sorted, tables)
		}
	}
	return nil
}

// meetsLayer reports whether t shares user keys with a table of a layer.
func (v *version) meetsLayer(t *tableFile, layer []*tableFile) bool {
	for _, o := range layer {
		if v.order.CompareUser(key.UserKey(t.Smallest), key.UserKey(o.Largest)) <= 0 &&
			v.order.CompareUser(key.UserKey(o.Smallest), key.UserKey(t.Largest)) <= 0 {
			return true
		}
	}
	return false
}

// collectSpans gathers the range deletes of all tables.
func (v *version) collectSpans() error {
	var all []key.Span
	for t := range v.all {
		if t.RangeDeletes == 0 {
			continue
		}
		r, err := t.reader()
		if err != nil {
			return err
		}
		all = append(all, r.RangeDeletes()...)
	}
	v.spans = v.order.Fragment(all)
	return nil
}

// all iterates over the tables.
func (v *version) all(yield func(*tableFile) bool) {
	for _, tables := range v.levels {
		for _, t := range tables {
			if !yield(t) {
				return
			}
		}
	}
}

// find returns the table of a sorted run of tables that may hold the internal key.
func (v *version) find(run []*tableFile, ikey []byte) *tableFile {
	i := v.search(run, ikey)
	if i == len(run) || v.order.CompareUser(key.UserKey(run[i].Smallest), key.UserKey(ikey)) > 0 {
		return nil
	}
	return run[i]
}

// search returns the index of the first table of a run that does not end before
// the internal key.
func (v *version) search(run []*tableFile, ikey []byte) int {
	return sort.Search(len(run), func(i int) bool { return v.order.Compare(run[i].Largest, ikey) >= 0 })
}

// pin makes v live, with one reference, and its tables with it.
func (v *version) pin() {
	v.refs.Store(1)
	for t := range v.all {
		t.ref()
	}
}

func (v *version) ref() { v.refs.Add(1) }

func (v *version) unref() {
	if v.refs.Add(-1) == 0 {
		for t := range v.all {
			t.unref()
		}
	}
}

// view returns the version as a compaction policy sees it.
func (v *version) view() *compact.View {
	view := &compact.View{Order: v.order, Layers: len(v.layers)}
	for level, tables := range v.levels {
		for _, t := range tables {
			view.Levels[level] = append(view.Levels[level], &t.Table)
			if level == 0 {
				view.Layer = append(view.Layer, v.layer[t.Num])
			}
		}
	}
	return view
}

// snapshotEdit returns the edit that makes this version out of nothing.
func (v *version) snapshotEdit() manifest.Edit {
	var e manifest.Edit
	for level, tables := range v.levels {
		for _, t := range tables {
			meta := t.Table
			meta.Level = level
			e.Added = append(e.Added, meta)
		}
	}
	return e
}

// values returns the live bytes of each file of the value log.
func (v *version) values() map[uint64]int64 {
	live := make(map[uint64]int64)
	for t := range v.all {
		for _, ref := range t.Values {
			live[ref.File] += int64(ref.Bytes)
		}
	}
	return live
}

// valueEnds returns the offset behind the last value of each file of the value
// log that a table points to.
func (v *version) valueEnds() map[uint64]uint64 {
	ends := make(map[uint64]uint64)
	for t := range v.all {
		for _, ref := range t.Values {
			ends[ref.File] = max(ends[ref.File], ref.End)
		}
	}
	return ends
}
