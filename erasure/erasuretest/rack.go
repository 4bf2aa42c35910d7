package erasuretest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/internal/vfs"
)

// A rack is a store and the drives it is on, all of them on one disk in memory,
// so that one number says between which two operations power goes:
//
//	disk   d0/...   d1/...   d2/...   d3/...     directories
//	        │        │        │        │         the implementation's drives
//	        bay 0    bay 1    bay 2    bay 3     what is lost, slow, counted
//	        └────────┴── store ┴───────┘
type rack struct {
	impl  *Implementation
	disk  *vfs.Mem
	bays  []*bay
	opts  erasure.Options
	store ObjectStore
	clock time.Time
	salt  int // tells the racks of a story apart
	lives uint64
}

// newRack makes a store of one set on new drives.
func newRack(impl *Implementation, g geometry, salt int, change ...func(*erasure.Options)) (*rack, error) {
	r := &rack{impl: impl, salt: salt, disk: vfs.NewMem(), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	parity := g.parity
	if parity == 0 {
		parity = erasure.NoParity
	}
	r.opts = erasure.Options{
		DrivesPerSet: g.total(), Parity: parity, Classes: map[string]int{"REDUCED_REDUNDANCY": min(1, g.parity)},
		BlockSize: testBlock, InlineLimit: testInline, ScanEvery: -1, Serial: true, Now: r.now, Postpone: r.postpone,
	}
	for _, c := range change {
		c(&r.opts)
	}
	for i := range g.total() {
		r.bays = append(r.bays, &bay{rack: r, id: i, dir: fmt.Sprint("d", i)})
	}
	return r, r.open()
}

// The sizes that edges lie at are small: many blocks cost little.
const (
	testBlock  = 4 << 10
	testInline = 256
)

// now is a clock that stands still between two stories' ticks, as coarse clocks do.
func (r *rack) now() time.Time { return r.clock }

// open opens the store on the drives that are there.
func (r *rack) open() error {
	r.lives++
	r.opts.Rand = rand.NewPCG(r.lives, uint64(r.salt))
	var drives []erasure.Drive
	for _, b := range r.bays {
		if b.offline || b.pulled {
			b.set(func(b *bay) { b.drive = nil })
			drives = append(drives, nil)
			continue
		}
		d, err := r.openDrive(b.dir)
		if errors.Is(err, vfs.ErrIO) || errors.Is(err, vfs.ErrNoSpace) {
			b.set(func(b *bay) { b.offline, b.drive = true, nil }) // it is to be attached later
			drives = append(drives, nil)
			continue
		}
		if err != nil {
			return fmt.Errorf("opening drive %s: %w", b.dir, err)
		}
		drives = append(drives, b.plug(d))
	}
	opts := r.opts
	var err error
	r.store, err = r.impl.Open(drives, &opts)
	if err != nil {
		r.store = nil
		for _, d := range drives {
			if d != nil {
				d.Close()
			}
		}
	}
	return err
}

func (r *rack) openDrive(dir string) (erasure.Drive, error) {
	if r.impl.OpenDrive == nil {
		return erasure.OpenDirFS(r.disk, dir)
	}
	return r.impl.OpenDrive(r.disk, dir)
}

func (r *rack) close() {
	if r.store != nil {
		r.store.Close()
		r.store = nil
	}
}

// reopen closes the store and opens it again: an orderly restart.
func (r *rack) reopen() error {
	r.close()
	return r.open()
}

// crash takes away what a power cut leaves of the disk, and leaves the store closed.
func (r *rack) crash(clone func(*vfs.Mem) *vfs.Mem) {
	left := clone(r.disk)
	r.disk.CutPower(0)
	r.close()
	r.disk = left
}

// attach gives the store what is in a bay's directory, as a drive that was
// plugged in.
func (r *rack) attach(b *bay) error {
	if b.drive != nil {
		b.drive.Close() // the one that was pulled out
	}
	d, err := r.openDrive(b.dir)
	if err != nil {
		return err
	}
	b.set(func(b *bay) { b.offline, b.pulled = false, false })
	return r.store.Attach(context.Background(), b.plug(d))
}

// wipe puts an empty directory in the place of a bay's.
func (r *rack) wipe(b *bay) {
	dir, n, _ := strings.Cut(b.dir, "-")
	k, _ := strconv.Atoi(n)
	b.dir = fmt.Sprintf("%s-%d", dir, k+1)
}

// file is a file of a drive: its path within it, and its length.
type file struct {
	path string
	size int64
}

// files lists what is on a drive below a directory, in order of names.
func (r *rack) files(b *bay, under string) []file {
	var all []file
	for line := range strings.Lines(r.disk.Dump()) {
		path, size, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(size, 10, 64)
		within, mine := strings.CutPrefix(path, b.dir+"/")
		if ok && err == nil && mine && strings.HasPrefix(within, under) {
			all = append(all, file{within, n})
		}
	}
	return all
}

// truncate cuts a file off, as a file system that lost its end.
func (r *rack) truncate(b *bay, path string, size int64) error {
	f, err := r.disk.Open(b.dir+"/"+path, vfs.ReadWrite)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}
