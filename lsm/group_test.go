package lsm

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// gathered opens a store with synced writes, lets prepare work on it, and then has n
// writers wait behind one whose sync does not end before release is called. Of the two
// syncs, those of the one and of the n, fail is how the second ends.
func gathered(t *testing.T, n, size int, fail error, prepare func(*DB)) (db *DB, errs []error, release func()) {
	t.Helper()
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.SyncWrites = true
	db = openTest(t, "db", o)
	prepare(db)
	inLog := func(op vfs.Op) bool { return strings.Contains(op.Name, "wal/") }
	blocked := make(chan struct{})
	fs.Inject(vfs.Fault{Kind: vfs.OpSync, Match: inLog, Block: func() { <-blocked }})
	if fail != nil {
		fs.Inject(vfs.Fault{Kind: vfs.OpSync, Match: inLog, Skip: 1, Err: fail})
	}
	errs = make([]error, n+1)
	var wg sync.WaitGroup
	for i := range n + 1 {
		wg.Go(func() { errs[i] = db.Put(fmt.Appendf(nil, "writer %d", i), make([]byte, size)) })
		synctest.Wait()
	}
	return db, errs, func() { close(blocked); wg.Wait() }
}

// TestWritersWhoWaitAreOneGroup: those who come while a sync is under way share the
// next one, and one write to the log. Nobody sees what is not durable.
func TestWritersWhoWaitAreOneGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		db, errs, release := gathered(t, n, 10, nil, func(*DB) {})
		defer db.Close()
		_, err := db.Get([]byte("writer 0"))
		require.ErrorIs(t, err, ErrNotFound, "RULE group: seen before it is durable")
		before := db.log.Metrics()
		release()
		for i, err := range errs {
			require.NoError(t, err)
			_, err = db.Get(fmt.Appendf(nil, "writer %d", i))
			require.NoError(t, err, "RULE group: writer %d is told that its batch is in, and it is not", i)
		}
		after := db.log.Metrics()
		if syncs, writes := after.Syncs-before.Syncs, after.Batches-before.Batches; syncs != 2 || writes != 1 {
			t.Errorf("RULE group: %d writers that waited took %d syncs and %d writes", n, syncs-1, writes)
		}
		require.Equal(t, db.log.LastSeq(), db.log.DurableSeq())
	})
}

// TestGroupIsToldOfTheFailedSync: all of it, and readers see none of it.
func TestGroupIsToldOfTheFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, errs, release := gathered(t, 5, 10, vfs.ErrIO, func(*DB) {})
		defer db.Close()
		release()
		require.NoError(t, errs[0])
		for i, err := range errs[1:] {
			require.ErrorIs(t, err, ErrReadOnly, "RULE L9: a sync failed, and a writer it was for is told that it is durable")
			_, err = db.Get(fmt.Appendf(nil, "writer %d", i+1))
			require.ErrorIs(t, err, ErrNotFound)
		}
	})
}

// TestGroupFitsIntoItsMemtable: a memtable that has room for each of a group has none
// for all.
func TestGroupFitsIntoItsMemtable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1000
		var full *memtable
		db, errs, release := gathered(t, 10, size, nil, func(db *DB) {
			for i := 0; db.mutable.room() > 5*size; i++ {
				put(t, db, fmt.Sprintf("k%d=%s", i, strings.Repeat("x", size)))
			}
			full = db.mutable
		})
		defer db.Close()
		release()
		for _, err := range errs {
			require.NoError(t, err, "RULE group: the room of a group was not there")
		}
		require.NotSame(t, full, db.mutable)
	})
}

// TestManySyncedWriters: at the end all is there, and was durable.
func TestManySyncedWriters(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.SyncWrites = true
	db := openTest(t, "db", o)
	var wg sync.WaitGroup
	var written atomic.Int64
	for w := range 16 {
		wg.Go(func() {
			for i := range 100 {
				if err := db.Put(fmt.Appendf(nil, "%d-%d", w, i), make([]byte, 300)); err != nil {
					t.Errorf("RULE group: %v", err)
				}
				written.Add(1)
			}
		})
	}
	wg.Wait()
	cut := small(fs.CrashClone(nil), nil)
	after := openTest(t, "db", cut)
	n := int64(0)
	for _, err := range after.Range(nil, nil) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, written.Load(), n, "RULE group: a power cut has lost what was durable")
	require.NoError(t, after.Close())
	require.NoError(t, db.Close())
}
