// Package varint reads numbers of which each has one encoding: the shortest (rule ENC of package bft).
package varint

import "encoding/binary"

// Take takes a varint in its shortest form off the front of b. n is its length; 0: there is none, or it is more than most.
func Take(b []byte, most uint64) (x uint64, n int) {
	if x, n = binary.Uvarint(b); n <= 0 || x > most || n > 1 && b[n-1] == 0 {
		return 0, 0
	}
	return x, n
}
