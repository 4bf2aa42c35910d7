package ordmap

import "bytes"

// Writer makes the changes of one batch, in order: of several changes of a key the last
// one counts. The slices that it is given are copied.
type Writer struct {
	m     *Map
	seq   uint64 // of the batch
	stale queue

	live   []uint64 // what readers returned, for this batch
	looked bool
}

func (w *Writer) begin(seq uint64) {
	w.seq, w.looked, w.stale.pushed = seq, false, 0
}

// readers returns the sequence numbers that are read at, ascending. Snapshots that
// are opened later are at the last of them or above.
func (w *Writer) readers() []uint64 {
	if !w.looked {
		w.live, w.looked = w.m.pins.list(w.live[:0], w.m.visible.Load()), true
	}
	return w.live
}

// Put sets the value of a key. It panics if either is longer than 2 GiB.
func (w *Writer) Put(space int, key, value []byte) {
	t := &w.m.spaces[space]
	w.open(t, key)
	w.write(t, newRecord(w.seq, key, value))
}

// Delete removes a key, which need not be there.
func (w *Writer) Delete(space int, key []byte) {
	t := &w.m.spaces[space]
	w.open(t, key)
	if i, found := t.leaf.search(key); found && !t.leaf.slots[i].rec.deleted() {
		w.write(t, newDeletion(w.seq, key))
	}
}

// write adds a version of a key to the leaf that is open.
func (w *Writer) write(t *tree, r *record) {
	b := t.own()
	b.maxSeq = w.seq
	i, found := b.search(r.key())
	b.stale = b.stale || found
	b.insert(i, r)
}

// DeleteRange removes the keys lo <= key < hi; nil is no bound.
func (w *Writer) DeleteRange(space int, lo, hi []byte) {
	t := &w.m.spaces[space]
	for {
		w.open(t, lo)
		i, _ := t.leaf.search(lo)
		for i < len(t.leaf.slots) {
			r := t.leaf.slots[i].rec
			if hi != nil && bytes.Compare(r.key(), hi) >= 0 {
				return
			}
			if !r.deleted() {
				w.write(t, newDeletion(w.seq, r.key()))
			}
			for i++; i < len(t.leaf.slots) && t.leaf.same(i-1, i); i++ {
			}
		}
		if t.leaf.high == nil {
			return
		}
		lo = t.leaf.high.key()
	}
}

// lag is for how many sweeps a leaf is left as it is once it has become stale. Mostly
// somebody writes to it before, and drops what nobody sees on the way.
const lag = 16

// sweep drops what nobody sees from leaves that have been stale for a while, so many
// at most. It comes after every batch, and when the oldest snapshot is closed.
func (w *Writer) sweep(most int) {
	w.stale.now++
	w.looked = false // this batch is seen now, and more snapshots may be closed
	for ; most > 0; most-- {
		s, ok := w.stale.pop(lag)
		if !ok {
			break
		}
		var low []byte
		if s.low != nil {
			low = s.low.key()
		}
		w.open(s.tree, low)
		// What was split or joined since is in the queue by itself.
		if t := s.tree; t.leaf.low == s.low && t.leaf.queued {
			t.own().queued = false
		}
		w.publish(s.tree)
	}
	w.m.queued.Store(int64(len(w.stale.leaves)))
}

// queue has the leaves that may be stale, in the order in which they became so.
type queue struct {
	leaves []staleLeaf
	pushed int    // by this batch
	now    uint64 // sweeps
}

type staleLeaf struct {
	tree  *tree
	low   *record // the leaf's
	since uint64
}

func (q *queue) push(t *tree, low *record) {
	q.leaves = append(q.leaves, staleLeaf{t, low, q.now})
	q.pushed++
}

// pop takes the first one, if it is at least so old.
func (q *queue) pop(age uint64) (s staleLeaf, ok bool) {
	if len(q.leaves) == 0 || q.leaves[0].since+age > q.now {
		return s, false
	}
	s, q.leaves[0] = q.leaves[0], staleLeaf{}
	q.leaves = q.leaves[1:]
	return s, true
}
