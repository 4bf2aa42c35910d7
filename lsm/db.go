package lsm

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/table"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// DB is a store. It is safe for concurrent use.
type DB struct {
	opts  Options
	order key.Order
	dir   string

	log    *wal.Log // nil: in memory
	values *vlog.Log
	tables *tables
	cache  *table.Cache
	limit  *limiter // of what compactions write; nil: none

	// The way of a write: see commit.go.
	pipe      pipeline
	groups    groups
	visible   atomic.Uint64 // the newest sequence number that readers see
	mutable   *memtable     // under pipe.mu
	slow      atomic.Bool   // writes must ask stall first
	batches   sync.Pool
	sepValues [][]byte       // under pipe.mu
	sepPoints []vlog.Pointer // under pipe.mu
	valueRoom int64          // values that a memtable may point to; under pipe.mu
	valuesMu  sync.Mutex     // appends to the value log: writes and rewrites

	liveValues valueRefs
	churn      churn

	// state is what a read needs, replaced as a whole: see readstate.go.
	state atomic.Pointer[readState]

	mu        sync.Mutex  // below pipe.mu
	changed   *sync.Cond  // a job has ended, or the store has failed
	mems      []*memtable // from old to new; the last one is being written to
	nextFile  uint64
	snapshots snapshotList
	jobs      jobs
	closed    bool
	dropping  bool                  // DropAll is about to remove everything
	failure   atomic.Pointer[error] // why the store takes no writes

	// install is held by who makes the next version; above mu.
	install  sync.Mutex
	manifest *manifest.Log // nil: read-only
	flushed  uint64        // sequence numbers up to here are in tables
	logFirst uint64        // records from here on are not
	// manifestLimit is the length at which the manifest is written anew.
	manifestLimit int64
	logLast       uint64 // the manifest says that the log was durable up to here

	discard atomic.Uint64 // timestamps: see SetDiscard

	stats stats
}

// Get returns a copy of the value of key, or ErrNotFound.
func (d *DB) Get(k []byte) ([]byte, error) { return d.GetTo(nil, k) }

// GetTo appends the value of key to dst and returns the result, or dst and an
// error: ErrNotFound when there is none. It does not allocate when dst has room.
func (d *DB) GetTo(dst, k []byte) ([]byte, error) {
	return d.read(nil, dst, k, ^uint64(0), nil)
}

// GetAt returns a copy of the newest version of key whose timestamp is not above
// ts, in a store with Options.Timestamps.
func (d *DB) GetAt(k []byte, ts uint64) ([]byte, error) { return d.read(nil, nil, k, ts, nil) }

// NewIter returns an iterator over the store as it is now. It must be closed. Nil
// options show everything.
func (d *DB) NewIter(o *IterOptions) (*Iterator, error) {
	state, err := d.acquire()
	if err != nil {
		return nil, err
	}
	return d.newIterator(state, true, d.visible.Load(), o, nil), nil
}

// SetDiscard tells a store with Options.Timestamps that nobody reads at a timestamp
// below ts any more, nor writes at one that is not above ts: of the versions of a key
// at or below ts, compactions keep the newest only, and none when that is a delete. It
// does not go back.
func (d *DB) SetDiscard(ts uint64) {
	for old := d.discard.Load(); ts > old; old = d.discard.Load() {
		if d.discard.CompareAndSwap(old, ts) {
			return
		}
	}
}

// merge applies the operands, newest first, to base.
func (d *DB) merge(k, base []byte, operands [][]byte) ([]byte, error) {
	if d.opts.MergeOperator == nil {
		return nil, fmt.Errorf("%w: key %q has operands", ErrNoMergeOperator, k)
	}
	oldest := make([][]byte, len(operands))
	for i, o := range operands {
		oldest[len(operands)-1-i] = o
	}
	v, err := d.opts.MergeOperator(k, base, oldest)
	if err != nil {
		return nil, fmt.Errorf("lsm: merging key %q: %w", k, err)
	}
	return v, nil
}

