package store_test

import (
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// loaded has n keys k00000000 ..., of 64 bytes each.
func loaded(b *testing.B, n int) *log {
	l := newLog(b)
	for i := range n {
		l.do(&store.PutRequest{Key: fmt.Appendf(nil, "k%08d", i), Value: make([]byte, 64)})
	}
	return l
}

func BenchmarkPut(b *testing.B) {
	for _, keys := range []int{1_000, 100_000} {
		for _, read := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/readBetween=%v", keys, read), func(b *testing.B) {
				l := loaded(b, keys)
				commands := make([][]byte, 1000)
				for i := range commands {
					commands[i] = store.EncodeCommand(&store.PutRequest{Key: fmt.Appendf(nil, "k%08d", i*7919%keys), Value: make([]byte, 64)})
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					l.index++
					l.Apply(l.index, commands[i%len(commands)])
					if read {
						l.Alarms() // takes a view
					}
					// A cluster compacts; here it also keeps memory bounded.
					if i++; i%100_000 == 0 {
						l.compact(l.Status().Revision)
					}
				}
			})
		}
	}
}

func BenchmarkRange(b *testing.B) {
	l := loaded(b, 100_000)
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			r := &store.RangeRequest{Key: []byte("k00050000"), End: fmt.Appendf(nil, "k%08d", 50_000+n)}
			if n == 1 {
				r.End = nil
			}
			b.ReportAllocs()
			for b.Loop() {
				if got, err := l.Range(r); err != nil || got.Count != int64(n) {
					b.Fatal(got, err)
				}
			}
		})
	}
	b.Run("versions=1000", func(b *testing.B) {
		for range 1000 {
			l.put("k00000001", "x")
		}
		r := &store.RangeRequest{Key: []byte("k00000000"), End: []byte("k00000003"), Revision: 100_001}
		b.ReportAllocs()
		for b.Loop() {
			if got, err := l.Range(r); err != nil || got.Count != 3 {
				b.Fatal(got, err)
			}
		}
	})
}

func BenchmarkTxn(b *testing.B) {
	l := loaded(b, 100_000)
	key := []byte("k00050000")
	cmd := store.EncodeCommand(&store.TxnRequest{
		Compare: []store.Compare{{Key: key, Target: store.CompareVersion, Result: store.Greater}},
		Success: []store.Op{{Put: &store.PutRequest{Key: key, Value: make([]byte, 64)}}},
		Failure: []store.Op{{Range: &store.RangeRequest{Key: key}}},
	})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.index++
		l.Apply(l.index, cmd)
		if i++; i%100_000 == 0 {
			l.compact(l.Status().Revision)
		}
	}
}

// BenchmarkWatch is a put that 1,000 watchers are told of, each of which fetches it.
func BenchmarkWatch(b *testing.B) {
	for name, end := range map[string]string{"key": "", "range": "\x00"} {
		b.Run("watchers=1000/of="+name, func(b *testing.B) {
			l := newLog(b)
			var watchers []*store.Watcher
			for range 1000 {
				w, err := l.Watch(&store.WatchRequest{Key: []byte("k"), End: []byte(end)})
				if err != nil {
					b.Fatal(err)
				}
				defer w.Close()
				watchers = append(watchers, w)
			}
			cmd := store.EncodeCommand(put("k", "v"))
			b.ReportAllocs()
			for b.Loop() {
				l.index++
				l.Apply(l.index, cmd)
				for _, w := range watchers {
					if r, ok := w.Next(0); !ok || len(r.Events) != 1 {
						b.Fatal(r, ok)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
		})
	}
}

func BenchmarkCompact(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		l := loaded(b, 10_000)
		for i := range 10_000 {
			l.put(fmt.Sprintf("k%08d", i), "x")
		}
		b.StartTimer()
		l.compact(l.Status().Revision)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/revision")
}
