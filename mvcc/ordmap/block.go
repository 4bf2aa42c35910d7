package ordmap

import (
	"bytes"
	"slices"
	"sync/atomic"
)

// fan is how many slots a leaf has, and how many children another node, at most; but for
// a stale leaf, which may have twice as many slots (settle). More
// make a tree of fewer levels, and more to copy for a write.
const fan = 32

// block is a node of the tree, as it is at some time. Once a reader can see it, it
// never changes, but for the pointers to its children. In a leaf the slots are the
// versions of keys: in the order of keys, and those of a key newest first. In a block
// above, they are what separates its children: slot i is the low end of child i+1.
//
//	leaf    [ apple@7  apple@3  pear@5 ]          search(pear) = 2
//	above   kids: a   b   c     slots: [ b.low  c.low ]
//
// A search looks at heads first, which are here, and at a record only to tell keys
// with the same head apart, mostly once.
type block struct {
	low, high *record // it has the keys low <= key < high; nil is no bound
	slots     []slot
	kids      []atomic.Pointer[block] // nil in a leaf; otherwise one more than slots
	// All keys have the same first bytes, so many at least; and sure says that so has
	// every key from low to high.
	prefix int
	sure   bool
	// stale says that a leaf may have a deletion, or an older version of a key. While it
	// is not set, each slot is what the newest readers see.
	stale  bool
	queued bool   // the writer's: the leaf is in the queue of stale ones
	maxSeq uint64 // no slot of a leaf is newer
}

type slot struct {
	head uint64 // headOf(key, prefix)
	rec  *record
}

// The slots of a block come with it, in one piece of memory, up to a fan of them.
type (
	block8 struct {
		block
		space [8]slot
	}
	block16 struct {
		block
		space [16]slot
	}
	block24 struct {
		block
		space [24]slot
	}
	block32 struct {
		block
		space [fan]slot
	}
)

// newBlock returns an empty block with room for n slots.
func newBlock(n int) *block {
	switch {
	case n <= 8:
		b := new(block8)
		b.slots = b.space[:0]
		return &b.block
	case n <= 16:
		b := new(block16)
		b.slots = b.space[:0]
		return &b.block
	case n <= 24:
		b := new(block24)
		b.slots = b.space[:0]
		return &b.block
	case n <= fan:
		b := new(block32)
		b.slots = b.space[:0]
		return &b.block
	}
	return &block{slots: make([]slot, 0, n)}
}

// copy returns a copy of a leaf with room for one slot more.
func (b *block) copy() *block {
	c := newBlock(len(b.slots) + 1)
	c.low, c.high, c.prefix, c.sure = b.low, b.high, b.prefix, b.sure
	c.stale, c.queued, c.maxSeq = b.stale, b.queued, b.maxSeq
	c.slots = append(c.slots, b.slots...)
	return c
}

// has reports whether key is in the block's range; with before set, whether the keys
// directly before it are.
func (b *block) has(key []byte, before bool) bool {
	low, high := -1, -1
	if b.low != nil {
		low = bytes.Compare(b.low.key(), key)
	}
	if b.high != nil {
		high = bytes.Compare(key, b.high.key())
	}
	if before {
		return low < 0 && high <= 0
	}
	return low <= 0 && high < 0
}

// size is what fan limits.
func (b *block) size() int {
	if b.kids != nil {
		return len(b.kids)
	}
	return len(b.slots)
}

// search returns the first slot with a key at or after key, which is in the block's
// range or its end, and whether it is that key's.
func (b *block) search(key []byte) (i int, found bool) {
	h := headOf(key, b.prefix)
	lo, hi := 0, len(b.slots)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if b.slots[m].head < h {
			lo = m + 1
		} else {
			hi = m
		}
	}
	// That holds if the key has the block's prefix, which any of the records shows.
	if n := len(b.slots); !b.sure && b.prefix > 0 && n > 0 {
		like := b.slots[min(lo, n-1)].rec.key()[:b.prefix]
		if c := bytes.Compare(key[:min(len(key), b.prefix)], like); c < 0 {
			return 0, false
		} else if c > 0 {
			return n, false
		}
	}
	for hi < len(b.slots) && b.slots[hi].head == h {
		hi++
	}
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		c := bytes.Compare(b.slots[m].rec.key(), key)
		if c < 0 {
			lo = m + 1
		} else {
			hi, found = m, found || c == 0
		}
	}
	return lo, found
}

// kidOf returns the child whose range has key; or, with before set, the keys
// directly before it.
func (b *block) kidOf(key []byte, before bool) int {
	i, found := b.search(key)
	if found && !before {
		i++
	}
	return i
}

// same reports whether two slots that follow each other are versions of one key.
func (b *block) same(i, j int) bool {
	return b.slots[i].head == b.slots[j].head && bytes.Equal(b.slots[i].rec.key(), b.slots[j].rec.key())
}

// insert puts a record before slot i.
func (b *block) insert(i int, r *record) {
	b.slots = slices.Insert(b.slots, i, slot{headOf(r.key(), b.prefix), r})
	// Between the first key and the last one all begin as both do.
	if !b.sure && (i == 0 || i == len(b.slots)-1) {
		b.index()
	}
}

