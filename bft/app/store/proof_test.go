package store

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProofHoldsForItsKeyAlone(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 4))
		model := map[string]string{}
		for range rng.IntN(50) {
			model[string(key(rng))] = fmt.Sprint(rng.IntN(9))
		}
		tree := of(t, model, rng)
		root := tree.Root()
		for range 60 {
			k, other := key(rng), key(rng)
			p := tree.Prove(k)
			decoded, err := DecodeProof(p.Append(nil))
			require.NoError(t, err)
			require.Equal(t, p, decoded)
			v, there := model[string(k)]
			if there {
				require.NoError(t, p.VerifyMember(root, k, []byte(v)), "RULE ST3: %q", k)
			} else {
				require.NoError(t, p.VerifyAbsent(root, k), "RULE ST3: %q", k)
			}
			require.Equal(t, !there, p.VerifyAbsent(root, k) == nil, "RULE ST3: %q is there, and is proved not to be", k)
			require.Error(t, p.VerifyMember(root, k, []byte(v+"0")), "RULE ST3: %q has another value", k)
			_, has := model[string(other)]
			require.False(t, has && p.VerifyAbsent(root, other) == nil, "RULE ST3: the proof of %q makes %q absent", k, other)
			wrong := root
			wrong[rng.IntN(32)] ^= 1
			require.ErrorIs(t, p.VerifyMember(wrong, k, []byte(v)), ErrProof)
			require.ErrorIs(t, p.VerifyAbsent(wrong, k), ErrProof)
		}
	}
}

// Every bit of a proof matters, but for those that say of which other key a leaf is that proves absence.
func TestAForgedProofDoesNotHold(t *testing.T) {
	model := map[string]string{"a": "1", "ab": "2", "b": "3", "abc": "4", "x": "5"}
	tree := of(t, model, rand.New(rand.NewPCG(1, 1)))
	root := tree.Root()
	for _, k := range []string{"a", "ab", "abc", "b", "x"} {
		encoded := tree.Prove([]byte(k)).Append(nil)
		for i := range 8 * len(encoded) {
			forged := slices.Clone(encoded)
			forged[i/8] ^= 1 << (i % 8)
			p, err := DecodeProof(forged)
			if err != nil {
				require.ErrorIs(t, err, ErrProof)
				continue
			}
			require.Error(t, p.VerifyMember(root, []byte(k), []byte(model[k])), "RULE ST3: bit %d of the proof of %q", i, k)
			require.Error(t, p.VerifyAbsent(root, []byte(k)), "RULE ST3: bit %d of the proof of %q", i, k)
		}
		for n := range len(encoded) {
			if p, err := DecodeProof(encoded[:n]); err == nil {
				require.Error(t, p.VerifyMember(root, []byte(k), []byte(model[k])), "RULE ST3: a proof cut to %d bytes", n)
				require.Error(t, p.VerifyAbsent(root, []byte(k)), "RULE ST3: a proof cut to %d bytes", n)
			}
		}
	}
	require.Error(t, Proof{}.VerifyAbsent(root, []byte("a")), "RULE ST3: the tree is not empty")
	require.NoError(t, Proof{}.VerifyAbsent(Tree{}.Root(), []byte("a")))
	require.Error(t, Proof{Path: []Step{{}}}.VerifyAbsent(Tree{}.Root(), []byte("a")))
	require.ErrorIs(t, tree.Prove([]byte("a")).VerifyAbsent(root, nil), ErrKey)
}

// The second preimage that a tree without prefixes has: the bytes of an inner node shown as a leaf.
func TestAnInnerNodeIsNoLeaf(t *testing.T) {
	left, right := Hash{1}, Hash{2}
	inner := innerHash(7, left, right)
	for n := range 67 {
		// As a leaf, the preimage of an inner node would have this key and this hash of a value.
		var pre [67]byte
		pre[0] = 1
		pre[2] = 7
		copy(pre[3:], left[:])
		copy(pre[35:], right[:])
		if n < 35 {
			require.NotEqual(t, inner, leafHash(pre[3:3+n], Hash(pre[35:])), "RULE ST2: an inner node passes for a leaf")
		}
	}
	pre := append([]byte{1, 0, 7}, append(left[:], right[:]...)...)
	require.Equal(t, inner, Hash(sha256.Sum256(pre)), "RULE ST2: an inner node hashes as the description says")
	require.NotEqual(t, innerHash(8, left, right), inner, "RULE ST2: an inner node's place is in its hash")
	leaf := leafHash([]byte("k"), left)
	require.Equal(t, leaf, Hash(sha256.Sum256(append([]byte{0, 0, 1, 'k'}, left[:]...))), "RULE ST2: a leaf hashes as the description says")
}

// A proof whose positions do not grow could take turns twice.
func TestPositionsGrowOnTheWayDown(t *testing.T) {
	leaf := leafHash([]byte("k"), Hash{1})
	lower := innerHash(5, leaf, Hash{2})
	if bitAt("q", 5) == 1 {
		lower = innerHash(5, Hash{2}, leaf)
	}
	root := innerHash(5, lower, Hash{3})
	if bitAt("q", 5) == 1 {
		root = innerHash(5, Hash{3}, lower)
	}
	p := Proof{Key: []byte("k"), Value: Hash{1}, Path: []Step{{5, Hash{3}}, {5, Hash{2}}}}
	require.ErrorIs(t, p.VerifyAbsent(root, []byte("q")), ErrProof, "RULE ST3: a position comes twice")
}

func FuzzDecodeProof(f *testing.F) {
	tree := of(f, map[string]string{"a": "1", "ab": "2", "b": "3"}, rand.New(rand.NewPCG(1, 1)))
	f.Add(tree.Prove([]byte("a")).Append(nil))
	f.Add([]byte{0, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodeProof(b)
		if err != nil {
			require.ErrorIs(t, err, ErrProof)
			return
		}
		require.Equal(t, string(b), string(p.Append(nil)), "RULE ST3: one encoding of each proof")
		for k, there := range map[string]bool{"a": true, "q": false} {
			if p.VerifyAbsent(tree.Root(), []byte(k)) == nil {
				require.False(t, there, "RULE ST3: %q is there, and is proved not to be", k)
			}
			require.Error(t, p.VerifyMember(tree.Root(), []byte(k), []byte("2")), "RULE ST3: %q has another value, or none", k)
		}
	})
}
