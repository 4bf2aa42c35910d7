package erasure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A cabinet is a store on drives in memory, worked serially, and what tests do to its
// drives behind its back.
type cabinet struct {
	*testing.T
	*Store
	disks  []*vfs.Mem // by place
	o      Options
	events []Event
}

// newCabinet makes a store of one set, with blocks of 1 KiB, shards of up to 16 bytes
// inline, and a clock that goes on by a second with each look.
func newCabinet(t *testing.T, drives, parity int) *cabinet {
	t.Helper()
	r := &cabinet{T: t}
	now := time.Unix(1_800_000_000, 0)
	r.o = Options{
		DrivesPerSet: drives, Parity: parity, BlockSize: 1 << 10, InlineLimit: 16, Serial: true, ScanEvery: -1,
		Now:     func() time.Time { now = now.Add(time.Second); return now },
		Rand:    rand.NewPCG(1, uint64(drives)),
		OnEvent: func(e Event) { r.events = append(r.events, e) },
	}
	for range drives {
		r.disks = append(r.disks, vfs.NewMem())
	}
	r.open()
	t.Cleanup(func() {
		if !t.Failed() { // what has failed may have left an object open, which Close waits for
			r.Store.Close()
		}
	})
	return r
}

// open opens the store on the drives that are not among those left out.
func (r *cabinet) open(without ...int) {
	r.Helper()
	var drives []Drive
	for i, m := range r.disks {
		if !contains(without, i) {
			drives = append(drives, r.drive(i, m))
		}
	}
	var err error
	r.Store, err = Open(drives, &r.o)
	require.NoError(r, err)
}

func contains(list []int, i int) bool {
	for _, x := range list {
		if x == i {
			return true
		}
	}
	return false
}

func (r *cabinet) drive(i int, m *vfs.Mem) Drive {
	r.Helper()
	d, err := OpenDirFS(m, fmt.Sprint("d", i))
	require.NoError(r, err)
	return d
}

// reopen closes the store and opens it again.
func (r *cabinet) reopen(without ...int) {
	r.Helper()
	require.NoError(r, r.Store.Close())
	r.open(without...)
}

// bodyOf is an object's, told from others by its name.
func bodyOf(name string, size int) []byte {
	return []byte(strings.Repeat(name+"|", size/(len(name)+1)+1)[:size])
}

func (r *cabinet) put(name string, size int, o *PutOptions) Info {
	r.Helper()
	info, err := r.Put(r.Context(), name, bytes.NewReader(bodyOf(name, size)), int64(size), o)
	require.NoError(r, err)
	return info
}

// requireReads reads an object as a whole.
func (r *cabinet) requireReads(name string, size int, rule string) {
	r.Helper()
	got, err := r.read(name, "")
	require.NoError(r, err, "RULE %s: %s", rule, name)
	require.True(r, bytes.Equal(bodyOf(name, size), got), "RULE %s: %s has other bytes", rule, name)
}

func (r *cabinet) read(name, versionID string) ([]byte, error) {
	obj, err := r.Get(r.Context(), name, &GetOptions{VersionID: versionID})
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	return io.ReadAll(obj)
}

// files are the files of an object's directory on a drive, sorted: versions first.
func (r *cabinet) files(place int, name string) []string {
	names, err := r.disks[place].List(filepath.Join(fmt.Sprint("d", place), filepath.FromSlash(objectDir(name))))
	if err != nil {
		return nil
	}
	return names
}

func (r *cabinet) path(place int, name, file string) string {
	return filepath.Join(fmt.Sprint("d", place), filepath.FromSlash(objectDir(name)), file)
}

// version is the name of the only version file of an object on a drive, shard that
// of the only shard file.
func (r *cabinet) version(place int, name string) string { return r.only(place, name, "@") }
func (r *cabinet) shard(place int, name string) string   { return r.only(place, name, "+") }

func (r *cabinet) only(place int, name, kind string) string {
	r.Helper()
	var found []string
	for _, f := range r.files(place, name) {
		if strings.HasPrefix(f, kind) {
			found = append(found, f)
		}
	}
	require.Len(r, found, 1, "%s* of %s on drive %d", kind, name, place)
	return found[0]
}

// flip damages a byte of a file.
func (r *cabinet) flip(place int, name, file string, off int64) {
	r.Helper()
	f, err := r.disks[place].Open(r.path(place, name, file), vfs.ReadWrite)
	require.NoError(r, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	require.NoError(r, err)
	b[0] ^= 0x40
	_, err = f.WriteAt(b[:], off)
	require.NoError(r, err)
	require.NoError(r, f.Close())
}

// lose removes a file.
func (r *cabinet) lose(place int, name, file string) {
	r.Helper()
	require.NoError(r, r.disks[place].Remove(r.path(place, name, file)))
}

// copyFile copies a file of an object, perhaps to another drive or object.
func (r *cabinet) copyFile(from int, name, file string, to int, toName, toFile string) {
	r.Helper()
	in, err := r.disks[from].Open(r.path(from, name, file), vfs.ReadOnly)
	require.NoError(r, err)
	size, err := in.Size()
	require.NoError(r, err)
	b := make([]byte, size)
	_, err = in.ReadAt(b, 0)
	require.NoError(r, err)
	out := r.path(to, toName, toFile)
	require.NoError(r, r.disks[to].MkdirAll(filepath.Dir(out)))
	f, err := r.disks[to].Create(out)
	require.NoError(r, err)
	_, err = f.Write(b)
	require.NoError(r, err)
	require.NoError(r, f.Close())
}

func (r *cabinet) heal(o *HealOptions) HealReport {
	r.Helper()
	report, err := r.Heal(r.Context(), o, nil)
	require.NoError(r, err)
	return report
}

func (r *cabinet) healQueued() HealReport {
	r.Helper()
	report, err := r.HealQueued(context.Background())
	require.NoError(r, err)
	return report
}
