// What a transaction has written and not yet committed: an ordered buffer in the
// client, which its own reads see over the snapshot (V14).
//
//	buffer     b=2     d (deleted)        g=7 (inserted)
//	snapshot   b=1 c=3 d=4         e=5
//	seen       b=2 c=3             e=5    g=7
//
// The buffer is a list of sorted blocks. Most transactions write a few keys and have one
// block, which a binary search answers; one that writes a million has some ten
// thousand, and never moves more than one block's content to make room.

package mvcc

import (
	"bytes"
	"fmt"
	"sort"

	"github.com/flagship-go/flagship/mvcc/region"
)

// blockLen is how many changes a block has at most.
const blockLen = 128

// change is what becomes of one key at commit. A key that was locked and not
// written has the kind MutLock.
type change struct {
	key, value []byte
	kind       region.MutationKind
	held       *heldLock
}

// heldLock is a lock of GetForUpdate. It is not taken back by a savepoint.
type heldLock struct {
	value       []byte // that was read with it; nil if the key had none
	pessimistic bool   // it lies in the region; otherwise commit looks for conflicts
	forUpdateTS TS
}

// visible is what the transaction reads at the key: nil if there is nothing.
func (c *change) visible() []byte {
	if c.kind == region.MutLock {
		return c.held.value
	}
	return c.value // nil of what is deleted
}

// buffer is the changes of a transaction in the order of keys. The zero value is
// empty.
type buffer struct {
	blocks  [][]change // none is empty
	n       int
	bytes   int
	version int // rises when places move
	undo    []undone
	kept    int    // bytes in undo
	marks   []mark // savepoints, oldest first
	serial  int
}

// undone is a change as it was before a write that came after a savepoint.
type undone struct {
	change
	existed bool
}

type mark struct{ serial, undo int }

// Savepoint is a place in a transaction that [Txn.RollbackTo] goes back to.
type Savepoint struct{ depth, serial int }

// place is where a change is, or would be inserted.
type place struct{ block, i int }

// find returns where a key is, or belongs.
func (b *buffer) find(key []byte) (p place, found bool) {
	if len(b.blocks) > 1 {
		p.block = sort.Search(len(b.blocks), func(i int) bool { return bytes.Compare(b.blocks[i][0].key, key) > 0 }) - 1
		p.block = max(p.block, 0)
	} else if len(b.blocks) == 0 {
		return p, false
	}
	block := b.blocks[p.block]
	lo, hi := 0, len(block)
	for lo < hi {
		switch m := (lo + hi) / 2; bytes.Compare(block[m].key, key) {
		case 0:
			return place{p.block, m}, true
		case -1:
			lo = m + 1
		default:
			hi = m
		}
	}
	return place{p.block, lo}, false
}

// get returns the change of a key, or nil. It is valid until the next write.
func (b *buffer) get(key []byte) *change {
	if p, found := b.find(key); found {
		return &b.blocks[p.block][p.i]
	}
	return nil
}

// put writes a key; the buffer copies key and value. How the new kind follows from the
// old one:
//
//	           was nothing  Put     Insert  Delete  CheckAbsent     Lock, found or not
//	Put        Put          Put     Insert  Put     Insert          Put
//	Insert     Insert       exists  exists  Put     Insert          exists or Put
//	Delete     Delete       Delete  Check…  Delete  CheckAbsent     Delete
//
// An Insert promises that nothing was there, and stays a promise when it is written
// over or deleted: commit still has to look.
func (b *buffer) put(kind region.MutationKind, key, value []byte) error {
	p, found := b.find(key)
	var old change
	if found {
		old = b.blocks[p.block][p.i]
	}
	inserted := found && (old.kind == region.MutInsert || old.kind == region.MutCheckAbsent)
	switch kind {
	case region.MutInsert:
		if found && old.visible() != nil {
			return fmt.Errorf("%w: %q", ErrExists, key)
		}
		// An optimistic lock has read the snapshot, which commit proves to be still so.
		if found && !inserted {
			kind = region.MutPut
		}
	case region.MutPut:
		if inserted {
			kind = region.MutInsert
		}
	case region.MutDelete:
		if inserted {
			kind = region.MutCheckAbsent
		}
	}
	b.save(key, old, found)
	if !found {
		both := append(append(make([]byte, 0, len(key)+len(value)), key...), value...)
		c := change{key: both[:len(key):len(key)], kind: kind}
		if kind == region.MutPut || kind == region.MutInsert {
			c.value = both[len(key):]
		}
		b.insert(p, c)
		return nil
	}
	c := change{key: old.key, kind: kind, held: old.held}
	if kind == region.MutPut || kind == region.MutInsert {
		c.value = append(make([]byte, 0, len(value)), value...)
	}
	b.set(p, c)
	return nil
}

// lock notes that a key is locked and what was read with the lock.
func (b *buffer) lock(key []byte, h *heldLock) {
	p, found := b.find(key)
	if !found {
		b.insert(p, change{key: bytes.Clone(key), kind: region.MutLock, held: h})
		return
	}
	b.blocks[p.block][p.i].held = h
}

func (b *buffer) set(p place, c change) {
	b.bytes += len(c.value) - len(b.blocks[p.block][p.i].value)
	b.blocks[p.block][p.i] = c
}

