package main

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/flagship-go/flagship/mvcc/mvcctest"
)

// badger under the conformance kit of package mvcc. It claims to be serializable, and
// is so as far as keys go: ranges it does not validate, so phantoms are possible: claim Ranges, and rules g2 and
// workload-phantom show them.
func TestBadgerUnderTheKit(t *testing.T) {
	mvcctest.Run(t, func() (mvcctest.DB, error) {
		db, err := badger.Open(badger.DefaultOptions("").WithInMemory(true).WithLogger(nil).WithMetricsEnabled(false))
		return badgerKit{db}, err
	}, mvcctest.Mode{Name: "badger", Serializable: true, RealTime: true})
}

type badgerKit struct{ db *badger.DB }

func (b badgerKit) Begin(context.Context) (mvcctest.Txn, error) {
	return badgerKitTxn{b.db.NewTransaction(true)}, nil
}

func (b badgerKit) Close() error { return b.db.Close() }

type badgerKitTxn struct{ txn *badger.Txn }

func (t badgerKitTxn) Get(_ context.Context, key []byte) ([]byte, error) {
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, mvcctest.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func (t badgerKitTxn) Scan(_ context.Context, lo, hi []byte) iter.Seq2[mvcctest.KV, error] {
	return func(yield func(mvcctest.KV, error) bool) {
		it := t.txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Seek(lo); it.Valid(); it.Next() {
			item := it.Item()
			if hi != nil && bytes.Compare(item.Key(), hi) >= 0 {
				return
			}
			v, err := item.ValueCopy(nil)
			if !yield(mvcctest.KV{Key: item.KeyCopy(nil), Value: v}, err) || err != nil {
				return
			}
		}
	}
}

// Put copies: badger keeps what it is given until the commit.
func (t badgerKitTxn) Put(key, value []byte) error {
	return t.txn.Set(bytes.Clone(key), bytes.Clone(value))
}

func (t badgerKitTxn) Delete(key []byte) error { return t.txn.Delete(bytes.Clone(key)) }

func (t badgerKitTxn) Commit(context.Context) error {
	err := t.txn.Commit()
	if errors.Is(err, badger.ErrConflict) {
		return errors.Join(mvcctest.ErrConflict, err)
	}
	return err
}

func (t badgerKitTxn) Rollback(context.Context) error {
	t.txn.Discard()
	return nil
}
