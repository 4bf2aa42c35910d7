package merkle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/cputime"
	"github.com/stretchr/testify/require"
)

func list(n int) [][]byte {
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = binary.BigEndian.AppendUint32(nil, uint32(i))
	}
	return leaves
}

// described is RFC 6962's definition as it stands there.
func described(leaves [][]byte) [32]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	split := 1
	for split*2 < len(leaves) {
		split *= 2
	}
	left, right := described(leaves[:split]), described(leaves[split:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// M1, M2.
func TestRootIsThatOfTheDescription(t *testing.T) {
	sizes := []int{1023, 1024, 1025, 1536, 1537, 2047, 2048, 2049, 5000}
	for n := range 70 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		require.Equal(t, described(list(n)), Root(list(n)), "RULE M2: %d leaves", n)
	}
	for _, size := range []int{0, 1, 63, 1022, 1023, 1024, 1025, 5000} {
		leaf := make([]byte, size)
		require.Equal(t, described([][]byte{leaf}), Root([][]byte{leaf}), "RULE M1: a leaf of %d bytes", size)
		require.Equal(t, described([][]byte{leaf}), LeafHash(leaf), "RULE M1: a leaf of %d bytes", size)
	}
}

// The roots of CometBFT v0.40.0 for the lists 0000, 0001, ... of four-byte numbers.
func TestRootIsCometBFTs(t *testing.T) {
	for n, want := range goldenRoots {
		root := Root(list(n))
		require.Equal(t, want, hex.EncodeToString(root[:]), "RULE M2: %d leaves", n)
	}
}

func TestEachLeafIsProved(t *testing.T) {
	for n := 1; n < 70; n++ {
		leaves := list(n)
		root, proofs := Proofs(leaves)
		require.Equal(t, Root(leaves), root)
		for i, p := range proofs {
			require.Equal(t, int64(i), p.Index)
			require.Equal(t, int64(n), p.Total)
			require.NoError(t, p.Verify(root, leaves[i]), "RULE M3: leaf %d of %d", i, n)
		}
	}
	root, proofs := Proofs(nil)
	require.Equal(t, Root(nil), root)
	require.Empty(t, proofs)
}

// M3: whatever is changed in a proof, it shows nothing any more. That includes its place: for any other index or total
// that needs as many hashes, the leaf would have to be elsewhere.
func TestAChangedProofShowsNothing(t *testing.T) {
	for n := 1; n < 40; n++ {
		leaves := list(n)
		root, proofs := Proofs(leaves)
		for i, p := range proofs {
			refuse := func(what string, p Proof, root [32]byte, leaf []byte) {
				t.Helper()
				require.ErrorIs(t, p.Verify(root, leaf), ErrProof, "RULE M3: %s, leaf %d of %d", what, i, n)
			}
			refuse("another leaf", p, root, []byte("no"))
			refuse("another root", p, [32]byte{1}, leaves[i])
			changed := p
			changed.Leaf[0]++
			refuse("another leaf's hash", changed, root, leaves[i])
			for _, index := range []int64{-1, int64(i) - 1, int64(i) + 1, int64(n), int64(i) ^ 1, int64(i) + 1<<32} {
				changed = p
				changed.Index = index
				if index != int64(i) {
					refuse(fmt.Sprint("index ", index), changed, root, leaves[i])
				}
			}
			changed = p
			changed.Total = 0
			refuse("of none", changed, root, leaves[i])
			changed = p
			changed.Aunts = append(p.Aunts[:len(p.Aunts):len(p.Aunts)], [32]byte{})
			refuse("a hash too many", changed, root, leaves[i])
			for j := range p.Aunts {
				changed.Aunts = append([][32]byte(nil), p.Aunts...)
				changed.Aunts[j][31]++
				refuse("another hash", changed, root, leaves[i])
				changed.Aunts = append(append([][32]byte(nil), p.Aunts[:j]...), p.Aunts[j+1:]...)
				refuse("a hash missing", changed, root, leaves[i])
			}
		}
	}
}

// M1: the hashes of a node's children, put together, are no leaf with that node's hash.
func TestANodeIsNoLeaf(t *testing.T) {
	leaves := list(4)
	root, _ := Proofs(leaves)
	left, right := Root(leaves[:2]), Root(leaves[2:])
	node := append(left[:], right[:]...)
	require.NotEqual(t, root, Root([][]byte{node}), "RULE M1: a second list with the same root")
	require.NotEqual(t, LeafHash(node), InnerHash(left, right), "RULE M1: a node is a leaf")
	forged := Proof{Total: 1, Leaf: root}
	require.Error(t, forged.Verify(root, node), "RULE M1: a node is proved to be a leaf")
}

// M2: a list is not the same as one with its last leaf twice (CVE-2012-2459).
func TestNothingIsRepeated(t *testing.T) {
	for n := 1; n < 20; n++ {
		leaves := list(n)
		require.NotEqual(t, Root(leaves), Root(append(leaves, leaves[n-1])), "RULE M2: %d leaves", n)
	}
}

func TestRootAllocatesLittle(t *testing.T) {
	leaves := list(10_000)
	require.LessOrEqual(t, testing.AllocsPerRun(5, func() { Root(leaves) }), 10.0)
}

// FuzzProof changes a proof anyhow: it holds as long as nothing has changed, and no longer.
func FuzzProof(f *testing.F) {
	f.Add(uint8(7), uint8(3), int64(0), int64(0), []byte{}, []byte{}, uint8(0))
	f.Add(uint8(6), uint8(5), int64(1), int64(1), []byte{1}, make([]byte, 40), uint8(1))
	f.Fuzz(func(t *testing.T, n, i uint8, total, index int64, leaf, aunts []byte, drop uint8) {
		leaves := list(1 + int(n))
		at := int(i) % len(leaves)
		root, proofs := Proofs(leaves)
		good := proofs[at]
		p := Proof{Total: good.Total ^ total, Index: good.Index ^ index, Leaf: good.Leaf}
		p.Aunts = append(p.Aunts, good.Aunts[:max(len(good.Aunts)-int(drop), 0)]...)
		for k, x := range aunts {
			if k/32 == len(p.Aunts) {
				p.Aunts = append(p.Aunts, [32]byte{})
			}
			p.Aunts[k/32][k%32] ^= x
		}
		claimed := slices.Clone(leaves[at])
		for k, x := range leaf {
			if k < len(claimed) {
				claimed[k] ^= x
				continue
			}
			claimed = append(claimed, x)
		}
		p.Leaf = LeafHash(claimed)
		// Whoever verifies knows how many there are: total and index are part of the claim, and the root alone does not bind them.
		err := p.Verify(root, claimed)
		same := bytes.Equal(claimed, leaves[at]) && slices.Equal(p.Aunts, good.Aunts)
		if total == 0 {
			require.Equal(t, same && index == 0, err == nil, "RULE M3: %v", err)
		}
		require.True(t, err != nil || same, "RULE M3: another leaf, or other hashes, lead to the root")
		if err != nil {
			require.ErrorIs(t, err, ErrProof)
		}
	})
}

func BenchmarkRoot(b *testing.B) {
	leaves := make([][]byte, 10_000)
	for i := range leaves {
		leaves[i] = make([]byte, 250)
		binary.BigEndian.PutUint32(leaves[i], uint32(i))
	}
	b.ReportAllocs()
	b.SetBytes(10_000 * 250)
	stop := cputime.Report(b)
	for b.Loop() {
		Root(leaves)
	}
	stop()
}

func BenchmarkVerify(b *testing.B) {
	leaves := list(10_000)
	root, proofs := Proofs(leaves)
	b.ReportAllocs()
	for b.Loop() {
		if err := proofs[5000].Verify(root, leaves[5000]); err != nil {
			b.Fatal(err)
		}
	}
}
