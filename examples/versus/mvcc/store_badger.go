package main

import (
	"context"
	"errors"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

type badgerStore struct{ db *badger.DB }

// badger's transactions are serializable, as far as keys go that were read.
func openBadger(o badger.Options) (store, error) {
	db, err := badger.Open(o.WithLogger(nil).WithMetricsEnabled(false).WithCompression(options.None).WithBlockCacheSize(0).
		WithNumVersionsToKeep(1 << 20))
	if err != nil {
		return nil, err
	}
	return badgerStore{db}, nil
}

func openBadgerMem(string) (store, error) {
	return openBadger(badger.DefaultOptions("").WithInMemory(true))
}

func openBadgerDisk(dir string) (store, error) {
	return openBadger(badger.DefaultOptions(dir).WithSyncWrites(false))
}

func (s badgerStore) Update(ctx context.Context, fn func(tx) error) (int, error) {
	return retry(ctx, func() error {
		txn := s.db.NewTransaction(true)
		defer txn.Discard()
		if err := fn(badgerTxn{txn}); err != nil {
			return err
		}
		err := txn.Commit()
		if errors.Is(err, badger.ErrConflict) {
			return errConflict
		}
		return err
	})
}

func (s badgerStore) Snapshot(context.Context) (snapshot, error) {
	return badgerTxn{s.db.NewTransaction(false)}, nil
}

func (s badgerStore) Close() error { return s.db.Close() }

type badgerTxn struct{ txn *badger.Txn }

func (t badgerTxn) Get(key []byte) ([]byte, error) {
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Its value is valid while the transaction lasts.
	var value []byte
	err = item.Value(func(v []byte) error { value = v; return nil })
	return value, err
}

func (t badgerTxn) Scan(lo, hi []byte, fn func(k, v []byte) error) error {
	it := t.txn.NewIterator(badger.DefaultIteratorOptions)
	defer it.Close()
	for it.Seek(lo); it.Valid(); it.Next() {
		item := it.Item()
		k := item.Key()
		if string(k) >= string(hi) {
			return nil
		}
		if err := item.Value(func(v []byte) error { return fn(k, v) }); err != nil {
			return err
		}
	}
	return nil
}

func (t badgerTxn) Put(key, value []byte) error { return t.txn.Set(key, value) }

func (t badgerTxn) Close() error {
	t.txn.Discard()
	return nil
}
