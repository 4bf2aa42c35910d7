package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// key is a short key: many begin alike, and some are the beginning of others.
func key(rng *rand.Rand) []byte {
	k := make([]byte, 1+rng.IntN(4))
	for i := range k {
		k[i] = []byte{0, 1, 'a', 'b', 0x80, 0xff}[rng.IntN(6)]
	}
	return k
}

// of is the tree of a map, built in the order of rng.
func of(t testing.TB, m map[string]string, rng *rand.Rand) Tree {
	keys := slices.Sorted(maps.Keys(m))
	rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var b = Tree{}.Branch()
	for _, k := range keys {
		require.NoError(t, b.Set([]byte(k), []byte(m[k])))
	}
	return b.Tree()
}

// all is what a range shows, as a line.
func all(t testing.TB, kv interface {
	Range(from, to []byte, fn func(k, v []byte) error) error
}, from, to []byte) string {
	var out []string
	require.NoError(t, kv.Range(from, to, func(k, v []byte) error {
		out = append(out, fmt.Sprintf("%q=%q", k, v))
		return nil
	}))
	return strings.Join(out, " ")
}

// ST1: against a map, with other trees of the same content, and with all older trees.
func TestTheRootDependsOnTheContentAlone(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		model := map[string]string{}
		b := Tree{}.Branch()
		type old struct {
			tree Tree
			root Hash
			all  string
		}
		var olds []old
		for i := range 300 {
			k, v := key(rng), fmt.Sprint(rng.IntN(4))
			if rng.IntN(5) < 2 {
				delete(model, string(k))
				require.NoError(t, b.Delete(k))
			} else {
				model[string(k)] = v
				require.NoError(t, b.Set(k, []byte(v)))
			}
			if i%10 == 0 {
				tree := b.Tree()
				require.Equal(t, of(t, model, rng).Root(), tree.Root(), "RULE ST1: seed %d, step %d: another order of writes, another root", seed, i)
				olds = append(olds, old{tree, tree.Root(), all(t, tree, nil, nil)})
			}
			got, err := b.Get(k)
			require.NoError(t, err)
			want, there := model[string(k)]
			require.Equal(t, there, got != nil, "RULE ST1: seed %d, step %d: %q is there, or not", seed, i, k)
			require.Equal(t, want, string(got), "RULE ST1: seed %d, step %d", seed, i)
		}
		for i, o := range olds {
			require.Equal(t, o.all, all(t, o.tree, nil, nil), "RULE ST4: seed %d: tree %d has changed", seed, i)
			fresh := Tree{}.Branch()
			require.NoError(t, o.tree.Range(nil, nil, fresh.Set))
			require.Equal(t, o.root, fresh.Tree().Root(), "RULE ST1: seed %d: the root of tree %d is not that of its content", seed, i)
		}
	}
}

func TestRangesAreThoseOfASortedList(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		model := map[string]string{}
		for range rng.IntN(60) {
			model[string(key(rng))] = "v"
		}
		tree := of(t, model, rng)
		for range 40 {
			from, to := key(rng), key(rng)
			if rng.IntN(4) == 0 {
				from = nil
			}
			if rng.IntN(4) == 0 {
				to = nil
			}
			var want []string
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if k >= string(from) && (to == nil || k < string(to)) {
					want = append(want, fmt.Sprintf("%q=%q", k, "v"))
				}
			}
			require.Equal(t, strings.Join(want, " "), all(t, tree, from, to), "RULE ST1: seed %d, from %q to %q", seed, from, to)
		}
	}
}

func TestADifferenceMakesOneTreeIntoTheOther(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		model := map[string]string{}
		for range rng.IntN(40) {
			model[string(key(rng))] = fmt.Sprint(rng.IntN(2))
		}
		old := of(t, model, rng)
		b := old.Branch()
		if rng.IntN(3) == 0 { // nothing shared
			b = of(t, model, rng).Branch()
		}
		next := maps.Clone(model)
		for range rng.IntN(20) {
			k := key(rng)
			if rng.IntN(2) == 0 {
				delete(next, string(k))
				require.NoError(t, b.Delete(k))
			} else {
				next[string(k)] = fmt.Sprint(rng.IntN(3))
				require.NoError(t, b.Set(k, []byte(next[string(k)])))
			}
		}
		changes := Diff(old, b.Tree())
		require.True(t, slices.IsSortedFunc(changes, func(a, b Change) int { return bytes.Compare(a.Key, b.Key) }), "RULE ST1: seed %d: changes are in order", seed)
		got := maps.Clone(model)
		for _, c := range changes {
			if c.Value == nil {
				require.Contains(t, got, string(c.Key), "RULE ST1: seed %d: what is deleted was there", seed)
				delete(got, string(c.Key))
			} else {
				got[string(c.Key)] = string(c.Value)
			}
		}
		require.Equal(t, next, got, "RULE ST1: seed %d", seed)
	}
}

