package lsm

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// openPending opens a store that holds k=old in a memtable, and runs no job by itself.
func openPending(t *testing.T) *DB {
	t.Helper()
	o := small(nil, nil)
	o.InMemory, o.Schedule = true, func([]string) int { return -1 }
	db := openTest(t, "db", o)
	put(t, db, "k=old")
	return db
}

// prepared returns a batch that is in the log, and not visible yet.
func prepared(t *testing.T, db *DB, large bool, v string) *Batch {
	t.Helper()
	b := db.NewBatch()
	b.Put([]byte("k"), []byte(v))
	db.pipe.mu.Lock()
	defer db.pipe.mu.Unlock()
	require.NoError(t, db.prepare(large, b))
	return b
}

// A flush that does not wait for a large batch to be visible leaves out what the batch
// overwrites, which readers still see.
func TestLargeBatchIsFlushedOnceItIsVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openPending(t)
		b := prepared(t, db, true, "new")
		db.mu.Lock()
		flush := db.flushJob()
		db.mu.Unlock()
		go db.runHere(flush)
		synctest.Wait()
		require.Equal(t, "old", get(t, db, "k"), "RULE L5: k is in a batch that nobody sees yet")
		db.pipe.leave(&b.commit, db.visible.Store)
		b.mem.writers.Done()
		synctest.Wait()
		require.Equal(t, "new", get(t, db, "k"), "RULE L5")
		require.NoError(t, db.Close())
	})
}
