package store

import (
	"errors"
	"fmt"
	"slices"
)

// ErrKey reports a key that is empty or longer than MaxKey.
var ErrKey = errors.New("store: a key has 1 to 1024 bytes")

// ErrStale reports the Write of a branch whose parent was written meanwhile (ST4).
var ErrStale = errors.New("store: the parent was written since it was branched off; branch again")

// A Tree is a state that never changes. The zero Tree is empty. It is safe for concurrent use once Root was called.
type Tree struct{ root *node }

// Root is the hash over all keys and values.
func (t Tree) Root() Hash { return t.root.sum() }

// Get is the value of key; nil: it is not there. It is not to be changed.
func (t Tree) Get(key []byte) []byte { return t.root.get(key) }

// Range calls fn for each key from from (nil: the first) up to before to (nil: the last), in order, until it
// returns an error, which Range returns.
func (t Tree) Range(from, to []byte, fn func(key, value []byte) error) error {
	return t.root.walk(from, to, func(key string, value []byte) error { return fn([]byte(key), value) })
}

// Branch is a state that begins as t and can be written.
func (t Tree) Branch() *Branch { return &Branch{root: t.root, own: &owner{}} }

// A Branch is a state that is being written. It is for one goroutine.
type Branch struct {
	root   *node
	own    *owner // of the nodes that only this branch has
	parent *Branch
	from   *node // the parent's root when this branched off
}

var _ KV = (*Branch)(nil)

// Branch is a state that begins as b is now. Write puts what was written to it into b; to drop it, forget it.
func (b *Branch) Branch() *Branch {
	b.share()
	return &Branch{root: b.root, own: &owner{}, parent: b, from: b.root}
}

// Write makes b's parent what b is. Whoever has no parent, or an old one, is refused with ErrStale.
func (b *Branch) Write() error {
	if b.parent == nil || b.parent.root != b.from {
		return ErrStale
	}
	b.share()
	b.parent.root, b.from = b.root, b.root
	return nil
}

// Tree is what b is now. b can go on.
func (b *Branch) Tree() Tree {
	b.share()
	return Tree{b.root}
}

// share gives up the nodes of b, for somebody else has them too: from now on they are copied.
func (b *Branch) share() { b.own = &owner{} }

// Get is the value of key; nil: it is not there. It is not to be changed. The error is always nil.
func (b *Branch) Get(key []byte) ([]byte, error) { return b.root.get(key), nil }

// Set gives key a value, which belongs to b from now on. The key is copied.
func (b *Branch) Set(key, value []byte) error {
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("%w, not %d", ErrKey, len(key))
	}
	if value == nil {
		value = []byte{}
	}
	at := none
	if l := b.root.find(key); l != nil {
		at = critBit(key, l.key)
		if at == none && slices.Equal(l.value, value) {
			return nil
		}
	}
	b.root = b.root.put(b.own, string(key), value, at)
	return nil
}

// Delete makes key have no value. The error is always nil.
func (b *Branch) Delete(key []byte) error {
	if b.root.get(key) != nil {
		b.root = b.root.remove(b.own, key)
	}
	return nil
}

// Range is like [Tree.Range]. fn may write to b: Range goes on in what b was.
func (b *Branch) Range(from, to []byte, fn func(key, value []byte) error) error {
	return b.Tree().Range(from, to, fn)
}
