package lsm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// The sizes of the measured comparisons: 16 byte keys, 100 byte values.
const (
	benchKeys  = 1_000_000
	benchValue = 100
)

func benchKey(buf []byte, n uint64) []byte {
	buf = append(buf[:0], "key-...."...)
	return binary.BigEndian.AppendUint64(buf, n*0x9e3779b97f4a7c15)
}

func benchFill(b *testing.B, o *Options, keys int) *DB {
	b.Helper()
	db := openTest(b, b.TempDir(), o)
	value := make([]byte, benchValue)
	rng := rand.NewChaCha8([32]byte{})
	var k []byte
	batch := db.NewBatch()
	for i := range keys {
		rng.Read(value)
		k = benchKey(k, uint64(i))
		batch.Put(k, value)
		if batch.Len() == 1000 || i == keys-1 {
			if err := db.Apply(batch); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := db.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := db.Compact(nil, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

func BenchmarkFillRandom(b *testing.B) {
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprintf("value=%d", size), func(b *testing.B) {
			db := openTest(b, b.TempDir(), nil)
			defer db.Close()
			value := make([]byte, size)
			rng := rand.NewChaCha8([32]byte{})
			rng.Read(value)
			var k []byte
			n := uint64(0)
			b.SetBytes(int64(16 + size))
			for b.Loop() {
				n++
				k = benchKey(k, n)
				if err := db.Put(k, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, mode := range []string{"mmap", "pread"} {
		b.Run("tables="+mode, func(b *testing.B) {
			db := benchFill(b, &Options{NoMmap: mode == "pread", BlockCacheSize: 256 << 20}, benchKeys/4)
			for _, what := range []string{"hit", "miss"} {
				b.Run("key="+what, func(b *testing.B) {
					rng := rand.New(rand.NewPCG(1, 1))
					var k, v []byte
					for b.Loop() {
						n := rng.Uint64N(benchKeys / 4)
						if what == "miss" {
							n += benchKeys
						}
						k = benchKey(k, n)
						var err error
						if v, err = db.GetTo(v[:0], k); (err == nil) != (what == "hit") {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

func BenchmarkIterator(b *testing.B) {
	for _, mode := range []string{"mmap", "pread"} {
		db := benchFill(b, &Options{NoMmap: mode == "pread", BlockCacheSize: 256 << 20}, benchKeys/4)
		b.Run("tables="+mode+"/op=seek10", func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			it, _ := db.NewIter(nil)
			defer it.Close()
			var k []byte
			for b.Loop() {
				k = benchKey(k, rng.Uint64N(benchKeys/4))
				it.SeekGE(k)
				for range 10 {
					it.Value()
					it.Next()
				}
			}
		})
		b.Run("tables="+mode+"/op=new10", func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			var k []byte
			for b.Loop() {
				it, _ := db.NewIter(nil)
				k = benchKey(k, rng.Uint64N(benchKeys/4))
				it.SeekGE(k)
				for range 10 {
					it.Value()
					it.Next()
				}
				it.Close()
			}
		})
		b.Run("tables="+mode+"/op=scan", func(b *testing.B) {
			it, _ := db.NewIter(nil)
			defer it.Close()
			it.First()
			for b.Loop() {
				it.Value()
				if !it.Next() {
					it.First()
				}
			}
		})
	}
}
