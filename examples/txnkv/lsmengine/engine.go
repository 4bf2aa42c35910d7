// Package lsmengine keeps the records of package mvcc in a store of package lsm: the
// engine that survives the process. A key of a family is a key of the store, after a
// byte that names the family:
//
//	default  'd' key + StartTS      lock  'l' key      write  'w' key + CommitTS
//	         'v'                    the version of this layout
//
// Batches are atomic and in order, as the store's are; a snapshot is the store's.
package lsmengine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
)

const (
	layout = "flagship mvcc 1"
	// longestKey is the longest key that the store takes, without the family.
	longestKey = lsm.MaxKeyLen - 1
)

var layoutKey = []byte("v")

// Engine is an [mvcc.Engine] in a directory. It is safe for concurrent use.
type Engine struct {
	db      *lsm.DB
	writers sync.Pool // of *writer
}

var _ mvcc.Engine = (*Engine)(nil)

// Open opens the engine in dir, or makes one there. One process at a time has it:
// otherwise the error is [lsm.ErrLocked]. With Options.SyncWrites what is written is
// durable when Write returns; without, it survives the process, and a power cut
// after [Engine.Sync]. Compaction and the rest are the store's.
func Open(dir string, options *lsm.Options) (*Engine, error) {
	db, err := lsm.Open(dir, options)
	if err != nil {
		return nil, fmt.Errorf("engine in %s: %w", dir, err)
	}
	e := &Engine{db: db}
	if err := e.checkLayout(options != nil && options.ReadOnly); err != nil {
		return nil, errors.Join(fmt.Errorf("engine in %s: %w", dir, err), db.Close())
	}
	return e, nil
}

// checkLayout refuses a store that this package did not make, or a later one did.
func (e *Engine) checkLayout(readOnly bool) error {
	is, err := e.db.Get(layoutKey)
	switch {
	case errors.Is(err, lsm.ErrNotFound):
		it, err := e.db.NewIter(nil)
		if err != nil {
			return err
		}
		found := it.First()
		if err := it.Close(); err != nil {
			return err
		}
		if found {
			return errors.New("the store there is not one of transactions: take another directory")
		}
		if readOnly {
			return nil
		}
		return e.db.Put(layoutKey, []byte(layout))
	case err != nil:
		return err
	case string(is) != layout:
		return fmt.Errorf("its layout is %q, and this program knows %q: use the program that made it", is, layout)
	}
	return nil
}

// DB returns the store, for its metrics and maintenance.
func (e *Engine) DB() *lsm.DB { return e.db }

// Sync makes durable what has been written.
func (e *Engine) Sync() error { return e.db.Sync() }

// Close ends it. Snapshots and iterators should be closed before. A second Close does
// nothing.
func (e *Engine) Close() error { return e.db.Close() }

func letter(cf mvcc.CF) byte { return "dlw"[cf] }

// AppendKey makes the store's key of a family's, in a part of the store whose keys have
// a prefix. An [Engine] has none.
func AppendKey(to, prefix []byte, cf mvcc.CF, key []byte) []byte {
	return append(append(append(to, prefix...), letter(cf)), key...)
}

// AppendEnd makes the store's key of an upper bound, where nil is the end.
func AppendEnd(to, prefix []byte, cf mvcc.CF, hi []byte) []byte {
	if hi == nil {
		return append(append(to, prefix...), letter(cf)+1)
	}
	return AppendKey(to, prefix, cf, hi)
}

// writer is what Write needs, kept for the next one.
type writer struct {
	batch    *lsm.Batch
	key, end []byte
}

// Write makes the changes of a batch. Where the disk fails, nobody knows what it has:
// that is an [mvcc.ErrUndetermined], and the engine takes no more until it is opened
// again.
func (e *Engine) Write(ctx context.Context, b *mvcc.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, _ := e.writers.Get().(*writer)
	if w == nil {
		w = &writer{batch: e.db.NewBatch()}
	}
	defer e.writers.Put(w)
	w.batch.Reset()
	for i := range b.Ops {
		switch op := &b.Ops[i]; {
		case len(op.Key) > longestKey:
			return fmt.Errorf("engine: write: %w: key of %d bytes, at most %d", mvcc.ErrTooLarge, len(op.Key), longestKey)
		case op.Kind == mvcc.OpPut:
			w.key = AppendKey(w.key[:0], nil, op.CF, op.Key)
			w.batch.Put(w.key, op.Value)
		case op.Kind == mvcc.OpDelete:
			w.key = AppendKey(w.key[:0], nil, op.CF, op.Key)
			w.batch.Delete(w.key)
		default:
			w.key, w.end = AppendKey(w.key[:0], nil, op.CF, op.Key), AppendEnd(w.end[:0], nil, op.CF, op.Value)
			w.batch.DeleteRange(w.key, w.end)
		}
	}
	if err := e.db.Apply(w.batch); err != nil {
		return fmt.Errorf("engine: write: %w", known(err, true))
	}
	return nil
}

// known makes an error of the store one that package mvcc knows.
func known(err error, writing bool) error {
	for theirs, ours := range map[error]error{lsm.ErrClosed: mvcc.ErrClosed, lsm.ErrTooLarge: mvcc.ErrTooLarge, lsm.ErrCorrupt: mvcc.ErrCorrupt} {
		if errors.Is(err, theirs) {
			return fmt.Errorf("%w: %w", ours, err)
		}
	}
	if writing && !errors.Is(err, lsm.ErrNoSpace) {
		return fmt.Errorf("%w: %w", mvcc.ErrUndetermined, err)
	}
	return err
}

// Snapshot returns the state after all writes that have returned.
func (e *Engine) Snapshot(ctx context.Context) (mvcc.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return NewSnapshot(e.db.Snapshot(), nil), nil
}

// NewSnapshot is the part of a snapshot of a store whose keys have a prefix. It closes
// the store's.
func NewSnapshot(s *lsm.Snapshot, prefix []byte) mvcc.Snapshot { return &snapshot{s, prefix} }

type snapshot struct {
	s      *lsm.Snapshot
	prefix []byte
}

func (s *snapshot) Get(cf mvcc.CF, key []byte) (value []byte, ok bool, err error) {
	var buf [64]byte
	value, err = s.s.Get(AppendKey(buf[:0], s.prefix, cf, key))
	switch {
	case errors.Is(err, lsm.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("engine: get: %w", known(err, false))
	case value == nil:
		value = []byte{}
	}
	return value, true, nil
}

func (s *snapshot) Close() error { return s.s.Close() }
