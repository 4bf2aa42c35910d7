package wal

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// The shapes measured: bytes of a record, records of a batch.
var shapes = []struct{ size, batch int }{{64, 1}, {1024, 1}, {64, 1024}, {1024, 64}, {1024, 1024}}

// benchRecords returns a batch of n records whose bytes do not compress or repeat.
func benchRecords(size, n int) [][]byte {
	batch := make([][]byte, n)
	x := uint32(1)
	for i := range batch {
		batch[i] = make([]byte, size)
		for j := range batch[i] {
			x = x*1664525 + 1013904223
			batch[i][j] = byte(x >> 24)
		}
	}
	return batch
}

// rawFile is what the log is measured against: the same payload bytes, gathered
// before, one pwrite and one fdatasync, into files of a segment's length: one
// preallocated file after the other, or, used, one and the same, written before.
type rawFile struct {
	tb   testing.TB
	fs   vfs.FS
	dir  string
	used bool
	file vfs.File
	end  int64
	n    int
}

func (r *rawFile) appendSync(b []byte) {
	if r.file == nil || r.end+int64(len(b)) > 64<<20 {
		r.end = 0
		if r.file == nil || !r.used {
			r.create()
		}
	}
	if _, err := r.file.WriteAt(b, r.end); err != nil {
		r.tb.Fatal(err)
	}
	if err := r.file.Sync(); err != nil {
		r.tb.Fatal(err)
	}
	r.end += int64(len(b))
}

func (r *rawFile) create() {
	r.close()
	var err error
	r.file, err = r.fs.Create(filepath.Join(r.dir, fmt.Sprint(r.n)))
	require.NoError(r.tb, err)
	require.NoError(r.tb, r.file.Preallocate(64<<20))
	for at := int64(0); r.used && at < 64<<20; at += zeroChunk {
		_, err := r.file.WriteAt(zeros[:], at)
		require.NoError(r.tb, err)
	}
	require.NoError(r.tb, r.file.Sync())
	r.n++
}

func (r *rawFile) close() {
	if r.file != nil {
		r.file.Close()
		r.fs.Remove(r.file.Name())
		r.file = nil
	}
}

func benchLog(b *testing.B, mmap bool) *Log {
	l, _, err := Open(b.TempDir(), &Options{Mmap: mmap})
	require.NoError(b, err)
	b.Cleanup(func() { l.Close() })
	return l
}

func BenchmarkAppendSync(b *testing.B) {
	for _, s := range shapes {
		for _, mode := range []string{"pwrite", "mmap"} {
			b.Run(fmt.Sprintf("size=%d/batch=%d/mode=%s", s.size, s.batch, mode), func(b *testing.B) {
				l := benchLog(b, mode == "mmap")
				batch := benchRecords(s.size, s.batch)
				b.SetBytes(int64(s.size * s.batch))
				b.ReportAllocs()
				for b.Loop() {
					last, err := l.AppendSync(batch...)
					if err != nil {
						b.Fatal(err)
					}
					dropOld(b, l, last)
				}
			})
		}
	}
}

// dropOld lets the log live as its users let it live: what is old goes, and its
// files come back.
func dropOld(tb testing.TB, l *Log, last uint64) {
	if last%(1<<16) < 1024 && last > 1<<17 {
		if err := l.TruncateFront(last - 1<<17); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkRaw(b *testing.B) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("size=%d/batch=%d", s.size, s.batch), func(b *testing.B) {
			raw := &rawFile{tb: b, fs: vfs.OS(), dir: b.TempDir()}
			defer raw.close()
			payload := slices.Concat(benchRecords(s.size, s.batch)...)
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				raw.appendSync(payload)
			}
		})
	}
}

// BenchmarkVersusRaw runs the two in turns, so that both see the same disk at
// the same time, and reports the log's speed as a multiple of the raw one's: of
// the total times, of the medians, and of the times that a tenth is below, which
// say most where others use the disk too.
func BenchmarkVersusRaw(b *testing.B) {
	for _, s := range shapes {
		for _, how := range []struct {
			mode, files string
		}{{"pwrite", "used"}, {"pwrite", "new"}, {"mmap", "used"}} {
			b.Run(fmt.Sprintf("size=%d/batch=%d/mode=%s/files=%s", s.size, s.batch, how.mode, how.files), func(b *testing.B) {
				versusRaw(b, benchRecords(s.size, s.batch), how.mode == "mmap", how.files == "used")
			})
		}
	}
}

