package types

import (
	"encoding/binary"
	"math/bits"
)

// An addressIndex finds a member's number by its address: the look-up that each vote needs, so it is a table of small numbers, a
// quarter full, and not a map. A free place is looked for from the place that the address says:
//
//	places   ·  3  ·  ·  1  7  ·  2      1 + the member's number; · is 0, nobody
//	                     ^  ^            members 0 and 6 have addresses that say this place
//
// Addresses are hashes of keys. Who looks for keys that say one place makes a look-up as slow as a walk through
// the members that did, and no slower.
type addressIndex struct {
	places []int32 // a power of two of them
	shift  uint8
}

func newAddressIndex(n int) addressIndex {
	log := bits.Len(uint(4*n - 1))
	return addressIndex{make([]int32, 1<<log), uint8(64 - log)}
}

// place is where the search for an address begins: the upper bits of a product depend on all of them (Knuth, 6.4).
func (x *addressIndex) place(a *Address) int {
	le := binary.LittleEndian
	h := le.Uint64(a[:]) ^ bits.RotateLeft64(le.Uint64(a[8:]), 21) ^ bits.RotateLeft64(uint64(le.Uint32(a[16:])), 43)
	return int(h * 0x9e3779b97f4a7c15 >> x.shift)
}

// find is the number of the member with an address, or -1.
func (x *addressIndex) find(members []Validator, a *Address) int {
	for p := x.place(a); ; p = (p + 1) & (len(x.places) - 1) {
		i := int(x.places[p]) - 1
		if i < 0 || members[i].Address == *a {
			return i
		}
	}
}

// add adds the member with number i, unless its address is there.
func (x *addressIndex) add(members []Validator, i int) bool {
	p := x.place(&members[i].Address)
	for ; x.places[p] != 0; p = (p + 1) & (len(x.places) - 1) {
		if members[x.places[p]-1].Address == members[i].Address {
			return false
		}
	}
	x.places[p] = int32(i + 1)
	return true
}
