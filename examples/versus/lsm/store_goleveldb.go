package main

import (
	"errors"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	leveliter "github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

type levelStore struct {
	db    *leveldb.DB
	write *opt.WriteOptions
}

func openGoleveldb(dir string, s settings) (store, error) {
	db, err := leveldb.OpenFile(dir, &opt.Options{
		BlockCacheCapacity: int(s.cache), WriteBuffer: s.memtable, Filter: filter.NewBloomFilter(bitsPerKey),
		Compression: opt.NoCompression, CompactionTableSize: 8 << 20, CompactionTotalSize: 64 << 20,
	})
	if err != nil {
		return nil, err
	}
	return &levelStore{db, &opt.WriteOptions{Sync: s.sync}}, nil
}

// Get has no way to be given memory.
func (s *levelStore) Get(dst, k []byte) ([]byte, bool, error) {
	v, err := s.db.Get(k, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return dst, false, nil
	}
	return append(dst, v...), err == nil, err
}

func (s *levelStore) Put(k, v []byte) error { return s.db.Put(k, v, s.write) }

// Flush does nothing: goleveldb flushes a memtable when it is full, and when
// what it left in its journal is opened.
func (s *levelStore) Flush() error    { return nil }
func (s *levelStore) Close() error    { return s.db.Close() }
func (s *levelStore) NewBatch() batch { return &levelBatch{s: s} }

func (s *levelStore) NewIter() (iterator, error) {
	return levelIter{s.db.NewIterator(nil, nil)}, nil
}

type levelBatch struct {
	s *levelStore
	b leveldb.Batch
}

func (b *levelBatch) Put(k, v []byte) error {
	b.b.Put(k, v)
	return nil
}

func (b *levelBatch) Apply() error {
	err := b.s.db.Write(&b.b, b.s.write)
	b.b.Reset()
	return err
}

type levelIter struct{ leveliter.Iterator }

func (i levelIter) Close() error {
	i.Release()
	return i.Error()
}