func TestABranchIsWrittenOrDropped(t *testing.T) {
	base := of(t, map[string]string{"a": "1", "b": "2", "ab": "3"}, rand.New(rand.NewPCG(1, 1)))
	parent := base.Branch()
	require.NoError(t, parent.Set([]byte("b"), []byte("4")))
	before := all(t, parent, nil, nil)

	child := parent.Branch()
	require.NoError(t, child.Set([]byte("c"), []byte("5")))
	require.NoError(t, child.Set([]byte("b"), []byte("6")))
	require.NoError(t, child.Delete([]byte("a")))
	require.Equal(t, before, all(t, parent, nil, nil), "RULE ST4: a parent sees what its child has not written")
	require.Equal(t, `"ab"="3" "b"="6" "c"="5"`, all(t, child, nil, nil))

	other := parent.Branch() // the first child is dropped for this one
	require.NoError(t, other.Set([]byte("d"), []byte("7")))
	require.NoError(t, other.Write())
	require.Equal(t, before+` "d"="7"`, all(t, parent, nil, nil), "RULE ST4: something is left of a dropped branch")
	require.ErrorIs(t, child.Write(), ErrStale, "RULE ST4: a child of what is no more would undo the writes since")
	require.NoError(t, other.Set([]byte("d"), []byte("8")))
	require.Equal(t, before+` "d"="7"`, all(t, parent, nil, nil), "RULE ST4: a parent sees what its child wrote after Write")
	require.NoError(t, other.Write(), "a branch goes on after Write")

	late := parent.Branch()
	require.NoError(t, parent.Set([]byte("e"), []byte("9")))
	require.NotContains(t, all(t, late, nil, nil), `"e"`, "RULE ST4: a child is what its parent was")
	require.ErrorIs(t, late.Write(), ErrStale)
	require.ErrorIs(t, base.Branch().Write(), ErrStale, "it has no parent")

	fresh := base.Branch()
	require.NoError(t, fresh.Set([]byte("b"), []byte("1")))
	child = fresh.Branch()
	require.NoError(t, fresh.Set([]byte("bc"), []byte("2")))
	require.NotContains(t, all(t, child, nil, nil), `"bc"`, "RULE ST4: a parent's writes change its child")
	require.Equal(t, `"a"="1" "ab"="3" "b"="2"`, all(t, base, nil, nil), "RULE ST4: a tree has changed")
}

func TestARangeGoesOnInWhatThereWas(t *testing.T) {
	b := of(t, map[string]string{"a": "1", "b": "2", "c": "3"}, rand.New(rand.NewPCG(1, 1))).Branch()
	require.NoError(t, b.Set([]byte("d"), []byte("4")))
	var seen []string
	require.NoError(t, b.Range(nil, nil, func(k, v []byte) error {
		seen = append(seen, string(k))
		if len(k) > 1 { // written by this very range: not to be seen
			return nil
		}
		require.NoError(t, b.Set(append([]byte{'d'}, k...), v))
		return b.Delete(k)
	}))
	require.Equal(t, []string{"a", "b", "c", "d"}, seen, "RULE ST4: a range sees the writes that are made in it")
	require.Equal(t, `"da"="1" "db"="2" "dc"="3" "dd"="4"`, all(t, b, nil, nil))
}

func TestPrefixesKeepPartsApart(t *testing.T) {
	b := Tree{}.Branch()
	x, y := Prefix(b, "x/"), Prefix(b, "y/")
	require.NoError(t, x.Set([]byte("k"), []byte("1")))
	require.NoError(t, y.Set([]byte("k"), []byte("2")))
	require.NoError(t, Prefix(b, "x0").Set([]byte("k"), []byte("3")))
	require.NoError(t, x.Set([]byte("l"), nil))
	require.Equal(t, `"k"="1" "l"=""`, all(t, x, nil, nil))
	require.Equal(t, `"k"="1"`, all(t, x, nil, []byte("l")))
	require.Equal(t, `"l"=""`, all(t, x, []byte("l"), nil))
	require.NoError(t, x.Delete([]byte("k")))
	v, err := y.Get([]byte("k"))
	require.NoError(t, err)
	require.Equal(t, "2", string(v))
	require.Nil(t, PrefixEnd([]byte{0xff, 0xff}))
	require.Equal(t, []byte{2}, PrefixEnd([]byte{1, 0xff}))
	for _, bad := range [][]byte{nil, make([]byte, MaxKey+1)} {
		require.ErrorIs(t, b.Set(bad, nil), ErrKey)
	}
}

// ST2: the bytes of a tree of two, by hand.
func TestHashesAreThoseOfTheDescription(t *testing.T) {
	h := func(parts ...string) string { s := sha256.Sum256([]byte(strings.Join(parts, ""))); return string(s[:]) }
	tree := of(t, map[string]string{"a": "1", "b": "2"}, rand.New(rand.NewPCG(1, 1)))
	// a is 1 01100001, b is 1 01100010: they part at bit 7.
	leaf := func(k, v string) string { return h("\x00\x00\x01", k, h(v)) }
	want := h("\x01\x00\x07", leaf("a", "1"), leaf("b", "2"))
	require.Equal(t, fmt.Sprintf("%x", want), fmt.Sprintf("%x", tree.Root()), "RULE ST2: hashed otherwise than described")
	require.Equal(t, fmt.Sprintf("%x", h()), fmt.Sprintf("%x", Tree{}.Root()), "RULE ST2: hashed otherwise than described")
}
