package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

// BenchmarkServer is the server as its clients see it: 8 directories of one disk, 4+4,
// everything synced, minio-go in another process. server-ms/op is the processor time of
// the server alone, where the system tells (Linux).
func BenchmarkServer(b *testing.B) {
	s := start(b)
	c := minioClient(b, s, false)
	require.NoError(b, c.MakeBucket(b.Context(), "bench", minio.MakeBucketOptions{}))
	var names atomic.Int64
	for _, size := range []int{4 << 10, 1 << 20} {
		data := content(1, size)
		for _, clients := range []int{1, 16} {
			run := func(op string, do func(n int64) error) {
				b.Run(fmt.Sprintf("op=%s/size=%d/clients=%d", op, size, clients), func(b *testing.B) {
					b.SetBytes(int64(size))
					before, begin := s.processorTime(), time.Now()
					var left, done atomic.Int64
					left.Store(int64(b.N))
					results := make(chan error)
					b.ResetTimer()
					for range clients {
						go func() {
							var err error
							for left.Add(-1) >= 0 && err == nil {
								err = do(done.Add(1))
							}
							results <- err
						}()
					}
					for range clients {
						require.NoError(b, <-results)
					}
					b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "op/s")
					if used := s.processorTime() - before; used > 0 {
						b.ReportMetric(used.Seconds()*1e3/float64(b.N), "server-ms/op")
					}
				})
			}
			run("put", func(int64) error {
				_, err := c.PutObject(b.Context(), "bench", fmt.Sprintf("%d/%d", size, names.Add(1)), bytes.NewReader(data), int64(size), minio.PutObjectOptions{})
				return err
			})
			const known = 16
			for i := range known {
				_, err := c.PutObject(b.Context(), "bench", fmt.Sprintf("get-%d/%d", size, i), bytes.NewReader(data), int64(size), minio.PutObjectOptions{})
				require.NoError(b, err)
			}
			run("get", func(n int64) error {
				o, err := c.GetObject(b.Context(), "bench", fmt.Sprintf("get-%d/%d", size, n%known), minio.GetObjectOptions{})
				if err != nil {
					return err
				}
				defer o.Close()
				_, err = io.Copy(io.Discard, o)
				return err
			})
		}
	}
}

// processorTime is that of the server so far, or nothing where the system does not
// tell.
func (s *server) processorTime() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// Behind the name, which is in brackets: user and system time, in hundredths.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}
