package store

import (
	"bytes"
	"slices"
)

// An ordered map of byte strings that can be frozen at no cost: a B+tree whose
// nodes are copied when they are written, but only those that a frozen tree may
// still see. Every node carries the epoch in which it was made; freezing starts
// a new epoch, and a node of an older one is copied before it changes, which
// copies its ancestors too.
//
//	freeze            set(k)                   set(k) again
//
//	   A1  epoch 2       A1      A2               A1      A2    A2 and C2 are of
//	  /  \              /  \    /  \             /  \    /  \   this epoch and are
//	B1    C1          B1    C1 B1   C2         B1   C1  B1   C2 changed in place
//
// So a store that nobody reads pays nothing for being readable, and one that
// is read between any two writes pays one path a write.
//
// Deleting merges a small node with a neighbour if both fit into one, and
// removes it when it is empty. Nothing is borrowed: a node may stay small beside
// a full one, which costs room, never order or depth.

// maxItems of a node: a copy is 1.5 KB, and 32^4 keys are 4 levels deep.
const maxItems = 32

// node of a tree. In a leaf keys[i] maps to values[i]. In an inner node
// children[i] holds the keys from keys[i] to before keys[i+1]; keys[0] is not
// looked at.
type node struct {
	epoch    uint64
	keys     [][]byte
	values   [][]byte
	children []*node // nil: a leaf
}

// tree is the map. The zero value is empty.
type tree struct {
	epoch uint64
	root  *node
}

// freeze returns the tree as it is now, for reading, by any number of
// goroutines, while t goes on.
func (t *tree) freeze() tree {
	frozen := *t
	t.epoch++
	return frozen
}

// find returns the place of key among the keys, and whether it is there.
func (n *node) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(n.keys, key, bytes.Compare)
}

// childOf returns the place of the child that holds key.
func (n *node) childOf(key []byte) int {
	i, found := slices.BinarySearchFunc(n.keys[1:], key, bytes.Compare)
	if found {
		i++
	}
	return i
}

func (t *tree) get(key []byte) ([]byte, bool) {
	n := t.root
	if n == nil {
		return nil, false
	}
	for n.children != nil {
		n = n.children[n.childOf(key)]
	}
	i, found := n.find(key)
	if !found {
		return nil, false
	}
	return n.values[i], true
}

// own returns n if this epoch made it, and otherwise a copy that it may change.
func (t *tree) own(n *node) *node {
	if n.epoch == t.epoch {
		return n
	}
	c := &node{epoch: t.epoch, keys: withRoom(n.keys)}
	if n.children != nil {
		c.children = withRoom(n.children)
	} else {
		c.values = withRoom(n.values)
	}
	return c
}

// withRoom copies s, with room for what a node can hold until it is split.
func withRoom[T any](s []T) []T {
	return append(make([]T, 0, maxItems+1), s...)
}

func (t *tree) set(key, value []byte) {
	if t.root == nil {
		t.root = &node{epoch: t.epoch}
	}
	t.root = t.own(t.root)
	if right := t.insert(t.root, key, value); right != nil {
		left := t.root
		t.root = &node{epoch: t.epoch, keys: withRoom([][]byte{left.keys[0], right.keys[0]}), children: withRoom([]*node{left, right})}
	}
}

// insert puts the pair under n, which is owned, and returns the right half of
// n if it had to be split.
func (t *tree) insert(n *node, key, value []byte) (right *node) {
	if n.children == nil {
		i, found := n.find(key)
		if found {
			n.values[i] = value
			return nil
		}
		n.keys = slices.Insert(n.keys, i, key)
		n.values = slices.Insert(n.values, i, value)
		return t.split(n, i)
	}
	i := n.childOf(key)
	child := t.own(n.children[i])
	n.children[i] = child
	r := t.insert(child, key, value)
	if r == nil {
		return nil
	}
	n.keys = slices.Insert(n.keys, i+1, r.keys[0])
	n.children = slices.Insert(n.children, i+1, r)
	return t.split(n, i+1)
}