func versusRaw(b *testing.B, batch [][]byte, mmap, used bool) {
	opts := &Options{Mmap: mmap, Recycle: -1}
	if used {
		opts.Recycle = 0 // the default
	}
	l, _, err := Open(b.TempDir(), opts)
	require.NoError(b, err)
	defer l.Close()
	for long := benchRecords(len(batch[0]), 1024); used && l.Metrics().Recycled == 0; {
		last, err := l.AppendSync(long...)
		require.NoError(b, err)
		dropOld(b, l, last)
	}
	raw := &rawFile{tb: b, fs: vfs.OS(), dir: b.TempDir(), used: used}
	defer raw.close()
	payload := slices.Concat(batch...)
	raw.appendSync(payload)
	var ours, theirs []time.Duration
	for b.Loop() {
		t0 := time.Now()
		last, err := l.AppendSync(batch...)
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		raw.appendSync(payload)
		theirs = append(theirs, time.Since(t1))
		ours = append(ours, t1.Sub(t0))
		dropOld(b, l, last)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(float64(sum(theirs))/float64(sum(ours)), "x-raw")
	b.ReportMetric(float64(theirs[len(theirs)/2])/float64(ours[len(ours)/2]), "x-raw-p50")
	b.ReportMetric(float64(theirs[len(theirs)/10])/float64(ours[len(ours)/10]), "x-raw-p10")
	b.ReportMetric(float64(ours[len(ours)/10])/1e3, "µs-p10")
}

func sum(ds []time.Duration) (total time.Duration) {
	for _, d := range ds {
		total += d
	}
	return total
}

// BenchmarkAppend is the cost of an append alone: no sync, and no disk.
func BenchmarkAppend(b *testing.B) {
	for _, s := range shapes {
		for _, mode := range []string{"pwrite", "mmap"} {
			b.Run(fmt.Sprintf("size=%d/batch=%d/mode=%s", s.size, s.batch, mode), func(b *testing.B) {
				l := benchLog(b, mode == "mmap")
				batch := benchRecords(s.size, s.batch)
				b.SetBytes(int64(s.size * s.batch))
				b.ReportAllocs()
				for b.Loop() {
					last, err := l.Append(batch...)
					if err != nil {
						b.Fatal(err)
					}
					dropOld(b, l, last)
				}
			})
		}
	}
}

// BenchmarkGroupCommit has many callers wait for the disk at once.
func BenchmarkGroupCommit(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("size=64/callers=%d", callers), func(b *testing.B) {
			l := benchLog(b, false)
			record := benchRecords(64, 1)[0]
			var failed atomic.Bool
			b.SetParallelism(callers)
			b.SetBytes(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := l.AppendSync(record); err != nil {
						failed.Store(true)
					}
				}
			})
			require.False(b, failed.Load())
			b.ReportMetric(float64(b.N)/float64(max(l.Metrics().Syncs, 1)), "records/sync")
		})
	}
}

// BenchmarkOpen searches a whole segment of the default length for frames after
// its end.
func BenchmarkOpen(b *testing.B) {
	for _, records := range []int{1, 400_000} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			dir := b.TempDir()
			l, _, err := Open(dir, nil)
			require.NoError(b, err)
			fill(b, l, records)
			require.NoError(b, l.Close())
			for b.Loop() {
				l, _, err := Open(dir, nil)
				if err != nil {
					b.Fatal(err)
				}
				l.Close()
			}
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	for _, s := range []struct{ size, batch int }{{64, 1024}, {1024, 64}} {
		b.Run(fmt.Sprintf("size=%d", s.size), func(b *testing.B) {
			l := benchLog(b, false)
			batch := benchRecords(s.size, s.batch)
			for range 256 {
				_, err := l.Append(batch...)
				require.NoError(b, err)
			}
			b.SetBytes(int64(256 * s.size * s.batch))
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range l.Records(1) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
