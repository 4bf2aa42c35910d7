package raft

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// group is a cluster in lockstep: messages arrive at once and in order, disks
// never fail. It is the smallest world in which the core's rules show.
type group struct {
	t     testing.TB
	cores map[NodeID]*Core
	ids   []NodeID
	cut   map[NodeID]bool // takes no part in the traffic
	wire  []Message
	log   map[NodeID][]Entry // applied
	store func(NodeID, Ready)
	sent  int
}

func newGroup(t testing.TB, n int, change func(*Config)) *group {
	g := &group{t: t, cores: map[NodeID]*Core{}, cut: map[NodeID]bool{}, log: map[NodeID][]Entry{}}
	for i := range n {
		g.ids = append(g.ids, NodeID(i+1))
	}
	for _, id := range g.ids {
		cfg := Config{ID: id, Voters: g.ids, Seed: 1}
		if change != nil {
			change(&cfg)
		}
		c, err := NewCore(cfg, State{})
		require.NoError(t, err)
		g.cores[id] = c
	}
	return g
}

// settle delivers until nothing is left to say.
func (g *group) settle() {
	for range 10000 {
		for _, id := range g.ids {
			for g.cores[id].HasReady() {
				g.handle(id, g.cores[id].Ready())
			}
		}
		if len(g.wire) == 0 {
			return
		}
		wire := g.wire
		g.wire = nil
		for _, m := range wire {
			if !g.cut[m.From] && !g.cut[m.To] {
				g.sent++
				require.NoError(g.t, g.cores[m.To].Step(m))
			}
		}
	}
	g.t.Fatal("the cluster does not settle")
}

func (g *group) handle(id NodeID, rd Ready) {
	if g.store != nil {
		g.store(id, rd)
	}
	g.wire = append(append(g.wire, rd.Messages...), rd.AfterSync...)
	g.log[id] = append(g.log[id], rd.Committed...)
	g.cores[id].Synced(rd.Seq)
	if n := len(rd.Committed); n > 0 {
		g.cores[id].Applied(rd.Committed[n-1].Index)
	}
}

func (g *group) tick(ids ...NodeID) {
	for _, id := range ids {
		g.cores[id].Tick()
	}
	g.settle()
}

func (g *group) leader() *Core {
	for _, id := range g.ids {
		if c := g.cores[id]; c.role == Leader && !g.cut[id] {
			return c
		}
	}
	return nil
}

func (g *group) elect() *Core {
	for range 200 {
		if l := g.leader(); l != nil {
			return l
		}
		for _, id := range g.ids {
			if !g.cut[id] {
				g.tick(id)
			}
		}
	}
	g.t.Fatal("no leader in 200 ticks")
	return nil
}

func (g *group) propose(n int) {
	l := g.leader()
	for i := range n {
		_, _, err := l.Propose(fmt.Appendf(nil, "x%d", i))
		require.NoError(g.t, err)
	}
	g.settle()
}

func TestClusterElectsAndCommits(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 7} {
		g := newGroup(t, n, nil)
		g.elect()
		g.propose(10)
		for _, id := range g.ids {
			require.Len(t, g.log[id], 11, "the no-op and ten commands on %s", id)
			require.Equal(t, g.log[1], g.log[id])
		}
	}
}

// Logs longer than a chunk: messages and batches end where a chunk does, what
// is stored does not; a follower that was away gets all of it, and loses what
// the others never had.
func TestLogsOfManyChunksAreTheSameEverywhere(t *testing.T) {
	g := newGroup(t, 3, func(c *Config) { c.MaxUncommittedBytes = 1 << 30 })
	stored := map[NodeID]*MemStorage{1: {}, 2: {}, 3: {}}
	g.store = func(id NodeID, rd Ready) { require.NoError(t, stored[id].Save(rd.HardState, rd.Entries, rd.MustSync)) }
	old := g.elect()
	g.propose(100)
	g.cut[old.cfg.ID] = true
	for range 2*chunkEntries/1000 + 1 {
		_, _, err := old.Propose(make([][]byte, 1000)...) // to be lost
		require.NoError(t, err)
		g.settle()
	}
	next := g.elect()
	for range 5 {
		_, _, err := next.Propose(make([][]byte, chunkEntries/2+7)...)
		require.NoError(t, err)
		g.settle()
	}
	require.NoError(t, next.Compact(Snapshot{Index: chunkEntries + 50, Term: next.term, Membership: next.Membership()}, 50))
	g.cut[old.cfg.ID] = false
	for range 30 {
		g.tick(g.ids...)
	}
	g.propose(3)
	want := g.log[next.cfg.ID]
	require.Greater(t, len(want), 2*chunkEntries)
	for _, id := range g.ids {
		require.Equal(t, len(want), len(g.log[id]))
		st, err := stored[id].Load()
		require.NoError(t, err)
		for i := range want {
			require.Equal(t, want[i].Term, g.log[id][i].Term, "RULE log-in-chunks: entry %d of %s", i+1, id)
			require.Equal(t, want[i].Term, st.Entries[i].Term, "RULE log-in-chunks: stored entry %d of %s", i+1, id)
		}
	}
}

