package erasure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/cputime"
)

// benchDirs opens a store on eight directories of the operating system: 4 + 4, as
// MinIO has it by default.
func benchDirs(b *testing.B) (*Store, string) {
	b.Helper()
	dir := b.TempDir()
	var drives []Drive
	for i := range 8 {
		d, err := OpenDir(filepath.Join(dir, fmt.Sprint(i)))
		require.NoError(b, err)
		drives = append(drives, d)
	}
	s, err := Open(drives, nil)
	require.NoError(b, err)
	b.Cleanup(func() { s.Close() })
	return s, dir
}

var benchSizes = []struct {
	name string
	n    int
}{{"4KiB", 4 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}, {"16MiB", 16 << 20}}

// perOp reports the processor time of an operation: what a busy machine does not
// change much.
func perOp(b *testing.B, clients int, op func(i int64)) {
	b.Helper()
	var n atomic.Int64
	b.SetParallelism(max(1, clients/2)) // of GOMAXPROCS 2
	before, _ := cputime.Process()
	start := time.Now()
	if clients == 1 {
		for b.Loop() {
			op(n.Add(1))
		}
	} else {
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				op(n.Add(1))
			}
		})
	}
	after, _ := cputime.Process()
	done := float64(n.Load())
	b.ReportMetric(float64((after-before).Microseconds())/1e3/done, "cpu-ms/op")
	b.ReportMetric(done/time.Since(start).Seconds(), "op/s")
}

func BenchmarkPut(b *testing.B) {
	for _, size := range benchSizes {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("size=%s/clients=%d", size.name, clients), func(b *testing.B) {
				s, _ := benchDirs(b)
				body := random(size.n, 1)
				b.SetBytes(int64(size.n))
				perOp(b, clients, func(i int64) {
					if _, err := s.Put(context.Background(), fmt.Sprintf("bucket/object-%d", i), bytes.NewReader(body), int64(len(body)), nil); err != nil {
						b.Error(err)
					}
				})
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range benchSizes {
		for _, lost := range []string{"none", "parity", "data"} {
			for _, clients := range []int{1, 16} {
				b.Run(fmt.Sprintf("size=%s/lost=%s/clients=%d", size.name, lost, clients), func(b *testing.B) {
					s, dir := benchDirs(b)
					const objects = 8
					for i := range objects {
						mustPut(b, s, fmt.Sprintf("bucket/object-%d", i), random(size.n, 1), nil)
					}
					loseDrives(b, s, dir, lost)
					b.SetBytes(int64(size.n))
					perOp(b, clients, func(i int64) {
						obj, err := s.Get(context.Background(), fmt.Sprintf("bucket/object-%d", i%objects), nil)
						if err != nil {
							b.Error(err)
							return
						}
						if n, err := obj.WriteTo(io.Discard); err != nil || n != int64(size.n) {
							b.Error(n, err)
						}
						obj.Close()
					})
				})
			}
		}
	}
}

// loseDrives takes away the shards of all objects' parity, or of as much of their
// data.
func loseDrives(b *testing.B, s *Store, dir, lost string) {
	if lost == "none" {
		return
	}
	objects, err := filepath.Glob(filepath.Join(dir, "*", objectsDir, "bucket", "object-*"))
	require.NoError(b, err)
	gone := 0
	for _, object := range objects {
		rel, err := filepath.Rel(dir, object)
		require.NoError(b, err)
		place := int(rel[0] - '0')
		shard := shardAt("bucket/"+filepath.Base(object), place, 8)
		if (shard >= 4) == (lost == "parity") {
			// A file where the directory was: the drive fails, and says nothing.
			require.NoError(b, os.RemoveAll(object))
			require.NoError(b, os.WriteFile(object, nil, 0o600))
			gone++
		}
	}
	require.Equal(b, len(objects)/2, gone)
}
