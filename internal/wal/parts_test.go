package wal

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// A batch longer than writeChunk is written in parts, of which the disk gets the
// first before the last one exists.

// longBatch is at least two parts and a rest, in records that end anywhere in
// them.
func longBatch(m *model, rng *rand.Rand) [][]byte {
	return m.batch(rng, 100<<10, 0, 200<<10, 7, 350<<10, 5000)
}

// openRecycled opens a log whose tail is a file full of old frames.
func openRecycled(t *testing.T, m *model, mem *vfs.Mem, rng *rand.Rand) *Log {
	l, _, err := Open(testDir, &Options{FS: mem, SegmentSize: 2 << 20, Recycle: 1})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	for l.Metrics().Recycled == 0 {
		last, err := l.AppendSync(m.batch(rng, 300<<10, 300<<10)...)
		require.NoError(t, err)
		m.appended()
		m.durable, m.front = last, last
		require.NoError(t, l.TruncateFront(last))
	}
	return l
}

func TestBatchWrittenInPartsIsThereTogetherOrNotAtAll(t *testing.T) {
	for seed := range uint64(2) {
		mem, m, rng := vfs.NewMem(), newModel(), rand.New(rand.NewPCG(seed, 7))
		l := openRecycled(t, m, mem, rng)
		parts := 0
		mem.Observe(func(op vfs.Op) {
			if op.Kind == vfs.OpStartSync {
				parts++
			}
			when := fmt.Sprintf("at op %v (seed %d)", op, seed)
			m.check(t, mem.KillClone(), "W1", m.kept, "after a kill "+when)
			for draw := range 4 {
				m.check(t, crashClone(mem, rng, draw), "W2", m.durable, "after a power cut "+when)
			}
		})
		for range 2 {
			_, err := l.Append(longBatch(m, rng)...)
			require.NoError(t, err)
			m.appended()
		}
		require.NoError(t, l.Sync(m.kept))
		m.durable = m.kept
		mem.Observe(nil)
		m.compare(t, l, "W1", m.kept, "in the end")
		require.GreaterOrEqual(t, parts, 4, "the batches were not long enough")
	}
}

// The parts before the one that fails are on their way to the disk already.
func TestPartThatFailsTakesTheBatchAlong(t *testing.T) {
	for failing := 0; ; failing++ {
		mem, m, rng := vfs.NewMem(), newModel(), rand.New(rand.NewPCG(uint64(failing), 8))
		l := openRecycled(t, m, mem, rng)
		mem.Inject(vfs.Fault{Kind: vfs.OpWrite, Skip: failing, Err: vfs.ErrIO, Short: 1000})
		_, err := l.Append(longBatch(m, rng)...)
		if mem.Strikes() == 0 {
			require.NoError(t, err)
			require.GreaterOrEqual(t, failing, 3, "the batch was not long enough")
			return
		}
		require.ErrorIs(t, err, vfs.ErrIO)
		when := fmt.Sprintf("after part %d of a batch failed", failing)
		for range 2 {
			m.compare(t, l, "W7", m.kept, when)
			_, err = l.AppendSync(m.batch(rng, 100, 300<<10, 100)...)
			require.NoError(t, err)
			m.appended()
			m.durable = m.kept
			m.check(t, mem.CrashClone(nil), "W7", m.durable, when+", more records, and a power cut")
			m.check(t, mem.KillClone(), "W7", m.kept, when+", more records, and a kill")
		}
	}
}

// A kernel that cannot write the first part may take it for clean, and then the
// sync of the whole batch succeeds without it.
func TestFailedStartOfASyncEndsTheLog(t *testing.T) {
	mem, m, rng := vfs.NewMem(), newModel(), rand.New(rand.NewPCG(1, 9))
	l := openRecycled(t, m, mem, rng)
	mem.Inject(vfs.Fault{Kind: vfs.OpStartSync, Err: vfs.ErrIO})
	last, err := l.AppendSync(longBatch(m, rng)...)
	if err == nil {
		m.check(t, mem.CrashClone(nil), "W6", last, "after a sync whose start had failed, and a power cut")
	}
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, vfs.ErrIO)
	_, again := l.Append(nil, nil)
	require.Equal(t, err, again)
	require.Equal(t, err, l.Close())
	m.check(t, mem.CrashClone(nil), "W6", m.durable, "after the start of a sync failed")
}
