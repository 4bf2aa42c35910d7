package raft

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// nap puts every core of a group away and builds it again.
func (g *group) nap(change func(*Config)) {
	for _, id := range g.ids {
		cfg := Config{ID: id, Seed: 1}
		if change != nil {
			change(&cfg)
		}
		before := g.cores[id].Status()
		asleep, ok := g.cores[id].Sleep()
		require.True(g.t, ok, "%s does not sleep: %+v", id, before)
		before.First = before.Snapshot + 1 // what was kept for slow followers is given up
		require.Equal(g.t, before, asleep.Status())
		require.Equal(g.t, g.cores[id].Membership(), asleep.Membership())
		core, err := Wake(cfg, asleep)
		require.NoError(g.t, err)
		if after := core.Status(); after != before {
			g.t.Fatalf("RULE sleep-leads: %+v went to sleep, %+v woke", before, after)
		}
		require.False(g.t, core.HasReady(), "%s wakes with something to do", id)
		g.cores[id] = core
	}
}

func TestACoreGoesOnWhereItWasPutAway(t *testing.T) {
	lease := func(c *Config) { c.Lease = 8 }
	for _, change := range []func(*Config){nil, lease} {
		g := newGroup(t, 4, change)
		leader := g.elect()
		g.propose(3)
		g.settle()
		_, _, err := leader.ChangeMembership(Membership{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}})
		require.NoError(t, err)
		g.settle()
		g.tick(leader.cfg.ID)
		term := leader.term
		for round := range 3 {
			g.nap(change)
			g.propose(2)
			g.settle()
			g.tick(g.leader().cfg.ID)
			if l := g.leader(); l == nil || l.cfg.ID != leader.cfg.ID || l.term != term {
				t.Errorf("RULE sleep-leads: after nap %d %v leads, %s of term %d led", round, l, leader.cfg.ID, term)
			}
			require.Equal(t, []NodeID{4}, g.leader().Membership().Learners)
		}
		for _, id := range g.ids {
			require.Len(t, g.log[id], len(g.log[1]))
		}
		// Cut the log, and again: what sleeps is short then.
		for _, c := range g.cores {
			st := c.Status()
			require.NoError(t, c.Compact(Snapshot{Index: st.Applied, Term: st.Term}, st.Applied-2))
		}
		g.nap(change)
		g.propose(1)
		g.settle()
		require.Equal(t, g.leader().log.commit, g.leader().log.last())
	}
}

func TestOnlyASettledCoreSleeps(t *testing.T) {
	busy := map[string]func(g *group, l *Core){
		"an entry is not committed": func(g *group, l *Core) {
			l.Propose([]byte("x"))
			for l.HasReady() {
				l.Synced(l.Ready().Seq)
			}
		},
		"an entry is not applied": func(g *group, l *Core) {
			g.store = func(NodeID, Ready) {}
			l.Propose([]byte("x"))
			g.settle()
			l.log.applied--
		},
		"an entry is not durable": func(g *group, l *Core) { l.log.durable-- },
		"a write is under way":    func(g *group, l *Core) { l.out.writes = append(l.out.writes, write{}) },
		"a read waits": func(g *group, l *Core) {
			l.ReadIndex(1)
			l.Ready()
		},
		"there is something to send": func(g *group, l *Core) { l.Tick() },
		"leadership is given away": func(g *group, l *Core) {
			g.cut[2], g.cut[3] = true, true
			l.TransferLeadership(g.ids[l.cfg.ID%3])
			g.settle()
		},
		"it has no leader": func(g *group, l *Core) { l.becomeFollower(l.term, None); l.Ready() },
	}
	for name, disturb := range busy {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t, 3, nil)
			leader := g.elect()
			g.tick(leader.cfg.ID)
			_, ok := leader.Sleep()
			require.True(t, ok)
			disturb(g, leader)
			if _, ok := leader.Sleep(); ok {
				t.Errorf("RULE sleep-settled: it sleeps although %s", name)
			}
		})
	}
}

