package ordmap

import "sync/atomic"

// tree is the keys of one space. Readers use root alone; the rest is the writer's.
//
// A block has the same range as the one that it replaces. When a range must change,
// because the block is split, or joined with a neighbour, the block above is replaced
// by one with other children; the old one keeps those that it had:
//
//	            [ a | m ]             [ a | f | m ]
//	             /     \              /    |     \
//	leaves      1 .. 3  9            4     5      9
//
// A reader who is on the way from the old block above finds leaf 3. That has all that
// was written before his snapshot was opened, for he set out after that.
type tree struct {
	root atomic.Pointer[block]

	// The leaf that the writer is at: the one that readers see until owned is set, then
	// a copy of it. path leads to it from the root.
	leaf  *block
	owned bool
	path  []step
}

// step is a block on the way down, and which of its children is next.
type step struct {
	block *block
	kid   int
}

func (t *tree) init() { t.root.Store(newBlock(0)) }

// place is where a reader is: a leaf, and the way it came: child kid of up, which is
// nil in a tree of one leaf.
type place struct {
	leaf, up *block
	kid      int
}

// find returns the leaf that has key; with before set, the one that has the keys
// directly before it.
func (t *tree) find(key []byte, before bool) place {
	p := place{leaf: t.root.Load()}
	for p.leaf.kids != nil {
		p = p.leaf.kidAt(p.leaf.kidOf(key, before))
	}
	return p
}

// kidAt is the place of a child.
func (b *block) kidAt(kid int) place { return place{b.kids[kid].Load(), b, kid} }

// open goes to the leaf that has key, unless it is there. A leaf that has become too
// long is brought into order first.
func (w *Writer) open(t *tree, key []byte) {
	if t.leaf != nil {
		if t.leaf.has(key, false) && len(t.leaf.slots) < 3*fan {
			return
		}
		w.publish(t)
	}
	t.path = t.path[:0]
	b := t.root.Load()
	for b.kids != nil {
		kid := b.kidOf(key, false)
		t.path = append(t.path, step{b, kid})
		b = b.kids[kid].Load()
	}
	t.leaf, t.owned = b, false
}

// own makes the leaf one that may be changed.
func (t *tree) own() *block {
	if !t.owned {
		t.leaf, t.owned = t.leaf.copy(), true
	}
	return t.leaf
}

// publish shows the leaf that the writer has been working on to readers, who see of
// it what was there before, since the batch's number is above theirs.
func (w *Writer) publish(t *tree) {
	b := t.leaf
	t.leaf = nil
	if b == nil || !t.owned {
		return
	}
	if b.stale {
		b.prune(w.readers())
	}
	w.settle(t, len(t.path), b)
}

// settle puts b into the place to which depth steps lead, and cuts or joins blocks so
// that all but the root have between a fourth of a fan and a fan. A leaf that is stale may
// have twice as much: it is about to be pruned, and what was cut would be joined again.
func (w *Writer) settle(t *tree, depth int, b *block) {
	size, isRoot, limit := b.size(), depth == 0, fan
	if b.stale {
		limit = 2 * fan
	}
	switch {
	case size > limit:
		// Who adds at the end will not come back: that leaves full blocks.
		if parts := b.split(fan, b.high == nil); len(parts) > 1 {
			w.replace(t, depth, 0, parts)
			return
		}
	case size >= fan/4 || size >= t.at(depth).Load().size():
	case isRoot && b.kids != nil && size == 1:
		b = b.kids[0].Load()
	case !isRoot && len(t.path[depth-1].block.kids) > 1:
		w.combine(t, depth, b)
		return
	}
	t.at(depth).Store(b)
	w.note(t, b)
}

// at is the place to which depth steps lead.
func (t *tree) at(depth int) *atomic.Pointer[block] {
	if depth == 0 {
		return &t.root
	}
	s := t.path[depth-1]
	return &s.block.kids[s.kid]
}

// note remembers a leaf that is stale, to be swept.
func (w *Writer) note(t *tree, b *block) {
	if b.stale && !b.queued {
		b.queued = true
		w.stale.push(t, b.low)
	}
}

// combine joins a block that has become small with a neighbour; if that makes a large
// one, both get a half.
func (w *Writer) combine(t *tree, depth int, b *block) {
	s := &t.path[depth-1]
	if kids := s.block.kids; s.kid+1 < len(kids) {
		b = join(b, kids[s.kid+1].Load())
	} else {
		s.kid--
		b = join(kids[s.kid].Load(), b)
	}
	w.replace(t, depth, 1, b.split(fan*3/4, false))
}

// replace puts blocks into the place to which depth steps lead, instead of the one
// there and more that follow it.
func (w *Writer) replace(t *tree, depth, more int, blocks []*block) {
	for _, b := range blocks {
		w.note(t, b)
	}
	if depth == 0 {
		old := &block{kids: make([]atomic.Pointer[block], 1)}
		t.root.Store(old.replaceKids(0, 1, blocks))
		return
	}
	s := t.path[depth-1]
	w.settle(t, depth-1, s.block.replaceKids(s.kid, s.kid+more+1, blocks))
}
