package store

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRecord reads anything as a version after another one: it is an error, or a state that has the root it was committed with, and that is
// read again from the record that it would have.
func FuzzRecord(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	version := func(height int64, model map[string]string) Version {
		tree := of(f, model, rng)
		return Version{height, tree.Root(), tree}
	}
	prev := version(3, map[string]string{"a": "1", "b": "2"})
	next := version(5, map[string]string{"a": "", "c": "3"})
	for _, whole := range []bool{false, true} {
		f.Add(record(prev, next, whole))
	}
	f.Add(record(Version{}, Version{Height: 1}, true))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parse(data, prev)
		if err != nil {
			return
		}
		require.Equal(t, v.Root, v.Tree.Root(), "RULE ST6: not what was committed")
		require.Positive(t, v.Height, "RULE ST6")
		for _, whole := range []bool{false, true} {
			if !whole && v.Height <= prev.Height {
				continue
			}
			again, err := parse(record(prev, v, whole), prev)
			require.NoError(t, err)
			require.Equal(t, v.Height, again.Height)
			require.Equal(t, v.Root, again.Root, "RULE ST6: another state")
		}
	})
}
