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
		go func() {
			db.mu.Lock()
			defer db.mu.Unlock()
			db.runHere(flush)
		}()
		synctest.Wait()
		require.Equal(t, "old", get(t, db, "k"), "RULE L5: k is in a batch that nobody sees yet")
		db.pipe.leave(&b.commit, db.visible.Store)
		b.mem.writers.Done()
		synctest.Wait()
		require.Equal(t, "new", get(t, db, "k"), "RULE L5")
		require.NoError(t, db.Close())
	})
}

// Between the offer of a job and the choice of it another goroutine may have run it.
func TestJobIsRunOnce(t *testing.T) {
	o := small(nil, nil)
	o.InMemory, o.Schedule = true, func([]string) int { return -1 }
	db := openTest(t, "db", o)
	put(t, db, "a=1")
	rotate := func() {
		db.pipe.mu.Lock()
		defer db.pipe.mu.Unlock()
		db.rotate()
	}
	rotate()
	db.opts.Schedule = func(jobs []string) int {
		require.Equal(t, "flush 1", jobs[0])
		done := make(chan error)
		go func() { done <- db.Flush() }()
		require.NoError(t, <-done)
		c := db.NewBatch()
		c.Put([]byte("c"), []byte("3"))
		require.NoError(t, db.commit(c, false))
		rotate()
		return 0
	}
	put(t, db, "b=2")
	for _, pair := range []string{"a=1", "b=2", "c=3"} {
		require.Equal(t, pair[2:], get(t, db, pair[:1]), "RULE L1: a flush ran twice, and its memtables went without it")
	}
	require.NoError(t, db.Close())
}
