package disk_test

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// nothing is a state machine that costs nothing.
type nothing struct{}

func (nothing) Apply(uint64, []byte) []byte    { return nil }
func (nothing) Snapshot() (io.WriterTo, error) { return strings.NewReader(""), nil }
func (nothing) Restore(io.Reader) error        { return nil }

// BenchmarkCluster proposes from many clients to three nodes in one process,
// each with its log on the same disk: ns/op is the time between two commits.
func BenchmarkCluster(b *testing.B) {
	for _, size := range []int{64, 1024} {
		for _, clients := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("size=%d/clients=%d", size, clients), func(b *testing.B) { benchCluster(b, size, clients) })
		}
	}
}

func benchCluster(b *testing.B, size, clients int) {
	network, ids, dir := raft.NewNetwork(), []raft.NodeID{1, 2, 3}, b.TempDir()
	var nodes []*raft.Node
	for _, id := range ids {
		s, err := disk.Open(filepath.Join(dir, fmt.Sprint(id)), nil)
		require.NoError(b, err)
		n, err := raft.Start(raft.Options{
			Config: raft.Config{ID: id, Voters: ids}, TickInterval: 20 * time.Millisecond,
			Transport: network.Join(id), Storage: s, StateMachine: nothing{},
		})
		require.NoError(b, err)
		defer n.Close()
		nodes = append(nodes, n)
	}
	var leader *raft.Node
	for leader == nil {
		for _, n := range nodes {
			if n.Status().Role == raft.Leader {
				leader = n
			}
		}
		runtime.Gosched()
	}
	b.ReportAllocs()
	b.SetBytes(int64(size))
	command := make([]byte, size) // entries may share it: nobody changes one
	require.NoError(b, versus.Closed(clients, b.Loop, func() error {
		_, err := leader.Propose(b.Context(), command)
		return err
	}))
	var syncs uint64
	for _, n := range nodes {
		syncs += n.Metrics().Syncs
	}
	b.ReportMetric(float64(syncs)/float64(b.N), "syncs/op")
}
