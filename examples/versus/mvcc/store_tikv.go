package main

import (
	"context"

	"github.com/pingcap/log"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/testutils"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
	"go.uber.org/zap"
)

// tikvStore is TiKV's client on the store that it is tested with, in one process. The
// store decodes all versions of a key to read one, and the client sleeps between
// attempts: this is not the speed of TiKV.
type tikvStore struct{ kv *tikv.KVStore }

func openTiKV(string) (store, error) {
	// It logs each conflict to the standard output.
	log.ReplaceGlobals(zap.NewNop(), &log.ZapProperties{})
	client, cluster, pd, err := testutils.NewMockTiKV("", nil)
	if err != nil {
		return nil, err
	}
	testutils.BootstrapWithSingleStore(cluster)
	kv, err := tikv.NewTestTiKVStore(client, pd, nil, nil, 0)
	if err != nil {
		return nil, err
	}
	return tikvStore{kv}, nil
}

func (s tikvStore) Update(ctx context.Context, fn func(tx) error) (int, error) {
	return retry(ctx, func() error {
		txn, err := s.kv.Begin()
		if err != nil {
			return err
		}
		if err := fn(tikvTxn{ctx, txn}); err != nil {
			txn.Rollback()
			return err
		}
		err = txn.Commit(ctx)
		if tikverr.IsErrWriteConflict(err) {
			return errConflict
		}
		return err
	})
}

func (s tikvStore) Snapshot(ctx context.Context) (snapshot, error) {
	ts, err := s.kv.CurrentTimestamp("global")
	if err != nil {
		return nil, err
	}
	return tikvSnapshot{ctx, s.kv, ts}, nil
}

func (s tikvStore) Close() error { return s.kv.Close() }

type tikvTxn struct {
	ctx context.Context
	txn *transaction.KVTxn
}

func (t tikvTxn) Get(key []byte) ([]byte, error) {
	v, err := t.txn.Get(t.ctx, key)
	if tikverr.IsErrNotFound(err) {
		return nil, nil
	}
	return v, err
}

func (t tikvTxn) Scan(lo, hi []byte, fn func(k, v []byte) error) error {
	it, err := t.txn.Iter(lo, hi)
	return tikvScan(it, err, fn)
}

func (t tikvTxn) Put(key, value []byte) error { return t.txn.Set(key, value) }

type tikvSnapshot struct {
	ctx context.Context
	kv  *tikv.KVStore
	ts  uint64
}

// Get reads from the store: a snapshot of the client's remembers what it was asked
// before.
func (s tikvSnapshot) Get(key []byte) ([]byte, error) {
	v, err := s.kv.GetSnapshot(s.ts).Get(s.ctx, key)
	if tikverr.IsErrNotFound(err) {
		return nil, nil
	}
	return v, err
}

func (s tikvSnapshot) Scan(lo, hi []byte, fn func(k, v []byte) error) error {
	it, err := s.kv.GetSnapshot(s.ts).Iter(lo, hi)
	return tikvScan(it, err, fn)
}

func (s tikvSnapshot) Close() error { return nil }

// tikvIterator is what the client returns, from a package that it keeps to itself.
type tikvIterator interface {
	Valid() bool
	Key() []byte
	Value() []byte
	Next() error
	Close()
}

func tikvScan(it tikvIterator, err error, fn func(k, v []byte) error) error {
	if err != nil {
		return err
	}
	defer it.Close()
	for it.Valid() {
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
		if err := it.Next(); err != nil {
			return err
		}
	}
	return nil
}
