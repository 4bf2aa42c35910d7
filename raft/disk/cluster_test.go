package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// ledger is a state machine: the list of the commands it was given.
type ledger struct {
	mu       sync.Mutex
	commands []string
	held     chan struct{} // Apply waits until it is closed
}

// hold makes Apply wait until the returned function is called.
func (l *ledger) hold() (release func()) {
	held := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	return sync.OnceFunc(func() { close(held) })
}

func (l *ledger) Apply(_ uint64, command []byte) []byte {
	l.mu.Lock()
	held := l.held
	l.mu.Unlock()
	if held != nil {
		<-held
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, string(command))
	return nil
}

func (l *ledger) Snapshot() (io.WriterTo, error) {
	var b bytes.Buffer
	for _, c := range l.all() {
		fmt.Fprintln(&b, c)
	}
	return &b, nil
}

func (l *ledger) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = nil
	for line := range bytes.Lines(b) {
		l.commands = append(l.commands, string(bytes.TrimSuffix(line, []byte{'\n'})))
	}
	return err
}

func (l *ledger) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.commands)
}

// cluster is nodes with disks, in a synctest bubble.
type cluster struct {
	t       *testing.T
	name    string
	network *raft.Network
	voters  []raft.NodeID
	disks   map[raft.NodeID]*MemFS
	nodes   map[raft.NodeID]*raft.Node
	states  map[raft.NodeID]*ledger
	acked   []string

	snapshots uint64 // every so many entries
	sessions  int    // are remembered; 0: the default
}

func newCluster(t *testing.T, n int) *cluster {
	c := &cluster{t: t, name: "test", network: raft.NewNetwork(), disks: map[raft.NodeID]*MemFS{},
		nodes: map[raft.NodeID]*raft.Node{}, states: map[raft.NodeID]*ledger{}, snapshots: 40}
	c.add(n)
	t.Cleanup(func() {
		for _, id := range slices.Sorted(maps.Keys(c.nodes)) {
			c.nodes[id].Close()
		}
	})
	return c
}

// add starts the first n voters.
func (c *cluster) add(n int) {
	for i := range n {
		c.voters = append(c.voters, raft.NodeID(i+1))
	}
	for _, id := range c.voters {
		c.disks[id] = NewMemFS()
		c.start(id)
	}
}

func (c *cluster) options(id raft.NodeID) *Options {
	return &Options{FS: c.disks[id], Node: id, Cluster: c.name, SegmentSize: 16 << 10}
}

func (c *cluster) tryStart(id raft.NodeID) error {
	s, err := Open(testDir, c.options(id))
	if err != nil {
		return err
	}
	c.states[id] = &ledger{}
	c.nodes[id], err = raft.Start(raft.Options{
		Config:  raft.Config{ID: id, Voters: c.voters, Seed: uint64(id)},
		Storage: s, Transport: c.network.Join(id), StateMachine: c.states[id], SnapshotEvery: c.snapshots, KeepEntries: 10,
		MaxSessions: c.sessions,
	})
	if err != nil {
		delete(c.nodes, id)
	}
	return err
}

func (c *cluster) start(id raft.NodeID) { require.NoError(c.t, c.tryStart(id)) }

// stop ends a node, whatever state it is in.
func (c *cluster) stop(id raft.NodeID) {
	c.nodes[id].Close()
	delete(c.nodes, id)
}

// leader waits, at most for limit, for a leader among the nodes.
func (c *cluster) leader(limit time.Duration, ids ...raft.NodeID) raft.NodeID {
	c.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, id := range ids {
			if n := c.nodes[id]; n != nil && n.Err() == nil && n.Status().Role == raft.Leader {
				return id
			}
		}
	}
	c.t.Fatalf("no leader among %v in %v", ids, limit)
	return raft.None
}

func (c *cluster) propose(id raft.NodeID, command string) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	_, err := c.nodes[id].Propose(ctx, []byte(command))
	if err == nil {
		c.acked = append(c.acked, command)
	}
	return err
}

func (c *cluster) work(id raft.NodeID, what string, n int) {
	c.t.Helper()
	for i := range n {
		require.NoError(c.t, c.propose(id, fmt.Sprintf("%s %d", what, i)))
	}
}

// keeps checks that nodes have every acknowledged command, in one order, and
// returns that order.
func (c *cluster) keeps(rule string, ids ...raft.NodeID) {
	c.t.Helper()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	all := c.states[ids[0]].all()
	for _, id := range ids {
		require.Equal(c.t, all, c.states[id].all(), "RULE apply-order: %s applied something else than %s", id, ids[0])
	}
	at := 0
	for _, command := range c.acked {
		i := slices.Index(all[at:], command)
		if i < 0 {
			broken(c.t, rule, "%q was acknowledged, and is not among the %d commands of %v", command, len(all), ids)
			return
		}
		at += i + 1
	}
}

