// Package relay is a list of which each peer is told once, in order, but for what it has told itself (P2). The mempool
// and the evidence pool pass on what they have by one.
//
//	items   t1  t2  t3  t4  t5  t6          t3 is gone, t4 came from A
//	A                   ^ at t4             is told t5, t6
//	B                            ^ at t6    is told t6
//	C                               ^ idle  is woken by t7
//
// Nothing is queued for a peer: it has a place in the list, and is given what comes behind it when its link can send. So a
// slow one costs no memory, is not told what has gone meanwhile, nor what it has sent meanwhile; and one lock gives it a
// whole batch. One that asks for an item again goes back to its place.
package relay

import (
	"cmp"
	"iter"
	"slices"
)

// A List is what is passed on, in the order of Append. Its owner guards it with a lock. The zero List is empty.
type List[T any] struct {
	items   []*Item[T] // by seq; some are gone
	gone    int
	last    uint64
	readers map[string]*reader
	joined  uint32
}

// An Item is a value with what is known of who has it.
type Item[T any] struct {
	Value T
	seq   uint64 // 0: not in the list yet
	gone  bool
	from  []uint32 // the numbers of the readers that have sent it; mostly one
}

type reader struct {
	number uint32 // never given twice, so that an item's from stays right
	at     uint64 // all up to here was given, or need not be
	idle   bool   // it was told that there is nothing
	wake   func()
}

// Join adds a reader, which begins with the oldest item. wake says that Next has something again; it is called with the
// owner's lock held, and must not wait.
func (l *List[T]) Join(id string, wake func()) {
	if l.readers == nil {
		l.readers = make(map[string]*reader)
	}
	l.joined++
	l.readers[id] = &reader{number: l.joined, idle: true, wake: wake}
	l.Wake()
}

// Leave removes a reader.
func (l *List[T]) Leave(id string) { delete(l.readers, id) }

// Heard notes that a reader has told of an item, which may be one that is not in the list yet. Others than readers
// are nobody.
func (l *List[T]) Heard(it *Item[T], id string) {
	r := l.readers[id]
	if r == nil || slices.Contains(it.from, r.number) {
		return
	}
	if len(it.from) >= len(l.readers) { // some of them have left
		it.from = slices.DeleteFunc(it.from, l.left)
	}
	it.from = append(it.from, r.number)
}

// left tells whether the reader that had a number is here no more.
func (l *List[T]) left(number uint32) bool {
	for _, r := range l.readers {
		if r.number == number {
			return false
		}
	}
	return true
}

// Append puts an item at the end. Readers hear of it by the next Wake.
func (l *List[T]) Append(it *Item[T]) {
	l.last++
	it.seq = l.last
	l.items = append(l.items, it)
}

// Wake wakes the readers that wait for something, if there is any.
func (l *List[T]) Wake() {
	for _, r := range l.readers {
		if r.idle && r.at < l.last {
			r.idle = false
			r.wake()
		}
	}
}

// Remove takes an item out.
func (l *List[T]) Remove(it *Item[T]) {
	if it.gone || it.seq == 0 {
		return
	}
	it.gone = true
	if l.gone++; l.gone > len(l.items)/2 {
		l.items = slices.DeleteFunc(l.items, func(it *Item[T]) bool { return it.gone })
		l.gone = 0
	}
}

// Len is the number of items.
func (l *List[T]) Len() int { return len(l.items) - l.gone }

// All are the items, in order. The list must not be changed meanwhile.
func (l *List[T]) All() iter.Seq[*Item[T]] {
	return func(yield func(*Item[T]) bool) {
		for _, it := range l.items {
			if !it.gone && !yield(it) {
				return
			}
		}
	}
}

// Next is what a reader is to be told next: as many values as fit into room, but one at least; nil: it is woken
// when there is something.
func (l *List[T]) Next(id string, room int, size func(T) int) []T {
	r := l.readers[id]
	if r == nil {
		return nil
	}
	i, _ := slices.BinarySearchFunc(l.items, r.at+1, func(it *Item[T], seq uint64) int { return cmp.Compare(it.seq, seq) })
	var batch []T
	for _, it := range l.items[i:] {
		if !it.gone && !slices.Contains(it.from, r.number) {
			if room -= size(it.Value); room < 0 && len(batch) > 0 {
				return batch
			}
			batch = append(batch, it.Value)
		}
		r.at = it.seq
	}
	r.at = l.last
	r.idle = len(batch) == 0
	return batch
}

// Again has a reader told once more, from an item on, of what it has not told itself.
func (l *List[T]) Again(it *Item[T], id string) {
	if r := l.readers[id]; r != nil && it.Listed() && it.seq <= r.at {
		r.at = it.seq - 1
		l.Wake()
	}
}

// Listed tells whether it was appended, and not removed.
func (it *Item[T]) Listed() bool { return it.seq != 0 && !it.gone }

// After tells whether it was appended after another one.
func (it *Item[T]) After(other *Item[T]) bool { return it.seq > other.seq }