// split halves n if it is over-full. Keys that come in order, as history does,
// arrive at the end: then the left node stays full and the right begins with
// the one that arrived, so that nodes are full rather than half full.
func (t *tree) split(n *node, arrived int) *node {
	if len(n.keys) <= maxItems {
		return nil
	}
	at := len(n.keys) / 2
	if arrived == len(n.keys)-1 {
		at = arrived
	}
	r := &node{epoch: t.epoch, keys: withRoom(n.keys[at:])}
	n.keys = cut(n.keys, at)
	if n.children != nil {
		r.children = withRoom(n.children[at:])
		n.children = cut(n.children, at)
	} else {
		r.values = withRoom(n.values[at:])
		n.values = cut(n.values, at)
	}
	return r
}

// cut shortens s and lets go of what was behind.
func cut[T any](s []T, at int) []T {
	clear(s[at:])
	return s[:at]
}

func (t *tree) delete(key []byte) {
	if _, found := t.get(key); !found {
		return
	}
	t.root = t.own(t.root)
	t.remove(t.root, key)
	for len(t.root.children) == 1 {
		t.root = t.root.children[0]
	}
	if len(t.root.keys) == 0 {
		t.root = nil
	}
}

// remove takes key, which is there, out of n, which is owned.
func (t *tree) remove(n *node, key []byte) {
	if n.children == nil {
		i, _ := n.find(key)
		n.keys = slices.Delete(n.keys, i, i+1)
		n.values = slices.Delete(n.values, i, i+1)
		return
	}
	i := n.childOf(key)
	child := t.own(n.children[i])
	n.children[i] = child
	t.remove(child, key)
	switch {
	case len(child.keys) == 0:
		n.drop(i)
	case len(child.keys) > maxItems/4:
	case i > 0 && len(child.keys)+len(n.children[i-1].keys) <= maxItems:
		t.merge(n, i-1)
	case i+1 < len(n.children) && len(child.keys)+len(n.children[i+1].keys) <= maxItems:
		t.merge(n, i)
	}
}

// merge moves child i+1 of n to the end of child i.
func (t *tree) merge(n *node, i int) {
	left, right := t.own(n.children[i]), n.children[i+1]
	n.children[i] = left
	at := len(left.keys)
	left.keys = append(left.keys, right.keys...)
	left.values = append(left.values, right.values...)
	left.children = append(left.children, right.children...)
	if left.children != nil {
		left.keys[at] = n.keys[i+1] // right's own first key was not kept up to date
	}
	n.drop(i + 1)
}

// drop removes child i.
func (n *node) drop(i int) {
	n.keys = slices.Delete(n.keys, i, i+1)
	n.children = slices.Delete(n.children, i, i+1)
}

// treeCursor walks a tree in order. Changing the tree invalidates it.
type treeCursor struct {
	root *node
	path []step  // from the root to the leaf; empty: at the end
	room [6]step // for path: the depth of a billion keys
}

type step struct {
	n *node
	i int
}

// Seek goes to the first key that is not less than key.
func (c *treeCursor) Seek(key []byte) {
	if c.path == nil {
		c.path = c.room[:]
	}
	c.path = c.path[:0]
	n := c.root
	if n == nil {
		return
	}
	for n.children != nil {
		i := n.childOf(key)
		c.path = append(c.path, step{n, i})
		n = n.children[i]
	}
	i, _ := n.find(key)
	c.path = append(c.path, step{n, i})
	if i == len(n.keys) {
		c.climb()
	}
}

func (c *treeCursor) Valid() bool { return len(c.path) > 0 }

// Next goes to the next key. The cursor must be valid.
func (c *treeCursor) Next() {
	top := &c.path[len(c.path)-1]
	if top.i++; top.i == len(top.n.keys) {
		c.climb()
	}
}

// climb leaves a leaf that is done for the next one.
func (c *treeCursor) climb() {
	c.path = c.path[:len(c.path)-1]
	for len(c.path) > 0 {
		top := &c.path[len(c.path)-1]
		if top.i++; top.i < len(top.n.children) {
			for n := top.n.children[top.i]; ; n = n.children[0] {
				c.path = append(c.path, step{n, 0})
				if n.children == nil {
					return
				}
			}
		}
		c.path = c.path[:len(c.path)-1]
	}
}

func (c *treeCursor) Key() []byte   { top := &c.path[len(c.path)-1]; return top.n.keys[top.i] }
func (c *treeCursor) Value() []byte { top := &c.path[len(c.path)-1]; return top.n.values[top.i] }
func (c *treeCursor) Close()        {}
