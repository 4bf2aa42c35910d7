package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// story is a small store that has something of everything.
func story(t *testing.T) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	db, err := lsm.Open("db", &lsm.Options{
		FS: mem, MemTableSize: 64 << 10, BaseTableSize: 4 << 10, BaseLevelSize: 16 << 10, ValueThreshold: 300,
		Schedule: func([]string) int { return -1 },
		Clock:    func() time.Time { return time.Unix(1_800_000_000, 0) },
		MergeOperator: func(_, base []byte, operands [][]byte) ([]byte, error) {
			return append(base, bytes.Join(operands, nil)...), nil
		},
	})
	require.NoError(t, err)
	for i := range 60 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "key%03d", i), bytes.Repeat([]byte{byte(i)}, 10*i)))
	}
	require.NoError(t, db.Compact(nil, nil))
	require.NoError(t, db.Delete([]byte("key003")))
	require.NoError(t, db.DeleteRange([]byte("key010"), []byte("key013")))
	require.NoError(t, db.Merge([]byte("key001"), []byte("more")))
	require.NoError(t, db.Flush())
	require.NoError(t, db.PutTTL([]byte("key100"), make([]byte, 400), time.Hour))
	require.NoError(t, db.Merge([]byte("key001"), []byte("!")))
	require.NoError(t, db.Delete([]byte{0, 1}))
	require.NoError(t, db.DeleteRange([]byte("x"), []byte("y")))
	require.NoError(t, db.Close())
	return mem
}

func inspected(fs vfs.FS, args ...string) (out string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(append(args, "db"), &stdout, &stderr, fs)
	return stdout.String() + stderr.String(), code
}

// golden compares with a file in testdata, which is also the documentation.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, `\`, "/")
	file := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
}

func TestStoreIsShown(t *testing.T) {
	mem := story(t)
	before := mem.Ops()
	for name, args := range map[string][]string{
		"summary": nil, "check": {"-check"}, "edits": {"-edits"}, "keys": {"-keys"}, "blocks": {"-blocks", "-check"},
	} {
		out, code := inspected(mem, args...)
		require.Equal(t, exitFine, code, out)
		golden(t, name, out)
	}
	require.Equal(t, before, mem.Ops(), "it only reads")
}

// Whichever file is damaged, -check says so and names it.
func TestEveryDamagedFileIsFound(t *testing.T) {
	mem := story(t)
	for line := range strings.Lines(mem.Dump()) {
		var name string
		var n int64
		if k, _ := fmt.Sscan(line, &name, &n); k != 2 || n == 0 || strings.HasSuffix(name, ".spare") {
			continue
		}
		damaged := mem.KillClone()
		require.NoError(t, damaged.FlipBit(name, 8*min(60, n/2)))
		out, code := inspected(damaged, "-check")
		require.Equal(t, exitWrong, code, "%s\n%s", name, out)
		require.Contains(t, strings.ReplaceAll(out, `\`, "/"), name)
	}
}

// What opening the store would refuse is damage, also where each file by itself is well.
func TestFilesThatDoNotBelongTogetherAreFound(t *testing.T) {
	const log, table, other = "db/wal/0000000000000003.wal", "db/000003.sst", "db/000004.sst"
	for name, spoil := range map[string]func(mem *vfs.Mem) error{
		"the log is gone": func(mem *vfs.Mem) error {
			names, err := mem.List("db/wal")
			for _, n := range names {
				err = errors.Join(err, mem.Remove("db/wal/"+n))
			}
			return errors.Join(err, mem.Remove("db/wal"))
		},
		"a file of the log is gone": func(mem *vfs.Mem) error { return mem.Remove(log) },
		"two tables have each other's names": func(mem *vfs.Mem) error {
			return errors.Join(mem.Rename(table, "db/x"), mem.Rename(other, table), mem.Rename("db/x", other))
		},
	} {
		mem := story(t)
		require.NoError(t, spoil(mem), name)
		db, err := lsm.Open("db", &lsm.Options{FS: mem.KillClone(), MmapAtStartup: true})
		require.Error(t, err, name)
		require.Nil(t, db)
		out, code := inspected(mem, "-check")
		require.Equal(t, exitWrong, code, "RULE L6: %s\n%s", name, out)
	}
	// Never closed: nothing says how far the log went, but where it began.
	mem := vfs.NewMem()
	db, err := lsm.Open("db", &lsm.Options{FS: mem})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("a"), nil))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Put([]byte("b"), nil))
	killed := mem.KillClone()
	require.NoError(t, db.Close())
	names, err := killed.List("db/wal")
	require.NoError(t, err)
	for _, n := range names {
		require.NoError(t, killed.Remove("db/wal/"+n))
	}
	out, code := inspected(killed, "-check")
	require.Equal(t, exitWrong, code, "RULE L6: what the log held is gone\n%s", out)
}

func TestTornEndsAreNoDamage(t *testing.T) {
	mem := story(t)
	f, err := mem.Open("db/MANIFEST-000001", vfs.ReadWrite)
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 30))
	require.NoError(t, err)
	out, code := inspected(mem, "-check")
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "nobody was promised one")
}

func TestWhatIsNoStoreIsSaidSo(t *testing.T) {
	out, code := inspected(vfs.NewMem())
	require.Equal(t, exitWrong, code)
	require.Contains(t, out, "inspect: ")
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("db"))
	out, code = inspected(mem)
	require.Equal(t, exitWrong, code)
	require.Contains(t, out, "db holds no store")
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, run(nil, &stdout, &stderr, mem))
	require.Equal(t, exitUsage, run([]string{"-nonsense"}, &stdout, &stderr, mem))
	require.Equal(t, exitUsage, run([]string{"a", "b"}, &stdout, &stderr, mem))
	require.Equal(t, exitFine, run([]string{"-h"}, &stdout, &stderr, mem))
	require.Contains(t, stderr.String(), "only reads")
}

func TestLogRecordsOfAnyBytesAreDecodedOrRefused(t *testing.T) {
	mem := story(t)
	out, _ := inspected(mem, "-keys")
	require.Contains(t, out, `delete range "x".."y"`)
	for _, b := range [][]byte{nil, make([]byte, 11), append(make([]byte, 12), 9), append(make([]byte, 12), 1, 0xff, 0xff, 0xff), append(make([]byte, 12), 1, 1, 'k')} {
		_, err := decodeBatch(b)
		require.ErrorIs(t, err, errBatch)
	}
}
