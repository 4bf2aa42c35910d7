package vfs_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// conformance is what FS, File and Mapping promise, whoever implements them.
// Each test gets an empty directory.
var conformance = []struct {
	name string
	test func(t *testing.T, fsys vfs.FS, dir string)
}{
	{"CreateMakesAnEmptyFile", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "")
		require.Equal(t, filepath.Join(dir, "a"), f.Name())
		requireContents(t, f, "")
	}},
	{"CreateEmptiesTheFileThatIsThere", func(t *testing.T, fsys vfs.FS, dir string) {
		name := filepath.Join(dir, "a")
		old := create(t, fsys, name, "old")
		create(t, fsys, name, "")
		requireContents(t, old, "")
	}},
	{"NamesThatAreNotThereAreErrNotExist", func(t *testing.T, fsys vfs.FS, dir string) {
		missing, under := filepath.Join(dir, "missing"), filepath.Join(dir, "missing", "a")
		_, err := fsys.Open(missing, vfs.ReadOnly)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.Open(missing, vfs.ReadWrite)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.Create(under)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.Lock(under)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.List(missing)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorIs(t, fsys.Remove(missing), fs.ErrNotExist)
		require.ErrorIs(t, fsys.SyncDir(missing), fs.ErrNotExist)
		require.ErrorIs(t, fsys.Rename(missing, filepath.Join(dir, "b")), fs.ErrNotExist)
		create(t, fsys, filepath.Join(dir, "a"), "").Close()
		require.ErrorIs(t, fsys.Rename(filepath.Join(dir, "a"), under), fs.ErrNotExist)
	}},
	{"AFileIsNotADirectoryNorTheReverse", func(t *testing.T, fsys vfs.FS, dir string) {
		file, sub := filepath.Join(dir, "file"), filepath.Join(dir, "sub")
		create(t, fsys, file, "x").Close()
		require.NoError(t, fsys.MkdirAll(sub))
		_, err := fsys.Open(sub, vfs.ReadOnly)
		require.Error(t, err)
		_, err = fsys.Open(sub, vfs.ReadWrite)
		require.Error(t, err)
		_, err = fsys.Create(sub)
		require.Error(t, err)
		_, err = fsys.Lock(sub)
		require.Error(t, err)
		_, err = fsys.List(file)
		require.Error(t, err)
		_, err = fsys.Create(filepath.Join(file, "a"))
		require.Error(t, err)
		require.Error(t, fsys.SyncDir(file))
		require.Error(t, fsys.MkdirAll(file))
		require.Error(t, fsys.MkdirAll(filepath.Join(file, "a")))
		require.ErrorIs(t, fsys.Rename(file, sub), fs.ErrExist)
		require.Error(t, fsys.Rename(sub, filepath.Join(sub, "in", "itself")))
		if runtime.GOOS != "windows" { // which replaces a file by a directory
			require.Error(t, fsys.Rename(sub, file))
		}
	}},
	{"WriteAppendsAtTheEndWhereverWriteAtWas", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "")
		write(t, f, "one")
		writeAt(t, f, "TWO", 5)
		write(t, f, "three")
		requireContents(t, f, "one\x00\x00TWOthree")
		writeAt(t, f, "!", 0)
		write(t, f, "?")
		requireContents(t, f, "!ne\x00\x00TWOthree?")
	}},
	{"ReadAtEndsWithEOF", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "12345")
		p := make([]byte, 4)
		n, err := f.ReadAt(p, 3)
		require.Equal(t, 2, n)
		require.ErrorIs(t, err, io.EOF)
		n, err = f.ReadAt(p, 5)
		require.Zero(t, n)
		require.ErrorIs(t, err, io.EOF)
		n, err = f.ReadAt(p, 1)
		require.Equal(t, 4, n)
		require.NoError(t, err)
		n, err = f.ReadAt(nil, 99)
		require.Zero(t, n)
		require.NoError(t, err)
	}},
	{"TruncateCutsAndGrowsWithZeros", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "12345")
		require.NoError(t, f.Truncate(2))
		requireContents(t, f, "12")
		require.NoError(t, f.Truncate(4))
		requireContents(t, f, "12\x00\x00")
		write(t, f, "5")
		requireContents(t, f, "12\x00\x005")
	}},
	{"PreallocateGrowsWithZerosAndNeverCuts", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "12345")
		require.NoError(t, f.Preallocate(0))
		require.NoError(t, f.Preallocate(3))
		requireContents(t, f, "12345")
		require.NoError(t, f.Preallocate(8))
		requireContents(t, f, "12345\x00\x00\x00")
		write(t, f, "9")
		requireContents(t, f, "12345\x00\x00\x009")
	}},
	{"WhatIsForbiddenFailsAlike", func(t *testing.T, fsys vfs.FS, dir string) {
		name := filepath.Join(dir, "a")
		f := create(t, fsys, name, "12345")
		_, err := f.ReadAt(make([]byte, 1), -1)
		require.ErrorIs(t, err, fs.ErrInvalid)
		_, err = f.WriteAt([]byte("x"), -1)
		require.ErrorIs(t, err, fs.ErrInvalid)
		require.ErrorIs(t, f.Truncate(-1), fs.ErrInvalid)
		require.ErrorIs(t, f.Preallocate(-1), fs.ErrInvalid)
		require.ErrorIs(t, f.StartSync(-1, 1), fs.ErrInvalid)
		require.ErrorIs(t, f.StartSync(1, -1), fs.ErrInvalid)

		r := open(t, fsys, name, vfs.ReadOnly)
		_, err = r.Write([]byte("x"))
		require.ErrorIs(t, err, fs.ErrPermission)
		_, err = r.WriteAt([]byte("x"), 0)
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorIs(t, r.Truncate(1), fs.ErrPermission)
		require.ErrorIs(t, r.Preallocate(9), fs.ErrPermission)
		_, err = r.Map(1, vfs.ReadWrite)
		require.ErrorIs(t, err, fs.ErrPermission)
		requireContents(t, r, "12345")

		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
		require.NoError(t, f.Close(), "a second Close does nothing")
		_, err = f.Write([]byte("x"))
		require.ErrorIs(t, err, fs.ErrClosed)
		_, err = f.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, fs.ErrClosed)
		_, err = f.Size()
		require.ErrorIs(t, err, fs.ErrClosed)
		_, err = f.Map(1, vfs.ReadOnly)
		require.ErrorIs(t, err, fs.ErrClosed)
		require.ErrorIs(t, f.Truncate(0), fs.ErrClosed)
		require.ErrorIs(t, f.Preallocate(1), fs.ErrClosed)
		require.ErrorIs(t, f.Sync(), fs.ErrClosed)
		require.ErrorIs(t, f.StartSync(0, 1), fs.ErrClosed)
	}},
	{"ASyncMayBeStartedEarlyAndOfAnything", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "12345")
		require.NoError(t, f.StartSync(0, 3))
		require.NoError(t, f.StartSync(0, 0))
		require.NoError(t, f.StartSync(4, 1<<30), "past the end")
		write(t, f, "6")
		require.NoError(t, open(t, fsys, filepath.Join(dir, "a"), vfs.ReadOnly).StartSync(0, 6))
		requireContents(t, f, "123456")
		require.NoError(t, f.Sync())
	}},
	{"RenameReplacesTheFileOfTheNewName", func(t *testing.T, fsys vfs.FS, dir string) {
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		create(t, fsys, a, "A").Close()
		create(t, fsys, b, "B").Close()
		require.NoError(t, fsys.Rename(a, a), "onto itself")
		require.NoError(t, fsys.Rename(a, b))
		requireList(t, fsys, dir, "b")
		requireContents(t, open(t, fsys, b, vfs.ReadOnly), "A")
	}},
	{"DirectoriesMoveWithWhatIsInThem", func(t *testing.T, fsys vfs.FS, dir string) {
		require.NoError(t, fsys.MkdirAll(filepath.Join(dir, "a", "b", "c")))
		require.NoError(t, fsys.MkdirAll(filepath.Join(dir, "a", "b", "c")), "is there already")
		create(t, fsys, filepath.Join(dir, "a", "b", "f"), "F").Close()
		require.NoError(t, fsys.Rename(filepath.Join(dir, "a", "b"), filepath.Join(dir, "d")))
		requireList(t, fsys, dir, "a", "d")
		requireList(t, fsys, filepath.Join(dir, "a"))
		requireList(t, fsys, filepath.Join(dir, "d"), "c", "f")
		require.NoError(t, fsys.SyncDir(dir))
	}},
	{"RemoveTakesFilesAndEmptyDirectories", func(t *testing.T, fsys vfs.FS, dir string) {
		sub := filepath.Join(dir, "sub")
		require.NoError(t, fsys.MkdirAll(sub))
		create(t, fsys, filepath.Join(sub, "a"), "").Close()
		require.ErrorIs(t, fsys.Remove(sub), fs.ErrExist, "not empty")
		require.NoError(t, fsys.Remove(filepath.Join(sub, "a")))
		require.NoError(t, fsys.Remove(sub))
		requireList(t, fsys, dir)
	}},
	{"RemoveAllTakesWhatIsInsideAlong", func(t *testing.T, fsys vfs.FS, dir string) {
		top := filepath.Join(dir, "top")
		require.NoError(t, fsys.MkdirAll(filepath.Join(top, "a", "b")))
		require.NoError(t, fsys.MkdirAll(filepath.Join(top, "empty")))
		for _, name := range []string{"x", filepath.Join("a", "x"), filepath.Join("a", "b", "x")} {
			create(t, fsys, filepath.Join(top, name), "").Close()
		}
		create(t, fsys, filepath.Join(dir, "beside"), "").Close()
		require.NoError(t, vfs.RemoveAll(fsys, top))
		requireList(t, fsys, dir, "beside")
		require.NoError(t, vfs.RemoveAll(fsys, filepath.Join(dir, "beside")))
		require.NoError(t, vfs.RemoveAll(fsys, top), "it is not there")
		requireList(t, fsys, dir)
	}},
	{"ListIsSorted", func(t *testing.T, fsys vfs.FS, dir string) {
		for _, name := range []string{"b", "10", "a", "9"} {
			create(t, fsys, filepath.Join(dir, name), "").Close()
		}
		requireList(t, fsys, dir, "10", "9", "a", "b")
	}},
	{"AnOpenFileOutlivesItsName", func(t *testing.T, fsys vfs.FS, dir string) {
		if runtime.GOOS == "windows" {
			t.Skip("Windows refuses to rename or remove open files")
		}
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		f := create(t, fsys, a, "A")
		require.NoError(t, fsys.Rename(a, b))
		write(t, f, "A")
		requireContents(t, open(t, fsys, b, vfs.ReadOnly), "AA")
		require.NoError(t, fsys.Remove(b))
		write(t, f, "A")
		requireContents(t, f, "AAA")
		require.NoError(t, f.Sync())
		requireList(t, fsys, dir)
	}},
	{"OneOwnerHoldsALock", func(t *testing.T, fsys vfs.FS, dir string) {
		name := filepath.Join(dir, "LOCK")
		first, err := fsys.Lock(name)
		require.NoError(t, err)
		requireList(t, fsys, dir, "LOCK")
		_, err = fsys.Lock(name)
		require.ErrorIs(t, err, vfs.ErrLocked)
		other, err := fsys.Lock(filepath.Join(dir, "OTHER"))
		require.NoError(t, err, "another name is another lock")
		require.NoError(t, other.Close())

		require.NoError(t, first.Close())
		second, err := fsys.Lock(name)
		require.NoError(t, err)
		require.NoError(t, first.Close(), "a second Close does nothing")
		_, err = fsys.Lock(name)
		require.ErrorIs(t, err, vfs.ErrLocked, "least of all to the next owner")
		require.NoError(t, second.Close())
	}},
	{"AMappingAndItsFileAreTheSameBytes", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "0123456789")
		m := mapping(t, f, 8, vfs.ReadWrite)
		r := mapping(t, f, 4, vfs.ReadOnly)
		require.Equal(t, "01234567", string(m.Bytes()))
		n, err := m.WriteAt([]byte("ab"), 2)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		writeAt(t, f, "XY", 7)
		require.Equal(t, "01ab456X", string(m.Bytes()))
		require.Equal(t, "01ab", string(r.Bytes()))
		requireContents(t, f, "01ab456XY9")
		require.NoError(t, m.Sync())
		require.NoError(t, r.Sync())
	}},
	{"AMappingStaysWhenItsFileGrowsOrCloses", func(t *testing.T, fsys vfs.FS, dir string) {
		name := filepath.Join(dir, "a")
		f := create(t, fsys, name, "0123")
		m := mapping(t, f, 4, vfs.ReadWrite)
		view := m.Bytes()
		writeAt(t, f, "far", 1<<20)
		writeAt(t, f, "near", 2)
		require.Equal(t, "01ne", string(view))
		late := mapping(t, f, 6, vfs.ReadWrite)
		_, err := m.WriteAt([]byte("!"), 0)
		require.NoError(t, err)
		_, err = late.WriteAt([]byte("?"), 1)
		require.NoError(t, err)
		require.Equal(t, "!?ne", string(view))
		require.Equal(t, "!?near", string(late.Bytes()))
		require.NoError(t, f.Close())
		_, err = m.WriteAt([]byte("end"), 1)
		require.NoError(t, err)
		require.NoError(t, m.Sync())
		require.NoError(t, m.Close())
		p := make([]byte, 6)
		_, err = open(t, fsys, name, vfs.ReadOnly).ReadAt(p, 0)
		require.NoError(t, err)
		require.Equal(t, "!endar", string(p))
	}},
	{"AMappingRefusesWhatIsBeyondIt", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "0123456789")
		_, err := f.Map(11, vfs.ReadOnly)
		require.ErrorIs(t, err, fs.ErrInvalid)
		_, err = f.Map(-1, vfs.ReadOnly)
		require.ErrorIs(t, err, fs.ErrInvalid)
		m := mapping(t, f, 8, vfs.ReadWrite)
		for _, off := range []int64{-1, 7, 8, 9, 1 << 62} {
			n, err := m.WriteAt([]byte("ab"), off)
			require.ErrorIs(t, err, fs.ErrInvalid, "at %d", off)
			require.Zero(t, n)
		}
		_, err = m.WriteAt(nil, 8)
		require.NoError(t, err, "nothing, at the end")
		_, err = mapping(t, f, 8, vfs.ReadOnly).WriteAt([]byte("a"), 0)
		require.ErrorIs(t, err, fs.ErrPermission)
		requireContents(t, f, "0123456789")

		require.NoError(t, m.Close())
		require.NoError(t, m.Close(), "a second Close does nothing")
		require.Empty(t, m.Bytes())
		_, err = m.WriteAt([]byte("a"), 0)
		require.ErrorIs(t, err, fs.ErrClosed)
		require.ErrorIs(t, m.Sync(), fs.ErrClosed)
	}},
	{"AnEmptyMappingIsAMapping", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "")
		m := mapping(t, f, 0, vfs.ReadWrite)
		require.Empty(t, m.Bytes())
		_, err := m.WriteAt(nil, 0)
		require.NoError(t, err)
		_, err = m.WriteAt([]byte("a"), 0)
		require.ErrorIs(t, err, fs.ErrInvalid)
		require.NoError(t, m.Sync())
	}},
	{"WritesAtOffsetsGoOnAtOnce", func(t *testing.T, fsys vfs.FS, dir string) {
		f := create(t, fsys, filepath.Join(dir, "a"), "")
		require.NoError(t, f.Preallocate(64<<10))
		m := mapping(t, f, 64<<10, vfs.ReadWrite)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				at := int64(g) * 8 << 10
				half := bytes.Repeat([]byte{byte('a' + g)}, 4<<10)
				for range 10 {
					if _, err := f.WriteAt(half, at); err != nil {
						t.Error(err)
					}
					if _, err := m.WriteAt(half, at+4<<10); err != nil {
						t.Error(err)
					}
					if err := f.Sync(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for i, b := range m.Bytes() {
			if b != byte('a'+i/(8<<10)) {
				t.Fatalf("byte %d is %q", i, b)
			}
		}
	}},
}

func TestOperatingSystemKeepsTheContract(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			// Only these have neither; elsewhere ErrNotSupported is a failure.
			bare := runtime.GOOS == "js" || runtime.GOOS == "wasip1"
			if bare && (strings.Contains(c.name, "Mapping") || strings.Contains(c.name, "Lock") || strings.Contains(c.name, "AtOnce")) {
				t.Skip("no locks and no mappings on " + runtime.GOOS)
			}
			c.test(t, vfs.OS(), t.TempDir())
		})
	}
}

