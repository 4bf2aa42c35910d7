package store_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
)

// beside runs a benchmark on both storages: in memory, and on package lsm with the
// options of the program, in a directory of this machine.
func beside(b *testing.B, run func(b *testing.B, empty func(b *testing.B) *log)) {
	b.Run("storage=memory", func(b *testing.B) {
		run(b, func(b *testing.B) *log { return newTwin(b) })
	})
	b.Run("storage=lsm", func(b *testing.B) { run(b, onThisDisk) })
}

func onThisDisk(b *testing.B) *log {
	d, err := ondisk.Open(b.TempDir(), nil)
	require.NoError(b, err)
	m := d.Machine()
	b.Cleanup(func() { m.Close(); d.Close() })
	return &log{t: b, Store: m.Store, machine: m}
}

// load puts n keys k00000000 ..., of 64 bytes each.
func load(l *log, n int) *log {
	for i := range n {
		l.do(&store.PutRequest{Key: fmt.Appendf(nil, "k%08d", i), Value: make([]byte, 64)})
	}
	return l
}

func BenchmarkPut(b *testing.B) { beside(b, benchPut) }

func benchPut(b *testing.B, empty func(b *testing.B) *log) {
	for _, keys := range []int{1_000, 100_000} {
		for _, read := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/readBetween=%v", keys, read), func(b *testing.B) {
				l := load(empty(b), keys)
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

func BenchmarkRange(b *testing.B) { beside(b, benchRange) }

func benchRange(b *testing.B, empty func(b *testing.B) *log) {
	l := load(empty(b), 100_000)
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

func BenchmarkTxn(b *testing.B) { beside(b, benchTxn) }

func benchTxn(b *testing.B, empty func(b *testing.B) *log) {
	l := load(empty(b), 100_000)
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

func BenchmarkCompact(b *testing.B) { beside(b, benchCompact) }

func benchCompact(b *testing.B, empty func(b *testing.B) *log) {
	for b.Loop() {
		b.StopTimer()
		l := load(empty(b), 10_000)
		for i := range 10_000 {
			l.put(fmt.Sprintf("k%08d", i), "x")
		}
		b.StartTimer()
		l.compact(l.Status().Revision)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/revision")
}

// BenchmarkSnapshot is what raft asks for after so many commands, and
// BenchmarkStart a start from it, of 100,000 keys.
func BenchmarkSnapshot(b *testing.B) { beside(b, benchSnapshot) }

func benchSnapshot(b *testing.B, empty func(b *testing.B) *log) {
	l := load(empty(b), 100_000)
	take := l.Store.Snapshot
	if l.machine != nil {
		take = l.machine.Snapshot
	}
	b.ReportAllocs()
	bytes := int64(0)
	for b.Loop() {
		w, err := take()
		require.NoError(b, err)
		bytes, err = w.WriteTo(io.Discard)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(bytes), "bytes")
}

func BenchmarkStart(b *testing.B) {
	b.Run("storage=memory", func(b *testing.B) {
		snapshot := load(newTwin(b), 100_000).snapshot()
		for b.Loop() {
			require.NoError(b, store.New(store.Options{}).Restore(bytes.NewReader(snapshot)))
		}
	})
	b.Run("storage=lsm", func(b *testing.B) {
		dir := b.TempDir()
		for i := 0; b.Loop(); i++ {
			d, err := ondisk.Open(dir, nil)
			require.NoError(b, err)
			m := d.Machine()
			b.StopTimer()
			if i == 0 {
				load(&log{t: b, Store: m.Store}, 100_000)
			}
			m.Close()
			d.Close()
			b.StartTimer()
		}
	})
}
