package sim

import (
	"math/bits"
	"time"
)

// The queue holds everything that is going to happen, ordered by time and, at
// the same instant, by the order in which it was asked for. That second rule
// is what makes simultaneous events deterministic.
//
// It is the inner loop of the world, so it is two structures: a four-ary heap
// of small keys, and a slab of what happens. The keys hold no pointers, so
// sifting them costs the garbage collector no write barriers, and both reuse
// their space, so that a running world allocates nothing here.
//
//	heap  [at seq,slot] [at seq,slot] ...     16 bytes each
//	                 \_______
//	slab  [item] [free] [item] ...            what to do, and for whom
type queue struct {
	heap      []key
	slab      []item
	free      []int32
	seq       uint64
	cancelled int
}

type key struct {
	at    time.Duration
	order uint64 // seq << slotBits | slot
}

// slotBits are enough for a world of a gigabyte: more things than that do not wait at one time.
const slotBits = 24

func (k *key) slot() int32 { return int32(k.order & (1<<slotBits - 1)) }

func (k *key) before(o *key) bool { return k.less(o) != 0 }

// less is 1 if k is before o, or else 0: what is borrowed when one number of 128 bits is taken from the other. Times are not negative.
func (k *key) less(o *key) int {
	_, borrow := bits.Sub64(k.order, o.order, 0)
	_, borrow = bits.Sub64(uint64(k.at), uint64(o.at), borrow)
	return int(borrow)
}

type itemKind uint8

const (
	itemCall    itemKind = iota // the scenario: call fn
	itemTimer                   // call fn in process proc, unless it crashed
	itemMessage                 // deliver payload to whoever is to by then
	itemWake                    // proc may go on
)

// item is one thing to happen. A cancelled one stays in the slab, as such,
// until its key has left the heap: only then may the slot be used again.
type item struct {
	kind      itemKind
	cancelled bool
	gen       uint32 // counts the uses of the slot, so that a handle knows its own
	from, to  ID
	message   uint64
	payload   any
	fn        func()
	proc      *Process
}

// dead tells whether the item no longer means anything. What belongs to one
// life of a process dies with it.
func (it *item) dead() bool {
	return it.cancelled || (it.proc != nil && it.proc.dead)
}

// push adds an item and returns its slot.
func (q *queue) push(at time.Duration, it item) int32 {
	var slot int32
	if n := len(q.free); n > 0 {
		slot = q.free[n-1]
		q.free = q.free[:n-1]
		it.gen = q.slab[slot].gen
		q.slab[slot] = it
	} else {
		if len(q.slab) == 1<<slotBits {
			panic("sim: 16 million things wait to happen: something sends without end")
		}
		slot = int32(len(q.slab))
		q.slab = append(q.slab, it)
	}
	q.seq++
	q.heap = append(q.heap, key{at, q.seq<<slotBits | uint64(slot)})
	q.up(len(q.heap)-1, 0)
	return slot
}

// next returns the time of the first item that still means something.
func (q *queue) next() (at time.Duration, ok bool) {
	for len(q.heap) > 0 {
		top := &q.heap[0]
		if !q.slab[top.slot()].dead() {
			return top.at, true
		}
		q.release(q.pop())
	}
	return 0, false
}

// pop takes the first key from the heap, which must have one, and returns its
// slot. The item stays in the slab, where it can still be cancelled, until
// release.
func (q *queue) pop() int32 {
	slot := q.heap[0].slot()
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	if last > 0 {
		q.down(0)
	}
	return slot
}

// release frees a slot whose key has left the heap, and returns what was in it.
func (q *queue) release(slot int32) item {
	it := q.slab[slot]
	if it.cancelled {
		q.cancelled--
	}
	q.slab[slot] = item{gen: it.gen + 1}
	q.free = append(q.free, slot)
	return it
}

// cancel takes back the item of that slot and generation; it reports false if
// that has run, or was taken back, already.
func (q *queue) cancel(slot int32, gen uint32) bool {
	it := &q.slab[slot]
	if it.gen != gen || it.dead() {
		return false
	}
	it.cancelled, it.fn = true, nil
	q.cancelled++
	// Timers that are forever set anew and never fire would fill the heap:
	// once they are the most of it, rebuild it without them.
	if q.cancelled > 64 && q.cancelled > len(q.heap)/2 {
		q.compact()
	}
	return true
}

// compact drops the dead items. The order of the others is unchanged, because
// keys are totally ordered: every heap of them pops alike.
func (q *queue) compact() {
	kept := q.heap[:0]
	for _, k := range q.heap {
		if q.slab[k.slot()].dead() {
			q.release(k.slot())
		} else {
			kept = append(kept, k)
		}
	}
	q.heap = kept
	for i := (len(kept) - 2) / 4; i >= 0; i-- {
		q.down(i)
	}
}

// up moves the key at i up to where it belongs, below top or there.
func (q *queue) up(i, top int) {
	k := q.heap[i]
	for i > top {
		parent := (i - 1) / 4
		if !k.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = k
}

// down moves the key at i down to where it belongs. It was the last one, as a rule, and belongs far down: so
// the lesser ones go up past it to the bottom without a look at it, and then it goes up a little.
func (q *queue) down(i int) {
	if i >= len(q.heap) {
		return
	}
	k, top, n := q.heap[i], i, len(q.heap)
	for 4*i+1 < n {
		least := 4*i + 1
		if least+3 < n {
			four := q.heap[least : least+4 : least+4]
			a, b := four[1].less(&four[0]), 2+four[3].less(&four[2]) // no branches: they would be tosses of a coin
			least += a + (b-a)*four[b&3].less(&four[a&3])
		} else {
			for c := least + 1; c < n; c++ {
				if q.heap[c].before(&q.heap[least]) {
					least = c
				}
			}
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = k
	q.up(i, top)
}
