package main

import (
	"errors"

	"github.com/flagship-go/flagship/lsm"
)

type ourStore struct{ db *lsm.DB }

func openOurs(dir string, s settings) (store, error) {
	o := &lsm.Options{
		SyncWrites: s.sync, BlockCacheSize: s.cache, MemTableSize: s.memtable, NumMemtables: memtables, BitsPerKey: bitsPerKey,
	}
	if s.values {
		o.ValueThreshold = threshold
	}
	db, err := lsm.Open(dir, o)
	return ourStore{db}, err
}

func (s ourStore) Get(dst, k []byte) ([]byte, bool, error) {
	v, err := s.db.GetTo(dst, k)
	if errors.Is(err, lsm.ErrNotFound) {
		return v, false, nil
	}
	return v, err == nil, err
}

func (s ourStore) Put(k, v []byte) error { return s.db.Put(k, v) }
func (s ourStore) Flush() error          { return s.db.Flush() }
func (s ourStore) Close() error          { return s.db.Close() }
func (s ourStore) NewBatch() batch       { return &ourBatch{s.db, s.db.NewBatch()} }

func (s ourStore) NewIter() (iterator, error) {
	it, err := s.db.NewIter(nil)
	return ourIter{it}, err
}

type ourBatch struct {
	db *lsm.DB
	b  *lsm.Batch
}

func (b *ourBatch) Put(k, v []byte) error {
	b.b.Put(k, v)
	return nil
}

func (b *ourBatch) Apply() error {
	err := b.db.Apply(b.b)
	b.b.Reset()
	return err
}

type ourIter struct{ *lsm.Iterator }

func (i ourIter) Seek(k []byte) bool { return i.SeekGE(k) }
