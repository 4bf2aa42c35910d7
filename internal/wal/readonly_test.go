package wal

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Of whatever a power cut leaves, a reader sees and reports what a writer would
// keep, and nothing is different afterwards.
func TestReadOnlyShowsWhatOpenWouldKeepAndChangesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	cuts := 0
	workload(t, 4, 120, false, func(_ *model, mem *vfs.Mem, op vfs.Op) {
		after := crashClone(mem, rng, 2+int(op.N%3))
		opts := small(after)
		opts.ReadOnly = true
		before := after.Dump()
		after.Observe(func(op vfs.Op) {
			if op.Kind != vfs.OpLock {
				broken(t, "W12", "opened read-only, the log did %v", op)
			}
		})
		l, r, err := Open(testDir, opts)
		require.NoError(t, err)
		seen, err := contents(l)
		require.NoError(t, err)
		_, err = l.Append([]byte("x"))
		require.ErrorIs(t, err, ErrReadOnly)
		require.ErrorIs(t, l.TruncateFront(l.LastSeq()+1), ErrReadOnly)
		require.NoError(t, l.Close())
		after.Observe(nil)
		if after.Dump() != before {
			broken(t, "W12", "opened read-only after %v, a file is not what it was", op)
		}
		kept, would, err := readAll(after)
		require.NoError(t, err)
		require.Equal(t, kept, seen)
		if r.Dropped != would.Dropped || r.Offset != would.Offset || r.LastSeq != would.LastSeq {
			broken(t, "W12", "read-only, %+v is reported, and then %+v is done", *r, *would)
		}
		if r.Dropped > 0 {
			cuts++
		}
	})
	require.NotZero(t, cuts)
}