// index finds out what all keys begin with, and makes the heads of what follows. Where
// a range has two ends, what they begin with will do: it stays as it is.
func (b *block) index() {
	prefix := 0
	b.sure = b.low != nil && b.high != nil
	switch n := len(b.slots); {
	case b.sure:
		prefix = commonPrefix(b.low.key(), b.high.key())
	case n > 0:
		prefix = commonPrefix(b.slots[0].rec.key(), b.slots[n-1].rec.key())
	}
	if prefix == b.prefix {
		return
	}
	b.prefix = prefix
	for i := range b.slots {
		b.slots[i].head = headOf(b.slots[i].rec.key(), prefix)
	}
}

// bound gives a new block its range.
func (b *block) bound(low, high *record) {
	b.low, b.high = low, high
	b.prefix = -1 // heads may be by other prefixes
	b.index()
}

// prune drops the versions of a leaf that no reader can see. live are the sequence
// numbers of those readers, ascending: the last of them is that of whoever comes
// next. A version is seen from its own number on, up to that of the next one:
//
//	pear    @3 old   @5 old   @9 deleted          live: 4, 9
//	           4                       9
//	        seen     not      seen, as if there were none
//
// So a deletion is kept only to hide an older version.
func (b *block) prune(live []uint64) {
	kept, n := b.slots[:0], len(b.slots)
	b.stale = false
	for i := 0; i < n; {
		begin, next := len(kept), i+1
		for next < n && b.same(i, next) {
			next++
		}
		kept = append(kept, b.slots[i]) // whoever comes after this batch sees it
		for above := b.slots[i].rec.seq; i+1 < next; i++ {
			r := b.slots[i+1].rec
			if at, _ := slices.BinarySearch(live, r.seq); at < len(live) && live[at] < above {
				kept = append(kept, b.slots[i+1])
			}
			above = r.seq
		}
		i = next
		for len(kept) > begin && kept[len(kept)-1].rec.deleted() {
			kept = kept[:len(kept)-1]
		}
		b.stale = b.stale || len(kept) > begin+1
	}
	clear(b.slots[len(kept):])
	b.slots = kept
}

// split cuts a block into parts of about the same size, at most limit each; or,
// with packed set, full ones but for the last. A key is not cut from its other
// versions, so a part may be longer, and there may be one only.
func (b *block) split(limit int, packed bool) (parts []*block) {
	size := b.size()
	n := max(1, (size+limit-1)/limit)
	per := max(1, (size+n-1)/n)
	if packed {
		per = limit
	}
	low := b.low
	for from := 0; ; {
		to, high := min(from+per, size), b.high
		for b.kids == nil && to < size && b.same(to-1, to) {
			to++
		}
		if to < size {
			high = b.between(to)
		}
		parts = append(parts, b.cut(from, to, low, high))
		if to == size {
			return parts
		}
		from, low = to, high
	}
}

// cut returns a part of a block: slots, or children.
func (b *block) cut(from, to int, low, high *record) *block {
	last := to
	if b.kids != nil {
		last-- // of the separators the one between the parts goes up
	}
	part := newBlock(last - from)
	part.slots = append(part.slots, b.slots[from:last]...)
	part.stale, part.maxSeq = b.stale, b.maxSeq
	if b.kids != nil {
		part.kids = appendKids(make([]atomic.Pointer[block], 0, to-from), b.kids[from:to])
	}
	part.bound(low, high)
	return part
}

// between is what separates slot, or child, i from the one before.
func (b *block) between(i int) *record {
	if b.kids != nil {
		return b.slots[i-1].rec
	}
	return separator(b.slots[i-1].rec.key(), b.slots[i].rec.key())
}

// join returns a block with what two neighbours have.
func join(left, right *block) *block {
	b := newBlock(len(left.slots) + len(right.slots) + 1)
	b.slots = append(b.slots, left.slots...)
	if left.kids != nil {
		b.slots = append(b.slots, slot{rec: right.low})
		b.kids = appendKids(appendKids(make([]atomic.Pointer[block], 0, len(left.kids)+len(right.kids)), left.kids), right.kids)
	}
	b.slots = append(b.slots, right.slots...)
	b.maxSeq, b.stale = max(left.maxSeq, right.maxSeq), left.stale || right.stale
	b.bound(left.low, right.high)
	return b
}

// appendKids appends children to what has room for them.
func appendKids(to, kids []atomic.Pointer[block]) []atomic.Pointer[block] {
	n := len(to)
	to = to[:n+len(kids)]
	for i := range kids {
		to[n+i].Store(kids[i].Load())
	}
	return to
}

// replaceKids returns the block that has others in the place of the children from..to.
func (b *block) replaceKids(from, to int, others []*block) *block {
	c := newBlock(len(b.slots) + len(others))
	c.slots = append(c.slots, b.slots[:from]...)
	for _, o := range others[1:] {
		c.slots = append(c.slots, slot{rec: o.low})
	}
	c.slots = append(c.slots, b.slots[to-1:]...)
	c.kids = appendKids(make([]atomic.Pointer[block], 0, len(b.kids)+len(others)), b.kids[:from])
	c.kids = c.kids[:from+len(others)]
	for i, o := range others {
		c.kids[from+i].Store(o)
	}
	c.kids = appendKids(c.kids, b.kids[to:])
	c.bound(b.low, b.high)
	return c
}