// An answer to a round of before the sleep must not confirm one after it.
func TestRoundsGoOnAfterASleep(t *testing.T) {
	g := newGroup(t, 3, nil)
	leader := g.elect()
	g.tick(leader.cfg.ID)
	read := func() (round uint64) {
		c := g.cores[leader.cfg.ID]
		require.NoError(t, c.ReadIndex(uint64(c.reads.newest()+1)))
		rd := c.Ready()
		g.wire = append(g.wire, rd.Messages...)
		return c.reads.newest()
	}
	first := read()
	g.settle()
	g.nap(nil)
	if second := read(); second <= first {
		t.Errorf("RULE sleep-rounds: round %d comes after round %d", second, first)
	}
}

func TestALeaseEndsWithTheSleep(t *testing.T) {
	lease := func(c *Config) { c.Lease = 8 }
	g := newGroup(t, 3, lease)
	leader := g.elect()
	for range 3 {
		g.tick(leader.cfg.ID)
	}
	require.True(t, leader.HasLease())
	g.nap(lease)
	leader = g.leader()
	if leader.HasLease() {
		t.Errorf("RULE sleep-lease: a leader that has slept holds a lease")
	}
	g.tick(leader.cfg.ID)
	require.True(t, leader.HasLease(), "it can hold one again")
	// Given up for the term, it stays given up: the word to campaign may arrive late.
	heir := g.ids[leader.cfg.ID%3]
	g.cut[heir] = true
	require.NoError(t, leader.TransferLeadership(heir))
	require.Equal(t, heir, leader.Transferee())
	for range 12 {
		g.tick(leader.cfg.ID)
	}
	g.cut[heir] = false
	g.tick(leader.cfg.ID)
	require.Equal(t, Leader, leader.role)
	require.Equal(t, None, leader.Transferee())
	g.nap(lease)
	leader = g.leader()
	for range 3 {
		g.tick(leader.cfg.ID)
	}
	if leader.HasLease() {
		t.Errorf("RULE sleep-lease: a lease that was given up for the term is back after a sleep")
	}
}

// A restarted node with leases gives no vote for a while; one that has slept
// before that was over has still given none.
func TestAQuietNodeStaysQuietInItsSleep(t *testing.T) {
	cfg := Config{ID: 2, Voters: []NodeID{1, 2, 3}, Lease: 8}
	c, err := NewCore(cfg, State{HardState: HardState{Term: 1}})
	require.NoError(t, err)
	require.NoError(t, c.Step(Message{Type: AppendEntries, From: 1, To: 2, Term: 1}))
	c.Synced(c.Ready().Seq)
	asleep, ok := c.Sleep()
	require.True(t, ok)
	c, err = Wake(cfg, asleep)
	require.NoError(t, err)
	if !c.quiet() {
		t.Errorf("RULE sleep-quiet: a node that had just restarted votes after a sleep")
	}
}

func TestAGroupThatHasJustBegunElectsAtOnce(t *testing.T) {
	g := &group{t: t, cores: map[NodeID]*Core{}, cut: map[NodeID]bool{}, log: map[NodeID][]Entry{}, ids: []NodeID{1, 2, 3}}
	for _, id := range g.ids {
		c, err := Begin(Config{ID: id, Lease: 8}, Snapshot{Index: 1, Membership: Membership{Voters: g.ids}})
		require.NoError(t, err)
		g.cores[id] = c
	}
	g.cores[2].Campaign()
	g.settle()
	require.Equal(t, Leader, g.cores[2].role)
	g.propose(1)
	g.settle()
	require.Equal(t, uint64(3), g.log[3][1].Index)
	g.cores[2].Campaign()
	g.cores[1].Campaign() // who leads, or knows a leader, does nothing
	g.settle()
	require.Equal(t, Leader, g.cores[2].role)
	term, known := g.cores[1].TermAt(1)
	require.True(t, known)
	require.Zero(t, term)
}
