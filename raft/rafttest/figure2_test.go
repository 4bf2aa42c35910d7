package rafttest_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

// The required rules and those of Capabilities.Figure2 ask for Figure 2 of the
// paper and no more: here is a core that follows it to the letter, with no empty
// entry, no hint and no window. It has one write at a time under way, and all
// that it sends waits for that.
type figure2 struct {
	cfg              raft.Config
	role             raft.Role
	leader           raft.NodeID
	elapsed, timeout int
	random           uint64

	// Persistent state: currentTerm, votedFor, log[].
	term     uint64
	votedFor raft.NodeID
	log      []raft.Entry // entry i is log[i-1]

	// Volatile state: commitIndex, lastApplied; on leaders nextIndex[] and
	// matchIndex[].
	commit, handed, applied uint64
	next, match             map[raft.NodeID]uint64
	votes                   map[raft.NodeID]bool

	out     []raft.Message
	seq     uint64
	writing bool
	held    raft.HardState // as given to the disk
	saved   uint64         // entries given to the disk
	durable uint64         // of these, on it
}

func newFigure2(cfg raft.Config, st raft.State) (rafttest.Core, error) {
	n := uint64(len(st.Entries))
	c := &figure2{
		cfg: cfg, random: cfg.Seed*31 + uint64(cfg.ID)*17, term: st.HardState.Term, votedFor: st.HardState.VotedFor,
		log: st.Entries, saved: n, durable: n, held: st.HardState,
		commit: max(st.HardState.Commit, cfg.Applied), handed: cfg.Applied, applied: cfg.Applied,
	}
	c.resetTimer()
	return c, nil
}

func (c *figure2) resetTimer() {
	c.random = c.random*6364136223846793005 + 1442695040888963407
	c.elapsed, c.timeout = 0, c.cfg.ElectionTicks+int(c.random>>33)%c.cfg.ElectionTicks
}

func (c *figure2) last() uint64 { return uint64(len(c.log)) }

// at is the term of entry i; entry 0 is of term 0.
func (c *figure2) at(i uint64) uint64 {
	if i == 0 {
		return 0
	}
	return c.log[i-1].Term
}

func (c *figure2) send(m raft.Message) {
	m.From, m.Term = c.cfg.ID, c.term
	c.out = append(c.out, m)
}

func (c *figure2) toOthers(send func(to raft.NodeID)) {
	for _, id := range c.cfg.Voters {
		if id != c.cfg.ID {
			send(id)
		}
	}
}

func (c *figure2) Tick() {
	c.elapsed++
	switch {
	case c.role == raft.Leader:
		c.toOthers(c.replicate)
	case c.elapsed >= c.timeout:
		c.role, c.leader, c.votes = raft.Candidate, raft.None, map[raft.NodeID]bool{}
		c.term++
		c.votedFor = c.cfg.ID
		c.resetTimer()
		c.toOthers(func(to raft.NodeID) {
			c.send(raft.Message{Type: raft.RequestVote, To: to, Index: c.last(), LogTerm: c.at(c.last())})
		})
	}
}

// replicate sends what follows nextIndex, nothing as a heartbeat.
func (c *figure2) replicate(to raft.NodeID) {
	prev := c.next[to] - 1
	c.send(raft.Message{
		Type: raft.AppendEntries, To: to, Index: prev, LogTerm: c.at(prev), Commit: c.commit, Entries: slices.Clone(c.log[prev:]),
	})
}

func (c *figure2) Step(m raft.Message) error {
	if m.Term > c.term {
		c.term, c.votedFor, c.role, c.leader = m.Term, raft.None, raft.Follower, raft.None
	}
	switch m.Type {
	case raft.RequestVote:
		ours := c.at(c.last())
		grant := m.Term == c.term && (c.votedFor == raft.None || c.votedFor == m.From) &&
			(m.LogTerm > ours || m.LogTerm == ours && m.Index >= c.last())
		if grant {
			c.votedFor = m.From
			c.resetTimer()
		}
		c.send(raft.Message{Type: raft.RequestVoteReply, To: m.From, Reject: !grant})
	case raft.RequestVoteReply:
		if c.role == raft.Candidate && m.Term == c.term && !m.Reject {
			c.voted(m.From)
		}
	case raft.AppendEntries:
		c.appendEntries(m)
	case raft.AppendEntriesReply:
		if c.role == raft.Leader && m.Term == c.term {
			c.answered(m)
		}
	}
	return nil
}

func (c *figure2) voted(from raft.NodeID) {
	c.votes[from] = slices.Contains(c.cfg.Voters, from)
	n := 0
	for _, yes := range c.votes {
		if yes {
			n++
		}
	}
	if n <= len(c.cfg.Voters)/2 {
		return
	}
	c.role, c.leader = raft.Leader, c.cfg.ID
	c.next, c.match = map[raft.NodeID]uint64{}, map[raft.NodeID]uint64{}
	c.toOthers(func(to raft.NodeID) {
		c.next[to] = c.last() + 1
		c.replicate(to)
	})
}