const election = 2 * time.Second // the longest timeout of a node with default options

func others(ids []raft.NodeID, not raft.NodeID) []raft.NodeID {
	return slices.DeleteFunc(slices.Clone(ids), func(id raft.NodeID) bool { return id == not })
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// Two of three are lost. The third has entries that it does not know to be
// committed; it goes on alone, and grows to three again.
func TestClusterThatLostItsMajorityIsForcedAndGrows(t *testing.T) {
	for _, commands := range []int{5, 130} { // with the log alone, and with snapshots
		bubble(t, func(t *testing.T) {
			c := newCluster(t, 3)
			l := c.leader(5*election, c.voters...)
			followers := others(c.voters, l)
			survivor := followers[0]
			// The leader and the survivor are the majority that acknowledges.
			c.network.Cut(followers[1:], []raft.NodeID{l, survivor})
			c.work(l, "before", commands)
			for _, id := range c.voters {
				c.nodes[id].Close()
			}
			clear(c.nodes)
			c.network.Heal()
			for _, id := range others(c.voters, survivor) {
				delete(c.disks, id)
			}
			c.start(survivor)
			time.Sleep(5 * election)
			require.ErrorIs(t, c.propose(survivor, "alone"), raft.ErrNotLeader)
			_, err := ForceNewCluster(testDir, c.options(survivor), "rescued")
			require.ErrorIs(t, err, ErrLocked)
			c.stop(survivor)

			report, err := ForceNewCluster(testDir, c.options(survivor), "rescued")
			require.NoError(t, err)
			c.name = "rescued"
			c.start(survivor) // still told of three voters, as its flags may be
			c.leader(3*election, survivor)
			c.keeps("D7", survivor)
			c.work(survivor, "alone", 20)
			require.Greater(t, c.nodes[survivor].Status().Term, report.Before.HardState.Term)

			c.voters = nil // who joins is told nothing, and learns
			members := []raft.NodeID{survivor}
			for _, id := range []raft.NodeID{11, 12} {
				require.NoError(t, c.nodes[survivor].ChangeMembership(t.Context(), raft.Membership{Voters: members, Learners: []raft.NodeID{id}}))
				c.disks[id] = NewMemFS()
				c.start(id)
				c.keeps("D7", survivor, id)
				members = append(members, id)
				require.NoError(t, c.nodes[survivor].ChangeMembership(t.Context(), raft.Membership{Voters: members}))
			}
			c.work(survivor, "three", 20)
			c.stop(survivor)
			next := c.leader(5*election, 11, 12)
			c.work(next, "after", 20)
			c.start(survivor)
			c.keeps("D7", 11, 12, survivor)
		})
	}
}

// hashicorp/raft#612: a leader whose disk stands still, and whose heartbeats do
// not, must be replaced.
func TestLeaderWithAStalledDiskIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		old := c.leader(5*election, c.voters...)
		rest := others(c.voters, old)
		c.work(old, "before", 20)
		term := c.nodes[old].Status().Term
		stalled, goOn := make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() {
			c.disks[old].ClearFaults()
			close(goOn)
		})
		defer release()
		var once sync.Once
		c.disks[old].Inject(vfs.Fault{Kind: vfs.OpSync, Sticky: true, Block: func() {
			once.Do(func() { close(stalled) })
			<-goOn
		}})
		outcome := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := c.nodes[old].Propose(ctx, []byte("in the stall"))
			outcome <- err
		}()
		<-stalled
		time.Sleep(5 * election)
		if n := c.nodes[rest[0]].Status(); n.Term == term {
			broken(t, "stalled-disk", "the disk of %s has not answered for %v, and it leads on", old, 5*election)
			return
		}
		next := c.leader(5*election, rest...)
		c.work(next, "meanwhile", 100) // far enough that the old leader needs a snapshot
		release()
		if err := <-outcome; err == nil {
			c.acked = append(c.acked[:20:20], append([]string{"in the stall"}, c.acked[20:]...)...)
		}
		c.keeps("D1", c.voters...)
		require.Equal(t, raft.Follower, c.nodes[old].Status().Role)
		c.work(c.leader(election, c.voters...), "after", 20)
		c.keeps("D1", c.voters...)
	})
}

