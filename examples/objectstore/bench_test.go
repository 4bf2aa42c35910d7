//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/examples/objectstore/s3api"
	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
	"github.com/stretchr/testify/require"
)

// cpuTime is what this process has used: server and clients are one.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkS3 puts and gets objects over loopback, on 8 directories of one disk,
// 4+4, all synced; bodies are signed in chunks. cpu-ms/op is of both sides.
func BenchmarkS3(b *testing.B) {
	var drives []erasure.Drive
	root := b.TempDir()
	for i := range 8 {
		d, err := openDrive(filepath.Join(root, fmt.Sprint("drive", i)))
		require.NoError(b, err)
		drives = append(drives, d)
	}
	store, err := erasure.Open(drives, nil)
	require.NoError(b, err)
	defer store.Close()
	objects, err := openObjects(b.Context(), store)
	require.NoError(b, err)
	require.NoError(b, objects.CreateBucket(b.Context(), "bench"))
	verifier := &sigv4.Verifier{Secret: func(string) (string, bool) { return defaultKey, true }}
	server := httptest.NewServer(s3api.New(s3api.Options{Store: objects, Verifier: verifier}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	signer := &sigv4.Signer{AccessKey: defaultKey, SecretKey: defaultKey}
	do := func(method string, n int64, body []byte) error {
		r, err := http.NewRequest(method, fmt.Sprintf("%s/bench/%d", server.URL, n), bytes.NewReader(body))
		if err != nil {
			return err
		}
		if body != nil {
			signer.SignStream(r, int64(len(body)), sigv4.StreamOptions{})
		} else {
			signer.Sign(r, "")
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", method, answer.Status)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	const keys = 64
	for _, size := range []int{4 << 10, 1 << 20} {
		data := bytes.Repeat([]byte("a"), size)
		for _, method := range []string{"PUT", "GET"} {
			for _, clients := range []int{1, 16} {
				b.Run(fmt.Sprintf("op=%s/size=%d/clients=%d", method, size, clients), func(b *testing.B) {
					for n := range int64(keys) {
						require.NoError(b, do("PUT", n, data))
					}
					body := data
					if method == "GET" {
						body = nil
					}
					var next, failed atomic.Int64
					done := make(chan struct{})
					b.SetBytes(int64(size))
					b.ResetTimer()
					before := cpuTime()
					for range clients {
						go func() {
							for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
								if do(method, n%keys, body) != nil {
									failed.Add(1)
								}
							}
							done <- struct{}{}
						}()
					}
					for range clients {
						<-done
					}
					b.ReportMetric(float64(cpuTime()-before)/float64(b.N)/1e6, "cpu-ms/op")
					require.Zero(b, failed.Load())
				})
			}
		}
	}
}
