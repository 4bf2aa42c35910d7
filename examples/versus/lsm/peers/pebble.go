package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/flagship-go/flagship/lsm/lsmtest"
)

// OpenPebble opens Pebble for the kit. Option sets: "small" has memtables of
// 64 KiB; any other name its defaults.
//
//	lsm                              pebble
//	Open(dir, *Options)              Open(dir, *Options)
//	Put, Delete, DeleteRange         Set, Delete, DeleteRange, with WriteOptions
//	Apply(batch), Batch.Sync         Batch.Commit(pebble.Sync)
//	Get -> copy, ErrNotFound         Get -> slice and Closer, ErrNotFound
//	NewIter(&IterOptions{Lower})     NewIter(&IterOptions{LowerBound})
//	Snapshot, Flush, Checkpoint      NewSnapshot, Flush, Checkpoint
//	Compact(nil, nil)                Compact(ctx, first, last+"\x00", false)
//	MergeOperator(base, operands)    Merger: a base is an operand like another
//	PutTTL, value log, timestamps    none; ValueSeparationPolicy; Comparer with suffixes
func OpenPebble(o lsmtest.Options) (lsmtest.Store, error) {
	opts := &pebble.Options{FormatMajorVersion: pebble.FormatNewest, ReadOnly: o.ReadOnly, Logger: quiet{}}
	if o.Set.Name == "small" {
		opts.MemTableSize, opts.L0CompactionThreshold = 64<<10, 1
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(o.Dir, opts)
	if errors.Is(err, syscall.EAGAIN) || err != nil && bytes.Contains([]byte(err.Error()), []byte("lock held")) {
		err = fmt.Errorf("%w: %w", lsmtest.ErrLocked, err)
	}
	if err != nil {
		return nil, err
	}
	return &pebbleStore{db: db, r: pebbleReader{db}}, nil
}

type pebbleStore struct {
	gate
	db *pebble.DB
	r  pebbleReader
}

func (s *pebbleStore) Get(k []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.r.Get(k)
}

func (s *pebbleStore) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.r.NewIter(lower, upper)
}

func (s *pebbleStore) Apply(ops []lsmtest.Op, sync bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	b := s.db.NewBatch()
	defer b.Close()
	for _, op := range ops {
		var err error
		switch op.Kind {
		case lsmtest.Put:
			err = b.Set(op.Key, op.Value, nil)
		case lsmtest.Delete:
			err = b.Delete(op.Key, nil)
		case lsmtest.DeleteRange:
			// A range that is empty is no error here, and refused there.
			if bytes.Compare(op.Key, op.Value) < 0 {
				err = b.DeleteRange(op.Key, op.Value, nil)
			}
		default:
			err = lsmtest.ErrUnsupported
		}
		if err != nil {
			return err
		}
	}
	write := pebble.NoSync
	if sync {
		write = pebble.Sync
	}
	return b.Commit(write)
}

func (s *pebbleStore) Snapshot() (lsmtest.Snapshot, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	snap := s.db.NewSnapshot()
	return pebbleSnapshot{pebbleReader{snap}, snap}, nil
}

func (s *pebbleStore) Flush() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.db.Flush()
}

// Compact goes over the keys that there are: Pebble asks for both bounds.
func (s *pebbleStore) Compact() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.db.Flush(); err != nil {
		return err
	}
	last := bytes.Repeat([]byte{0xff}, 64)
	return s.db.Compact(context.Background(), nil, last, false)
}

func (s *pebbleStore) Checkpoint(dir string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.db.Checkpoint(dir, pebble.WithFlushedWAL())
}

func (s *pebbleStore) Close() error { return s.close(s.db.Close) }

// pebbleReader is a store or a snapshot.
type pebbleReader struct{ pebble.Reader }

func (r pebbleReader) Get(k []byte) ([]byte, error) {
	v, closer, err := r.Reader.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, lsmtest.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	v = append([]byte{}, v...)
	return v, closer.Close()
}

func (r pebbleReader) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	it, err := r.Reader.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	return pebbleIter{it}, nil
}

type pebbleSnapshot struct {
	pebbleReader
	snap *pebble.Snapshot
}

func (s pebbleSnapshot) Close() error { return s.snap.Close() }

type pebbleIter struct{ *pebble.Iterator }

func (i pebbleIter) Err() error { return i.Error() }

// quiet logs nothing but what ends the process.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
