package ordmap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/cputime"
)

// benchKey is as package mvcc has them: a table's row, encoded in groups of eight,
// and a timestamp.
func benchKey(to []byte, row int) []byte {
	to = append(to[:0], "t_accoun\xfft\x00"...)
	to = binary.BigEndian.AppendUint64(to, uint64(row)*0x9e3779b97f4a7c15>>20)
	to = append(to, 0xff)
	return binary.BigEndian.AppendUint64(to, ^uint64(400_000_000))
}

func filled(rows, value int, ascending bool) *Map {
	m := New(1)
	var keys [][]byte
	for i := range rows {
		keys = append(keys, benchKey(nil, i))
	}
	if ascending {
		slices.SortFunc(keys, func(a, b []byte) int { return slices.Compare(a, b) })
	}
	v := make([]byte, value)
	for _, k := range keys {
		m.Update(func(w *Writer) { w.Put(0, k, v) })
	}
	return m
}

var benchRows = []int{10_000, 100_000, 1_000_000}

func BenchmarkGet(b *testing.B) {
	for _, rows := range benchRows {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			m := filled(rows, 32, false)
			s := m.Snapshot()
			defer s.Close()
			rng := rand.New(rand.NewPCG(1, 1))
			var k []byte
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				k = benchKey(k, rng.IntN(rows))
				if _, ok := s.Get(0, k); !ok {
					b.Fatal("it is there")
				}
			}
			stop()
		})
	}
}

func BenchmarkSnapshotSeekNext(b *testing.B) {
	for _, rows := range benchRows {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			m := filled(rows, 32, false)
			rng := rand.New(rand.NewPCG(1, 1))
			var k []byte
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				k = benchKey(k, rng.IntN(rows))
				s := m.Snapshot()
				it := s.Iter(0, nil, nil)
				if !it.SeekGE(k) {
					b.Fatal("it is there")
				}
				it.Next()
				it.Close()
				s.Close()
			}
			stop()
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for _, rows := range benchRows {
		for _, filledHow := range []string{"random", "ascending"} {
			for _, direction := range []string{"forward", "backward"} {
				b.Run(fmt.Sprintf("rows=%d/filled=%s/direction=%s", rows, filledHow, direction), func(b *testing.B) {
					m := filled(rows, 100, filledHow == "ascending")
					s := m.Snapshot()
					defer s.Close()
					it := s.Iter(0, nil, nil)
					sum, ok := 0, false
					stop := cputime.Report(b)
					for b.Loop() {
						if direction == "forward" {
							if ok {
								ok = it.Next()
							} else {
								ok = it.SeekGE(nil)
							}
						} else if ok {
							ok = it.Prev()
						} else {
							ok = it.SeekLT([]byte("z"))
						}
						if ok {
							sum += int(it.Key()[12]) + int(it.Value()[8])
						}
					}
					stop()
				})
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	value := make([]byte, 32)
	for _, rows := range benchRows {
		// keys that are new, up to twice as many as there are
		b.Run(fmt.Sprintf("op=insert/rows=%d", rows), func(b *testing.B) {
			m := filled(rows, 32, false)
			var k []byte
			n := rows
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				k = benchKey(k, n)
				n++
				m.Update(func(w *Writer) { w.Put(0, k, value) })
			}
			stop()
		})
		b.Run(fmt.Sprintf("op=overwrite/rows=%d", rows), func(b *testing.B) {
			m := filled(rows, 32, false)
			rng := rand.New(rand.NewPCG(1, 1))
			var k []byte
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				k = benchKey(k, rng.IntN(rows))
				s := m.Snapshot()
				m.Update(func(w *Writer) { w.Put(0, k, value) })
				s.Close()
			}
			stop()
		})
	}
	b.Run("op=lock-and-unlock", func(b *testing.B) {
		m := New(1)
		rng := rand.New(rand.NewPCG(1, 1))
		var k []byte
		b.ReportAllocs()
		stop := cputime.Report(b)
		for b.Loop() {
			k = benchKey(k, rng.IntN(10_000))
			s := m.Snapshot()
			m.Update(func(w *Writer) { w.Put(0, k, value) })
			m.Update(func(w *Writer) { w.Delete(0, k) })
			s.Close()
		}
		stop()
	})
}