// Nor do the commands and reads that clients go on to ask of it keep it alive.
func TestLeaderWithAStalledDiskIsReplacedThoughItIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		old := c.leader(5*election, c.voters...)
		rest := others(c.voters, old)
		c.work(old, "before", 20)
		term := c.nodes[old].Status().Term
		goOn := make(chan struct{})
		defer func() {
			c.disks[old].ClearFaults()
			close(goOn)
		}()
		c.disks[old].Inject(vfs.Fault{Kind: vfs.OpSync, Sticky: true, Block: func() { <-goOn }})
		asking, enough := context.WithCancel(t.Context())
		defer enough()
		for _, ask := range []func(context.Context) error{
			c.nodes[old].Read,
			func(ctx context.Context) error {
				_, err := c.nodes[old].Propose(ctx, []byte("in the stall"))
				return err
			},
		} {
			go func() {
				for asking.Err() == nil {
					ctx, cancel := context.WithTimeout(asking, 100*time.Millisecond)
					_ = ask(ctx)
					<-ctx.Done()
					cancel()
				}
			}()
		}
		time.Sleep(5 * election)
		if n := c.nodes[rest[0]].Status(); n.Term == term {
			broken(t, "stalled-disk", "the disk of %s has not answered for %v while clients ask on, and it leads on", old, 5*election)
		}
	})
}

func TestNodeWhoseFsyncFailsStopsForGood(t *testing.T) {
	for name, which := range map[string]func(c *cluster, leader raft.NodeID) raft.NodeID{
		"leader":   func(_ *cluster, leader raft.NodeID) raft.NodeID { return leader },
		"follower": func(c *cluster, leader raft.NodeID) raft.NodeID { return others(c.voters, leader)[0] },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCluster(t, 3)
				first := c.leader(5*election, c.voters...)
				c.work(first, "before", 20)
				failing := which(c, first)
				c.disks[failing].Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO}) // once: the next would succeed
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				_, err := c.nodes[first].Propose(ctx, []byte("at the failure"))
				cancel()
				if err == nil {
					c.acked = append(c.acked, "at the failure")
				} else if !errors.Is(err, raft.ErrOutcomeUnknown) {
					broken(t, "D3", "the disk of %s failed, and its leader says %v", failing, err)
				}
				select {
				case <-c.nodes[failing].Done():
				case <-time.After(time.Minute):
					broken(t, "disk-error", "the disk of %s failed, and it goes on", failing)
					return
				}
				require.ErrorIs(t, c.nodes[failing].Err(), raft.ErrStorage)
				require.ErrorIs(t, c.nodes[failing].Err(), vfs.ErrIO)
				require.ErrorIs(t, c.propose(failing, "afterwards"), raft.ErrStopped)
				c.stop(failing)
				c.work(c.leader(5*election, c.voters...), "without it", 20)
				// What the kernel lost is gone: power goes with it.
				c.disks[failing] = c.disks[failing].CrashClone(nil)
				c.start(failing)
				c.keeps("D1", c.voters...)
			})
		})
	}
}

func TestNodeOnAFullDiskStopsAndComesBackWhenThereIsRoom(t *testing.T) {
	for _, c := range []struct {
		n         int
		snapshots uint64 // every so many: the first thing that finds no room, or never
	}{{1, 40}, {3, 40}, {1, 1 << 40}, {3, 1 << 40}} {
		bubble(t, func(t *testing.T) { fillDisk(t, c.n, c.snapshots) })
	}
}

func fillDisk(t *testing.T, n int, snapshots uint64) {
	c := newCluster(t, 0)
	c.snapshots = snapshots
	c.add(n)
	l := c.leader(5*election, c.voters...)
	c.work(l, "before", 20)
	full := c.disks[l]
	full.SetCapacity(full.Used())
	var err error
	for i := 0; err == nil; i++ {
		err = c.propose(l, fmt.Sprintf("%d fills the disk %300d", i, i))
		if i == 1000 {
			broken(t, "D3", "the disk is full, and the leader of %d takes 300,000 bytes more", n)
			return
		}
	}
	<-c.nodes[l].Done()
	require.ErrorIs(t, c.nodes[l].Err(), raft.ErrStorage)
	require.ErrorIs(t, c.nodes[l].Err(), vfs.ErrNoSpace, "the error says what is wrong")
	c.stop(l)
	if n > 1 {
		c.work(c.leader(5*election, c.voters...), "without it", 60)
	}
	full.SetCapacity(0)
	c.start(l)
	c.work(c.leader(5*election, c.voters...), "with room", 20)
	c.keeps("D3", c.voters...)
}

func TestNodeStartsOnlyOnItsOwnDirectory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.work(c.leader(5*election, c.voters...), "before", 5)
		c.disks[9] = c.disks[1]
		for range 2 { // beside the running node, and after it
			err := c.tryStart(9)
			if !errors.Is(err, ErrLocked) && !errors.Is(err, ErrForeign) {
				broken(t, "D5", "n9 starts on the directory of n1: %v", err)
			}
			if c.nodes[1] != nil {
				require.ErrorIs(t, err, ErrLocked)
				c.stop(1)
			} else {
				require.ErrorContains(t, err, `of n1 in cluster "test", asked for n9 in cluster "test"`)
			}
		}
		c.name = "other"
		require.ErrorContains(t, c.tryStart(1), `of n1 in cluster "test", asked for n1 in cluster "other"`)
		c.name = "test"
		c.start(1)
		c.keeps("D1", c.voters...)
	})
}
