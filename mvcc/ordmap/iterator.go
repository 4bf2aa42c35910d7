package ordmap

import "bytes"

// Iterator stands on a key of a snapshot, or nowhere: at first, behind the last, and
// before the first. It is for one goroutine. Methods that move it report whether it
// stands on a key.
//
// It holds the leaf that it came to, and the block above, as they were then. What has
// been written since is newer than the snapshot, so it need not see it; and what the
// snapshot sees is in every block that it can come to from there.
type Iterator struct {
	tree   *tree
	seq    uint64
	lo, hi []byte

	place
	at   *record // it stands on; nil is nowhere
	slot int     // which that is
	// It sees all slots of a plain leaf. Up to end it may go on without a look at
	// anything else; that is 0 if it must not.
	plain bool
	end   int
	// first and last: what the snapshot has below, or above, the leaf is not within
	// the bounds, and what is in the leaf may not be.
	first, last bool
}

// Iter ranges over lo <= key < hi; nil is no bound. It keeps the bounds.
func (s *Snapshot) Iter(space int, lo, hi []byte) *Iterator {
	it := &s.first
	if s.lent.Swap(true) {
		it = new(Iterator)
	}
	it.tree, it.seq, it.lo, it.hi = &s.m.spaces[space], s.seq, lo, hi
	return it
}

// Key returns the key that it stands on.
func (it *Iterator) Key() []byte { return it.at.key() }

// Value returns the value of the key that it stands on.
func (it *Iterator) Value() []byte { return it.at.value() }

// Err returns nil: memory does not fail.
func (it *Iterator) Err() error { return nil }

// Close gives up what it holds.
func (it *Iterator) Close() error {
	it.place = place{}
	it.nowhere()
	return nil
}

// SeekGE moves to the first key at or after key.
func (it *Iterator) SeekGE(key []byte) bool {
	if bytes.Compare(key, it.lo) < 0 {
		key = it.lo
	}
	it.seek(key, false)
	i, _ := it.leaf.search(key)
	return it.forward(i)
}

// SeekLT moves to the last key before key.
func (it *Iterator) SeekLT(key []byte) bool {
	if it.hi != nil && bytes.Compare(key, it.hi) > 0 {
		key = it.hi
	}
	it.seek(key, true)
	i, _ := it.leaf.search(key)
	return it.backward(i)
}

// Next moves to the next key; from nowhere, nowhere.
func (it *Iterator) Next() bool {
	i := it.slot + 1
	if i < it.end {
		it.slot, it.at = i, it.leaf.slots[i].rec
		return true
	}
	if it.at == nil {
		return false
	}
	if !it.plain {
		for i < len(it.leaf.slots) && it.leaf.same(i-1, i) {
			i++
		}
	}
	return it.forward(i)
}

// Take fills keys and values, which are of the same length, with what it stands on and
// what follows, moves behind that, and returns how many it is. The slices are those
// that Key and Value return.
func (it *Iterator) Take(keys, values [][]byte) (n int) {
	for n < len(keys) && it.at != nil {
		some := it.leaf.slots[it.slot:max(it.slot+1, it.end)]
		some = some[:min(len(some), len(keys)-n)]
		for i := range some {
			keys[n+i], values[n+i] = some[i].rec.key(), some[i].rec.value()
		}
		n += len(some)
		it.slot += len(some) - 1
		it.Next()
	}
	return n
}

// Prev moves to the key before; from nowhere, nowhere.
func (it *Iterator) Prev() bool {
	if it.at == nil {
		return false
	}
	return it.backward(it.slot)
}

func (it *Iterator) nowhere() bool {
	it.at, it.end = nil, 0
	return false
}

// stand makes it stand on a slot.
func (it *Iterator) stand(i int) {
	it.slot, it.at, it.end = i, it.leaf.slots[i].rec, 0
	if it.plain && !it.last {
		it.end = len(it.leaf.slots)
	}
}

// forward moves to what it sees first at or after slot i, which is not in the middle
// of what it sees of a key.
func (it *Iterator) forward(i int) bool {
	for {
		if !it.plain {
			i = it.leaf.firstSeen(i, it.seq)
		}
		if i < len(it.leaf.slots) {
			it.stand(i)
			if it.last && bytes.Compare(it.Key(), it.hi) >= 0 {
				return it.nowhere()
			}
			return true
		}
		if it.leaf.high == nil || it.last {
			return it.nowhere()
		}
		it.step(+1)
		i = 0
	}
}

// backward moves to what it sees last before slot i, where a key begins, or what it
// sees of one: what is newer it does not see.
func (it *Iterator) backward(i int) bool {
	for {
		if i--; !it.plain {
			i = it.leaf.lastSeen(i, it.seq)
		}
		if i >= 0 {
			it.stand(i)
			if it.first && bytes.Compare(it.Key(), it.lo) < 0 {
				return it.nowhere()
			}
			return true
		}
		if it.leaf.low == nil || it.first {
			return it.nowhere()
		}
		it.step(-1)
		i = len(it.leaf.slots)
	}
}

// firstSeen returns the first slot from i on that a reader at seq sees; i is not
// behind what it sees of the same key.
func (b *block) firstSeen(i int, seq uint64) int {
	for i < len(b.slots) {
		r := b.slots[i].rec
		switch {
		case r.seq > seq:
			i++
		case r.deleted():
			for i++; i < len(b.slots) && b.same(i-1, i); i++ {
			}
		default:
			return i
		}
	}
	return i
}

// lastSeen returns the last slot up to i that a reader at seq sees, or -1. What comes
// after i of the same key it does not look at.
func (b *block) lastSeen(i int, seq uint64) int {
	for i >= 0 {
		begin := i
		for begin > 0 && b.same(begin-1, begin) {
			begin--
		}
		at := begin
		for at <= i && b.slots[at].rec.seq > seq {
			at++
		}
		if at <= i && !b.slots[at].rec.deleted() {
			return at
		}
		i = begin - 1
	}
	return i
}

// enter makes p the place.
func (it *Iterator) enter(p place) {
	it.place = p
	it.plain = !p.leaf.stale && p.leaf.maxSeq <= it.seq
	low, high := p.leaf.low, p.leaf.high
	it.first = it.lo != nil && (low == nil || bytes.Compare(low.key(), it.lo) <= 0)
	it.last = it.hi != nil && (high == nil || bytes.Compare(high.key(), it.hi) >= 0)
}

// step goes to the leaf before or after. There is one.
func (it *Iterator) step(by int) {
	if it.up != nil {
		if kid := it.kid + by; kid >= 0 && kid < len(it.up.kids) {
			it.enter(it.up.kidAt(kid))
			return
		}
	}
	if by > 0 {
		it.enter(it.tree.find(it.leaf.high.key(), false))
	} else {
		it.enter(it.tree.find(it.leaf.low.key(), true))
	}
}

// seek goes to the leaf of a key, or of those before it. Readers often seek forward by
// a little: to this leaf, or to one with the same block above.
func (it *Iterator) seek(key []byte, before bool) {
	switch {
	case it.leaf == nil:
		it.enter(it.tree.find(key, before))
	case it.leaf.has(key, before):
	case it.up != nil && it.up.has(key, before):
		it.enter(it.up.kidAt(it.up.kidOf(key, before)))
	default:
		it.enter(it.tree.find(key, before))
	}
}
