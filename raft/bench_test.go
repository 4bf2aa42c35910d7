package raft

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/versus"
)

// lockstep is the fastest possible world around three cores: one goroutine,
// no I/O, messages handed over as they are.
type lockstep struct {
	cores []*Core
	queue []Message
}

func newLockstep(b testing.TB, n int) *lockstep {
	l := &lockstep{}
	ids := make([]NodeID, n)
	for i := range ids {
		ids[i] = NodeID(i + 1)
	}
	for _, id := range ids {
		c, err := NewCore(Config{ID: id, Voters: ids, Seed: 1}, State{})
		require.NoError(b, err)
		l.cores = append(l.cores, c)
	}
	for l.cores[0].role != Leader {
		l.cores[0].Tick()
		l.settle()
	}
	return l
}

func (l *lockstep) settle() {
	for progress := true; progress; {
		progress = false
		for _, c := range l.cores {
			for c.HasReady() {
				rd := c.Ready()
				l.queue = append(append(l.queue, rd.Messages...), rd.AfterSync...)
				if n := len(rd.Committed); n > 0 {
					c.Applied(rd.Committed[n-1].Index)
				}
				c.Synced(rd.Seq)
				progress = true
			}
		}
		for i := range l.queue {
			l.cores[l.queue[i].To-1].Step(l.queue[i])
			progress = true
		}
		clear(l.queue)
		l.queue = l.queue[:0]
	}
}

func (l *lockstep) compact() {
	for _, c := range l.cores {
		if st := c.Status(); st.Applied-st.First > 10000 {
			c.Compact(Snapshot{Index: st.Applied, Term: st.LastTerm, Membership: Membership{Voters: []NodeID{1, 2, 3}}}, st.Applied)
		}
	}
}

// BenchmarkCore commits through three cores on one goroutine; ns/op is CPU a
// commit of the whole cluster.
func BenchmarkCore(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("commit/size=64/batch=%d", batch), func(b *testing.B) {
			l := newLockstep(b, 3)
			data := make([]byte, 64)
			commands := make([][]byte, batch)
			for i := range commands {
				commands[i] = data
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n++; n%batch == 0 {
					l.cores[0].Propose(commands...)
					l.settle()
					l.compact()
				}
			}
		})
	}
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("readindex/batch=%d", batch), func(b *testing.B) {
			l := newLockstep(b, 3)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				l.cores[0].ReadIndex(uint64(n))
				if n++; n%batch == 0 {
					l.settle()
				}
			}
		})
	}
	b.Run("tick/idle", func(b *testing.B) {
		l := newLockstep(b, 3)
		b.ReportAllocs()
		for b.Loop() {
			for _, c := range l.cores {
				c.Tick()
			}
			l.settle()
		}
	})
	b.Run("heap/idle", func(b *testing.B) {
		const groups = 1000
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		keep := make([][]*Core, groups)
		for i := range keep {
			keep[i] = newLockstep(b, 3).cores
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		for b.Loop() {
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/groups/3, "heapB/replica")
		runtime.KeepAlive(keep)
	})
}

// nothing is a state machine that costs nothing.
type nothing struct{}

func (nothing) Apply(uint64, []byte) []byte    { return nil }
func (nothing) Snapshot() (io.WriterTo, error) { return written(nil), nil }
func (nothing) Restore(io.Reader) error        { return nil }

// benchCluster proposes from many clients to three nodes in one process.
func benchCluster(b *testing.B, size, clients int, storage func(NodeID) Storage) {
	network := NewNetwork()
	ids := []NodeID{1, 2, 3}
	nodes := map[NodeID]*Node{}
	for _, id := range ids {
		n, err := Start(Options{
			Config:       Config{ID: id, Voters: ids},
			TickInterval: 20 * time.Millisecond,
			Transport:    network.Join(id), Storage: storage(id), StateMachine: nothing{},
		})
		require.NoError(b, err)
		defer n.Close()
		nodes[id] = n
	}
	var leader *Node
	for leader == nil {
		for _, n := range nodes {
			if n.Status().Role == Leader {
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
}

// BenchmarkPropose runs three nodes with their logs in memory.
func BenchmarkPropose(b *testing.B) {
	for _, size := range []int{64, 1024} {
		for _, clients := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("size=%d/clients=%d", size, clients), func(b *testing.B) {
				benchCluster(b, size, clients, func(NodeID) Storage { return &MemStorage{} })
			})
		}
	}
}
