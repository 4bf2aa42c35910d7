package erasure

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSipHashIsThePapers: appendix A, and the first of the reference vectors that
// go with the authors' code (vectors_sip64), of the messages 00 01 02 ...
func TestSipHashIsThePapers(t *testing.T) {
	var key [16]byte
	message := make([]byte, 15)
	for i := range key {
		key[i] = byte(i)
	}
	for i := range message {
		message[i] = byte(i)
	}
	require.EqualValues(t, uint64(0xa129ca6149be45e5), sipHash(key, string(message)), "appendix A")
	for n, want := range []uint64{
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
		0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
		0x93f5f5799a932462,
	} {
		require.Equal(t, want, sipHash(key, string(message[:n])), "message of %d bytes", n)
	}
}

// TestObjectsAreSpread: on 4 sets of 8, of 80,000 objects each set gets a
// quarter, and each drive an eighth of the first shards, within 5 %.
func TestObjectsAreSpread(t *testing.T) {
	const objects, sets, drives = 80_000, 4, 8
	var bySet [sets]int
	var byDrive [drives]int
	for i := range objects {
		name := fmt.Sprintf("photos/2026/%d.jpg", i)
		bySet[setOf([16]byte{1}, name, sets)]++
		byDrive[rotation(name, drives)]++
		for place := range drives {
			if (rotation(name, drives)+shardAt(name, place, drives))%drives != place {
				t.Fatal(name, place)
			}
		}
	}
	for _, n := range bySet {
		require.InEpsilon(t, objects/sets, n, 0.05)
	}
	for _, n := range byDrive {
		require.InEpsilon(t, objects/drives, n, 0.05)
	}
	moved := 0
	for i := range 1000 {
		name := fmt.Sprint(i)
		if setOf([16]byte{1}, name, sets) != setOf([16]byte{2}, name, sets) {
			moved++
		}
	}
	require.InEpsilon(t, 750, moved, 0.1, "another deployment spreads them otherwise")
}
