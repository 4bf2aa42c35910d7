// The hash table of GROUP BY: which group is a row in?
//
// Two kinds of key have a table each: numbers, which are compared as 64 bits, and bytes,
// which are a string, or several keys packed into one. Both probe on from where the
// hash points, and compare with keys that lie together in the order of the groups.
//
//	slots   [ 0 | 3 | 0 | 1 | 2 | 0 | 0 | 0 ]      number of a group from 1; 0 is free
//	                |       |   |
//	words       [ 'x' | 'y' | 'z' ]                words[1-1], words[2-1], words[3-1]

package coprocessor

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
)

type groupTable struct {
	keys  store // one row a group
	slots []uint32
	ids   []int32 // what assign returns
	nulls int32   // the group of NULL, where there is one key; -1: there is none yet

	isBytes bool
	words   []int64  // keys that are numbers, by group
	floats  []int64  // bits of floats
	packed  [][]byte // keys that are bytes, by group
	hashes  []uint64 // of either, by group
	seed    maphash.Seed
	salt    uint64 // of the same seed, for numbers
	buf     []byte
	arena   store // owns packed
}

func newGroupTable(types []Type) *groupTable {
	seed := maphash.MakeSeed()
	return &groupTable{
		keys:    newStore(types),
		slots:   make([]uint32, 64),
		nulls:   -1,
		isBytes: len(types) > 1 || len(types) == 1 && types[0] == String,
		seed:    seed,
		salt:    maphash.Bytes(seed, []byte{0}),
	}
}

// size is the memory in use, about.
func (g *groupTable) size() int {
	return g.keys.size + g.arena.size + 4*len(g.slots) + 8*len(g.hashes) + 8*len(g.words) + 24*len(g.packed)
}

// assign returns the group of each row of sel, and makes those that are missing.
// Without keys all rows are group 0.
func (g *groupTable) assign(keys []*vector, sel []int32) []int32 {
	if cap(g.ids) < len(sel) {
		g.ids = make([]int32, len(sel))
	}
	g.ids = g.ids[:len(sel)]
	switch {
	case len(keys) == 0:
		clear(g.ids)
		g.keys.n = 1
	case len(keys) > 1:
		g.assignPacked(keys, sel)
	case keys[0].typ == String:
		g.assignStrings(keys, sel)
	case keys[0].typ == Float:
		g.assignFloats(keys, sel)
	default:
		g.assignWords(keys, keys[0].ints, sel)
	}
	return g.ids
}

// hashWord is the hash of a number. The whole product counts: of floats that are small whole
// numbers the upper bits alone differ, and all slots are taken by the lower ones. The seed
// is for numbers that somebody has chosen to collide.
func (g *groupTable) hashWord(w int64) uint64 {
	hi, lo := bits.Mul64(uint64(w)^g.salt, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

func (g *groupTable) assignWords(keys []*vector, words []int64, sel []int32) {
	null := keys[0]
	for j, r := range sel {
		if null.isNull(r) {
			g.ids[j] = g.null(keys, r)
			continue
		}
		w := words[r]
		mask := uint64(len(g.slots) - 1)
		h := g.hashWord(w)
		at := h & mask
		for {
			s := g.slots[at]
			if s == 0 {
				g.ids[j] = g.add(keys, r, at, w, nil, h)
				break
			}
			if g.words[s-1] == w {
				g.ids[j] = int32(s - 1)
				break
			}
			at = (at + 1) & mask
		}
	}
}

// assignFloats takes floats by their bits, which for values are equal if they are.
func (g *groupTable) assignFloats(keys []*vector, sel []int32) {
	v := keys[0]
	g.floats = room(g.floats, len(v.null))
	for _, r := range sel {
		if !v.isNull(r) {
			g.floats[r] = int64(math.Float64bits(v.floats[r]))
		}
	}
	g.assignWords(keys, g.floats, sel)
}

func (g *groupTable) assignStrings(keys []*vector, sel []int32) {
	v := keys[0]
	for j, r := range sel {
		if v.isNull(r) {
			g.ids[j] = g.null(keys, r)
			continue
		}
		g.ids[j] = g.find(keys, r, v.strs[r])
	}
}

// assignPacked makes bytes of several keys, so that different keys differ: a byte that
// is 0 for NULL, then 8 bytes of a number, or the length and the bytes of a string.
func (g *groupTable) assignPacked(keys []*vector, sel []int32) {
	for j, r := range sel {
		b := g.buf[:0]
		for _, v := range keys {
			switch {
			case v.isNull(r):
				b = append(b, 0)
			case v.typ == Float:
				b = binary.LittleEndian.AppendUint64(append(b, 1), math.Float64bits(v.floats[r]))
			case v.typ == String:
				b = binary.AppendUvarint(append(b, 1), uint64(len(v.strs[r])))
				b = append(b, v.strs[r]...)
			default:
				b = binary.LittleEndian.AppendUint64(append(b, 1), uint64(v.ints[r]))
			}
		}
		g.buf = b
		g.ids[j] = g.find(keys, r, b)
	}
}

// find is the group of a key that is bytes.
func (g *groupTable) find(keys []*vector, r int32, key []byte) int32 {
	h := maphash.Bytes(g.seed, key)
	mask := uint64(len(g.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := g.slots[at]
		if s == 0 {
			return g.add(keys, r, at, 0, g.arena.own(key), h)
		}
		if g.hashes[s-1] == h && bytes.Equal(g.packed[s-1], key) {
			return int32(s - 1)
		}
	}
}

// null is the group of NULL, which is in no slot.
func (g *groupTable) null(keys []*vector, r int32) int32 {
	if g.nulls < 0 {
		g.nulls = g.push(keys, r, 0, nil, 0)
	}
	return g.nulls
}

// add makes a group, which the free slot at leads to.
func (g *groupTable) add(keys []*vector, r int32, at uint64, word int64, packed []byte, hash uint64) int32 {
	id := g.push(keys, r, word, packed, hash)
	g.slots[at] = uint32(id) + 1
	if 2*g.keys.n > len(g.slots) {
		g.grow()
	}
	return id
}

func (g *groupTable) push(keys []*vector, r int32, word int64, packed []byte, hash uint64) int32 {
	g.keys.add(keys, []int32{r})
	g.hashes = append(g.hashes, hash)
	if g.isBytes {
		g.packed = append(g.packed, packed)
	} else {
		g.words = append(g.words, word)
	}
	return int32(g.keys.n - 1)
}

func (g *groupTable) grow() {
	g.slots = make([]uint32, 2*len(g.slots))
	mask := uint64(len(g.slots) - 1)
	for id := range g.hashes {
		if int32(id) == g.nulls {
			continue
		}
		at := g.hashes[id] & mask
		for g.slots[at] != 0 {
			at = (at + 1) & mask
		}
		g.slots[at] = uint32(id) + 1
	}
}
