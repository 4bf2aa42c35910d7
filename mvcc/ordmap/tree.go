package ordmap

import (
	"bytes"
	"slices"
	"sync/atomic"
)

// tree is the keys of one space. Readers use root alone; the rest is the writer's.
type tree struct {
	root atomic.Pointer[node]

	// The leaf that the writer is at, and what will be its block: that which readers
	// see until owned is set, then a copy of it.
	leaf  *node
	block *block
	owned bool
	path  []step // to the leaf, from the root
}

// step is a node on the way down, and which of its children is next.
type step struct {
	node *node
	kid  int
}

// node is a place in the tree, for the keys low <= key < high; nil is no end. It has
// the same range all its life. What is in it changes, as a whole; and when its range
// must change, other nodes take its place in the block above, and it keeps the last
// block that it had:
//
//	block above   ... [a m) ...      then   ... [a f) [f m) ...
//	                    |                         |     |
//	blocks         1 -> 2 -> 3                    4     5
//
// A reader who is on the way to [a m) as it is replaced finds block 3. That has all
// that was written before his snapshot was opened, for he set out after that.
type node struct {
	low, high *record
	block     atomic.Pointer[block]
	queued    bool // the writer's: it is in the queue of stale leaves
}

func newNode(low, high *record, b *block) *node {
	n := &node{low: low, high: high}
	n.block.Store(b)
	return n
}

func (n *node) has(key []byte) bool {
	return (n.low == nil || bytes.Compare(n.low.key(), key) <= 0) &&
		(n.high == nil || bytes.Compare(key, n.high.key()) < 0)
}

func (t *tree) init() { t.root.Store(newNode(nil, nil, newBlock(0))) }

// place is where a reader is: a leaf, its block at the time, and the way it came:
// child kid of up, which is nil in a tree of one leaf.
type place struct {
	leaf  *node
	block *block
	up    *block
	kid   int
}

// find returns the leaf that has key; with before set, the one that has the keys
// directly before it.
func (t *tree) find(key []byte, before bool) place {
	n := t.root.Load()
	p := place{leaf: n, block: n.block.Load()}
	for p.block.kids != nil {
		p = p.block.kidAt(p.block.kidOf(key, before))
	}
	return p
}

// kidAt is the place of a child.
func (b *block) kidAt(kid int) place {
	n := b.kids[kid]
	return place{leaf: n, block: n.block.Load(), up: b, kid: kid}
}

// open goes to the leaf that has key, unless it is there. A leaf that has become too
// long is brought into order first.
func (w *Writer) open(t *tree, key []byte) {
	if t.leaf != nil {
		if t.leaf.has(key) && len(t.block.slots) < 2*fan {
			return
		}
		w.publish(t)
	}
	t.path = t.path[:0]
	n := t.root.Load()
	b := n.block.Load()
	for b.kids != nil {
		kid := b.kidOf(key, false)
		t.path = append(t.path, step{n, kid})
		n = b.kids[kid]
		b = n.block.Load()
	}
	t.leaf, t.block, t.owned = n, b, false
}

// own makes the block one that may be changed.
func (t *tree) own() *block {
	if !t.owned {
		t.block, t.owned = t.block.copy(), true
	}
	return t.block
}

// publish shows the block that the writer has been working on to readers, who see of
// it what was there before, since the batch's number is above theirs.
func (w *Writer) publish(t *tree) {
	n, b := t.leaf, t.block
	t.leaf, t.block = nil, nil
	if n == nil || !t.owned {
		return
	}
	if b.stale {
		b.prune(w.readers())
	}
	w.settle(t, len(t.path), n, b)
}

// settle makes b the content of a node to which depth steps lead, and cuts or joins
// nodes so that all but the root have between a fourth of a fan and a fan.
func (w *Writer) settle(t *tree, depth int, n *node, b *block) {
	size, isRoot := b.size(), depth == 0
	switch {
	case size > fan:
		// Who adds at the end will not come back: that leaves full nodes.
		if parts, between := b.split(fan, n.high == nil); len(parts) > 1 {
			w.replace(t, depth, 0, w.nodes(t, n.low, n.high, parts, between))
			return
		}
	case size >= fan/4 || size >= n.block.Load().size():
	case isRoot && b.kids != nil && size == 1:
		t.root.Store(b.kids[0])
		return
	case !isRoot && t.path[depth-1].node.block.Load().size() > 1:
		w.combine(t, depth, n, b)
		return
	}
	w.store(t, n, b)
}

func (w *Writer) store(t *tree, n *node, b *block) {
	n.block.Store(b)
	if b.stale && !n.queued {
		n.queued = true
		w.stale.push(t, n)
	}
}

// nodes makes nodes of the parts of a range.
func (w *Writer) nodes(t *tree, low, high *record, parts []*block, between []*record) []*node {
	ends := slices.Concat([]*record{low}, between, []*record{high})
	nodes := make([]*node, len(parts))
	for i, b := range parts {
		nodes[i] = &node{low: ends[i], high: ends[i+1]}
		w.store(t, nodes[i], b)
	}
	return nodes
}

// combine joins a node that has become small with a neighbour; if that makes a large
// one, both get a half.
func (w *Writer) combine(t *tree, depth int, n *node, b *block) {
	at := &t.path[depth-1]
	up := at.node.block.Load()
	left, right := n, n
	leftBlock, rightBlock := b, b
	if at.kid+1 < len(up.kids) {
		right = up.kids[at.kid+1]
		rightBlock = right.block.Load()
	} else {
		at.kid--
		left = up.kids[at.kid]
		leftBlock = left.block.Load()
	}
	parts, between := join(leftBlock, rightBlock, right.low).split(fan*3/4, false)
	w.replace(t, depth, 1, w.nodes(t, left.low, right.high, parts, between))
}

// replace puts nodes in the place of the one to which depth steps lead, and of more
// neighbours that follow it.
func (w *Writer) replace(t *tree, depth, more int, nodes []*node) {
	if depth == 0 {
		t.root.Store(newNode(nil, nil, above(nil, 0, 0, nodes)))
		return
	}
	at := t.path[depth-1]
	old := at.node.block.Load()
	w.settle(t, depth-1, at.node, above(old, at.kid, at.kid+more+1, nodes))
}

// above returns a block of children: those of old, but for from..to, which nodes
// replace.
func above(old *block, from, to int, nodes []*node) *block {
	var slots, rest []slot
	var kids, restKids []*node
	if old != nil {
		slots, rest = old.slots[:from], old.slots[to-1:]
		kids, restKids = old.kids[:from], old.kids[to:]
	}
	b := newBlock(len(slots) + len(nodes) - 1 + len(rest))
	b.slots = append(b.slots, slots...)
	for _, n := range nodes[1:] {
		b.slots = append(b.slots, slot{rec: n.low})
	}
	b.slots = append(b.slots, rest...)
	b.kids = slices.Concat(kids, nodes, restKids)
	b.prefix = -1
	b.index()
	return b
}
