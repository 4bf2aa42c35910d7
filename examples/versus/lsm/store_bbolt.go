package main

import (
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

type boltStore struct {
	db *bolt.DB
	// many is whether several writers share a transaction.
	many bool
}

var boltBucket = []byte("b")

func openBolt(dir string, s settings) (store, error) {
	o := *bolt.DefaultOptions
	o.NoSync, o.NoFreelistSync, o.FreelistType, o.InitialMmapSize = !s.sync, true, bolt.FreelistMapType, 1<<30
	db, err := bolt.Open(filepath.Join(dir, "bolt"), 0o600, &o)
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket)
		return err
	})
	return &boltStore{db: db, many: s.sync}, err
}

func (s *boltStore) Get(dst, k []byte) (v []byte, found bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(boltBucket).Get(k)
		v, found = append(dst, b...), b != nil
		return nil
	})
	return v, found, err
}

func (s *boltStore) Put(k, v []byte) error {
	put := func(tx *bolt.Tx) error { return tx.Bucket(boltBucket).Put(k, v) }
	if s.many {
		return s.db.Batch(put)
	}
	return s.db.Update(put)
}

// Flush does nothing: a transaction is in the file when it ends.
func (s *boltStore) Flush() error    { return nil }
func (s *boltStore) Close() error    { return s.db.Close() }
func (s *boltStore) NewBatch() batch { return &boltBatch{s: s} }

func (s *boltStore) NewIter() (iterator, error) {
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, err
	}
	return &boltIter{tx: tx, c: tx.Bucket(boltBucket).Cursor()}, nil
}

type boltBatch struct {
	s      *boltStore
	keys   [][]byte
	values [][]byte
}

func (b *boltBatch) Put(k, v []byte) error {
	b.keys, b.values = append(b.keys, append([]byte(nil), k...)), append(b.values, v)
	return nil
}

func (b *boltBatch) Apply() error {
	err := b.s.db.Update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(boltBucket)
		for i, k := range b.keys {
			if err := bucket.Put(k, b.values[i]); err != nil {
				return err
			}
		}
		return nil
	})
	b.keys, b.values = b.keys[:0], b.values[:0]
	return err
}

type boltIter struct {
	tx   *bolt.Tx
	c    *bolt.Cursor
	k, v []byte
}

func (i *boltIter) Seek(k []byte) bool { i.k, i.v = i.c.Seek(k); return i.k != nil }
func (i *boltIter) First() bool        { i.k, i.v = i.c.First(); return i.k != nil }
func (i *boltIter) Next() bool         { i.k, i.v = i.c.Next(); return i.k != nil }
func (i *boltIter) Key() []byte        { return i.k }
func (i *boltIter) Value() []byte      { return i.v }
func (i *boltIter) Close() error       { return i.tx.Rollback() }
