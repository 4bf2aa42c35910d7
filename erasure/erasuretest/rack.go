package erasuretest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// A bay is where a drive is plugged in.
type bay struct {
	rack *rack
	id   int // stays, wherever it is in the order of drives
	dir  string

	mu      sync.Mutex
	drive   erasure.Drive // what is plugged in
	offline bool          // it does not answer
	pulled  bool          // it is left out when the store is opened
	slow    time.Duration // each call takes so long
	brisk   int           // so many more calls of a serial store are answered in time,
	lags    int           // and so many behind them are not
	backlog []func()      // those that were not, and are still to be done
	late    bool          // it does some of that now
	calls   int
	opens   int  // of them of Open
	failed  bool // a call failed since the last takeFailed
}

// postpone has a drive that lags take a call, to be done later.
func (r *rack) postpone(d erasure.Drive, work func()) bool {
	b := d.(*handle).bay
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.lags == 0:
		return false
	case b.brisk > 0:
		b.brisk--
		return false
	}
	b.lags--
	b.backlog = append(b.backlog, work)
	return true
}

// owes reports whether it answers late, soon will, or owes what it has answered late.
func (b *bay) owes() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lags > 0 || len(b.backlog) > 0
}

// catchUp has a drive do so many of the calls that it has taken, in any order: each
// is in a goroutine of its own where time is real. Whether their callers, who have
// given up, can still stop them is a matter of luck.
func (b *bay) catchUp(n int, rng *rand.Rand) {
	for ; n > 0 && len(b.backlog) > 0; n-- {
		i := rng.IntN(len(b.backlog))
		work := b.backlog[i]
		b.backlog = slices.Delete(b.backlog, i, i+1)
		b.set(func(b *bay) { b.late = rng.IntN(4) > 0 })
		work()
		b.set(func(b *bay) { b.late = false })
	}
}

var errOffline = errors.New("the drive does not answer")

// plug returns a drive as the store is given it.
func (b *bay) plug(d erasure.Drive) erasure.Drive {
	b.set(func(b *bay) { b.drive = d })
	return &handle{bay: b, Drive: d}
}

// unplug takes the drive away: it has no handle any more that answers.
func (b *bay) unplug() {
	b.mu.Lock()
	d := b.drive
	b.offline, b.drive = true, nil
	b.mu.Unlock()
	if d != nil {
		d.Close()
	}
}

// isEmpty reports whether there is no drive plugged in.
func (b *bay) isEmpty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.drive == nil
}

// turn begins a call.
func (b *bay) turn(ctx context.Context) error {
	b.mu.Lock()
	offline, slow := b.offline, b.slow
	b.calls++
	if offline {
		b.failed = true
	}
	b.mu.Unlock()
	if offline {
		return fmt.Errorf("%s: %w", b.dir, errOffline)
	}
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// over notes how a call ended.
func (b *bay) over(err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.mu.Lock()
		b.failed = true
		b.mu.Unlock()
	}
	return err
}

// takeFailed says whether a call has failed since it was last asked.
func (b *bay) takeFailed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.failed
	b.failed = false
	return f
}

func (b *bay) takeCalls() (calls, opens int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls, opens = b.calls, b.opens
	b.calls, b.opens = 0, 0
	return calls, opens
}

func (b *bay) set(change func(*bay)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// A handle is a drive as the store is given it: the bay decides what becomes of
// a call. Once another was plugged in, it is dead.
type handle struct {
	bay *bay
	erasure.Drive
}

func (h *handle) turn(ctx context.Context) error {
	h.bay.mu.Lock()
	dead := h.bay.drive != h.Drive
	h.bay.mu.Unlock()
	if dead {
		return fmt.Errorf("%s: %w: it was replaced", h.bay.dir, errOffline)
	}
	return h.bay.turn(ctx)
}

// begun is the context of a call that changes something: one that is late was
// begun before its caller gave up.
func (h *handle) begun(ctx context.Context) context.Context {
	h.bay.mu.Lock()
	defer h.bay.mu.Unlock()
	if h.bay.late {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (h *handle) String() string { return h.bay.dir }

func (h *handle) Create(ctx context.Context, path string) (erasure.FileWriter, error) {
	if err := h.turn(ctx); err != nil {
		return nil, err
	}
	w, err := h.Drive.Create(h.begun(ctx), path)
	if h.bay.over(err) != nil {
		return nil, err
	}
	return &writer{h, w}, nil
}

func (h *handle) Commit(ctx context.Context, moves ...erasure.Move) error {
	if err := h.turn(ctx); err != nil {
		return err
	}
	return h.bay.over(h.Drive.Commit(h.begun(ctx), slices.Clone(moves)...))
}

func (h *handle) Open(ctx context.Context, path string) (erasure.FileReader, error) {
	if err := h.turn(ctx); err != nil {
		return nil, err
	}
	h.bay.set(func(b *bay) { b.opens++ })
	r, err := h.Drive.Open(ctx, path)
	if h.bay.over(err) != nil {
		return nil, err
	}
	return &reader{h, r}, nil
}

func (h *handle) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if err := h.turn(ctx); err != nil {
		return nil, err
	}
	b, err := h.Drive.ReadFile(ctx, path)
	return b, h.bay.over(err)
}

func (h *handle) List(ctx context.Context, dir string) ([]string, error) {
	if err := h.turn(ctx); err != nil {
		return nil, err
	}
	names, err := h.Drive.List(ctx, dir)
	return names, h.bay.over(err)
}

func (h *handle) Remove(ctx context.Context, paths ...string) error {
	if err := h.turn(ctx); err != nil {
		return err
	}
	return h.bay.over(h.Drive.Remove(h.begun(ctx), paths...))
}

func (h *handle) Usage(ctx context.Context) (erasure.Usage, error) {
	if err := h.turn(ctx); err != nil {
		return erasure.Usage{}, err
	}
	return h.Drive.Usage(ctx)
}

type writer struct {
	h *handle
	erasure.FileWriter
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.h.turn(context.Background()); err != nil {
		return 0, err
	}
	n, err := w.FileWriter.Write(p)
	return n, w.h.bay.over(err)
}

func (w *writer) Sync() error {
	if err := w.h.turn(context.Background()); err != nil {
		return err
	}
	return w.h.bay.over(w.FileWriter.Sync())
}

type reader struct {
	h *handle
	erasure.FileReader
}

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.h.turn(context.Background()); err != nil {
		return 0, err
	}
	n, err := r.FileReader.ReadAt(p, off)
	if err != nil && n < len(p) && off+int64(len(p)) <= r.Size() {
		r.h.bay.over(err)
	}
	return n, err
}
