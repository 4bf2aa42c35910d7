package multi

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// trio is three cores of hosts on one goroutine, whose disks answer at once.
type trio struct {
	cores [3]*Core
	sent  int
}

func newTrio(b testing.TB, groups int, cfg raft.Config) *trio {
	t := &trio{}
	ids := []raft.NodeID{1, 2, 3}
	for i := range t.cores {
		var err error
		t.cores[i], err = NewCore(Config{ID: ids[i], Life: 1, Raft: cfg})
		require.NoError(b, err)
	}
	for g := 1; g <= groups; g++ {
		voters := []raft.NodeID{ids[g%3], ids[(g+1)%3], ids[(g+2)%3]} // whom the first is, leads
		for _, c := range t.cores {
			require.NoError(b, c.Create(GroupID(g), raft.Membership{Voters: voters}, nil))
		}
		if g%500 == 0 {
			t.settle()
		}
	}
	t.settle()
	return t
}

// settle does what the cores ask for until they ask for nothing.
func (t *trio) settle() {
	for again := true; again; {
		again = false
		for _, c := range t.cores {
			for c.HasReady() {
				again = true
				rd := c.Ready()
				t.deliver(rd.Send)
				c.Synced(rd.Seq)
				t.deliver(rd.AfterSync)
				for _, cm := range rd.Committed {
					c.Applied(cm.Group, cm.Entries[len(cm.Entries)-1].Index)
				}
			}
		}
	}
}

func (t *trio) deliver(envelopes []Envelope) {
	for _, e := range envelopes {
		t.sent++
		t.cores[e.To-1].Step(e)
	}
}

func (t *trio) tick() {
	for _, c := range t.cores {
		c.Tick()
	}
	t.settle()
}

func (t *trio) awake() int { return t.cores[0].Awake() + t.cores[1].Awake() + t.cores[2].Awake() }

func (t *trio) rest(b testing.TB) {
	for range 200 {
		if t.tick(); t.awake() == 0 {
			return
		}
	}
	require.Fail(b, "groups do not come to rest", "%d are awake", t.awake())
}

// A tick of three hosts: whatever the number of groups that sleep, two envelopes
// for each of the three pairs.
func BenchmarkIdleTick(b *testing.B) {
	for _, groups := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			t := newTrio(b, groups, raft.Config{Seed: 1})
			t.rest(b)
			t.sent = 0
			b.ReportAllocs()
			for b.Loop() {
				t.tick()
			}
			b.ReportMetric(float64(t.sent)/3/float64(b.N), "envelopes/pair")
		})
	}
}

// A tick of groups that have nothing to do and are kept awake: what coalescing
// alone does.
func BenchmarkAwakeTick(b *testing.B) {
	for _, groups := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			t := newTrio(b, groups, raft.Config{Seed: 1})
			for _, c := range t.cores {
				c.cfg.NeverRest = true
			}
			for range 5 {
				t.tick()
			}
			t.sent = 0
			for b.Loop() {
				t.tick()
			}
			b.ReportMetric(float64(t.sent)/3/float64(b.N), "envelopes/pair")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(3*groups), "ns/replica")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a replica of an idle group takes, in a core and, with the shell around
// it, in a host on a disk.
func BenchmarkIdleHeap(b *testing.B) {
	const groups = 10_000
	for _, lease := range []int{0, 8} {
		b.Run(fmt.Sprintf("of=core/lease=%d", lease), func(b *testing.B) {
			before := heap()
			t := newTrio(b, groups, raft.Config{Seed: 1, Lease: lease})
			awake := heap()
			t.rest(b)
			asleep := heap()
			for b.Loop() {
			}
			b.ReportMetric(float64(awake-before)/(3*groups), "B/awake")
			b.ReportMetric(float64(asleep-before)/(3*groups), "B/asleep")
			runtime.KeepAlive(t)
		})
	}
	b.Run("of=host", func(b *testing.B) {
		before := heap()
		hosts, _ := benchHosts(b, 1, groups, 2*time.Millisecond)
		for awake := true; awake; {
			time.Sleep(50 * time.Millisecond)
			all, err := hosts[0].Groups(context.Background())
			require.NoError(b, err)
			awake = false
			for _, st := range all {
				awake = awake || !st.Asleep
			}
		}
		asleep := heap()
		for b.Loop() {
		}
		b.ReportMetric(float64(asleep-before)/groups, "B/asleep")
		runtime.KeepAlive(hosts)
	})
}

// nothing is a state machine that does nothing.
type nothing struct{}

func (nothing) Apply(uint64, []byte) []byte    { return nil }
func (nothing) Snapshot() (io.WriterTo, error) { return nil, io.EOF }
func (nothing) Restore(io.Reader) error        { return nil }

// benchHosts starts hosts on disks, with groups on all of them.
func benchHosts(b *testing.B, n, groups int, tick time.Duration) ([]*Host, []*Disk) {
	network := NewNetwork()
	var ids []raft.NodeID
	for i := range n {
		ids = append(ids, raft.NodeID(i+1))
	}
	var hosts []*Host
	var disks []*Disk
	for _, id := range ids {
		d, err := OpenDisk(b.TempDir(), DiskOptions{Node: id})
		require.NoError(b, err)
		h, err := Start(Options{ID: id, Storage: d, Transport: network.Join(id), TickInterval: tick,
			StateMachine: func(GroupID) (raft.StateMachine, error) { return nothing{}, nil }})
		require.NoError(b, err)
		b.Cleanup(func() { h.Close() })
		hosts, disks = append(hosts, h), append(disks, d)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 256)
	for _, h := range hosts {
		for g := 1; g <= groups; g++ {
			slots <- struct{}{}
			wg.Go(func() {
				if err := h.Create(context.Background(), GroupID(g), ids); err != nil {
					b.Error(err)
				}
				<-slots
			})
		}
	}
	wg.Wait()
	return hosts, disks
}

// 64 clients propose commands of 64 B to groups of three hosts in one process,
// each host with a log that is synced: the syncs are shared between the groups.
func BenchmarkPropose(b *testing.B) {
	const clients = 64
	for _, groups := range []int{1, 16, 1000} {
		b.Run(fmt.Sprintf("groups=%d/clients=%d", groups, clients), func(b *testing.B) {
			hosts, disks := benchHosts(b, 3, groups, 100*time.Millisecond)
			leads := make([]*Host, groups+1)
			for g := 1; g <= groups; g++ {
				for leads[g] == nil {
					for _, h := range hosts {
						if st, err := h.Status(context.Background(), GroupID(g)); err == nil && st.Role == raft.Leader && h.Read(context.Background(), GroupID(g)) == nil {
							leads[g] = h
						}
					}
				}
			}
			syncs := disks[0].Metrics().Syncs
			var next atomic.Int64
			var wg sync.WaitGroup
			command := make([]byte, 64)
			b.ResetTimer()
			b.ReportAllocs()
			for range clients {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						g := GroupID(1 + i%int64(groups))
						if _, err := leads[g].Propose(context.Background(), g, command); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(disks[0].Metrics().Syncs-syncs)/float64(b.N), "syncs/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}
