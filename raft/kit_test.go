package raft_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

func newCore(cfg raft.Config, st raft.State) (rafttest.Core, error) { return raft.NewCore(cfg, st) }

var everything = rafttest.Capabilities{
	PreVote: true, CheckQuorum: true, FastBackup: true, Pipeline: true, Snapshots: true, ReadIndex: true,
}

func TestKit(t *testing.T) {
	rafttest.Run(t, rafttest.Implementation{
		Name: "raft.NewCore", Claims: everything, NewCore: newCore, NewCluster: newLoop, Virtual: true,
	})
}

// An implementation that claims nothing is graded by the required rules alone,
// and by all of them.
func TestKitGradesOnlyWhatIsClaimed(t *testing.T) {
	modest := rafttest.Implementation{Name: "modest", NewCore: newCore}
	rafttest.Run(t, modest)
	var graded, required []string
	for _, r := range rafttest.Grade(modest) {
		require.NoError(t, r.Err)
		graded = append(graded, r.Rule.ID)
	}
	for _, r := range rafttest.Rules() {
		if r.Capability == "" {
			required = append(required, r.ID)
		}
	}
	require.Equal(t, required, graded)
}

// A kit is worth nothing if a stub passes: each rule must ask for something
// good to happen, beside the bad that must not.
func TestKitPassesNoRuleToACoreThatDoesNothing(t *testing.T) {
	results := rafttest.Grade(rafttest.Implementation{
		Name: "idle", Claims: everything,
		NewCore: func(cfg raft.Config, _ raft.State) (rafttest.Core, error) { return idle{id: cfg.ID}, nil },
	})
	require.Greater(t, len(results), 60)
	for _, r := range results {
		if err := r.Err; err == nil {
			t.Errorf("rule %s passes a core that does nothing", r.Rule.ID)
		} else {
			require.True(t, strings.HasPrefix(err.Error(), "RULE "+r.Rule.ID+": "), "%v", err)
		}
	}
}

// A core that agrees to everything passes what asks for agreement, and fails
// each rule of which the point is to refuse.
func TestKitFailsACoreThatAgreesToEverything(t *testing.T) {
	failed := map[string]bool{}
	for _, r := range rafttest.Grade(rafttest.Implementation{
		Name: "yes", Claims: everything,
		NewCore: func(cfg raft.Config, _ raft.State) (rafttest.Core, error) { return &yes{idle: idle{id: cfg.ID}}, nil },
	}) {
		failed[r.Rule.ID] = r.Err != nil
	}
	for _, id := range []string{
		"vote-once", "log-up-to-date", "vote-after-sync", "stale-term", "append-consistency", "ack-after-sync",
		"prevote-old-log", "sticky-follower", "snapshot-ack-after-sync", "read-needs-majority",
	} {
		require.True(t, failed[id], "rule %s passes a core that agrees to everything", id)
	}
}

func TestRulesHaveDistinctIDsAndSayWhatTheyAsk(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rafttest.Rules() {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
		require.NotEmpty(t, r.Section, r.ID)
		require.True(t, strings.HasSuffix(r.Text, "."), r.ID)
	}
}

// idle is a core that does nothing.
type idle struct{ id raft.NodeID }

func (idle) Tick()                                             {}
func (idle) Step(raft.Message) error                           { return nil }
func (idle) Propose(...[]byte) (index, term uint64, err error) { return 0, 0, nil }
func (idle) HasReady() bool                                    { return false }
func (idle) Ready() raft.Ready                                 { return raft.Ready{} }
func (idle) Synced(uint64)                                     {}
func (idle) Applied(uint64)                                    {}
func (c idle) Status() raft.Status                             { return raft.Status{ID: c.id} }
func (idle) ReadIndex(uint64) error                            { return nil }
func (idle) Compact(raft.Snapshot, uint64) error               { return nil }

// yes says yes to every question, and remembers nothing.
type yes struct {
	idle
	out   []raft.Message
	reads []raft.Read
}

func (c *yes) Step(m raft.Message) error {
	r := raft.Message{From: c.id, To: m.From, Term: m.Term, Index: m.Index + uint64(len(m.Entries)), Round: m.Round}
	switch m.Type {
	case raft.RequestVote, raft.RequestPreVote, raft.AppendEntries:
		r.Type = m.Type + 1
	case raft.InstallSnapshot:
		r.Type, r.Index = raft.AppendEntriesReply, m.Snapshot.Index
	default:
		return nil
	}
	c.out = append(c.out, r)
	return nil
}

func (c *yes) ReadIndex(id uint64) error {
	c.reads = append(c.reads, raft.Read{ID: id})
	return nil
}

