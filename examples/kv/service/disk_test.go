package service_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
	"github.com/flagship-go/flagship/raft"
)

// kept is a raft storage that outlives its node, and remembers how long the
// longest snapshot was.
type kept struct {
	raft.MemStorage
	mu      sync.Mutex
	longest int
}

func (k *kept) SaveSnapshot(s raft.Snapshot) error {
	k.mu.Lock()
	k.longest = max(k.longest, len(s.Data))
	k.mu.Unlock()
	return k.MemStorage.SaveSnapshot(s)
}

// machines are what members leave behind when they stop: logs and disks.
type machines struct {
	t     *testing.T
	logs  map[raft.NodeID]*kept
	disks map[raft.NodeID]*lsmtest.MemFS // of those whose store is on one
}

// newMachines has a letter for each member: d has its store on a disk, m in memory.
func newMachines(t *testing.T, kinds string) *machines {
	m := &machines{t, map[raft.NodeID]*kept{}, map[raft.NodeID]*lsmtest.MemFS{}}
	for i, kind := range kinds {
		id := raft.NodeID(i + 1)
		m.logs[id] = &kept{}
		if kind == 'd' {
			m.disks[id] = lsmtest.NewMemFS()
		}
	}
	return m
}

func (m *machines) tune(o *service.Options) {
	o.Raft.Storage = m.logs[o.Raft.ID]
	o.Raft.SnapshotEvery, o.Raft.KeepEntries = 20, 1
	if fs := m.disks[o.Raft.ID]; fs != nil {
		d, err := ondisk.Open("store", &ondisk.Options{FS: fs, LSM: lsm.Options{
			MemTableSize: 64 << 10, NumMemtables: 2, BaseTableSize: 4 << 10, BlockSize: 512, ValueThreshold: 64}})
		require.NoError(m.t, err)
		o.Disk = d
	}
}

// states lists the states on a member's disk.
func (m *machines) states(id raft.NodeID) (states []string) {
	names, err := m.disks[id].List("store")
	require.NoError(m.t, err)
	for _, name := range names {
		if strings.HasPrefix(name, "state-") {
			states = append(states, name)
		}
	}
	return states
}

// write puts n keys, deletes some, and compacts.
func write(t *testing.T, m *service.Member, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		key := fmt.Appendf(nil, "k%04d", i)
		r, err := m.Put(t.Context(), &store.PutRequest{Key: key, Value: fmt.Appendf(nil, "%0200d", i)})
		require.NoError(t, err)
		if i%5 == 0 {
			_, err := m.DeleteRange(t.Context(), &store.DeleteRangeRequest{Key: key})
			require.NoError(t, err)
		}
		if i%50 == 49 {
			_, err := m.Compact(t.Context(), &store.CompactionRequest{Revision: r.Revision - 10})
			require.NoError(t, err)
		}
	}
}

// agree requires that all members have the same keys, with their history.
func (g *group) agree() {
	g.t.Helper()
	want, err := g.leader().Hash(0)
	require.NoError(g.t, err)
	for id, m := range g.members {
		for range 100 {
			if m.Status().Store.Revision >= want.Revision {
				break
			}
			time.Sleep(100 * time.Millisecond) // virtual
		}
		got, err := m.Hash(want.Revision)
		rule(g.t, "S10", err == nil && got == want, "member %s has %+v, its leader %+v: %v", id, got, want, err)
	}
}

// lead makes a member the leader.
func (g *group) lead(who raft.NodeID) *service.Member {
	g.t.Helper()
	for range 10 {
		if l := g.leader(); id(l) == who {
			return l
		} else if err := l.MoveLeader(g.t.Context(), uint64(who)); err != nil {
			time.Sleep(time.Second) // virtual
		}
	}
	require.Fail(g.t, "the member does not become leader")
	return nil
}

