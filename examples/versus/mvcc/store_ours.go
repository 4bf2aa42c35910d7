package main

import (
	"context"
	"errors"

	"github.com/flagship-go/flagship/mvcc"
)

// oursStore is package mvcc on its own engine in memory, in one region.
type oursStore struct {
	db   *mvcc.DB
	mode mvcc.Mode
}

// openOurs makes a contender's open.
func openOurs(mode mvcc.Mode, o mvcc.Options) func(string) (store, error) {
	return func(string) (store, error) {
		db, err := mvcc.Open(&o)
		if err != nil {
			return nil, err
		}
		return oursStore{db, mode}, nil
	}
}

const oursModule = "github.com/flagship-go/flagship"

func oursAs(name string, mode mvcc.Mode, o mvcc.Options) contender {
	return contender{name, oursModule, openOurs(mode, o)}
}

// twoPhases commit in two, whatever is possible.
var twoPhases = mvcc.Options{NoAsyncCommit: true, NoOnePC: true}

// Update is DB.Run, which waits a little before it begins again.
func (s oursStore) Update(ctx context.Context, fn func(tx) error) (int, error) {
	attempts := 0
	err := s.db.Run(ctx, mvcc.TxnOptions{Mode: s.mode}, func(txn *mvcc.Txn) error {
		attempts++
		if s.mode == mvcc.Pessimistic {
			return fn(oursLocker{oursTxn{ctx, txn}})
		}
		return fn(oursTxn{ctx, txn})
	})
	return max(0, attempts-1), err
}

func (s oursStore) Snapshot(ctx context.Context) (snapshot, error) {
	txn, err := s.db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		return nil, err
	}
	return oursTxn{ctx, txn}, nil
}

func (s oursStore) Collect(ctx context.Context) error {
	snap, err := s.db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		return err
	}
	now := snap.ReadTS()
	if err := snap.Rollback(ctx); err != nil {
		return err
	}
	_, err = s.db.Collect(ctx, now)
	return err
}

func (s oursStore) Close() error { return s.db.Close() }

type oursTxn struct {
	ctx context.Context
	txn *mvcc.Txn
}

func (t oursTxn) Get(key []byte) ([]byte, error) {
	v, err := t.txn.Get(t.ctx, key)
	if errors.Is(err, mvcc.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

func (t oursTxn) Scan(lo, hi []byte, fn func(k, v []byte) error) error {
	for kv, err := range t.txn.Scan(t.ctx, lo, hi, mvcc.ScanOptions{}) {
		if err != nil {
			return err
		}
		if err := fn(kv.Key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}

func (t oursTxn) Put(key, value []byte) error { return t.txn.Put(key, value) }

func (t oursTxn) Close() error { return t.txn.Rollback(t.ctx) }

type oursLocker struct{ oursTxn }

func (t oursLocker) Lock(keys ...[]byte) ([][]byte, error) { return t.txn.GetForUpdate(t.ctx, keys...) }
