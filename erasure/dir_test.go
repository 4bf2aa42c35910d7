package erasure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// onDirs runs a test on a directory in memory and on one of the system.
func onDirs(t *testing.T, test func(t *testing.T, d Drive, reopen func() (Drive, error))) {
	for name, fsys := range map[string]FS{"fs=mem": vfs.NewMem(), "fs=os": vfs.OS()} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "drive")
			reopen := func() (Drive, error) { return OpenDirFS(fsys, dir) }
			d, err := reopen()
			require.NoError(t, err)
			t.Cleanup(func() { d.Close() })
			test(t, d, reopen)
		})
	}
}

func writeFile(d Drive, path, contents string) error {
	f, err := d.Create(context.Background(), path)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(contents))
	return errors.Join(err, f.Sync(), f.Close())
}

func list(t testing.TB, d Drive, dir string) []string {
	t.Helper()
	names, err := d.List(t.Context(), dir)
	require.NoError(t, err)
	return names
}

func TestDirKeepsThePromisesOfADrive(t *testing.T) {
	onDirs(t, func(t *testing.T, d Drive, _ func() (Drive, error)) {
		ctx := t.Context()
		f, err := d.Create(ctx, "tmp/a.1")
		require.NoError(t, err)
		for _, p := range []string{"one", "two"} {
			_, err := f.Write([]byte(p))
			require.NoError(t, err)
		}
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
		require.NoError(t, writeFile(d, "tmp/deep/er/a", "version"))
		require.NoError(t, d.Commit(ctx, Move{"tmp/a.1", "objects/x/y/+a.1"}, Move{"tmp/deep/er/a", "objects/x/y/@a"}))
		require.Equal(t, []string{"+a.1", "@a"}, list(t, d, "objects/x/y"))
		require.Equal(t, []string{"y"}, list(t, d, "objects/x"))
		b, err := d.ReadFile(ctx, "objects/x/y/+a.1")
		require.NoError(t, err)
		require.Equal(t, "onetwo", string(b))

		require.NoError(t, writeFile(d, "tmp/b", "again"))
		require.NoError(t, d.Commit(ctx, Move{"tmp/b", "objects/x/y/@a"}), "replaces")
		r, err := d.Open(ctx, "objects/x/y/@a")
		require.NoError(t, err)
		require.EqualValues(t, 5, r.Size())
		if runtime.GOOS != "windows" {
			require.NoError(t, d.Remove(ctx, "objects/x/y/@a", "objects/x/y/+a.1", "objects/x/y/missing"))
			p := make([]byte, 5)
			_, err = r.ReadAt(p, 0)
			require.NoError(t, err)
			require.Equal(t, "again", string(p), "it stays readable")
		}
		require.NoError(t, r.Close())
		require.NoError(t, d.Remove(ctx, "objects/x/y/@a", "objects/x/y/+a.1"))
		require.Empty(t, list(t, d, "objects"), "empty directories go, but for the top one")

		for _, err := range []error{
			errOf(d.Open(ctx, "objects/no")), errOf(d.ReadFile(ctx, "objects/no/no")), errOf(d.List(ctx, "objects/no")),
			d.Commit(ctx, Move{"tmp/no", "objects/no"}),
		} {
			require.ErrorIs(t, err, fs.ErrNotExist)
		}
		require.NoError(t, d.Remove(ctx, "objects/no/no"))
		require.NoError(t, d.Remove(ctx))
		require.NoError(t, d.Commit(ctx))
		u, err := d.Usage(ctx)
		require.NoError(t, err)
		require.GreaterOrEqual(t, u.Total, u.Free)

		over, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, errOf(d.List(over, "objects")), context.Canceled)
		require.NoError(t, d.Close())
		require.NoError(t, d.Close())
		require.ErrorIs(t, errOf(d.List(ctx, "objects")), fs.ErrClosed)
	})
}

func errOf[T any](_ T, err error) error { return err }

