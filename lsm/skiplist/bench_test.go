package skiplist

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/cputime"
	"github.com/flagship-go/flagship/lsm/key"
)

const benchKeys = 1 << 20

// benchKey returns the i-th of keys in random order: 16 bytes, binary or, with a
// common prefix, of digits.
func benchKey(dst []byte, i int, digits bool) []byte {
	i = i * 0x5bd1e995 & (benchKeys - 1)
	if digits {
		return fmt.Appendf(dst, "%016d", i)
	}
	h := uint64(i) * 0x9e3779b97f4a7c15
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, h), uint64(i))
}

func benchKeySet(digits bool) [][]byte {
	keys := make([][]byte, benchKeys)
	for i := range keys {
		keys[i] = benchKey(nil, i, digits)
	}
	return keys
}

// BenchmarkAdd adds a million random keys of 16 bytes with values of 100, as
// often as it takes.
func BenchmarkAdd(b *testing.B) {
	for _, digits := range []bool{false, true} {
		keys, value := benchKeySet(digits), make([]byte, 100)
		arena := make([]byte, benchKeys*170)
		b.Run(fmt.Sprintf("digits=%v", digits), func(b *testing.B) {
			b.ReportAllocs()
			var l *List
			stop := cputime.Report(b)
			for i := 0; b.Loop(); i++ {
				if i%benchKeys == 0 {
					l = New(arena, key.Plain)
				}
				if err := l.Add(keys[i%benchKeys], key.Trailer(uint64(i), key.Set), value); err != nil {
					b.Fatal(err)
				}
			}
			stop()
			b.ReportMetric(float64(l.Size())/float64(l.Len()), "B/entry")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, digits := range []bool{false, true} {
		keys, value := benchKeySet(digits), make([]byte, 100)
		l := New(make([]byte, benchKeys*170), key.Plain)
		for i, k := range keys {
			if err := l.Add(k, key.Trailer(uint64(i), key.Set), value); err != nil {
				b.Fatal(err)
			}
		}
		rng := rand.New(rand.NewPCG(1, 1))
		b.Run(fmt.Sprintf("op=get/digits=%v", digits), func(b *testing.B) {
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				l.Get(keys[rng.IntN(benchKeys)], key.MaxSeq)
			}
			stop()
		})
		b.Run(fmt.Sprintf("op=next/digits=%v", digits), func(b *testing.B) {
			c := l.NewCursor()
			c.First()
			stop := cputime.Report(b)
			for b.Loop() {
				if c.Next() == nil {
					c.First()
				}
			}
			stop()
		})
	}
}

func BenchmarkAddInOrder(b *testing.B) {
	value := make([]byte, 100)
	arena := make([]byte, benchKeys*170)
	var k [16]byte
	var l *List
	stop := cputime.Report(b)
	for i := 0; b.Loop(); i++ {
		if i%benchKeys == 0 {
			l = New(arena, key.Plain)
		}
		binary.BigEndian.PutUint64(k[8:], uint64(i%benchKeys))
		if err := l.Add(k[:], key.Trailer(uint64(i), key.Set), value); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}

// BenchmarkAddSorted adds what BenchmarkAdd does, in sorted batches of 1000.
func BenchmarkAddSorted(b *testing.B) {
	for _, digits := range []bool{false, true} {
		keys, value := benchKeySet(digits), make([]byte, 100)
		arena := make([]byte, benchKeys*170)
		b.Run(fmt.Sprintf("digits=%v", digits), func(b *testing.B) {
			b.ReportAllocs()
			var l *List
			batch := make([]Entry, 1000)
			stop := cputime.Report(b)
			for i := 0; b.Loop(); i++ {
				j := i % benchKeys
				if j == 0 {
					l = New(arena, key.Plain)
				}
				if batch[i%1000] = (Entry{keys[j], key.Trailer(uint64(i), key.Set), value}); i%1000 < 999 && j < benchKeys-1 {
					continue
				}
				n := i%1000 + 1
				slices.SortFunc(batch[:n], func(a, b Entry) int { return bytes.Compare(a.User, b.User) })
				if err := l.AddSorted(batch[:n]); err != nil {
					b.Fatal(err)
				}
			}
			stop()
		})
	}
}