func (c *yes) HasReady() bool { return len(c.out)+len(c.reads) > 0 }

func (c *yes) Ready() raft.Ready {
	rd := raft.Ready{Messages: c.out, Reads: c.reads}
	c.out, c.reads = nil, nil
	return rd
}

// loop is the smallest shell that makes a Cluster of step cores: one lock, one
// goroutine that ticks all nodes, and a network that delivers at once.
type loop struct {
	mu     sync.Mutex
	ids    []raft.NodeID
	nodes  map[raft.NodeID]*loopNode
	side   map[raft.NodeID]int // nodes of one side hear each other
	wire   []raft.Message
	stop   chan struct{}
	ticker sync.WaitGroup
	closed sync.Once
}

type loopNode struct {
	core    rafttest.Core // nil while it is down
	storage raft.MemStorage
	applied [][]byte
	waiting map[uint64]waiter // by the index proposed
}

type waiter struct {
	term uint64
	done chan error
}

func newLoop(voters []raft.NodeID) (rafttest.Cluster, error) {
	l := &loop{ids: voters, nodes: map[raft.NodeID]*loopNode{}, side: map[raft.NodeID]int{}, stop: make(chan struct{})}
	for _, id := range voters {
		l.nodes[id] = &loopNode{}
		if err := l.Restart(id); err != nil {
			return nil, err
		}
	}
	l.ticker.Go(l.run)
	return l, nil
}

func (l *loop) run() {
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticks.C:
		}
		l.mu.Lock()
		for _, id := range l.ids {
			if n := l.nodes[id]; n.core != nil {
				n.core.Tick()
			}
		}
		l.settle()
		l.mu.Unlock()
	}
}

func (l *loop) settle() {
	for again := true; again; {
		again = false
		for _, id := range l.ids {
			for n := l.nodes[id]; n.core != nil && n.core.HasReady(); again = true {
				l.handle(n, n.core.Ready())
			}
		}
		wire := l.wire
		l.wire = nil
		for _, m := range wire {
			if to := l.nodes[m.To]; to.core != nil && l.side[m.From] == l.side[m.To] {
				_ = to.core.Step(m) // a refused message is as good as lost
				again = true
			}
		}
	}
}

func (l *loop) handle(n *loopNode, rd raft.Ready) {
	_ = n.storage.Save(rd.HardState, rd.Entries, rd.MustSync) // memory does not fail
	l.wire = append(append(l.wire, rd.Messages...), rd.AfterSync...)
	n.core.Synced(rd.Seq)
	for _, e := range rd.Committed {
		if e.Type == raft.EntryCommand {
			n.applied = append(n.applied, e.Data)
		}
		if w, ok := n.waiting[e.Index]; ok {
			delete(n.waiting, e.Index)
			if w.term == e.Term {
				w.done <- nil
			} else {
				w.done <- raft.ErrDropped
			}
		}
		n.core.Applied(e.Index)
	}
}

func (l *loop) Propose(ctx context.Context, id raft.NodeID, command []byte) error {
	l.mu.Lock()
	n := l.nodes[id]
	if n.core == nil {
		l.mu.Unlock()
		return raft.ErrStopped
	}
	index, term, err := n.core.Propose(command)
	if err != nil {
		l.mu.Unlock()
		return err
	}
	done := make(chan error, 1)
	n.waiting[index] = waiter{term, done}
	l.settle()
	l.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.Join(raft.ErrOutcomeUnknown, ctx.Err())
	}
}

func (l *loop) Leader(id raft.NodeID) raft.NodeID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.nodes[id]; n.core != nil {
		return n.core.Status().Leader
	}
	return raft.None
}

func (l *loop) Applied(id raft.NodeID) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.nodes[id].applied)
}

func (l *loop) Partition(groups ...[]raft.NodeID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for side, ids := range groups {
		for _, id := range ids {
			l.side[id] = side
		}
	}
	return nil
}

func (l *loop) Crash(id raft.NodeID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.nodes[id]
	for w := range maps.Values(n.waiting) {
		w.done <- raft.ErrOutcomeUnknown
	}
	n.core, n.applied, n.waiting = nil, nil, nil
	return nil
}

func (l *loop) Restart(id raft.NodeID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.nodes[id]
	st, err := n.storage.Load()
	if err != nil {
		return err
	}
	core, err := newCore(raft.Config{ID: id, Voters: l.ids, Seed: 1}, st)
	if err == nil {
		n.core, n.waiting = core, map[uint64]waiter{}
	}
	return err
}

func (l *loop) Close() error {
	l.closed.Do(func() { close(l.stop) })
	l.ticker.Wait()
	return nil
}