func TestWhatThePlatformLacksIsErrNotSupported(t *testing.T) {
	if runtime.GOOS != "js" && runtime.GOOS != "wasip1" {
		t.Skip(runtime.GOOS + " lacks nothing")
	}
	name := filepath.Join(t.TempDir(), "a")
	_, err := create(t, vfs.OS(), name, "x").Map(1, vfs.ReadOnly)
	require.ErrorIs(t, err, vfs.ErrNotSupported)
	_, err = vfs.OS().Lock(name)
	require.ErrorIs(t, err, vfs.ErrNotSupported)
}

func TestMemKeepsTheContract(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			m := vfs.NewMem()
			require.NoError(t, m.MkdirAll("/tmp/test"))
			c.test(t, m, filepath.FromSlash("/tmp/test"))
		})
	}
}

func TestMemTakesRelativeAndAbsoluteNamesForTheSame(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("a/./b/"))
	create(t, m, "/a/b/../c", "x").Close()
	requireList(t, m, ".", "a")
	requireList(t, m, "/a", "b", "c")
	require.Equal(t, "a/\na/b/\na/c 1\n", m.Dump())
	_, err := m.Create("/")
	require.Error(t, err)
	require.Error(t, m.Remove("/"))
	require.Error(t, m.Rename("/", "x"))
	require.NoError(t, m.MkdirAll("/"))
	require.NoError(t, m.SyncDir(""))
}

