package main

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

type pebbleStore struct {
	db    *pebble.DB
	write *pebble.WriteOptions
}

func openPebble(dir string, s settings) (store, error) {
	cache := pebble.NewCache(s.cache)
	defer cache.Unref()
	o := &pebble.Options{
		Cache: cache, MemTableSize: uint64(s.memtable), MemTableStopWritesThreshold: memtables,
		FormatMajorVersion:         pebble.FormatNewest,
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
		Logger:                     quietLogger{},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bitsPerKey)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, err
	}
	write := pebble.NoSync
	if s.sync {
		write = pebble.Sync
	}
	return &pebbleStore{db, write}, nil
}

func (s *pebbleStore) Get(dst, k []byte) ([]byte, bool, error) {
	v, closer, err := s.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, err
	}
	dst = append(dst, v...)
	return dst, true, closer.Close()
}

func (s *pebbleStore) Put(k, v []byte) error { return s.db.Set(k, v, s.write) }
func (s *pebbleStore) Flush() error          { return s.db.Flush() }
func (s *pebbleStore) Close() error          { return s.db.Close() }
func (s *pebbleStore) NewBatch() batch       { return &pebbleBatch{s, s.db.NewBatch()} }

func (s *pebbleStore) NewIter() (iterator, error) {
	it, err := s.db.NewIter(nil)
	return pebbleIter{it}, err
}

type pebbleBatch struct {
	s *pebbleStore
	b *pebble.Batch
}

func (b *pebbleBatch) Put(k, v []byte) error { return b.b.Set(k, v, nil) }

func (b *pebbleBatch) Apply() error {
	err := b.b.Commit(b.s.write)
	b.b.Reset()
	return err
}

type pebbleIter struct{ *pebble.Iterator }

func (i pebbleIter) Seek(k []byte) bool { return i.SeekGE(k) }

type quietLogger struct{}

func (quietLogger) Infof(string, ...any)              {}
func (quietLogger) Errorf(string, ...any)             {}
func (quietLogger) Fatalf(format string, args ...any) { pebble.DefaultLogger.Fatalf(format, args...) }
