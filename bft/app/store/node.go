package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// A Hash is a SHA-256.
type Hash = [32]byte

// A node is a leaf (bit is none) or has two children. It belongs to the branch that has its owner,
// and only that one may change it.
type node struct {
	owner *owner
	bit   int      // the first position at which keys below differ; all are alike before it
	kids  [2]*node // by the bit at that position
	// key is a leaf's. An inner node has one that agrees with all below it before bit, and is perhaps no longer
	// there: it serves to compare prefixes.
	key   string
	value []byte

	hash   Hash
	hashed bool
}

// An owner is a mark that branches compare by address.
type owner struct{ _ byte }

func (n *node) leaf() bool { return n.bit == none }

// find is the leaf at which the lookup of key ends; nil in the empty tree.
func (n *node) find(key []byte) *node {
	if n == nil {
		return nil
	}
	for !n.leaf() {
		n = n.kids[bitAt(key, n.bit)]
	}
	return n
}

// get is what key has; nil: it is not there.
func (n *node) get(key []byte) []byte {
	if l := n.find(key); l != nil && l.key == string(key) {
		return l.value
	}
	return nil
}

// own is n if it belongs to o, or else a copy that does. What is owned is about to change: its hash is void.
func (n *node) own(o *owner) *node {
	if n.owner != o {
		c := *n
		n, c.owner = &c, o
	}
	n.hashed = false
	return n
}

// put is the tree n with key set. at is the position at which key differs from the leaf that its lookup finds.
//
//	  (2)          at 5      (2)              the new inner node comes above the first one
//	 /   \        ----->    /   \             on the way down whose position is beyond at
//	x     (7)              x     (5)
//	      / \                    / \
//	     y   z                key  (7)..
func (n *node) put(o *owner, key string, value []byte, at int) *node {
	switch {
	case n == nil || n.leaf() && at == none:
		return &node{owner: o, bit: none, key: key, value: value}
	case n.bit > at:
		in := &node{owner: o, bit: at, key: key}
		side := bitAt(key, at)
		in.kids[side] = &node{owner: o, bit: none, key: key, value: value}
		in.kids[1-side] = n
		return in
	}
	n = n.own(o)
	side := bitAt(key, n.bit)
	n.kids[side] = n.kids[side].put(o, key, value, at)
	return n
}

// remove is the tree n without key, which is there. The parent of its leaf goes, too: the sibling takes its place.
func (n *node) remove(o *owner, key []byte) *node {
	if n.leaf() {
		return nil
	}
	side := bitAt(key, n.bit)
	if n.kids[side].leaf() {
		return n.kids[1-side]
	}
	kid := n.kids[side].remove(o, key)
	n = n.own(o)
	n.kids[side] = kid
	return n
}

// walk calls fn for the keys from from (nil: the first) up to before to (nil: the last), in order.
func (n *node) walk(from, to []byte, fn func(key string, value []byte) error) error {
	switch {
	case n == nil, n.below(from), to != nil && n.above(to):
		return nil
	case n.leaf():
		return fn(n.key, n.value)
	}
	if err := n.kids[0].walk(from, to, fn); err != nil {
		return err
	}
	return n.kids[1].walk(from, to, fn)
}

// below tells whether all keys of n are before bound: they part from it within what they have
// in common, and there bound has the 1.
func (n *node) below(bound []byte) bool {
	d := critBit(n.key, bound)
	return d < n.bit && bitAt(bound, d) == 1
}

// above tells whether no key of n is before bound.
func (n *node) above(bound []byte) bool {
	d := critBit(n.key, bound)
	return d < n.bit && bitAt(bound, d) == 0 || n.leaf() && d == none
}

// emptyRoot is the hash of the empty tree.
var emptyRoot = Hash(sha256.Sum256(nil))

// sum is the hash of the tree n (ST2). It is kept; subtrees that did not change have theirs already.
func (n *node) sum() Hash {
	switch {
	case n == nil:
		return emptyRoot
	case n.hashed:
		return n.hash
	case n.leaf():
		n.hash = leafHash(n.key, sha256.Sum256(n.value))
	default:
		n.hash = innerHash(n.bit, n.kids[0].sum(), n.kids[1].sum())
	}
	n.hashed = true
	return n.hash
}

// leafHash is the hash of a leaf.
func leafHash[K string | []byte](key K, value Hash) Hash {
	var room [128]byte
	b := append(room[:0], 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, key...)
	b = append(b, value[:]...)
	return sha256.Sum256(b)
}

// innerHash is the hash of an inner node.
func innerHash(bit int, left, right Hash) Hash {
	var b [67]byte
	b[0] = 1
	binary.BigEndian.PutUint16(b[1:], uint16(bit))
	copy(b[3:], left[:])
	copy(b[35:], right[:])
	return sha256.Sum256(b[:])
}
