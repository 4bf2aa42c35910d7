package region

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/cputime"
)

// The region alone, on the engine in memory: what the client's benchmarks stand on.

func benchRegion(b *testing.B) (*Region, Ref) {
	r := New(Info{Ref: Ref{ID: 1, Epoch: 1}}, NewMemory(), Options{})
	b.Cleanup(r.Close)
	return r, r.Info().Ref
}

func benchKey(i int) []byte { return fmt.Appendf(nil, "account%08d", i) }

// benchFill writes versions of keys, from timestamp 10 on; it returns the last one.
func benchFill(b *testing.B, r *Region, keys, versions int) TS {
	ts := TS(10)
	for range versions {
		for from := 0; from < keys; from += 1000 {
			ts += 2
			q := &PrewriteRequest{StartTS: ts, OnePC: true, TTL: time.Second, Primary: benchKey(from)}
			for i := from; i < min(keys, from+1000); i++ {
				q.Mutations = append(q.Mutations, Mutation{Key: benchKey(i), Value: make([]byte, 100)})
			}
			if _, err := r.Do(context.Background(), r.Info().Ref, q); err != nil {
				b.Fatal(err)
			}
		}
	}
	return ts + 10
}

func BenchmarkRegionGet(b *testing.B) {
	for _, versions := range []int{1, 10, 1000} {
		for _, mid := range []bool{false, true} {
			b.Run(fmt.Sprintf("versions=%d/mid=%t", versions, mid), func(b *testing.B) {
				const keys = 1000
				r, ref := benchRegion(b)
				ts := benchFill(b, r, keys, versions)
				if mid {
					ts /= 2
				}
				var names [keys][]byte
				for i := range names {
					names[i] = benchKey(i)
				}
				q := &GetRequest{ReadOptions{ReadTS: ts}, names[:1]}
				i := 0
				b.ReportAllocs()
				stop := cputime.Report(b)
				for b.Loop() {
					q.Keys = names[i%keys : i%keys+1]
					if _, err := r.Do(context.Background(), ref, q); err != nil {
						b.Fatal(err)
					}
					i += 7
				}
				stop()
			})
		}
	}
}

func BenchmarkRegionScan(b *testing.B) {
	for _, reverse := range []bool{false, true} {
		for _, versions := range []int{1, 10} {
			b.Run(fmt.Sprintf("reverse=%t/versions=%d", reverse, versions), func(b *testing.B) {
				const rows = 10000
				r, ref := benchRegion(b)
				ts := benchFill(b, r, rows, versions)
				q := &ScanRequest{ReadOptions: ReadOptions{ReadTS: ts}, Reverse: reverse}
				b.ReportAllocs()
				stop := cputime.Report(b)
				for b.Loop() {
					a, err := r.Do(context.Background(), ref, q)
					if err != nil || len(a.(*ScanResponse).Pairs) != rows {
						b.Fatal(err)
					}
				}
				stop()
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
			})
		}
	}
}

func BenchmarkRegionWrite(b *testing.B) {
	for _, way := range []string{"onepc", "async", "2pc", "lock+onepc"} {
		b.Run("way="+way, func(b *testing.B) {
			const keys = 10000
			r, ref := benchRegion(b)
			ts := benchFill(b, r, keys, 1)
			ctx := context.Background()
			value := make([]byte, 100)
			do := func(q Request) any {
				a, err := r.Do(ctx, ref, q)
				if err != nil {
					b.Fatal(err)
				}
				return a
			}
			i := 0
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				i += 7
				key := benchKey(i % keys)
				ts += 10
				q := &PrewriteRequest{StartTS: ts, TTL: time.Second, Primary: key, TxnSize: 1,
					Mutations: []Mutation{{Key: key, Value: value}}, OnePC: way == "onepc" || way == "lock+onepc", AsyncCommit: way == "async"}
				if way == "lock+onepc" {
					do(&LockRequest{Keys: [][]byte{key}, Primary: key, StartTS: ts, ForUpdateTS: ts, Values: true, TTL: time.Second})
					q.ForUpdateTS, q.Mutations[0].Pessimistic = ts, true
				}
				do(q)
				if !q.OnePC {
					do(&CommitRequest{Keys: [][]byte{key}, StartTS: ts, CommitTS: ts + 1})
				}
			}
			stop()
		})
	}
}

func BenchmarkCollect(b *testing.B) {
	const keys, versions = 1000, 100
	b.ReportAllocs()
	removed, cpu := 0, time.Duration(0)
	for b.Loop() {
		b.StopTimer()
		r, ref := benchRegion(b)
		ts := benchFill(b, r, keys, versions)
		b.StartTimer()
		begin, _ := cputime.Process()
		q := &GCRequest{SafePoint: ts}
		for {
			a, err := r.Do(context.Background(), ref, q)
			if err != nil {
				b.Fatal(err)
			}
			removed += a.(*GCResponse).Removed
			if q.Start = a.(*GCResponse).Resume; q.Start == nil {
				break
			}
		}
		end, _ := cputime.Process()
		cpu += end - begin
	}
	b.ReportMetric(float64(cpu)/float64(removed), "cpu-ns/version")
}
