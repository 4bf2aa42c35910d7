// TopN: the first n rows in some order, without keeping the others.
//
// The n best so far are a heap with the worst at its top. A new row has to beat that
// one; almost none does, so a loop over the first sort key alone throws most of a batch
// out before anything else is looked at.
//
// The last sort key is always one that has no equals, the key of the row or the keys of
// the group. So there are no ties: which rows come first does not depend on where the
// regions are cut, nor in which order they answer.

package coprocessor

import "slices"

// topN has its rows in two stores, with a slot for each: what to sort by, and what to
// bring along.
type topN struct {
	limit   int64 // -1: all rows
	desc    []bool
	keys    store
	carried store
	stored  []*vector // of keys
	heap    []int32   // slots; once there are limit of them
	cand    []int32
	ranked  []int32
}

func newTopN(limit int64, desc []bool, keys, carried []Type) *topN {
	t := &topN{limit: limit, desc: desc, keys: newStore(keys), carried: newStore(carried)}
	t.stored = t.keys.views()
	return t
}

func (t *topN) size() int { return t.keys.size + t.carried.size + 4*len(t.heap) }

// full reports that a row has to beat another to come in.
func (t *topN) full() bool { return t.limit >= 0 && int64(t.keys.n) >= t.limit }

// candidates returns the rows of sel that may come in, by the first key: all that are
// not worse than the worst.
func (t *topN) candidates(first *vector, sel []int32) []int32 {
	if !t.full() || t.limit == 0 {
		return sel
	}
	worst := &t.keys.cols[0]
	w := t.heap[0]
	if first.nulls || worst.null[w] {
		return sel
	}
	t.cand = append(t.cand[:0], sel...)
	switch first.typ {
	case Float:
		return within(t.cand, first.floats, worst.floats[w], t.desc[0])
	case String:
		n := 0
		for _, r := range sel {
			if c := first.compare(r, worst, w); c == 0 || c < 0 != t.desc[0] {
				t.cand[n] = r
				n++
			}
		}
		return t.cand[:n]
	}
	return within(t.cand, first.ints, worst.ints[w], t.desc[0])
}

func within[T int64 | float64](sel []int32, v []T, worst T, desc bool) []int32 {
	n := 0
	if desc {
		for _, r := range sel {
			sel[n] = r
			n += int(bit(v[r] >= worst))
		}
		return sel[:n]
	}
	for _, r := range sel {
		sel[n] = r
		n += int(bit(v[r] <= worst))
	}
	return sel[:n]
}

// add takes in the rows sel, or those of them that are among the best.
func (t *topN) add(keys, carried []*vector, sel []int32) {
	if t.limit == 0 {
		return
	}
	if room := t.limit - int64(t.keys.n); t.limit < 0 || room > 0 {
		n := len(sel)
		if t.limit >= 0 {
			n = int(min(room, int64(n)))
		}
		t.keys.add(keys, sel[:n])
		t.carried.add(carried, sel[:n])
		sel = sel[n:]
		if t.full() {
			t.heapify()
		}
	}
	// From the last row back: if the rows come in the order that is asked for or against it,
	// the best of a batch are at its end, and few of the others get in.
	for _, r := range slices.Backward(sel) {
		w := t.heap[0]
		if t.compare(keys, r, t.stored, w) < 0 {
			t.keys.set(w, keys, r)
			t.carried.set(w, carried, r)
			t.sink(0)
		}
	}
}

func (t *topN) compare(a []*vector, r int32, b []*vector, q int32) int {
	for i, v := range a {
		if c := v.compare(r, b[i], q); c != 0 {
			if t.desc[i] {
				return -c
			}
			return c
		}
	}
	return 0
}

func (t *topN) heapify() {
	t.heap = upTo(t.heap, t.keys.n)
	for i := len(t.heap)/2 - 1; i >= 0; i-- {
		t.sink(i)
	}
}

// sink restores the heap when the slot at i may be better than those below it.
func (t *topN) sink(i int) {
	for {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.compare(t.stored, t.heap[child], t.stored, t.heap[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

// order returns the slots, the best first.
func (t *topN) order() []int32 {
	t.ranked = upTo(t.ranked, t.keys.n)
	slices.SortFunc(t.ranked, func(a, b int32) int { return t.compare(t.stored, a, t.stored, b) })
	return t.ranked
}
