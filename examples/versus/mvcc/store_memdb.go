package main

import (
	"context"

	"github.com/hashicorp/go-memdb"
)

// memdbStore is a radix tree that every write copies a path of. It has one writer at a
// time, who meets no conflict; an old state is there as long as somebody holds it.
type memdbStore struct{ db *memdb.MemDB }

type memdbRow struct {
	Key   string
	Value []byte
}

func openMemdb(string) (store, error) {
	db, err := memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{"kv": {
		Name:    "kv",
		Indexes: map[string]*memdb.IndexSchema{"id": {Name: "id", Unique: true, Indexer: &memdb.StringFieldIndex{Field: "Key"}}},
	}}})
	if err != nil {
		return nil, err
	}
	return memdbStore{db}, nil
}

func (s memdbStore) Update(_ context.Context, fn func(tx) error) (int, error) {
	txn := s.db.Txn(true)
	defer txn.Abort()
	if err := fn(memdbTxn{txn}); err != nil {
		return 0, err
	}
	txn.Commit()
	return 0, nil
}

func (s memdbStore) Snapshot(context.Context) (snapshot, error) {
	return memdbTxn{s.db.Txn(false)}, nil
}

func (s memdbStore) Close() error { return nil }

type memdbTxn struct{ txn *memdb.Txn }

func (t memdbTxn) Get(key []byte) ([]byte, error) {
	row, err := t.txn.First("kv", "id", string(key))
	if err != nil || row == nil {
		return nil, err
	}
	return row.(*memdbRow).Value, nil
}

func (t memdbTxn) Scan(lo, hi []byte, fn func(k, v []byte) error) error {
	it, err := t.txn.LowerBound("kv", "id", string(lo))
	if err != nil {
		return err
	}
	for next := it.Next(); next != nil; next = it.Next() {
		row := next.(*memdbRow)
		if row.Key >= string(hi) {
			return nil
		}
		if err := fn([]byte(row.Key), row.Value); err != nil {
			return err
		}
	}
	return nil
}

func (t memdbTxn) Put(key, value []byte) error {
	return t.txn.Insert("kv", &memdbRow{string(key), append([]byte(nil), value...)})
}

func (t memdbTxn) Close() error {
	t.txn.Abort()
	return nil
}
