package main

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

type badgerStore struct{ db *badger.DB }

func openBadger(dir string, s settings) (store, error) {
	o := badger.DefaultOptions(dir).WithLogger(nil).WithSyncWrites(s.sync).WithMemTableSize(int64(s.memtable)).
		WithNumMemtables(memtables).WithDetectConflicts(false).WithMetricsEnabled(false).
		// Without compression blocks are read in place, and its documentation
		// advises against a block cache.
		WithCompression(options.None).WithBlockCacheSize(0).WithBloomFalsePositive(0.01)
	// Its batches are bounded by a part of the memtable.
	o = o.WithValueThreshold(min(1<<20, o.MemTableSize/20))
	if s.values {
		o = o.WithValueThreshold(threshold)
	}
	db, err := badger.Open(o)
	if err != nil {
		return nil, err
	}
	return badgerStore{db}, nil
}

func (s badgerStore) Get(dst, k []byte) (v []byte, found bool, err error) {
	v = dst
	err = s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(k)
		if err != nil {
			return err
		}
		return item.Value(func(b []byte) error {
			v, found = append(dst, b...), true
			return nil
		})
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		err = nil
	}
	return v, found, err
}

func (s badgerStore) Put(k, v []byte) error {
	// A transaction keeps what it is given until it ends.
	return s.db.Update(func(txn *badger.Txn) error { return txn.Set(k, v) })
}

// Flush does nothing: badger flushes a memtable when it is full, and in Close.
func (s badgerStore) Flush() error { return nil }
func (s badgerStore) Close() error { return s.db.Close() }

func (s badgerStore) NewBatch() batch { return &badgerBatch{db: s.db, b: s.db.NewWriteBatch()} }

func (s badgerStore) NewIter() (iterator, error) {
	txn := s.db.NewTransaction(false)
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	return &badgerIter{it: txn.NewIterator(o), txn: txn}, nil
}

type badgerBatch struct {
	db *badger.DB
	b  *badger.WriteBatch
}

// Put copies k and v, which badger keeps until the batch is written.
func (b *badgerBatch) Put(k, v []byte) error {
	both := append(append(make([]byte, 0, len(k)+len(v)), k...), v...)
	return b.b.Set(both[:len(k):len(k)], both[len(k):])
}

func (b *badgerBatch) Apply() error {
	err := b.b.Flush()
	b.b = b.db.NewWriteBatch()
	return err
}

type badgerIter struct {
	it    *badger.Iterator
	txn   *badger.Txn
	value []byte
	err   error
}

func (i *badgerIter) Seek(k []byte) bool { i.it.Seek(k); return i.it.Valid() }
func (i *badgerIter) First() bool        { i.it.Rewind(); return i.it.Valid() }
func (i *badgerIter) Next() bool         { i.it.Next(); return i.it.Valid() }
func (i *badgerIter) Key() []byte        { return i.it.Item().Key() }

func (i *badgerIter) Value() []byte {
	err := i.it.Item().Value(func(v []byte) error {
		i.value = v
		return nil
	})
	i.err = errors.Join(i.err, err)
	return i.value
}

func (i *badgerIter) Close() error {
	i.it.Close()
	i.txn.Discard()
	return i.err
}
