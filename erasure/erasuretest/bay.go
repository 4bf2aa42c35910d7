package erasuretest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/erasure"
)

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
