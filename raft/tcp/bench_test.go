package tcp

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// BenchmarkLoopback sends entries over a loopback socket, so many in a message,
// with a window of messages under way; ns/op and allocs/op are a message's, of
// both ends.
func BenchmarkLoopback(b *testing.B) {
	for _, size := range []int{64, 1024} {
		for _, entries := range []int{1, 64} {
			b.Run(fmt.Sprintf("size=%d/entries=%d", size, entries), func(b *testing.B) {
				benchmarkLoopback(b, size, entries)
			})
		}
	}
}

func benchmarkLoopback(b *testing.B, size, entries int) {
	const window = 256
	two, err := Listen(Options{ID: 2, Address: "127.0.0.1:0", Peers: map[raft.NodeID]string{1: "127.0.0.1:1"}})
	require.NoError(b, err)
	defer two.Close()
	tokens := make(chan struct{}, window)
	require.NoError(b, two.Start(func(raft.Message) { <-tokens }))
	one, err := Listen(Options{ID: 1, Address: "127.0.0.1:0", Peers: map[raft.NodeID]string{2: two.Addr().String()}})
	require.NoError(b, err)
	defer one.Close()
	require.NoError(b, one.Start(func(raft.Message) {}))
	for !peerStatus(one, 2).Connected {
		runtime.Gosched()
	}
	m := raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: 12, Index: 100_000, LogTerm: 12, Commit: 99_990, Round: 40_000}
	for i := range entries {
		m.Entries = append(m.Entries, raft.Entry{Index: 100_001 + uint64(i), Term: 12, Data: make([]byte, size)})
	}
	b.SetBytes(int64(entries * size))
	b.ReportAllocs()
	batch := []raft.Message{m}
	for b.Loop() {
		tokens <- struct{}{}
		one.Send(batch)
	}
	for len(tokens) > 0 {
		runtime.Gosched()
	}
	got := one.Metrics()
	require.Zero(b, got.Dropped)
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(got.Sent)/float64(max(got.Writes, 1)), "messages/write")
}

// BenchmarkSend is what the caller pays: a node's loop must not wait.
func BenchmarkSend(b *testing.B) {
	var sunk atomic.Uint64
	two, err := Listen(Options{ID: 2, Address: "127.0.0.1:0", Peers: map[raft.NodeID]string{1: "127.0.0.1:1"}})
	require.NoError(b, err)
	defer two.Close()
	require.NoError(b, two.Start(func(raft.Message) { sunk.Add(1) }))
	one, err := Listen(Options{ID: 1, Address: "127.0.0.1:0", Peers: map[raft.NodeID]string{2: two.Addr().String()}})
	require.NoError(b, err)
	defer one.Close()
	require.NoError(b, one.Start(func(raft.Message) {}))
	batch := []raft.Message{heartbeat(1, 2, 1)}
	b.ReportAllocs()
	for b.Loop() {
		one.Send(batch)
	}
}