func TestADirIsOpenOnce(t *testing.T) {
	onDirs(t, func(t *testing.T, d Drive, reopen func() (Drive, error)) {
		_, err := reopen()
		require.ErrorIs(t, err, ErrLocked)
		require.ErrorContains(t, err, d.String())
		require.NoError(t, writeFile(d, "tmp/x/y", "left behind"))
		require.NoError(t, d.Close())
		d, err = reopen()
		require.NoError(t, err)
		require.Empty(t, list(t, d, "tmp"), "what was being written when a process ended is removed")
		require.NoError(t, d.Close())
	})
}

// commitStory is two versions of an object, the first of which is removed.
func commitStory(d Drive, acknowledged map[string]bool) error {
	ctx := context.Background()
	for _, id := range []string{"1", "2"} {
		for _, name := range []string{"tmp/+" + id, "tmp/@" + id} {
			if err := writeFile(d, name, strings.Repeat(id, 1000)); err != nil {
				return err
			}
		}
		if err := d.Commit(ctx, Move{"tmp/+" + id, "objects/a/b/+" + id}, Move{"tmp/@" + id, "objects/a/b/@" + id}); err != nil {
			return err
		}
		acknowledged["@"+id] = true
	}
	delete(acknowledged, "@1")
	if err := d.Remove(ctx, "objects/a/b/@1", "objects/a/b/+1"); err != nil {
		return err
	}
	acknowledged["gone @1"] = true
	return nil
}

// TestACommitIsDurableInOrder cuts power during and after each operation of the
// story: what was acknowledged is there, what was removed is not, and a version
// file never speaks of a shard that is not there in full.
func TestACommitIsDurableInOrder(t *testing.T) {
	whole := vfs.NewMem()
	d, err := OpenDirFS(whole, "d")
	require.NoError(t, err)
	require.NoError(t, commitStory(d, map[string]bool{}))
	for n := range whole.Ops() + 1 {
		for _, cut := range []func(m *vfs.Mem){
			func(m *vfs.Mem) { m.CutPower(n) }, func(m *vfs.Mem) { m.CutPowerDuring(n) },
		} {
			m, acknowledged := vfs.NewMem(), map[string]bool{}
			cut(m)
			if d, err := OpenDirFS(m, "d"); err == nil {
				_ = commitStory(d, acknowledged)
			}
			for seed := range uint64(20) {
				requireOrder(t, m.CrashClone(rand.New(rand.NewPCG(seed, 1))), acknowledged,
					fmt.Sprintf("power cut at operation %d, seed %d", n, seed))
			}
		}
	}
}

func requireOrder(t *testing.T, m *vfs.Mem, acknowledged map[string]bool, when string) {
	t.Helper()
	d, err := OpenDirFS(m, "d")
	require.NoError(t, err)
	read := func(name string) string {
		b, err := d.ReadFile(t.Context(), "objects/a/b/"+name)
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
		}
		return string(b)
	}
	for _, id := range []string{"1", "2"} {
		want, version := strings.Repeat(id, 1000), read("@"+id)
		if version != "" {
			require.Equal(t, want, version, "RULE E10: the version file, %s", when)
			require.Equal(t, want, read("+"+id), "RULE E10: the shard of version %s, %s", id, when)
		}
		require.False(t, acknowledged["@"+id] && version == "", "RULE E10: version %s is lost, %s", id, when)
	}
	require.False(t, acknowledged["gone @1"] && read("@1") != "", "RULE E5: version 1 is back, %s", when)
}

// TestADirectoryIsSyncedInItsParent: the file system of the test takes along what
// a sync needs, as journals do; not every one does. So the calls are counted.
func TestADirectoryIsSyncedInItsParent(t *testing.T) {
	m := vfs.NewMem()
	d, err := OpenDirFS(m, "d")
	require.NoError(t, err)
	var synced []string
	m.Observe(func(op vfs.Op) {
		if op.Kind == vfs.OpSyncDir {
			synced = append(synced, op.Name)
		}
	})
	put := func(name string, want ...string) {
		t.Helper()
		synced = nil
		require.NoError(t, writeFile(d, "tmp/v", "v"))
		require.NoError(t, d.Commit(t.Context(), Move{"tmp/v", name}))
		require.Equal(t, want, synced, "RULE E10: %s", name)
	}
	put("objects/a/b/@1", "d/objects/a/b", "d/objects/a", "d/objects")
	put("objects/a/b/@2", "d/objects/a/b")
	put("objects/a/c/@1", "d/objects/a/c", "d/objects/a")
	require.NoError(t, d.Remove(t.Context(), "objects/a/c/@1"))
	put("objects/a/c/@1", "d/objects/a/c", "d/objects/a")
	put("format", "d")
}

