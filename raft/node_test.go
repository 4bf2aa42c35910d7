package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// register is a state machine: commands are JSON pairs, the answer is the
// value that was there before.
type register struct {
	mu      sync.Mutex
	values  map[string]string
	applied []uint64
	broken  error // Restore fails with it
}

func newRegister() *register { return &register{values: map[string]string{}} }

func put(key, value string) []byte {
	b, _ := json.Marshal([2]string{key, value})
	return b
}

func (r *register) Apply(index uint64, command []byte) any {
	var kv [2]string
	if err := json.Unmarshal(command, &kv); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.values[kv[0]]
	r.values[kv[0]] = kv[1]
	r.applied = append(r.applied, index)
	return old
}

type written []byte

func (w written) WriteTo(out io.Writer) (int64, error) {
	n, err := out.Write(w)
	return int64(n), err
}

func (r *register) Snapshot() (io.WriterTo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := json.Marshal(r.values)
	return written(b), err
}

func (r *register) Restore(in io.Reader) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	r.values = map[string]string{}
	return json.NewDecoder(in).Decode(&r.values)
}

func (r *register) get(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[key]
}

func (r *register) all() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.values)
}

// party is a cluster of nodes on one network, in a synctest bubble.
type party struct {
	t       *testing.T
	network *Network
	ids     []NodeID
	nodes   map[NodeID]*Node
	disks   map[NodeID]*MemStorage
	states  map[NodeID]*register
	change  func(*Options)
}

func newParty(t *testing.T, n int, change func(*Options)) *party {
	p := &party{t: t, network: NewNetwork(), nodes: map[NodeID]*Node{}, disks: map[NodeID]*MemStorage{}, states: map[NodeID]*register{}, change: change}
	for i := range n {
		p.ids = append(p.ids, NodeID(i+1))
	}
	for _, id := range p.ids {
		p.disks[id] = &MemStorage{}
		p.start(id)
	}
	t.Cleanup(func() {
		for _, id := range slices.Sorted(maps.Keys(p.nodes)) {
			require.NoError(t, p.nodes[id].Close())
		}
	})
	return p
}

func (p *party) start(id NodeID) {
	p.states[id] = newRegister()
	o := Options{
		Config:  Config{ID: id, Voters: p.ids, Seed: uint64(id)},
		Storage: p.disks[id], Transport: p.network.Join(id), StateMachine: p.states[id],
	}
	if p.change != nil {
		p.change(&o)
	}
	node, err := Start(o)
	require.NoError(p.t, err)
	p.nodes[id] = node
}

func (p *party) stop(id NodeID) {
	require.NoError(p.t, p.nodes[id].Close())
	delete(p.nodes, id)
}

// leader waits for a leader among the running nodes that all of group follow.
func (p *party) leader(group ...NodeID) NodeID {
	if len(group) == 0 {
		group = p.ids
	}
	for range 1000 {
		for _, id := range group {
			if n := p.nodes[id]; n != nil && n.Status().Role == Leader {
				return id
			}
		}
		time.Sleep(50 * time.Millisecond) // virtual: the bubble's clock
	}
	p.t.Fatal("no leader in 50 virtual seconds")
	return None
}

func (p *party) put(id NodeID, key, value string) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	_, err := p.nodes[id].Propose(ctx, put(key, value))
	require.NoError(p.t, err)
}

func (p *party) agree(want map[string]string) {
	p.t.Helper()
	time.Sleep(3 * time.Second)
	synctest.Wait()
	for _, id := range p.ids {
		if p.nodes[id] != nil {
			require.Equal(p.t, want, p.states[id].all(), "state of %s", id)
		}
	}
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestNodeProposeReturnsTheStateMachinesResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		old, err := p.nodes[l].Propose(t.Context(), put("x", "1"))
		require.NoError(t, err)
		require.Equal(t, "", old)
		old, err = p.nodes[l].Propose(t.Context(), put("x", "2"))
		require.NoError(t, err)
		require.Equal(t, "1", old)
		p.agree(map[string]string{"x": "2"})
	})
}

func TestNodeFollowerNamesTheLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		p.put(l, "x", "1")
		time.Sleep(time.Second)
		for _, id := range p.ids {
			if id == l {
				continue
			}
			_, err := p.nodes[id].Propose(t.Context(), put("x", "1"))
			var notLeader *NotLeaderError
			require.ErrorAs(t, err, &notLeader)
			require.ErrorIs(t, err, ErrNotLeader)
			require.Equal(t, l, notLeader.Leader)
		}
	})
}

func TestNodeCommitsSurviveTheLossOfTheLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		first := p.leader()
		p.put(first, "a", "1")
		p.stop(first)
		second := p.leader()
		require.NotEqual(t, first, second)
		p.put(second, "b", "2")
		p.start(first)
		p.agree(map[string]string{"a": "1", "b": "2"})
	})
}

func TestNodeIsolatedLeaderStepsDownAndItsProposalIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		first := p.leader()
		rest := slices.DeleteFunc(slices.Clone(p.ids), func(id NodeID) bool { return id == first })
		p.network.Cut([]NodeID{first}, rest)
		failed := make(chan error, 1)
		go func() {
			_, err := p.nodes[first].Propose(t.Context(), put("lost", "1"))
			failed <- err
		}()
		second := p.leader(rest...)
		p.put(second, "kept", "1")
		for p.nodes[first].Status().Role == Leader { // a leader that reaches nobody steps down
			time.Sleep(100 * time.Millisecond)
		}
		p.network.Heal()
		p.put(second, "later", "1")
		require.ErrorIs(t, <-failed, ErrDropped)
		p.agree(map[string]string{"kept": "1", "later": "1"})
	})
}

func TestNodeProposalThatTimesOutHasAnUnknownOutcome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		rest := slices.DeleteFunc(slices.Clone(p.ids), func(id NodeID) bool { return id == l })
		p.network.Cut([]NodeID{l}, rest)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := p.nodes[l].Propose(ctx, put("x", "1"))
		require.ErrorIs(t, err, ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		p.network.Heal()
	})
}

func TestNodeRestartsFromItsLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		want := map[string]string{}
		for i := range 20 {
			key := fmt.Sprint("k", i)
			p.put(p.leader(), key, "v")
			want[key] = "v"
		}
		for _, id := range p.ids {
			p.stop(id)
		}
		for _, id := range p.ids {
			p.start(id)
		}
		p.put(p.leader(), "after", "1")
		want["after"] = "1"
		p.agree(want)
	})
}

func TestNodeFollowerFarBehindGetsASnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, func(o *Options) { o.SnapshotEvery, o.KeepEntries = 10, 2 })
		l := p.leader()
		behind := p.ids[0]
		if behind == l {
			behind = p.ids[1]
		}
		p.stop(behind)
		want := map[string]string{}
		for i := range 50 {
			key := fmt.Sprint("k", i)
			p.put(p.leader(), key, "v")
			want[key] = "v"
			time.Sleep(time.Millisecond)
		}
		require.Positive(t, p.nodes[p.leader()].Metrics().SnapshotsTaken)
		require.Greater(t, p.nodes[p.leader()].Status().First, uint64(10), "the log was cut")
		p.disks[behind] = &MemStorage{} // and it comes back empty
		p.start(behind)
		p.agree(want)
		require.Positive(t, p.nodes[behind].Metrics().SnapshotsApplied)
		p.stop(behind)
		p.start(behind)
		p.put(p.leader(), "after", "1")
		want["after"] = "1"
		p.agree(want)
	})
}

func TestNodeReadSeesEveryEarlierWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		for i := range 10 {
			p.put(l, "x", fmt.Sprint(i))
			require.NoError(t, p.nodes[l].Read(t.Context()))
			require.Equal(t, fmt.Sprint(i), p.states[l].get("x"))
		}
	})
}

func TestNodeReadOnAnIsolatedLeaderFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		p.put(l, "x", "1")
		p.network.Cut([]NodeID{l}, p.ids)
		require.ErrorIs(t, p.nodes[l].Read(t.Context()), ErrNotLeader)
	})
}

