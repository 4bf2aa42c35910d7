// Where an object lies: which set, and which of its drives has which shard.

package erasure

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// setOf is the set of an object: SipHash spreads names evenly, and nobody who
// does not know the deployment can make names that all fall onto one set.
func setOf(deployment [16]byte, name string, sets int) int {
	return int(sipHash(deployment, home(name)) % uint64(sets))
}

// rotation is which place of a set of n drives has shard 0 of an object; shard i
// is at (rotation + i) mod n. So all drives share the work on data shards, which
// is more than that on parity.
func rotation(name string, n int) int {
	return int(crc32.ChecksumIEEE([]byte(home(name))) % uint32(n))
}

// shardAt is the shard that a new version of the object has at a place.
func shardAt(name string, place, n int) int { return (place - rotation(name, n) + n) % n }

// sipHash is SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF",
// 2012): two rounds for each eight bytes, four at the end.
func sipHash(key [16]byte, message string) uint64 {
	k0 := binary.LittleEndian.Uint64(key[:8])
	k1 := binary.LittleEndian.Uint64(key[8:])
	v := sipState{
		k0 ^ 0x736f6d6570736575, // "somepseu"
		k1 ^ 0x646f72616e646f6d, // "dorandom"
		k0 ^ 0x6c7967656e657261, // "lygenera"
		k1 ^ 0x7465646279746573, // "tedbytes"
	}
	absorb := func(m uint64) {
		v[3] ^= m
		v.rounds(2)
		v[0] ^= m
	}
	n := len(message)
	for ; len(message) >= 8; message = message[8:] {
		var m uint64
		for i := range 8 {
			m |= uint64(message[i]) << (8 * i)
		}
		absorb(m)
	}
	// The last word has what is left, and the length in its highest byte.
	last := uint64(n) << 56
	for i := range len(message) {
		last |= uint64(message[i]) << (8 * i)
	}
	absorb(last)
	v[2] ^= 0xff
	v.rounds(4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

type sipState [4]uint64

// rounds is the ARX network of the paper's figure 2.1.
func (v *sipState) rounds(n int) {
	for range n {
		v[0] += v[1]
		v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
		v[0] = bits.RotateLeft64(v[0], 32)
		v[2] += v[3]
		v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
		v[0] += v[3]
		v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
		v[2] += v[1]
		v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
		v[2] = bits.RotateLeft64(v[2], 32)
	}
}