// A follower that was away is sent the state, from either storage to either,
// while writes go on.
func TestAFollowerIsSentTheStateWhileWritesGoOn(t *testing.T) {
	for _, kinds := range []string{"ddd", "dmd", "mdd", "mmm"} {
		synctest.Test(t, func(t *testing.T) {
			machines := newMachines(t, kinds)
			g := start(t, 3, machines.tune)
			leader, away := g.lead(1), g.members[2]
			write(t, leader, 0, 30)
			g.cut(away)
			write(t, leader, 30, 170)
			g.heal()
			for i := 200; i < 300; i += 10 {
				write(t, leader, i, 10)
				time.Sleep(50 * time.Millisecond) // virtual
			}
			time.Sleep(10 * time.Second)
			rule(t, "S10", away.Status().Counts.SnapshotsApplied > 0, "%s: the follower was sent no snapshot", kinds)
			g.agree()
			for id := range machines.disks {
				if kinds == "ddd" {
					rule(t, "S11", machines.logs[id].longest < 100, "member %s: a snapshot of raft's has %d bytes, more than a name", id, machines.logs[id].longest)
				}
				rule(t, "S11", len(machines.states(id)) == 1, "member %s has the states %v", id, machines.states(id))
			}
			// And it goes on by itself from there.
			require.NoError(t, away.Close())
			g.add(2, []raft.NodeID{1, 2, 3}, machines.tune)
			write(t, g.leader(), 300, 30)
			time.Sleep(10 * time.Second)
			g.agree()
		})
	}
}

// The connection breaks while a state is sent: nothing comes of it, and of the next
// everything.
func TestASnapshotThatIsCutOffIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machines := newMachines(t, "ddd")
		g := start(t, 3, machines.tune)
		leader, away := g.lead(1), g.members[2]
		g.cut(away)
		write(t, leader, 0, 500)
		// Some operations on its disk after it begins, the network is gone.
		began := machines.disks[2].Ops()
		once := sync.OnceFunc(func() { g.local.Cut(2, true) })
		machines.disks[2].Observe(func(op vfs.Op) {
			if op.N > began+10 {
				once()
			}
		})
		g.heal()
		time.Sleep(5 * time.Second)
		require.Zero(t, away.Status().Counts.SnapshotsApplied)
		require.Equal(t, []string{"state-000001"}, machines.states(2))
		machines.disks[2].Observe(nil)
		g.local.Cut(2, false)
		time.Sleep(10 * time.Second)
		require.Positive(t, away.Status().Counts.SnapshotsApplied)
		g.agree()
	})
}

// A member that starts again reads no snapshot: its state is where it was left.
func TestAStartGoesOnWithTheStateOnTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machines := newMachines(t, "d")
		g := start(t, 1, machines.tune)
		write(t, g.leader(), 0, 100)
		before := g.leader().Status().Store
		require.NoError(t, g.leader().Close())
		looks := machines.disks[1].Looks()
		m := g.add(1, []raft.NodeID{1}, machines.tune)
		rule(t, "S11", m.Status().Store.Revision == before.Revision, "it starts at revision %d, and was stopped at %d", m.Status().Store.Revision, before.Revision)
		t.Logf("%d looks at the disk", machines.disks[1].Looks()-looks)
		time.Sleep(10 * time.Second)
		write(t, g.leader(), 100, 50)
		g.agree()
	})
}

// A store whose disk fails ends its member, and nobody else; what was committed
// is there when it starts again.
func TestAStoreWhoseDiskFailsStopsItsMemberAlone(t *testing.T) {
	for name, cause := range map[string]error{"full": vfs.ErrNoSpace, "broken": vfs.ErrIO} {
		synctest.Test(t, func(t *testing.T) {
			machines := newMachines(t, "ddd")
			g := start(t, 3, machines.tune)
			leader := g.leader()
			write(t, leader, 0, 30)
			machines.disks[id(leader)].Inject(vfs.Fault{Err: cause, Sticky: true, Match: func(op vfs.Op) bool { return strings.HasPrefix(op.Name, "store") }})
			for i := range 400 {
				// Whatever is answered is kept; those in between may be.
				_, err := leader.Put(t.Context(), &store.PutRequest{Key: []byte("x"), Value: make([]byte, 4000)})
				if err != nil {
					rule(t, "S12", !errors.Is(err, store.ErrInvalidCommand), "%s: put %d: %v", name, i, err)
					break
				}
			}
			<-leader.Done()
			rule(t, "S12", errors.Is(leader.Err(), cause), "%s: it stopped for %v", name, leader.Err())
			dead := id(leader)
			require.NoError(t, leader.Close())
			time.Sleep(10 * time.Second)
			write(t, g.leader(), 30, 60)
			machines.disks[dead] = machines.disks[dead].KillClone()
			g.add(dead, []raft.NodeID{1, 2, 3}, machines.tune)
			time.Sleep(10 * time.Second)
			g.agree()
		})
	}
}
