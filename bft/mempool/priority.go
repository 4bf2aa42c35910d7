package mempool

import (
	"cmp"
	stdheap "container/heap"
	"iter"
)

// When a pool with priorities is full, who comes has to be worth more than all who leave for it (M2).
//
//	full:   5 5 3 2 1      a 4 of the size of two comes: 1 and 2 leave
//	                       a 2 of the size of two comes: refused, for only the 1 is worth less
//
// Of a sender's transactions one is worth no more than those before it (M3). So nobody pushes out its own, and
// what follows one that leaves goes with it: without that one it is of no use.

// evict makes room for a sender's transaction of a size and priority, or changes nothing.
func (p *Pool) evict(size int64, sender string, priority int64) bool {
	count, bytes := p.list.Len(), p.bytes
	if len(p.lowest) > 0 && p.lowest[0].Value.priority < priority {
		for it := range p.of(sender) {
			priority = min(priority, it.Value.priority)
		}
	}
	var leaving []*item
	leave := func(it *item) {
		leaving = append(leaving, it)
		count, bytes = count-1, bytes-int64(len(it.Value.bytes))
	}
	for count >= p.opts.MaxTxs || size > p.opts.MaxBytes-bytes {
		if len(p.lowest) == 0 || p.lowest[0].Value.priority >= priority {
			for _, it := range leaving {
				p.lowest.push(it)
			}
			return false
		}
		first := stdheap.Pop(&p.lowest).(*item)
		leave(first)
		for it := range p.of(first.Value.sender) {
			if it.After(first) && p.lowest.remove(it) {
				leave(it)
			}
		}
	}
	for _, it := range leaving {
		p.remove(it)
		p.metrics.Evicted++
	}
	return true
}

// of are a sender's transactions, in order. Of whom the application does not name there are none.
func (p *Pool) of(sender string) iter.Seq[*item] {
	return func(yield func(*item) bool) {
		if sender == "" {
			return
		}
		for it := range p.list.All() {
			if it.Value.sender == sender && !yield(it) {
				return
			}
		}
	}
}

// A heap has the transaction of the lowest priority on top; of equals, the one that came last.
type heap []*item

func compare(a, b int64) int { return cmp.Compare(a, b) }

func (h *heap) push(it *item) { stdheap.Push(h, it) }

// remove takes an item out, and tells whether it was in the heap.
func (h *heap) remove(it *item) bool {
	i := it.Value.place
	there := i < len(*h) && (*h)[i] == it
	if there {
		stdheap.Remove(h, i)
	}
	return there
}

// Len implements [stdheap.Interface], as do the following.
func (h heap) Len() int { return len(h) }

func (h heap) Less(i, j int) bool {
	if c := compare(h[i].Value.priority, h[j].Value.priority); c != 0 {
		return c < 0
	}
	return h[i].After(h[j])
}

func (h heap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].Value.place, h[j].Value.place = i, j
}

// Push appends.
func (h *heap) Push(x any) {
	it := x.(*item)
	it.Value.place = len(*h)
	*h = append(*h, it)
}

// Pop takes the last off.
func (h *heap) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return it
}
