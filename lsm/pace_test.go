package lsm

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// openPaced opens a store that compacts a kilobyte a second, and gives it some work.
func openPaced(t *testing.T) *DB {
	t.Helper()
	o := small(vfs.NewMem(), nil)
	o.CompactionRate, o.L0Compaction, o.L0Stop = 1000, 100, 200
	db := openTest(t, "db", o)
	for range 2 {
		for i := range 300 {
			put(t, db, fmt.Sprintf("k%03d=%s", i, strings.Repeat("x", 100)))
		}
		require.NoError(t, db.Flush())
	}
	return db
}

// Small tables are bytes, too.
func TestEveryTableIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openPaced(t)
		start := time.Now()
		require.NoError(t, db.Compact(nil, nil))
		m := db.Metrics()
		require.Greater(t, m.CompactionBytes, uint64(30_000), "RULE pace: tables were written that nobody has counted")
		require.Greater(t, m.FlushBytes, uint64(60_000), "RULE pace: tables were written that nobody has counted")
		require.Greater(t, time.Since(start), 20*time.Second, "RULE pace: %d bytes at a kilobyte a second", m.CompactionBytes)
		require.NoError(t, db.Close())
	})
}

// Close waits for no pause.
func TestCloseEndsThePauseOfACompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openPaced(t)
		result := make(chan error)
		go func() { result <- db.Compact(nil, nil) }()
		synctest.Wait()
		require.Equal(t, 1, db.Metrics().Running)
		start := time.Now()
		go func() { require.NoError(t, db.Close()) }()
		require.ErrorIs(t, <-result, ErrClosed)
		require.Less(t, time.Since(start), time.Second, "RULE pace: Close waits for a compaction that pauses")
		synctest.Wait()
	})
}

// What is told of events may ask the store: for a snapshot, or its metrics.
func TestEventsAreToldWithoutALock(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.NumMemtables, o.L0Stop = 2, 3
	o.Schedule = func([]string) int { return -1 }
	told := map[EventKind]int{}
	var db *DB
	o.OnEvent = func(e Event) {
		told[e.Kind]++
		if !db.mu.TryLock() {
			t.Errorf("RULE stalls: who is told of %q asks for a snapshot, and waits for ever", e.Kind)
			return
		}
		db.mu.Unlock()
		require.NoError(t, db.Snapshot().Close())
		require.NotZero(t, db.Metrics().Memtables)
	}
	db = openTest(t, "db", o)
	for i := range 2000 {
		put(t, db, fmt.Sprintf("k%02d=%s", i%100, strings.Repeat("x", 200)))
	}
	require.NoError(t, db.Close())
	require.Len(t, told, 4)
}
