package raft

import (
	"context"
	"encoding/binary"
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

func (r *register) Apply(index uint64, command []byte) []byte {
	var kv [2]string
	if err := json.Unmarshal(command, &kv); err != nil {
		return []byte(err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.values[kv[0]]
	r.values[kv[0]] = kv[1]
	r.applied = append(r.applied, index)
	return []byte(old)
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
		require.Equal(t, "", string(old))
		old, err = p.nodes[l].Propose(t.Context(), put("x", "2"))
		require.NoError(t, err)
		require.Equal(t, "1", string(old))
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

// slow is a state machine whose commands take their time.
type slow struct{ *register }

func (s slow) Apply(index uint64, command []byte) []byte {
	time.Sleep(7 * time.Millisecond)
	return s.register.Apply(index, command)
}

// The loop is not woken for every batch that is applied, but for the one that a
// read waits for: long before its next tick.
func TestNodeReadIsAnsweredAsSoonAsTheStateMachineIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 1, func(o *Options) { o.StateMachine = slow{newRegister()} })
		leader := p.leader()
		n := p.nodes[leader]
		synctest.Wait()
		start := time.Now()
		go n.Propose(t.Context(), put("k", "v"))
		synctest.Wait() // committed, and being applied
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, n.Read(ctx), "RULE read-at-once: nobody woke the loop")
		require.Equal(t, 7*time.Millisecond, time.Since(start), "RULE read-at-once: the read waited for something else")
		require.Equal(t, n.Status().Commit, n.Status().Applied)
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
		if !errors.Is(err, ErrDropped) { // the disk may fail before it is in the log
			require.ErrorIs(t, err, ErrOutcomeUnknown)
		}
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
		Storage: &MemStorage{snapshot: &Snapshot{Index: 1, Term: 1, Membership: Membership{Voters: []NodeID{1}}, Data: (&sessions{}).encode()}, hard: HardState{Term: 1}}})
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

func TestNodeFollowerReadsAreLinearizable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		for i := range 10 {
			p.put(l, "x", fmt.Sprint(i))
			for _, id := range p.ids {
				require.NoError(t, p.nodes[id].Read(t.Context()))
				require.Equal(t, fmt.Sprint(i), p.states[id].get("x"), "read on %s", id)
			}
		}
	})
}

func TestNodeReadOnAFollowerThatIsCutOffFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		p.put(l, "x", "1")
		time.Sleep(time.Second)
		follower := l%3 + 1
		p.network.Cut([]NodeID{follower}, p.ids)
		require.ErrorIs(t, p.nodes[follower].Read(t.Context()), ErrNotLeader)
	})
}

func TestNodeTransfersLeadership(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		p.put(l, "x", "1")
		heir := l%3 + 1
		require.NoError(t, p.nodes[l].TransferLeadership(t.Context(), heir))
		require.Equal(t, heir, p.leader())
		p.put(heir, "x", "2")
		require.ErrorIs(t, p.nodes[l].TransferLeadership(t.Context(), l), ErrNotLeader)
		require.ErrorIs(t, p.nodes[heir].TransferLeadership(t.Context(), 99), ErrInvalid)
		p.network.Cut([]NodeID{l}, p.ids)
		require.ErrorIs(t, p.nodes[heir].TransferLeadership(t.Context(), l), ErrDropped, "the heir is cut off")
		p.put(heir, "x", "3")
	})
}

func TestNodeReplacesAMemberThroughALearner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, func(o *Options) { o.SnapshotEvery, o.KeepEntries = 10, 2 })
		l := p.leader()
		want := map[string]string{}
		for i := range 30 {
			p.put(l, fmt.Sprint("k", i), "v")
			want[fmt.Sprint("k", i)] = "v"
		}
		gone := l%3 + 1
		p.stop(gone)
		rest := slices.DeleteFunc(slices.Clone(p.ids), func(id NodeID) bool { return id == gone })
		require.NoError(t, p.nodes[l].ChangeMembership(t.Context(), Membership{Voters: rest, Learners: []NodeID{4}}))
		p.ids, p.disks[4] = append(rest, 4), &MemStorage{}
		change := p.change
		p.change = func(o *Options) { change(o); o.Voters = nil } // it learns who is there
		p.start(4)
		p.agree(want)
		require.NoError(t, p.nodes[l].ChangeMembership(t.Context(), Membership{Voters: p.ids}))
		m, err := p.nodes[4].Membership(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, p.ids, m.Voters)
		for _, id := range rest { // the new one counts: it and one other go on
			if id != l {
				p.stop(id)
			}
		}
		p.put(l, "after", "1")
		want["after"] = "1"
		p.agree(want)
	})
}

func TestNodeRemovedLeaderStepsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		p.put(l, "x", "1")
		rest := slices.DeleteFunc(slices.Clone(p.ids), func(id NodeID) bool { return id == l })
		require.NoError(t, p.nodes[l].ChangeMembership(t.Context(), Membership{Voters: rest}))
		next := p.leader(rest...)
		p.put(next, "y", "2")
		term := p.nodes[next].Status().Term
		time.Sleep(20 * time.Second)
		require.Equal(t, term, p.nodes[next].Status().Term, "the removed node disturbs nobody")
		require.Equal(t, Follower, p.nodes[l].Status().Role)
	})
}

func TestNodeSessionExecutesARetriedCommandOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, func(o *Options) { o.SnapshotEvery, o.KeepEntries = 5, 1 })
		l := p.leader()
		s, err := p.nodes[l].Session(t.Context())
		require.NoError(t, err)
		old, err := s.Propose(t.Context(), p.nodes[l], put("x", "1"))
		require.NoError(t, err)
		require.Empty(t, old)

		// The leader is cut off while the command is on its way out: it commits
		// or not, the client cannot know.
		rest := slices.DeleteFunc(slices.Clone(p.ids), func(id NodeID) bool { return id == l })
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		p.network.Cut([]NodeID{l}, rest)
		_, err = s.Propose(ctx, p.nodes[l], put("x", "2"))
		require.ErrorIs(t, err, ErrOutcomeUnknown)
		_, err = s.Propose(t.Context(), p.nodes[l], put("x", "3"))
		require.ErrorIs(t, err, ErrPending, "one at a time")

		next := p.leader(rest...)
		old, err = s.Retry(t.Context(), p.nodes[next])
		require.NoError(t, err)
		require.Equal(t, "1", string(old))
		_, err = s.Retry(t.Context(), p.nodes[next])
		require.ErrorIs(t, err, ErrInvalid)

		// Repeated by hand, over a snapshot and a restart, it is still known.
		for i := range 20 {
			p.put(next, "y", fmt.Sprint(i))
		}
		p.network.Heal()
		for _, id := range p.ids {
			p.stop(id)
		}
		for _, id := range p.ids {
			p.start(id)
		}
		next = p.leader()
		p.put(next, "x", "9")
		s.data = append(binary.AppendUvarint(binary.AppendUvarint(nil, s.id), s.seq), put("x", "2")...)
		old, err = s.Retry(t.Context(), p.nodes[next])
		require.NoError(t, err)
		require.Equal(t, "1", string(old), "the answer of then")
		require.Equal(t, "9", p.states[next].get("x"), "and it did not run again")
	})
}

func TestNodeSessionWaitsForItsTurnNoLongerThanTheContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		s, err := p.nodes[l].Session(t.Context())
		require.NoError(t, err)
		p.network.Cut([]NodeID{l}, p.ids)
		long, end := context.WithCancel(t.Context())
		defer end()
		go s.Propose(long, p.nodes[l], put("a", "1"))
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan error, 2)
		go func() {
			_, err := s.Propose(short, p.nodes[l], put("a", "2"))
			ended <- err
		}()
		go func() {
			_, err := s.Retry(short, p.nodes[l])
			ended <- err
		}()
		time.Sleep(2 * time.Second)
		for range cap(ended) {
			select {
			case err := <-ended:
				require.Equal(t, context.DeadlineExceeded, err, "nothing was done")
			default:
				t.Error("RULE no-silence: a command waits for another of its session, and its context has ended")
			}
		}
	})
}

func TestNodeForgetsTheLeastRecentlyUsedSessionOnEveryNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, func(o *Options) { o.MaxSessions = 2 })
		l := p.leader()
		var ss []*Session
		for range 3 {
			s, err := p.nodes[l].Session(t.Context())
			require.NoError(t, err)
			ss = append(ss, s)
		}
		_, err := ss[0].Propose(t.Context(), p.nodes[l], put("x", "1"))
		require.ErrorIs(t, err, ErrSessionExpired)
		_, err = ss[1].Propose(t.Context(), p.nodes[l], put("x", "1"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		for _, id := range p.ids {
			require.Len(t, p.nodes[id].applier.sessions.byID, 2, "on %s", id)
		}
	})
}

func TestNodeRefusesWhatIsTooLargeOrTooMuch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, func(o *Options) { o.MaxEntryBytes, o.MaxUncommittedBytes = 100, 300 })
		l := p.leader()
		_, err := p.nodes[l].Propose(t.Context(), make([]byte, 101))
		require.ErrorIs(t, err, ErrTooLarge)
		p.network.Cut([]NodeID{l}, p.ids)
		errs := make(chan error, 10)
		for range 10 {
			go func() {
				_, err := p.nodes[l].Propose(t.Context(), put("x", "1"))
				errs <- err
			}()
		}
		require.ErrorIs(t, <-errs, ErrBusy)
		p.network.Heal()
		time.Sleep(10 * time.Second)
		p.put(p.leader(), "x", "2")
	})
}

func TestNodeAnswersNobodyWhoHasGone(t *testing.T) { // the race detector judges
	bubble(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		l := p.leader()
		for range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			_, _ = p.nodes[l].Membership(ctx)
			_, _ = p.nodes[l].Peers(ctx)
			_ = p.nodes[l].ChangeMembership(ctx, Membership{Voters: p.ids})
		}
		synctest.Wait()
		m, err := p.nodes[l].Membership(t.Context())
		require.NoError(t, err)
		require.Equal(t, p.ids, m.Voters)
		peers, err := p.nodes[l].Peers(t.Context())
		require.NoError(t, err)
		require.Len(t, peers, 3)
	})
}
