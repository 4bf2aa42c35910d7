package peers

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/flagship-go/flagship/lsm/lsmtest"
)

// OpenGoleveldb opens goleveldb for the kit. Option sets: "small" has a write
// buffer of 64 KiB; any other name its defaults.
func OpenGoleveldb(o lsmtest.Options) (lsmtest.Store, error) {
	opts := &opt.Options{ReadOnly: o.ReadOnly, Filter: filter.NewBloomFilter(10)}
	if o.Set.Name == "small" {
		opts.WriteBuffer, opts.CompactionTableSize, opts.CompactionTotalSize = 64<<10, 32<<10, 128<<10
	}
	db, err := leveldb.OpenFile(o.Dir, opts)
	if errors.Is(err, syscall.EAGAIN) {
		err = fmt.Errorf("%w: %w", lsmtest.ErrLocked, err)
	}
	if err != nil {
		return nil, err
	}
	return &levelStore{levelReader{db}, db}, nil
}

type levelStore struct {
	levelReader
	db *leveldb.DB
}

func (s *levelStore) Apply(ops []lsmtest.Op, sync bool) error {
	var b leveldb.Batch
	for _, op := range ops {
		switch op.Kind {
		case lsmtest.Put:
			b.Put(op.Key, op.Value)
		case lsmtest.Delete:
			b.Delete(op.Key)
		default:
			return lsmtest.ErrUnsupported
		}
	}
	return s.db.Write(&b, &opt.WriteOptions{Sync: sync})
}

func (s *levelStore) Snapshot() (lsmtest.Snapshot, error) {
	snap, err := s.db.GetSnapshot()
	if err != nil {
		return nil, err
	}
	return levelSnapshot{levelReader{snap}, snap}, nil
}

// Flush compacts, which begins with a flush: there is no other way to ask.
func (s *levelStore) Flush() error   { return s.db.CompactRange(util.Range{}) }
func (s *levelStore) Compact() error { return s.db.CompactRange(util.Range{}) }

func (s *levelStore) Close() error {
	if err := s.db.Close(); !errors.Is(err, leveldb.ErrClosed) {
		return err
	}
	return nil
}

// levelReader is a store or a snapshot.
type levelReader struct{ leveldb.Reader }

func (r levelReader) Get(k []byte) ([]byte, error) {
	v, err := r.Reader.Get(k, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil, lsmtest.ErrNotFound
	}
	return v, err
}

func (r levelReader) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	it := r.Reader.NewIterator(&util.Range{Start: lower, Limit: upper}, nil)
	if err := it.Error(); err != nil {
		it.Release()
		return nil, err
	}
	return levelIter{it, lower, upper}, nil
}

type levelSnapshot struct {
	levelReader
	snap *leveldb.Snapshot
}

func (s levelSnapshot) Close() error {
	s.snap.Release()
	return nil
}

type levelIter struct {
	iterator.Iterator
	lower, upper []byte
}

func (i levelIter) SeekGE(k []byte) bool { return i.Seek(k) }

// SeekLT is a step back from Seek: there is no other way.
func (i levelIter) SeekLT(k []byte) bool {
	if !i.Seek(k) {
		return i.Last()
	}
	return i.Prev()
}

func (i levelIter) Err() error { return i.Error() }

func (i levelIter) Close() error {
	i.Release()
	return nil
}