func TestNewCoreRefusesStateThatNoNodeWrote(t *testing.T) {
	cfg := Config{ID: 1, Voters: []NodeID{1, 2, 3}}
	snap := &Snapshot{Index: 5, Term: 2, Membership: Membership{Voters: cfg.Voters}}
	for name, st := range map[string]State{
		"a gap":                   {HardState: HardState{Term: 9}, Entries: append(entries(1, 1), entries(3, 1)...)},
		"falling terms":           {HardState: HardState{Term: 9}, Entries: entries(1, 2, 1)},
		"a term never entered":    {HardState: HardState{Term: 1}, Entries: entries(1, 2)},
		"commit beyond the log":   {HardState: HardState{Term: 9, Commit: 3}, Entries: entries(1, 1)},
		"log apart from snapshot": {HardState: HardState{Term: 9}, Snapshot: snap, Entries: entries(7, 2)},
		"log of another history":  {HardState: HardState{Term: 9}, Snapshot: snap, Entries: entries(4, 1, 1, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCore(cfg, st)
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
	c, err := NewCore(cfg, State{HardState: HardState{Term: 2, Commit: 6}, Snapshot: snap, Entries: entries(3, 1, 2, 2, 2)})
	require.NoError(t, err)
	st := c.Status()
	require.Equal(t, uint64(4), st.First, "entries the snapshot covers serve slow followers")
	require.Equal(t, uint64(6), st.Last)
	require.Equal(t, uint64(5), st.Applied)
	require.Equal(t, uint64(6), st.Commit)
}

func TestStepRefusesMessagesNoCorrectPeerSends(t *testing.T) {
	g := newGroup(t, 3, nil)
	l := g.elect()
	for name, tc := range map[string]struct {
		m    Message
		want error
	}{
		"for another node":    {Message{Type: AppendEntries, From: 2, To: 9, Term: 1}, ErrMisaddressed},
		"from itself":         {Message{Type: AppendEntries, From: l.cfg.ID, To: l.cfg.ID, Term: 1}, ErrMisaddressed},
		"of no kind":          {Message{Type: numMessageTypes, From: 9, To: l.cfg.ID}, ErrMisaddressed},
		"entries with a gap":  {Message{Type: AppendEntries, From: 9, To: l.cfg.ID, Term: 9, Index: 1, LogTerm: 1, Entries: entries(3, 2)}, ErrCorrupt},
		"entries from future": {Message{Type: AppendEntries, From: 9, To: l.cfg.ID, Term: 2, Index: 1, LogTerm: 1, Entries: entries(2, 3)}, ErrCorrupt},
		"no snapshot":         {Message{Type: InstallSnapshot, From: 9, To: l.cfg.ID, Term: 9}, ErrCorrupt},
		"a second leader":     {Message{Type: AppendEntries, From: 9, To: l.cfg.ID, Term: l.term}, ErrCorrupt},
		"an ack of nothing":   {Message{Type: AppendEntriesReply, From: l.cfg.ID%3 + 1, To: l.cfg.ID, Term: l.term, Index: 99}, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			before := l.Status()
			require.ErrorIs(t, l.Step(tc.m), tc.want)
			require.Equal(t, before, l.Status(), "a refused message changes nothing")
		})
	}
}

// What a commit gives back must have been taken before, or the bound grows with
// each change of membership.
func TestChangesOfMembershipCountAsUncommittedWhileTheyAre(t *testing.T) {
	g := newGroup(t, 3, nil)
	g.cores[1].Campaign()
	g.settle()
	c := g.cores[1]
	for i := range 10 {
		m := Membership{Voters: g.ids}
		if i%2 == 0 {
			m = Membership{Voters: g.ids[:2], Learners: g.ids[2:]}
		}
		_, _, err := c.ChangeMembership(m)
		require.NoError(t, err)
		g.settle()
		require.Equal(t, c.log.last(), c.log.commit)
		require.Zero(t, c.uncommitted, "RULE uncommitted-bounded: %d changes are committed, and so is all else", i+1)
	}
}