func (b *buffer) insert(p place, c change) {
	b.n++
	b.bytes += len(c.key) + len(c.value)
	b.version++
	if len(b.blocks) == 0 {
		b.blocks = append(b.blocks, nil)
	}
	block := b.blocks[p.block]
	if len(block) == blockLen {
		// Keys that come in order leave full blocks behind, others half-full ones.
		at := blockLen / 2
		if p.i == blockLen && p.block == len(b.blocks)-1 {
			at = blockLen
		}
		right := append(make([]change, 0, blockLen), block[at:]...)
		clear(block[at:])
		b.blocks[p.block] = block[:at:blockLen]
		b.blocks = append(b.blocks, nil)
		copy(b.blocks[p.block+2:], b.blocks[p.block+1:])
		b.blocks[p.block+1] = right
		if p.i > at || at == blockLen {
			p.block, p.i = p.block+1, p.i-at
		}
		block = b.blocks[p.block]
	}
	block = append(block, change{})
	copy(block[p.i+1:], block[p.i:])
	block[p.i] = c
	b.blocks[p.block] = block
}

func (b *buffer) remove(p place) {
	block := b.blocks[p.block]
	b.n--
	b.bytes -= len(block[p.i].key) + len(block[p.i].value)
	b.version++
	copy(block[p.i:], block[p.i+1:])
	block[len(block)-1] = change{}
	b.blocks[p.block] = block[:len(block)-1]
	if len(block) == 1 {
		b.blocks = append(b.blocks[:p.block], b.blocks[p.block+1:]...)
	}
}

// save remembers a change, if there is a savepoint to go back to.
func (b *buffer) save(key []byte, old change, existed bool) {
	if len(b.marks) == 0 {
		return
	}
	if !existed {
		old.key = bytes.Clone(key)
	}
	b.kept += len(old.key) + len(old.value)
	b.undo = append(b.undo, undone{old, existed})
}

// savepoint costs one word, and every later write what it replaces.
func (b *buffer) savepoint() Savepoint {
	b.serial++
	b.marks = append(b.marks, mark{b.serial, len(b.undo)})
	return Savepoint{len(b.marks), b.serial}
}

// rollbackTo takes back what came after a savepoint, which stays; those that came
// after it do not. Locks are kept.
func (b *buffer) rollbackTo(s Savepoint) error {
	if s.depth < 1 || s.depth > len(b.marks) || b.marks[s.depth-1].serial != s.serial {
		return fmt.Errorf("mvcc: savepoint %d is not one of this transaction, or was rolled back", s.serial)
	}
	b.marks = b.marks[:s.depth]
	to := b.marks[s.depth-1].undo
	for i := len(b.undo) - 1; i >= to; i-- {
		u := b.undo[i]
		b.kept -= len(u.key) + len(u.value)
		p, _ := b.find(u.key)
		held := b.blocks[p.block][p.i].held
		switch {
		case u.existed:
			b.set(p, change{u.key, u.value, u.kind, held})
		case held != nil:
			b.set(p, change{key: u.key, kind: region.MutLock, held: held})
		default:
			b.remove(p)
		}
	}
	clear(b.undo[to:])
	b.undo = b.undo[:to]
	return nil
}

// all calls f for every change in the order of keys.
func (b *buffer) all(f func(*change)) {
	for _, block := range b.blocks {
		for i := range block {
			f(&block[i])
		}
	}
}

// cursor walks a buffer in one direction between two bounds, also while it is
// written: it then finds its place again.
type cursor struct {
	b       *buffer
	lo, hi  []byte
	reverse bool
	at      place
	version int
	// seen is the last key that was passed, of the buffer or the snapshot; later ones are
	// still to come.
	seen []byte
}

// peek returns the next change, or nil.
func (c *cursor) peek() *change {
	if c.b.n == 0 {
		return nil
	}
	if c.version != c.b.version {
		c.seek()
	}
	if c.at.block < 0 || c.at.block >= len(c.b.blocks) {
		return nil
	}
	ch := &c.b.blocks[c.at.block][c.at.i]
	if c.reverse && bytes.Compare(ch.key, c.lo) < 0 || !c.reverse && c.hi != nil && bytes.Compare(ch.key, c.hi) >= 0 {
		return nil
	}
	return ch
}

// next passes what peek returned.
func (c *cursor) next() {
	c.pass(c.b.blocks[c.at.block][c.at.i].key)
	c.step()
}

// pass says that the snapshot's key was next.
func (c *cursor) pass(key []byte) { c.seen = append(c.seen[:0], key...) }

func (c *cursor) step() {
	if !c.reverse {
		if c.at.i++; c.at.i == len(c.b.blocks[c.at.block]) {
			c.at = place{c.at.block + 1, 0}
		}
		return
	}
	if c.at.i--; c.at.i < 0 {
		if c.at.block--; c.at.block >= 0 {
			c.at.i = len(c.b.blocks[c.at.block]) - 1
		}
	}
}

// seek finds the first place after seen, or in the bounds.
func (c *cursor) seek() {
	c.version = c.b.version
	if !c.reverse {
		from := c.lo
		if c.seen != nil {
			from = c.seen
		}
		p, found := c.b.find(from)
		c.at = p
		switch {
		case found && c.seen != nil:
			c.step()
		case p.i == len(c.b.blocks[p.block]):
			c.at = place{p.block + 1, 0}
		}
		return
	}
	from := c.hi
	if c.seen != nil {
		from = c.seen
	}
	if from == nil {
		c.at = place{len(c.b.blocks) - 1, len(c.b.blocks[len(c.b.blocks)-1]) - 1}
		return
	}
	c.at, _ = c.b.find(from)
	c.step()
}
