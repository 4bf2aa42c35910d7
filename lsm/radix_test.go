package lsm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/key"
)

// TestByPrefixIsAStableSort compares it with a sort that compares.
func TestByPrefixIsAStableSort(t *testing.T) {
	var spare []flatEntry
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		mask := rng.Uint64() & rng.Uint64() & rng.Uint64() // many prefixes are equal
		in := make([]flatEntry, 1+rng.IntN(1000))
		for i := range in {
			in[i] = flatEntry{prefix: rng.Uint64() & mask, key: uint32(i)}
		}
		want := slices.Clone(in)
		slices.SortStableFunc(want, func(a, b flatEntry) int {
			var x, y [8]byte
			binary.BigEndian.PutUint64(x[:], a.prefix)
			binary.BigEndian.PutUint64(y[:], b.prefix)
			return slices.Compare(x[:], y[:])
		})
		var got []flatEntry
		got, spare = byPrefix(in, spare)
		require.Equal(t, want, got, "RULE order: seed %d", seed)
	}
}

// TestFlatIsSorted: keys with much in common, some of them several times, of which the
// newest entry comes first.
func TestFlatIsSorted(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	for _, n := range []int{10, radixFrom, 3000} {
		b := db.NewBatch()
		for i := range n {
			b.Put(fmt.Appendf(nil, "a common prefix %04d and a tail %d", i*7919%1000, i%3), []byte{byte(i)})
		}
		b.seal(1)
		m, err := newFlatMemtable(key.Plain, b.data)
		require.NoError(t, err)
		c := m.cursor(nil)
		var last []byte
		count := 0
		for k := c.First(); k != nil; k = c.Next() {
			if last != nil && key.Plain.Compare(last, k) >= 0 {
				t.Fatalf("RULE order: %q %d is behind %q %d", key.UserKey(k), key.TrailerOf(k), key.UserKey(last), key.TrailerOf(last))
			}
			last = append(last[:0], k...)
			count++
		}
		require.Equal(t, n, count)
	}
}
