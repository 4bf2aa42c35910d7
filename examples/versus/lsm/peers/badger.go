package peers

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/flagship-go/flagship/lsm/lsmtest"
)

// OpenBadger opens badger for the kit. Option sets: "values apart" has a value
// threshold of 100 bytes; any other name its defaults, with a small memtable. The
// kit's batches are transactions, so a batch is bounded by a part of the memtable.
func OpenBadger(o lsmtest.Options) (lsmtest.Store, error) {
	opts := badger.DefaultOptions(o.Dir).WithLogger(nil).WithReadOnly(o.ReadOnly).WithMetricsEnabled(false).
		WithMemTableSize(16 << 20).WithNumMemtables(2).WithValueLogFileSize(16 << 20).WithBlockCacheSize(8 << 20)
	if o.Set.Name == "values apart" {
		opts = opts.WithValueThreshold(100)
	}
	db, err := badger.Open(opts)
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") {
		err = fmt.Errorf("%w: %w", lsmtest.ErrLocked, err)
	}
	if err != nil {
		return nil, err
	}
	return &badgerStore{db: db}, nil
}

type badgerStore struct {
	gate
	db *badger.DB
}

func (s *badgerStore) Get(k []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	snap := s.snapshot()
	defer snap.Close()
	return snap.Get(k)
}

func (s *badgerStore) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	snap := s.snapshot()
	defer snap.Close()
	return snap.NewIter(lower, upper)
}

// Apply is a transaction that writes only, which never conflicts.
func (s *badgerStore) Apply(ops []lsmtest.Op, sync bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	err := s.db.Update(func(txn *badger.Txn) error {
		for _, op := range ops {
			var err error
			k := bytes.Clone(op.Key)
			switch op.Kind {
			case lsmtest.Put:
				err = txn.Set(k, bytes.Clone(op.Value))
			case lsmtest.Delete:
				err = txn.Delete(k)
			default:
				err = lsmtest.ErrUnsupported
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !sync {
		return err
	}
	return s.db.Sync()
}

// snapshot is a transaction that only reads.
func (s *badgerStore) snapshot() *badgerSnapshot {
	snap := &badgerSnapshot{txn: s.db.NewTransaction(false)}
	snap.uses.Store(1)
	return snap
}

// Snapshot returns one.
func (s *badgerStore) Snapshot() (lsmtest.Snapshot, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.snapshot(), nil
}

func (s *badgerStore) Close() error { return s.close(s.db.Close) }

// badgerSnapshot is a transaction that ends with its last user: badger wants
// iterators closed before.
type badgerSnapshot struct {
	txn  *badger.Txn
	uses atomic.Int32
}

func (s *badgerSnapshot) Get(k []byte) ([]byte, error) {
	item, err := s.txn.Get(k)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, lsmtest.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func (s *badgerSnapshot) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	s.uses.Add(1)
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	return &badgerIter{snap: s, it: s.txn.NewIterator(o), lower: bytes.Clone(lower), upper: bytes.Clone(upper)}, nil
}

func (s *badgerSnapshot) Close() error {
	if s.uses.Add(-1) == 0 {
		s.txn.Discard()
	}
	return nil
}

// badgerIter adds bounds to badger's iterator, which has none, and goes forwards
// only: the direction is fixed when it is made.
type badgerIter struct {
	snap         *badgerSnapshot
	it           *badger.Iterator
	lower, upper []byte
	value        []byte
	err          error
}

func (i *badgerIter) First() bool {
	if i.lower != nil {
		i.it.Seek(i.lower)
	} else {
		i.it.Rewind()
	}
	return i.valid()
}

func (i *badgerIter) SeekGE(k []byte) bool {
	if bytes.Compare(k, i.lower) < 0 {
		k = i.lower
	}
	i.it.Seek(k)
	return i.valid()
}

func (i *badgerIter) Next() bool {
	if !i.valid() {
		return false
	}
	i.it.Next()
	return i.valid()
}

func (i *badgerIter) valid() bool {
	return i.it.Valid() && (i.upper == nil || bytes.Compare(i.it.Item().Key(), i.upper) < 0)
}

func (i *badgerIter) Key() []byte { return i.it.Item().Key() }

func (i *badgerIter) Value() []byte {
	v, err := i.it.Item().ValueCopy(i.value[:0])
	if err != nil {
		i.err = err
		return nil
	}
	i.value = v
	return v
}

func (i *badgerIter) Err() error { return i.err }

func (i *badgerIter) Close() error {
	i.it.Close()
	return i.snap.Close()
}