func (c *figure2) appendEntries(m raft.Message) {
	reply := raft.Message{Type: raft.AppendEntriesReply, To: m.From, Reject: true, Index: m.Index}
	if m.Term == c.term && c.role != raft.Leader {
		c.role, c.leader, c.elapsed = raft.Follower, m.From, 0
		if m.Index <= c.last() && c.at(m.Index) == m.LogTerm {
			for _, e := range m.Entries {
				if e.Index <= c.last() && c.at(e.Index) == e.Term {
					continue
				}
				if e.Index <= c.last() { // a conflict
					c.log = slices.Clone(c.log[:e.Index-1])
					c.saved, c.durable = min(c.saved, c.last()), min(c.durable, c.last())
				}
				c.log = append(c.log, e)
			}
			reply.Reject, reply.Index = false, m.Index+uint64(len(m.Entries))
			c.commit = max(c.commit, min(m.Commit, reply.Index))
		}
	}
	c.send(reply)
}

func (c *figure2) answered(m raft.Message) {
	switch {
	case !m.Reject:
		c.match[m.From] = max(c.match[m.From], m.Index)
		c.next[m.From] = max(c.next[m.From], m.Index+1)
		c.count()
		if c.next[m.From] <= c.last() {
			c.replicate(m.From)
		}
	case m.Index == c.next[m.From]-1 && m.Index > c.match[m.From]:
		c.next[m.From]--
		c.replicate(m.From)
	}
}

// count commits what a majority holds, if it is of this term (§5.4.2).
func (c *figure2) count() {
	for i := c.last(); i > c.commit && c.at(i) == c.term; i-- {
		n := 0
		for _, id := range c.cfg.Voters {
			if c.match[id] >= i || id == c.cfg.ID && c.durable >= i {
				n++
			}
		}
		if n > len(c.cfg.Voters)/2 {
			c.commit = i
		}
	}
}

func (c *figure2) Propose(commands ...[]byte) (index, term uint64, err error) {
	if c.role != raft.Leader {
		return 0, 0, &raft.NotLeaderError{Leader: c.leader}
	}
	index = c.last() + 1
	for _, data := range commands {
		c.log = append(c.log, raft.Entry{Index: c.last() + 1, Term: c.term, Data: data})
	}
	c.toOthers(c.replicate)
	return index, c.term, nil
}

func (c *figure2) hard() raft.HardState {
	return raft.HardState{Term: c.term, VotedFor: c.votedFor, Commit: c.commit}
}

func (c *figure2) applicable() uint64 { return min(c.commit, c.durable) }

func (c *figure2) HasReady() bool {
	return !c.writing && (len(c.out) > 0 || c.held != c.hard() || c.saved < c.last() || c.handed < c.applicable())
}

func (c *figure2) Ready() raft.Ready {
	c.seq++
	rd := raft.Ready{Seq: c.seq, HardState: c.hard(), Entries: slices.Clone(c.log[c.saved:]), AfterSync: c.out}
	rd.MustSync = len(rd.Entries) > 0 || c.held.Term != c.term || c.held.VotedFor != c.votedFor
	rd.Committed = slices.Clone(c.log[c.handed:max(c.handed, c.applicable())])
	c.writing, c.out, c.held, c.saved, c.handed = true, nil, c.hard(), c.last(), max(c.handed, c.applicable())
	return rd
}

func (c *figure2) Synced(uint64) {
	c.writing, c.durable = false, c.saved
	switch {
	case c.role == raft.Candidate && c.held.Term == c.term && c.held.VotedFor == c.cfg.ID:
		c.voted(c.cfg.ID)
	case c.role == raft.Leader:
		c.count()
	}
}

func (c *figure2) Applied(index uint64) { c.applied = index }

func (c *figure2) Status() raft.Status {
	return raft.Status{
		ID: c.cfg.ID, Role: c.role, Term: c.term, VotedFor: c.votedFor, Leader: c.leader, Commit: c.commit, Applied: c.applied,
		First: 1, Last: c.last(), LastTerm: c.at(c.last()), Durable: c.durable,
	}
}

func (c *figure2) ReadIndex(uint64) error              { return errors.ErrUnsupported }
func (c *figure2) Compact(raft.Snapshot, uint64) error { return errors.ErrUnsupported }

func TestKitPassesFigure2ToTheLetter(t *testing.T) {
	results := rafttest.Grade(rafttest.Implementation{
		Name: "figure 2", NewCore: newFigure2, Claims: rafttest.Capabilities{Figure2: true},
	})
	require.Greater(t, len(results), 45)
	for _, r := range results {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
}

// What Figure 2 does not have is seen, not stumbled over.
func TestKitFailsFigure2WhatItDoesNotHave(t *testing.T) {
	for _, r := range rafttest.Grade(rafttest.Implementation{
		Name: "figure 2", NewCore: newFigure2,
		Claims: rafttest.Capabilities{NoOp: true, PreVote: true, CheckQuorum: true, FastBackup: true, LogProbes: true},
	}) {
		switch r.Rule.ID {
		case "noop-at-start", "prevote-first", "prevote-returns", "isolated-leader-stops", "sticky-follower",
			"one-probe-per-term", "one-probe-for-gap", "probes-logarithmic":
			require.ErrorContains(t, r.Err, "RULE "+r.Rule.ID+": ")
		}
	}
}