// writable returns why the store takes no writes, nil when it does.
func (d *DB) writable() error {
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends writing (rule L9): what the disk holds is not known any more, and
// only opening the store again tells. The first reason stays.
func (d *DB) fail(err error) error {
	err = fmt.Errorf("%w until it is opened again: %w", ErrReadOnly, err)
	if d.failure.CompareAndSwap(nil, &err) {
		d.opts.Logger.Error("lsm: failed", "dir", d.dir, "err", err)
	}
	d.mu.Lock()
	d.changed.Broadcast()
	d.mu.Unlock()
	return *d.failure.Load()
}

// writeError judges an error of a write in the foreground. A full disk has
// changed nothing (rule L8); everything else is the end.
func (d *DB) writeError(err error) error {
	if noSpace(err) {
		return err
	}
	return d.fail(err)
}

// noSpace reports whether err is of a full disk, and nothing has changed. A sync that
// fails for want of space is a failed sync.
func noSpace(err error) bool {
	return errors.Is(err, vfs.ErrNoSpace) &&
		!errors.Is(err, wal.ErrFailed) && !errors.Is(err, vlog.ErrFailed) && !errors.Is(err, manifest.ErrFailed)
}

// Close ends the background work and makes what was written durable; where that
// has failed before, it returns the failure. It waits for jobs under way. Iterators and snapshots should be closed before: they keep
// files open. A second Close does nothing.
func (d *DB) Close() error {
	d.pipe.mu.Lock()
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		d.pipe.mu.Unlock()
		return nil
	}
	d.closed = true
	d.limit.end()
	failed := d.failure.Load()
	if d.opts.ReadOnly {
		failed = nil
	}
	closed := error(ErrClosed)
	d.failure.Store(&closed)
	d.changed.Broadcast()
	for d.jobs.running() > 0 {
		d.changed.Wait()
	}
	state, mems := d.state.Swap(nil), d.mems
	d.mems = nil
	d.liveValues.stop()
	d.mu.Unlock()
	d.pipe.mu.Unlock()
	d.jobs.workers.Wait()
	for _, m := range mems {
		m.writers.Wait() // batches that were in the log before Close
		m.unref()
	}

	var errs []error
	switch {
	case failed != nil:
		// Perhaps a job has failed, and nobody heard of it: what was written is not
		// durable, and cannot be made so.
		errs = append(errs, *failed)
	case d.log != nil && !d.opts.ReadOnly:
		errs = append(errs, d.closeMark(), d.closeEdit())
	}
	state.unref()
	if d.manifest != nil {
		errs = append(errs, d.manifest.Close())
	}
	if err := d.values.Close(); failed == nil {
		errs = append(errs, err)
	}
	if d.log != nil {
		if err := d.log.Close(); failed == nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// closeMark vouches for the values that the log points to: all are durable.
func (d *DB) closeMark() error {
	if d.opts.ValueThreshold == 0 {
		return nil
	}
	if err := d.values.Sync(); err != nil {
		return err
	}
	b := d.NewBatch()
	b.seal(d.pipe.nextSeq)
	file, offset := d.values.Durable()
	mark := vlog.Pointer{File: file, Offset: offset}
	_, err := d.log.Append(appendEntry(b.data, entry{kind: key.Mark, value: mark.Append(nil)}))
	if errors.Is(err, vfs.ErrNoSpace) {
		return nil // it promises nothing by itself
	}
	return err
}

// closeEdit says in the manifest how far the log goes: a log that ends before that
// when the store is opened has lost something promised, however well it reads.
func (d *DB) closeEdit() error {
	last := d.log.LastSeq()
	if err := d.log.Sync(last); err != nil {
		return err
	}
	err := d.manifest.Append(&manifest.Edit{NextFile: d.nextFile, LastSeq: d.flushed, WALFirst: d.logFirst, WALLast: last})
	if errors.Is(err, vfs.ErrNoSpace) {
		return nil // it promises nothing by itself
	}
	return err
}