// The helpers of all tests here.

func create(t testing.TB, fsys vfs.FS, name, contents string) vfs.File {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	write(t, f, contents)
	return f
}

func open(t testing.TB, fsys vfs.FS, name string, access vfs.Access) vfs.File {
	t.Helper()
	f, err := fsys.Open(name, access)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func mapping(t testing.TB, f vfs.File, size int64, access vfs.Access) vfs.Mapping {
	t.Helper()
	m, err := f.Map(size, access)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func write(t testing.TB, f vfs.File, p string) {
	t.Helper()
	n, err := f.Write([]byte(p))
	require.NoError(t, err)
	require.Equal(t, len(p), n)
}

func writeAt(t testing.TB, f vfs.File, p string, off int64) {
	t.Helper()
	n, err := f.WriteAt([]byte(p), off)
	require.NoError(t, err)
	require.Equal(t, len(p), n)
}

func contents(t testing.TB, f vfs.File) string {
	t.Helper()
	size, err := f.Size()
	require.NoError(t, err)
	p := make([]byte, size)
	n, err := f.ReadAt(p, 0)
	require.NoError(t, err)
	require.Equal(t, int(size), n)
	return string(p)
}

func requireContents(t testing.TB, f vfs.File, want string) {
	t.Helper()
	require.Equal(t, want, contents(t, f))
}

func requireList(t testing.TB, fsys vfs.FS, dir string, want ...string) {
	t.Helper()
	got, err := fsys.List(dir)
	require.NoError(t, err)
	require.ElementsMatch(t, want, got)
	require.IsNonDecreasing(t, append([]string{""}, got...))
}

// readName returns a file's contents, or "missing".
func readName(t testing.TB, fsys vfs.FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name, vfs.ReadOnly)
	if os.IsNotExist(err) {
		return "missing"
	}
	require.NoError(t, err)
	defer f.Close()
	return contents(t, f)
}
