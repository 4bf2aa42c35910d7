package lsmengine_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/txnkv/lsmengine"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/enginetest"
)

// writerEnv, when set, makes the test binary write into that directory until it is
// killed.
const writerEnv = "FLAGSHIP_LSMENGINE_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		if err := writeForEver(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t testing.TB, dir string, o *lsm.Options) *lsmengine.Engine {
	t.Helper()
	e, err := lsmengine.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func TestStoreIsAnEngine(t *testing.T) {
	for name, o := range map[string]lsm.Options{
		"memory": {InMemory: true},
		// Small memtables, so that tables are read too, and values in a log of their own.
		"disk":   {MemTableSize: 64 << 10},
		"values": {MemTableSize: 64 << 10, ValueThreshold: 4},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(t testing.TB) mvcc.Engine { return open(t, t.TempDir(), &o) })
		})
	}
	t.Run("synced", func(t *testing.T) {
		enginetest.Run(t, func(t testing.TB) mvcc.Engine {
			return open(t, "db", &lsm.Options{FS: lsmtest.NewMemFS(), SyncWrites: true})
		})
	})
}

// pair writes a number into all families at once.
func pair(i int) *mvcc.Batch {
	b := new(mvcc.Batch)
	key := binary.BigEndian.AppendUint32(nil, uint32(i))
	for _, cf := range []mvcc.CF{mvcc.Default, mvcc.LockCF, mvcc.WriteCF} {
		b.Put(cf, key, fmt.Append(nil, i))
	}
	b.Delete(mvcc.LockCF, binary.BigEndian.AppendUint32(nil, uint32(i-1)))
	return b
}

// whole finds out how many batches of pair are there, which must be whole.
func whole(t *testing.T, e mvcc.Engine) (n int) {
	s, err := e.Snapshot(t.Context())
	require.NoError(t, err)
	defer s.Close()
	var counts [3]int
	for cf := range counts {
		it := s.Iter(mvcc.CF(cf), nil, nil)
		for ok := it.SeekGE(nil); ok; ok = it.Next() {
			require.Equal(t, fmt.Sprint(binary.BigEndian.Uint32(it.Key())), string(it.Value()))
			counts[cf]++
		}
		require.NoError(t, it.Close())
	}
	require.Equal(t, counts[mvcc.Default], counts[mvcc.WriteCF])
	require.LessOrEqual(t, counts[mvcc.LockCF], 1, "locks are taken and given back in one batch")
	return counts[mvcc.WriteCF]
}

func TestEngineIsThereAfterOpeningAgain(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		e, err := lsmengine.Open(dir, nil)
		require.NoError(t, err)
		require.Equal(t, round*100, whole(t, e))
		for i := range 100 {
			require.NoError(t, e.Write(t.Context(), pair(round*100+i)))
		}
		require.NoError(t, e.Close())
	}
}

// TestKilledProcessKeepsWhatItAcknowledged kills a process that writes, at no
// particular moment.
func TestKilledProcessKeepsWhatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	acknowledged := 0
	for round := range 3 {
		acknowledged = killWriter(t, dir, 200*(round+1))
		e, err := lsmengine.Open(dir, nil)
		require.NoError(t, err)
		n := whole(t, e)
		require.GreaterOrEqual(t, n, acknowledged)
		require.NoError(t, e.Close())
	}
}

// killWriter starts a process that writes on, and kills it when it has acknowledged so
// many batches more; it returns how many there are that it has acknowledged.
func killWriter(t *testing.T, dir string, more int) (acknowledged int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		_, err := fmt.Sscan(lines.Text(), &acknowledged)
		require.NoError(t, err)
		if i == more {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait(), "it was killed")
	require.Positive(t, acknowledged)
	return acknowledged
}

func writeForEver(dir string, acknowledge io.Writer) error {
	e, err := lsmengine.Open(dir, &lsm.Options{MemTableSize: 64 << 10})
	if err != nil {
		return err
	}
	s, err := e.Snapshot(context.Background())
	if err != nil {
		return err
	}
	n := 0
	it := s.Iter(mvcc.WriteCF, nil, nil)
	if it.SeekLT([]byte("\xff\xff\xff\xff\xff")) {
		n = int(binary.BigEndian.Uint32(it.Key())) + 1
	}
	if err := errors.Join(it.Close(), s.Close()); err != nil {
		return err
	}
	for ; n < 1_000_000; n++ { // it ends by itself, if nobody kills it
		if err := e.Write(context.Background(), pair(n)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(acknowledge, n+1); err != nil {
			return err
		}
	}
	return e.Close()
}

func TestPowerCutKeepsWhatIsSynced(t *testing.T) {
	for _, synced := range []bool{true, false} {
		fs := lsmtest.NewMemFS()
		e, err := lsmengine.Open("db", &lsm.Options{FS: fs, SyncWrites: synced})
		require.NoError(t, err)
		for i := range 50 {
			require.NoError(t, e.Write(t.Context(), pair(i)))
		}
		if !synced {
			require.NoError(t, e.Sync())
		}
		after := fs.CrashClone(nil)
		require.NoError(t, e.Close())
		again := open(t, "db", &lsm.Options{FS: after})
		require.Equal(t, 50, whole(t, again), "synced %v", synced)
	}
}

func TestWrongUseIsTold(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, nil)
	_, err := lsmengine.Open(dir, nil)
	require.ErrorIs(t, err, lsm.ErrLocked)

	var b mvcc.Batch
	b.Put(mvcc.Default, make([]byte, 1<<16), nil)
	require.ErrorIs(t, e.Write(t.Context(), &b), mvcc.ErrTooLarge)

	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, e.Write(done, pair(1)), context.Canceled)
	_, err = e.Snapshot(done)
	require.ErrorIs(t, err, context.Canceled)

	s, err := e.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	it := s.Iter(mvcc.Default, nil, nil)
	require.False(t, it.SeekGE(nil) || it.SeekLT(nil) || it.Next() || it.Prev())
	require.ErrorIs(t, it.Err(), mvcc.ErrClosed)
	require.ErrorIs(t, it.Close(), mvcc.ErrClosed)
	_, _, err = s.Get(mvcc.Default, nil)
	require.ErrorIs(t, err, mvcc.ErrClosed)

	require.NoError(t, e.Close())
	require.ErrorIs(t, e.Write(t.Context(), pair(1)), mvcc.ErrClosed)
}

func TestForeignStoresAreRefused(t *testing.T) {
	for name, write := range map[string]func(db *lsm.DB) error{
		"is not one of transactions":  func(db *lsm.DB) error { return db.Put([]byte("k"), nil) },
		`layout is "flagship mvcc 2"`: func(db *lsm.DB) error { return db.Put([]byte("v"), []byte("flagship mvcc 2")) },
	} {
		dir := t.TempDir()
		db, err := lsm.Open(dir, nil)
		require.NoError(t, err)
		require.NoError(t, write(db))
		require.NoError(t, db.Close())
		_, err = lsmengine.Open(dir, nil)
		require.Error(t, err)
		require.True(t, strings.Contains(err.Error(), name), err.Error())
	}
}
