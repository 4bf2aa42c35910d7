package lsm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

func TestGarbageOfTheValueLogGoesAfterReopening(t *testing.T) {
	dir := t.TempDir()
	o := &Options{MemTableSize: 256 << 10, ValueThreshold: 100}
	for range 3 {
		db, err := Open(dir, o)
		require.NoError(t, err)
		for i := range 1000 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "key %020d", i), make([]byte, 200)))
		}
		require.NoError(t, db.Close())
	}
	db, err := Open(dir, o)
	require.NoError(t, err)
	defer db.Close()
	require.NotZero(t, db.liveValues.held(db.mutable), "RULE values-go: a memtable that took nothing over from the log points to no value")
	require.NoError(t, db.Compact(nil, nil))
	m := db.Metrics()
	require.Less(t, m.ValueLogSize, m.ValueLogLive*3/2, "RULE values-go: the first two files have no live byte")
}

// TestReopeningWritesOnlyUnknownValuesAgain: of the value log that a killed process
// has left, Open writes what nobody knows to be durable, and not the whole file.
func TestReopeningWritesOnlyUnknownValuesAgain(t *testing.T) {
	value := make([]byte, 1000)
	for _, c := range []struct {
		vouched string
		steps   func(*DB) error
		unknown int
	}{
		{"a table", (*DB).Flush, 0},
		{"a mark", func(db *DB) error { return errors.Join(db.Sync(), db.Put([]byte("last"), value)) }, 1},
	} {
		fs := vfs.NewMem()
		o := &Options{FS: fs, MemTableSize: 1 << 20, ValueThreshold: 100}
		db := openTest(t, "db", o)
		for i := range 100 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "k%02d", i), value))
		}
		require.NoError(t, c.steps(db))
		killed := fs.KillClone()
		written := 0
		killed.Observe(func(op vfs.Op) {
			if op.Kind == vfs.OpWrite && strings.HasPrefix(op.Name, "db/values/") {
				written += int(op.Length)
			}
		})
		o.FS = killed
		again := openTest(t, "db", o)
		killed.Observe(nil)
		if least := c.unknown * len(value); written < least || written > least+100 {
			t.Errorf("RULE reopen: %s vouches for all but %d values of %d bytes, and Open wrote %d bytes", c.vouched, c.unknown, len(value), written)
		}
		require.NoError(t, again.Close())
		require.NoError(t, db.Close())
	}
}

// TestReopenedValuesAreDurable: what the sync of the value log lost, and the kernel
// still shows, is written again before Open shows it.
func TestReopenedValuesAreDurable(t *testing.T) {
	fs := vfs.NewMem()
	o := &Options{FS: fs, MemTableSize: 1 << 20, ValueThreshold: 100}
	db := openTest(t, "db", o)
	m := model{}
	for i := range 10 {
		k, v := fmt.Sprintf("k%02d", i), fmt.Sprint(i, strings.Repeat(".", 1000))
		put(t, db, k+"="+v)
		m[k] = v
		if i == 4 {
			require.NoError(t, db.Sync())
		}
	}
	fs.Inject(vfs.Fault{Kind: vfs.OpSync, Match: func(op vfs.Op) bool { return strings.HasPrefix(op.Name, "db/values/") }, Err: vfs.ErrIO})
	require.ErrorIs(t, db.Sync(), vfs.ErrIO)
	disk := fs.KillClone()
	o.FS = disk
	again := openTest(t, "db", o)
	m.check(t, "L2", again)
	o.FS = disk.CrashClone(nil)
	after := openTest(t, "db", o)
	m.check(t, "L4", after)
	for _, db := range []*DB{after, again, db} {
		db.Close()
	}
}

// TestCompactLeavesNoGarbageOfItsOwn: what compactions have copied since the memtable began, and copied again,
// goes with the next Compact, and not with the next write.
func TestCompactLeavesNoGarbageOfItsOwn(t *testing.T) {
	o := &Options{FS: vfs.NewMem(), ValueThreshold: 4, ValueLogFileSize: 4 << 10, Schedule: func([]string) int { return -1 }}
	db := openTest(t, "db", o)
	for i := range 100 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "k%02d", i), make([]byte, 1000)))
	}
	require.NoError(t, db.Flush())
	for range 20 {
		files := map[uint64]bool{}
		for _, f := range db.values.Files() {
			files[f.Num] = true
		}
		db.mu.Lock()
		p := db.view().Rewrite(files)
		require.NotNil(t, p)
		require.NoError(t, db.runManual(p))
	}
	m := db.Metrics()
	require.Greater(t, m.ValueLogSize, 2*m.ValueLogLive, "the memtable holds what was copied")
	require.NoError(t, db.Compact(nil, nil))
	m = db.Metrics()
	require.LessOrEqual(t, m.ValueLogSize, m.ValueLogLive+2*o.ValueLogFileSize, "RULE values-go: %d bytes live", m.ValueLogLive)
	require.NoError(t, db.Verify())
	require.NoError(t, db.Close())
}
