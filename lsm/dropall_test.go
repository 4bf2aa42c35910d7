package lsm

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A batch that is in the log may still be on its way into a memtable, also into one
// that is no longer the newest.
func TestDropAllWaitsForEveryWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openPending(t)
		b := prepared(t, db, false, "late")
		db.pipe.mu.Lock()
		db.rotate()
		db.pipe.mu.Unlock()
		dropped := false
		go func() {
			require.NoError(t, db.DropAll())
			dropped = true
		}()
		synctest.Wait()
		require.False(t, dropped, "RULE L1: a memtable is gone, and a batch is being inserted")
		require.NoError(t, db.place(b, nil))
		synctest.Wait()
		require.True(t, dropped)
		require.Equal(t, "-", get(t, db, "k"))
		require.NoError(t, db.Close())
	})
}

// DropAll lets go of the lock twice: while jobs end, and while the edit is written.
func TestSnapshotBesideDropAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openPending(t)
		db.jobs.flushing = true // a job runs
		result := make(chan error, 1)
		go func() { result <- db.DropAll() }()
		synctest.Wait()
		s := db.Snapshot()
		db.mu.Lock()
		db.jobs.flushing = false
		db.jobChanged()
		db.mu.Unlock()
		require.ErrorIs(t, <-result, ErrSnapshots, "RULE L5: what a snapshot sees was dropped")
		require.Equal(t, "old", get(t, s, "k"))
		require.NoError(t, s.Close())

		b := prepared(t, db, false, "new")
		go func() { result <- db.DropAll() }()
		synctest.Wait() // for the writer
		var seen string
		go func() {
			s := db.Snapshot()
			seen = get(t, s, "k")
			s.Close()
		}()
		synctest.Wait()
		early := seen
		require.NoError(t, db.place(b, nil))
		require.NoError(t, <-result)
		synctest.Wait()
		require.Empty(t, early, "RULE L5: a snapshot was taken of what is being dropped")
		require.Equal(t, "-", seen)
		require.NoError(t, db.Close())
	})
}

// What DropAll removes must not be worked on: the edit of a compaction would name
// tables that are gone, after which the store takes no writes.
func TestCompactOfValuesWaitsForDropAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openTest(t, "db", &Options{
			FS: vfs.NewMem(), ValueThreshold: 4, ValueLogFileSize: 4 << 10, MaxValueAmplification: 1.05,
			Schedule: func([]string) int { return -1 },
		})
		for step := 1; step < 3; step++ {
			for i := 0; i < 20; i += step {
				require.NoError(t, db.Put([]byte{byte(i)}, make([]byte, 1000)))
			}
			require.NoError(t, db.Flush())
		}
		require.NoError(t, db.compactLevel(0, nil, nil)) // finds the garbage
		before := db.Metrics().Compactions
		db.mu.Lock()
		db.jobs.paused++ // DropAll is under way
		db.mu.Unlock()
		result := make(chan error, 1)
		go func() { result <- db.compactValues() }()
		synctest.Wait()
		require.Equal(t, before, db.Metrics().Compactions, "RULE L7: a table is rewritten that DropAll removes")
		db.mu.Lock()
		db.jobs.paused--
		db.jobChanged()
		db.mu.Unlock()
		require.NoError(t, <-result)
		require.Greater(t, db.Metrics().Compactions, before, "nothing was there to rewrite")
		require.NoError(t, db.DropAll())
		require.NoError(t, db.Close())
	})
}
