package lsm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A sync may fail for want of space, where the disk gives room late. Then the edit may
// be there, and its tables must be: the store must open again.
func TestSyncWithoutSpaceIsAFailedSync(t *testing.T) {
	for _, file := range []string{"MANIFEST-000001", "0000000000000001.vlog"} {
		fs := vfs.NewMem()
		o := small(fs, nil)
		o.ValueThreshold, o.Schedule = 50, func([]string) int { return -1 }
		db := openTest(t, "db", o)
		put(t, db, "a=1", "b="+string(make([]byte, 100)))
		fs.Inject(vfs.Fault{Kind: vfs.OpSync, Name: file, Err: vfs.ErrNoSpace})
		if file == "MANIFEST-000001" {
			require.Error(t, db.Flush())
		} else {
			// The file is full: its sync comes with the first value of the next one.
			for range 1000 {
				if err := db.Put([]byte("b"), make([]byte, 100)); err != nil {
					break
				}
			}
		}
		require.NotZero(t, fs.Strikes(), file)
		require.Equal(t, "1", get(t, db, "a"))
		again, err := Open("db", small(fs.KillClone(), nil))
		require.NoError(t, err, "RULE L9: the sync of %s had no space", file)
		require.Equal(t, "1", get(t, again, "a"))
		require.NoError(t, again.Close())
		require.ErrorIs(t, db.Put([]byte("c"), make([]byte, 100)), ErrReadOnly, "RULE L9: nobody knows what the disk holds of %s", file)
		require.ErrorIs(t, db.Close(), vfs.ErrNoSpace)
	}
}

// A manifest that cannot be written anew stays as it is: the flush has been done, its
// memtable goes, and with it what the memtable holds of the value log.
func TestFullDisksLongManifestIsNoFailedFlush(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.ValueThreshold, o.Schedule = 50, func([]string) int { return -1 }
	db := openTest(t, "db", o)
	put(t, db, "a=1")
	db.manifestLimit = 1
	fs.Inject(vfs.Fault{Name: "MANIFEST-000002", Err: vfs.ErrNoSpace})
	require.NoError(t, db.Flush(), "RULE L8: the flush was done")
	require.NotZero(t, fs.Strikes())
	require.NoError(t, db.Metrics().JobErr, "RULE L8: the flush was done")
	require.Len(t, db.liveValues.holds, 1, "RULE L8: a flushed memtable keeps the files of the value log")
	put(t, db, "b=2")
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())
}

// A compaction that copies values needs more room than one that does not, and what it
// fails to do is what would make room.
func TestFullDiskIsCompactedWithoutCopies(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	run := -1
	o.ValueThreshold, o.MaxValueAmplification, o.Schedule = 50, 1.05, func([]string) int { return run }
	db := openTest(t, "db", o)
	value := make([]byte, 1000)
	for _, step := range []int{1, 5} {
		for i := 0; i < 60; i += step {
			require.NoError(t, db.Put([]byte{byte(i)}, value))
		}
		require.NoError(t, db.Flush())
	}
	require.NoError(t, db.compactLevel(0, nil, nil)) // finds the garbage
	for i := range 2 {
		put(t, db, string(rune(i))+"=1")
		require.NoError(t, db.Flush())
		put(t, db, string(rune(i))+"=2")
		require.NoError(t, db.Flush())
	}
	require.NotEmpty(t, db.pickPlan(db.view()).Values)
	layers := db.Metrics().L0Layers
	fs.Inject(vfs.Fault{Kind: vfs.OpWrite, Match: func(op vfs.Op) bool { return strings.HasSuffix(op.Name, ".vlog") }, Err: vfs.ErrNoSpace, Sticky: true})
	run = 0
	put(t, db, "a=1")
	require.ErrorIs(t, db.Metrics().JobErr, vfs.ErrNoSpace)
	require.Equal(t, layers, db.Metrics().L0Layers)
	put(t, db, "a=2")
	require.Less(t, db.Metrics().L0Layers, layers, "RULE L8: there was room for the tables, and a compaction failed for copies of values")
	fs.ClearFaults()
	require.NoError(t, db.Close())
}

// A compaction is told by its sync of the values, too.
func TestCompactionsSyncWithoutSpaceIsAFailedSync(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.ValueThreshold, o.Schedule = 50, func([]string) int { return -1 }
	db := openTest(t, "db", o)
	for step := 1; step <= 2; step++ {
		for i := 0; i < 60; i += step {
			require.NoError(t, db.Put([]byte{byte(i)}, make([]byte, 1000)))
		}
		require.NoError(t, db.Flush())
	}
	fs.Inject(vfs.Fault{Kind: vfs.OpSync, Match: func(op vfs.Op) bool { return strings.HasSuffix(op.Name, ".vlog") }, Err: vfs.ErrNoSpace})
	require.ErrorIs(t, db.Compact(nil, nil), ErrReadOnly, "RULE L9: the sync of copied values failed")
	require.NotZero(t, fs.Strikes())
	require.ErrorIs(t, db.Put([]byte("a"), nil), ErrReadOnly, "RULE L9: nobody knows what the disk holds")
	require.Error(t, db.Close())
}
