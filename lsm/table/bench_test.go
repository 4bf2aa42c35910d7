package table

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/flagship-go/flagship/internal/cputime"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// The benchmarks' table has 16-byte keys of digits and one value of 100 bytes for
// all, so that compressed tables are much smaller.
const benchEntries = 1 << 18

func benchKey(dst []byte, i int, seq uint64) []byte {
	var k [16]byte
	for j := len(k) - 1; j >= 0; j-- {
		k[j] = byte('0' + i%10)
		i /= 10
	}
	return key.Append(dst, k[:], key.Trailer(seq, key.Set))
}

func benchValue() []byte {
	v := make([]byte, 100)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range v[:50] {
		v[i] = byte(rng.Uint32())
	}
	return v
}

func benchWrite(b *testing.B, name string, o WriterOptions, entries int) Properties {
	f, err := vfs.OS().Create(name)
	if err != nil {
		b.Fatal(err)
	}
	w := NewWriter(f, o)
	value := benchValue()
	var k []byte
	for i := range entries {
		k = benchKey(k[:0], 2*i, uint64(i))
		if err := w.Add(k, value); err != nil {
			b.Fatal(err)
		}
	}
	p, err := w.Finish()
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return p
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []Compression{None, S2, Zstd} {
		b.Run("compression="+c.String(), func(b *testing.B) {
			name := filepath.Join(b.TempDir(), "t.sst")
			b.ReportAllocs()
			stop := cputime.Report(b)
			p := benchWrite(b, name, WriterOptions{Compression: c}, b.N)
			stop()
			b.ReportMetric(float64(p.Size)/float64(b.N), "B/entry")
		})
	}
}

// benchReaders opens one table in the ways there are.
func benchReaders(b *testing.B, run func(b *testing.B, r *Reader)) {
	dir := b.TempDir()
	for _, c := range []Compression{None, S2} {
		name := filepath.Join(dir, c.String())
		benchWrite(b, name, WriterOptions{Compression: c}, benchEntries)
		for _, mmap := range []bool{true, false} {
			r := open(b, vfs.OS(), name, ReaderOptions{Mmap: mmap, Cache: NewCache(256 << 20)})
			b.Run(fmt.Sprintf("mmap=%v/compression=%s", mmap, c), func(b *testing.B) { run(b, r) })
		}
	}
}

// BenchmarkGet reads random keys. The ones that are missing would lie between
// those that are there.
func BenchmarkGet(b *testing.B) {
	for _, missing := range []bool{false, true} {
		b.Run(fmt.Sprintf("missing=%v", missing), func(b *testing.B) {
			benchReaders(b, func(b *testing.B, r *Reader) {
				rng := rand.New(rand.NewPCG(1, 1))
				seeks := make([][]byte, 1<<16)
				for i := range seeks {
					n := 2 * rng.IntN(benchEntries)
					if missing {
						n++
					}
					seeks[i] = benchKey(nil, n, key.MaxSeq)
				}
				b.ReportAllocs()
				stop := cputime.Report(b)
				for i := 0; b.Loop(); i++ {
					seek := seeks[i%len(seeks)]
					_, _, ok, err := r.Get(seek, bloom.Hash(key.UserKey(seek)), nil)
					if err != nil || ok == missing {
						b.Fatal(ok, err)
					}
				}
				stop()
			})
		})
	}
}

func BenchmarkCursor(b *testing.B) {
	for _, op := range []string{"next", "prev", "seek+10", "scan"} {
		b.Run("op="+op, func(b *testing.B) {
			benchReaders(b, func(b *testing.B, r *Reader) {
				rng := rand.New(rand.NewPCG(1, 1))
				c := r.NewCursor(nil)
				if op == "scan" {
					c = r.NewScan(nil)
				}
				defer c.Close()
				c.First()
				var seek []byte
				b.ReportAllocs()
				stop := cputime.Report(b)
				for b.Loop() {
					switch op {
					case "next", "scan":
						if c.Next() == nil {
							c.First()
						}
					case "prev":
						if c.Prev() == nil {
							c.Last()
						}
					default:
						seek = benchKey(seek[:0], 2*rng.IntN(benchEntries), key.MaxSeq)
						c.SeekGE(seek)
						for n := 0; n < 10 && c.Next() != nil; n++ {
						}
					}
				}
				stop()
				if c.Err() != nil {
					b.Fatal(c.Err())
				}
			})
		})
	}
}
