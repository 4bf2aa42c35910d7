package store

import "math/bits"

// MaxKey is the length of the longest key, in bytes.
const MaxKey = 1024

// none is no position: two keys are equal, or a node is a leaf. It is above every position.
const none = 9*MaxKey + 9

// Keys are bit strings of nine bits a byte: a 1 that says that the byte is there, then the
// byte, the highest bit first. Behind the end all bits are 0. So no key is the beginning of
// another one, and the order of the bits is the order of the bytes:
//
//	"a"   1 01100001 0
//	"ab"  1 01100001 1 01100010 0

// bitAt is the bit of key at position p.
func bitAt[K string | []byte](key K, p int) int {
	i, r := p/9, p%9
	switch {
	case i >= len(key):
		return 0
	case r == 0:
		return 1
	}
	return int(key[i]>>(8-r)) & 1
}

// critBit is the first position at which a and b differ.
func critBit[A, B string | []byte](a A, b B) int {
	n := min(len(a), len(b))
	for i := range n {
		if x := a[i] ^ b[i]; x != 0 {
			return 9*i + 1 + bits.LeadingZeros8(x)
		}
	}
	if len(a) == len(b) {
		return none
	}
	return 9 * n
}