// TestADriveThatCouldNotSyncSaysNothingBeforeItHas: a rename that may not last is
// not to be counted by a reader.
func TestADriveThatCouldNotSyncSaysNothingBeforeItHas(t *testing.T) {
	m := vfs.NewMem()
	d, err := OpenDirFS(m, "d")
	require.NoError(t, err)
	require.NoError(t, writeFile(d, "tmp/v", "v"))
	m.Inject(vfs.Fault{Kind: vfs.OpSyncDir, Name: "d/objects/a", Err: vfs.ErrIO, Sticky: true})
	require.ErrorIs(t, d.Commit(t.Context(), Move{"tmp/v", "objects/a/@1"}), vfs.ErrIO)
	_, err = d.List(t.Context(), "objects/a")
	require.ErrorIs(t, err, vfs.ErrIO, "RULE E10: the name is not durable")
	m.ClearFaults()
	require.Equal(t, []string{"@1"}, list(t, d, "objects/a"))
	m = m.CrashClone(rand.New(rand.NewPCG(1, 1)))
	d, err = OpenDirFS(m, "d")
	require.NoError(t, err)
	require.Equal(t, []string{"@1"}, list(t, d, "objects/a"), "RULE E10: the name was listed, and is lost")
}

// TestPruningRacesWithCommits puts and removes in one directory at once: no
// commit finds the directory gone.
func TestPruningRacesWithCommits(t *testing.T) {
	onDirs(t, func(t *testing.T, d Drive, _ func() (Drive, error)) {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 200 {
					tmp, name := fmt.Sprintf("tmp/%d", g), fmt.Sprintf("objects/a/b/@%d-%d", g, i)
					err := writeFile(d, tmp, "x")
					if err == nil {
						err = d.Commit(context.Background(), Move{tmp, name})
					}
					if err == nil {
						err = d.Remove(context.Background(), name)
					}
					if err != nil {
						t.Errorf("RULE E10: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		require.Empty(t, list(t, d, "objects"))
	})
}

// What no drive reads as a whole must not be acknowledged.
func TestAVersionFileThatCannotBeReadIsNotWritten(t *testing.T) {
	_, err := Open(memDrives(t, vfs.NewMem(), 4), &Options{InlineLimit: maxInline + 1})
	require.ErrorIs(t, err, ErrOptions)
	s, err := Open(memDrives(t, vfs.NewMem(), 4), &Options{InlineLimit: -1, ScanEvery: -1})
	require.NoError(t, err)
	put := func(n int) error {
		_, err := s.Put(t.Context(), "a", strings.NewReader("a"), 1, &PutOptions{Metadata: map[string]string{"m": strings.Repeat("m", n)}})
		return err
	}
	err = put(maxFile)
	if err == nil {
		_, err = s.Stat(t.Context(), "a", nil)
		t.Fatalf("RULE E1: it was acknowledged, and now: %v", err)
	}
	require.ErrorIs(t, err, ErrOptions)
	require.NoError(t, put(maxFile/4))
	_, err = s.Stat(t.Context(), "a", nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestAFileTooLongIsNotReadWhole(t *testing.T) {
	m := vfs.NewMem()
	d, err := OpenDirFS(m, "d")
	require.NoError(t, err)
	f, err := m.Create(filepath.Join("d", "objects", "x"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(maxFile+1))
	_, err = d.ReadFile(t.Context(), "objects/x")
	require.ErrorIs(t, err, ErrCorrupt)
}