// failing fails its n-th Save.
type failing struct {
	MemStorage
	mu    sync.Mutex
	after int
}

var errDisk = errors.New("input/output error")

func (f *failing) Save(hs HardState, es []Entry, sync bool) error {
	f.mu.Lock()
	f.after--
	dead := f.after < 0
	f.mu.Unlock()
	if dead {
		return errDisk
	}
	return f.MemStorage.Save(hs, es, sync)
}

func (f *failing) failNow() {
	f.mu.Lock()
	f.after = 0
	f.mu.Unlock()
}

func TestNodeStopsWhenItsDiskFailsAndTellsEverybodyWhoWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &failing{after: 1 << 30}
		n, err := Start(Options{Config: Config{ID: 1, Voters: []NodeID{1}}, StateMachine: newRegister(), Storage: disk})
		require.NoError(t, err)
		defer n.Close()
		time.Sleep(5 * time.Second)
		_, err = n.Propose(t.Context(), put("x", "1"))
		require.NoError(t, err)
		disk.failNow()
		_, err = n.Propose(t.Context(), put("x", "2"))
		require.ErrorIs(t, err, ErrOutcomeUnknown)
		require.ErrorIs(t, err, ErrStorage)
		<-n.Done()
		require.ErrorIs(t, n.Err(), errDisk)
		_, err = n.Propose(t.Context(), put("x", "3"))
		require.ErrorIs(t, err, ErrStopped)
		require.ErrorIs(t, n.Read(t.Context()), ErrStopped)
	})
}

func TestNodeCloseAnswersAllAndLeavesNothingBehind(t *testing.T) {
	bubble(t, func(t *testing.T) { // a goroutine left behind fails the bubble
		p := newParty(t, 3, nil)
		l := p.leader()
		p.network.Cut([]NodeID{l}, p.ids)
		errs := make(chan error, 20)
		for range 10 {
			go func() {
				_, err := p.nodes[l].Propose(t.Context(), put("x", "1"))
				errs <- err
			}()
			go func() { errs <- p.nodes[l].Read(t.Context()) }()
		}
		synctest.Wait()
		node := p.nodes[l]
		p.stop(l)
		for range 20 {
			require.ErrorIs(t, <-errs, ErrStopped)
		}
		require.NoError(t, node.Close(), "a second Close does nothing")
		require.ErrorIs(t, node.Err(), ErrStopped)
	})
}

func TestStartRefusesOptionsThatCannotWork(t *testing.T) {
	sm := newRegister()
	for name, o := range map[string]Options{
		"no state machine": {Config: Config{ID: 1, Voters: []NodeID{1}}},
		"no ID":            {StateMachine: sm},
		"no transport":     {Config: Config{ID: 1, Voters: []NodeID{1, 2}}, StateMachine: sm},
		"a voter twice":    {Config: Config{ID: 1, Voters: []NodeID{1, 1}}, StateMachine: sm, Transport: NewNetwork().Join(1)},
		"ticks":            {Config: Config{ID: 1, Voters: []NodeID{1}, ElectionTicks: 2, HeartbeatTicks: 2}, StateMachine: sm},
		"negative tick":    {Config: Config{ID: 1, Voters: []NodeID{1}}, StateMachine: sm, TickInterval: -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Start(o)
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
	_, err := Start(Options{Config: Config{ID: 1, Voters: []NodeID{1}}, StateMachine: &register{broken: errDisk},
		Storage: &MemStorage{snapshot: &Snapshot{Index: 1, Term: 1, Membership: Membership{Voters: []NodeID{1}}}, hard: HardState{Term: 1}}})
	require.ErrorIs(t, err, errDisk)
}

func TestTwoNodesCannotShareAPlaceOnTheNetwork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 1, nil)
		_, err := Start(Options{Config: Config{ID: 1, Voters: []NodeID{1}}, StateMachine: newRegister(), Transport: p.network.Join(1)})
		require.ErrorIs(t, err, ErrInvalid)
		require.NotNil(t, p.network.nodes[1], "the first one keeps it")
	})
}
