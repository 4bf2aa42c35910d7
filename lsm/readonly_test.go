package lsm

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/lsm/manifest"
)

// tearEnds does to every file that grows what a crash may: bytes that are no
// record stand behind the log and the manifest, and the value log lacks some. And
// it leaves what jobs were about to make.
func tearEnds(t *testing.T, disk *vfs.Mem) {
	t.Helper()
	rubbish := bytes.Repeat([]byte{0xa5}, 40)
	change := func(name string, change func(f vfs.File, size int64) error) {
		f, err := disk.Open(name, vfs.ReadWrite)
		require.NoError(t, err)
		size, err := f.Size()
		require.NoError(t, err)
		require.NoError(t, change(f, size))
		require.NoError(t, f.Close())
	}
	for f := range wal.Inspect(disk, "db/wal") {
		if f.Kind == wal.FoundEnd {
			change(f.File, func(file vfs.File, _ int64) error { _, err := file.WriteAt(rubbish, f.Offset); return err })
		}
	}
	_, inForce, err := manifest.Read(disk, "db")
	require.NoError(t, err)
	change(inForce.File, func(f vfs.File, size int64) error { _, err := f.WriteAt(rubbish, size); return err })
	values, err := disk.List("db/values")
	require.NoError(t, err)
	change("db/values/"+values[len(values)-1], func(f vfs.File, size int64) error { return f.Truncate(size - 10) })
	for _, name := range []string{"db/000999.sst", "db/MANIFEST-000099", "db/wal/segment.tmp", "db/wal/00000000000000ff.spare", "db/values/0000000000000000.vlog"} {
		f, err := disk.Create(name)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// TestReadOnlyChangesNothing: every end is torn, every room has files too many, and
// Open leaves them all as they are, says what it would cut off, and shows the rest.
func TestReadOnlyChangesNothing(t *testing.T) {
	mem := vfs.NewMem()
	o := small(mem, nil)
	o.ValueThreshold = 100
	o.Schedule = func([]string) int { return -1 }
	db := openTest(t, "db", o)
	m := model{}
	for i := range 40 {
		k, v := fmt.Sprintf("k%02d", i), fmt.Sprint(i, strings.Repeat(".", i*10))
		put(t, db, k+"="+v)
		m[k] = v
		if i == 20 {
			require.NoError(t, db.Flush())
		}
	}
	put(t, db, "lost="+strings.Repeat("l", 500))
	disk := mem.KillClone()
	require.NoError(t, db.Close())
	tearEnds(t, disk)

	var told bytes.Buffer
	o.FS, o.ReadOnly, o.Logger = disk, true, slog.New(slog.NewTextHandler(&told, nil))
	before := disk.Dump()
	disk.Observe(func(op vfs.Op) {
		if op.Kind != vfs.OpLock {
			t.Errorf("RULE read-only: %v", op)
		}
	})
	db = openTest(t, "db", o)
	m.check(t, "read-only", db)
	require.NoError(t, db.Verify())
	cut := db.Metrics().Cut
	require.NoError(t, db.Close())
	disk.Observe(nil)
	if disk.Dump() != before {
		t.Error("RULE read-only: a file is not what it was")
	}
	for _, file := range []string{"db/wal/", "db/MANIFEST", "db/values/"} {
		if !strings.Contains(told.String(), file) {
			t.Errorf("RULE read-only: nobody is told that the end of %s is torn, but\n%s", file, &told)
		}
	}

	o.ReadOnly, o.Logger = false, nil
	db = openTest(t, "db", o)
	m.check(t, "read-only", db)
	if now := db.Metrics().Cut; cut == 0 || now != cut {
		t.Errorf("RULE read-only: %d is reported as what would be cut, and %d is cut", cut, now)
	}
	require.NoError(t, db.Close())
}

// TestReadOnlyCheckpoint: the copy of a store has no log until it is written to,
// and reading makes none. What is only in a log is not copied silently without it.
func TestReadOnlyCheckpoint(t *testing.T) {
	mem := vfs.NewMem()
	o := small(mem, nil)
	o.ValueThreshold = 3
	db := openTest(t, "db", o)
	put(t, db, "a=1", "b=2222")
	require.NoError(t, db.Checkpoint("copy"))
	put(t, db, "c=3")
	require.NoError(t, db.Close())

	o.ReadOnly = true
	before := mem.Dump()
	db = openTest(t, "copy", o)
	model{"a": "1", "b": "2222"}.check(t, "read-only", db)
	if mem.Dump() != before {
		t.Error("RULE read-only: a file is not what it was")
	}
	require.NoError(t, db.Checkpoint("copy of copy"))
	require.NoError(t, db.Close())
	db = openTest(t, "copy of copy", o)
	model{"a": "1", "b": "2222"}.check(t, "read-only", db)
	require.NoError(t, db.Close())
	db = openTest(t, "db", o)
	if err := db.Checkpoint("incomplete"); err == nil {
		t.Error("RULE read-only: a checkpoint without what is in the log is called one")
	}
	require.NoError(t, db.Close())
}
