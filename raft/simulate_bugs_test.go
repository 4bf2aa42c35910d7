package raft_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

var simPower = flag.Uint64("power", 0, "count in how many of so many seeds each planted bug is found")

// Cores and storages with a bug each, around the sound ones.

// forgetsVote starts without the vote that its disk holds, and hides that from
// the disk.
type forgetsVote struct {
	rafttest.Core
	kept raft.HardState
}

func (c *forgetsVote) Ready() raft.Ready {
	rd := c.Core.Ready()
	if h := &rd.HardState; h.Term == c.kept.Term && c.kept.VotedFor != raft.None {
		h.VotedFor = c.kept.VotedFor
	}
	return rd
}

type promisesEarly struct{ rafttest.Core }

func (c promisesEarly) Ready() raft.Ready {
	rd := c.Core.Ready()
	rd.Messages, rd.AfterSync = slices.Concat(rd.Messages, rd.AfterSync), nil
	return rd
}

type readsAtOnce struct {
	rafttest.Core
	reads []raft.Read
}

func (c *readsAtOnce) ReadIndex(id uint64) error {
	st := c.Status()
	if st.Role != raft.Leader {
		return &raft.NotLeaderError{Leader: st.Leader}
	}
	c.reads = append(c.reads, raft.Read{ID: id, Index: st.Commit})
	return nil
}

func (c *readsAtOnce) HasReady() bool { return len(c.reads) > 0 || c.Core.HasReady() }

func (c *readsAtOnce) Ready() raft.Ready {
	rd := c.Core.Ready()
	rd.Reads = slices.Concat(rd.Reads, c.reads)
	c.reads = nil
	return rd
}

type appliesTwice struct {
	rafttest.Core
	again []raft.Entry
}

func (c *appliesTwice) Ready() raft.Ready {
	rd := c.Core.Ready()
	rd.Committed = slices.Concat(c.again, rd.Committed)
	c.again = nil
	if n := len(rd.Committed); n > 1 {
		c.again = rd.Committed[n-1:]
	}
	return rd
}

type deafToTime struct{ rafttest.Core }

func (deafToTime) Tick() {}

type panics struct{ rafttest.Core }

func (panics) Compact(raft.Snapshot, uint64) error { panic("planted") }

type neverSyncs struct{ raft.Storage }

func (s neverSyncs) Save(hs raft.HardState, entries []raft.Entry, _ bool) error {
	return s.Storage.Save(hs, entries, false)
}

type staleSnapshots struct {
	raft.Storage
	data []byte
}

func (s *staleSnapshots) SaveSnapshot(snap raft.Snapshot) error {
	data := snap.Data
	if s.data != nil {
		snap.Data = s.data
	}
	s.data = data
	return s.Storage.SaveSnapshot(snap)
}

// misreads takes every membership in the log for another. What it stores and
// sends is the true one, so that the bug does not show before it hurts.
type misreads struct {
	*raft.Core
	view func(raft.Membership) raft.Membership
	real map[[2]uint64][]byte // by index and term
}

func (c *misreads) look(entries []raft.Entry) []raft.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		if m, err := raft.DecodeMembership(e.Data); e.Type == raft.EntryMembership && err == nil {
			c.real[[2]uint64{e.Index, e.Term}] = e.Data
			e.Data = encodeMembership(c.view(m))
		}
	}
	return entries
}

func (c *misreads) Step(m raft.Message) error {
	m.Entries = c.look(m.Entries)
	return c.Core.Step(m)
}

func (c *misreads) Ready() raft.Ready {
	return rewritten(c.Core.Ready(), func(e *raft.Entry) {
		if data, ok := c.real[[2]uint64{e.Index, e.Term}]; ok {
			e.Data = data
		}
	})
}

// rewritten changes the memberships in a Ready.
func rewritten(rd raft.Ready, change func(*raft.Entry)) raft.Ready {
	all := func(entries []raft.Entry) []raft.Entry {
		entries = slices.Clone(entries)
		for i := range entries {
			if entries[i].Type == raft.EntryMembership {
				change(&entries[i])
			}
		}
		return entries
	}
	rd.Entries, rd.Committed = all(rd.Entries), all(rd.Committed)
	for _, messages := range [][]raft.Message{rd.Messages, rd.AfterSync} {
		for i := range messages {
			messages[i].Entries = all(messages[i].Entries)
		}
	}
	return rd
}

// encodeMembership writes what raft.DecodeMembership reads.
func encodeMembership(m raft.Membership) []byte {
	b := []byte{1}
	for _, set := range [][]raft.NodeID{m.Voters, m.Learners, m.Outgoing} {
		b = binary.AppendUvarint(b, uint64(len(set)))
		for _, id := range set {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return b
}

func union(m raft.Membership) raft.Membership {
	voters := slices.Concat(m.Voters, m.Outgoing)
	slices.Sort(voters)
	return raft.Membership{Voters: slices.Compact(voters), Learners: slices.DeleteFunc(m.Learners, func(id raft.NodeID) bool { return slices.Contains(voters, id) })}
}

func learnersVote(m raft.Membership) raft.Membership {
	return raft.Membership{Voters: slices.Concat(m.Voters, m.Learners), Outgoing: m.Outgoing}
}

// manyChanges is a world for bugs of membership. Nobody takes a snapshot, which
// would name the members that the bug believes in.
func manyChanges(view func(raft.Membership) raft.Membership) rafttest.Options {
	return rafttest.Options{
		Nodes: 3, SnapshotEvery: 1 << 40, CalmLimit: time.Second, Faults: &rafttest.Faults{Partitions: 12, Kills: 10},
		Operations: &rafttest.Operations{Changes: 12, Transfers: 10},
		NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
			c := &misreads{view: view, real: map[[2]uint64][]byte{}}
			st.Entries = c.look(st.Entries)
			var err error
			c.Core, err = raft.NewCore(cfg, st)
			return c, err
		},
	}
}

type namesFirst struct{ *raft.Core }

func (c namesFirst) MembershipAt(uint64) raft.Membership { return c.Core.MembershipAt(0) }

// leadsOn has itself in the membership for as long as it leads, whoever else
// does not.
type leadsOn struct {
	*raft.Core
	id     raft.NodeID
	wanted *raft.Membership // without this node
	real   map[[2]uint64][]byte
}

func (c *leadsOn) ChangeMembership(m raft.Membership) (index, term uint64, err error) {
	with := m
	if !slices.Contains(m.Voters, c.id) {
		with.Voters = append(slices.Clone(m.Voters), c.id)
		with.Learners = slices.DeleteFunc(slices.Clone(m.Learners), func(id raft.NodeID) bool { return id == c.id })
	}
	index, term, err = c.Core.ChangeMembership(with)
	if err == nil {
		c.wanted = nil
		if len(with.Voters) != len(m.Voters) {
			c.wanted = &m
		}
	}
	return index, term, err
}

func (c *leadsOn) Ready() raft.Ready {
	term := c.Status().Term
	return rewritten(c.Core.Ready(), func(e *raft.Entry) {
		key := [2]uint64{e.Index, e.Term}
		m, err := raft.DecodeMembership(e.Data)
		if c.wanted != nil && c.real[key] == nil && err == nil && e.Term == term && len(m.Voters) == len(c.wanted.Voters)+1 {
			m.Voters, m.Learners = c.wanted.Voters, c.wanted.Learners
			c.real[key] = encodeMembership(m)
		}
		if data := c.real[key]; data != nil {
			e.Data = data
		}
	})
}

type handsOverWithLease struct {
	*raft.Core
	id    raft.NodeID
	words []raft.Message
}

func (c *handsOverWithLease) TransferLeadership(to raft.NodeID) error {
	if st := c.Status(); st.Role == raft.Leader && to != c.id {
		c.words = append(c.words, raft.Message{Type: raft.TimeoutNow, From: c.id, To: to, Term: st.Term})
	}
	return nil
}

func (c *handsOverWithLease) HasReady() bool { return len(c.words) > 0 || c.Core.HasReady() }

func (c *handsOverWithLease) Ready() raft.Ready {
	rd := c.Core.Ready()
	rd.Messages = slices.Concat(rd.Messages, c.words)
	c.words = nil
	return rd
}

type keepsLease struct{ *raft.Core }

func (keepsLease) DropLease() {}

type followersAnswer struct{ readsAtOnce }

func (c *followersAnswer) ReadIndex(id uint64) error {
	st := c.Status()
	if st.Role == raft.Leader {
		return c.Core.ReadIndex(id)
	}
	c.reads = append(c.reads, raft.Read{ID: id, Index: st.Commit})
	return nil
}

// repeatsNumbers has three numbers for its reads.
type repeatsNumbers struct {
	rafttest.Core
	latest map[uint64]uint64
}

func (c *repeatsNumbers) ReadIndex(id uint64) error {
	c.latest[id%3] = id
	return c.Core.ReadIndex(id % 3)
}

func (c *repeatsNumbers) Ready() raft.Ready {
	rd := c.Core.Ready()
	rd.Reads = slices.DeleteFunc(slices.Clone(rd.Reads), func(r raft.Read) bool { return c.latest[r.ID] == 0 })
	for i := range rd.Reads {
		n := rd.Reads[i].ID
		rd.Reads[i].ID, c.latest[n] = c.latest[n], 0
	}
	return rd
}

func coreWith(bug func(rafttest.Core, raft.State) rafttest.Core) func(raft.Config, raft.State) (rafttest.Core, error) {
	return func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
		c, err := raft.NewCore(cfg, st)
		return bug(c, st), err
	}
}

func storageWith(bug func(raft.Storage) raft.Storage) func(raft.NodeID, rafttest.FS) (raft.Storage, error) {
	return func(id raft.NodeID, fs rafttest.FS) (raft.Storage, error) {
		s, err := rafttest.OpenStorage(id, fs)
		if err != nil {
			return nil, err
		}
		return bug(s), nil
	}
}

func newForgetful(cfg raft.Config, st raft.State) (rafttest.Core, error) {
	kept := st.HardState
	st.HardState.VotedFor = raft.None
	c, err := raft.NewCore(cfg, st)
	return &forgetsVote{c, kept}, err
}

// manyElections is a world for bugs of elections: short outages, slow messages.
var manyElections = rafttest.Options{
	NewCore: newForgetful, Nodes: 3, Ops: 20, NoPreVote: true, NoCheckQuorum: true,
	Faults: &rafttest.Faults{Longest: 500 * time.Millisecond, Kills: 80, Chaoses: 100},
}

// Above each bug is in how many of 1000 seeds its rule was reported, counted
// with -power 1000. The bounds leave room for luck to move, except for those of
// the rarest: they say that the bug can be found, not that it is found soon.
func TestSimulationFindsPlantedBugs(t *testing.T) {
	for _, bug := range []struct {
		name  string
		rule  string // that must be reported,
		seeds uint64 // within so many
		rafttest.Options
	}{
		// 760
		{"the vote is forgotten at a restart", "vote-kept", 20, rafttest.Options{
			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
				st.HardState.VotedFor = raft.None
				return raft.NewCore(cfg, st)
			},
		}},
		// 9
		{"the vote is forgotten and the disk does not show it", "election-safety", 300, manyElections},
		// 22
		{"promises leave before the disk has them", "leader-completeness", 150, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return promisesEarly{c} }),
		}},
		// 573
		{"nothing is synced", "lost-write", 20, rafttest.Options{
			OpenStorage: storageWith(func(s raft.Storage) raft.Storage { return neverSyncs{s} }),
		}},
		// 113
		{"reads are answered without a round", "linearizability", 100, rafttest.Options{
			Nodes: 3, Keys: 1, Ops: 400, Faults: &rafttest.Faults{Partitions: 12},
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return &readsAtOnce{Core: c} }),
		}},
		// 992
		{"an entry is applied twice", "state-machine-safety", 10, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return &appliesTwice{Core: c} }),
		}},
		// 956
		{"a snapshot holds an older state", "snapshot-state", 20, rafttest.Options{
			OpenStorage: storageWith(func(s raft.Storage) raft.Storage { return &staleSnapshots{Storage: s} }),
		}},
		// 637
		{"a restarted node has no time", "liveness", 50, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, st raft.State) rafttest.Core {
				if st.HardState.Term > 0 {
					return deafToTime{c}
				}
				return c
			}),
		}},
		// 1000
		{"the core panics", "panic", 5, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return panics{c} }),
		}},
		// 25
		{"a change of membership is decided by the union of both sets", "leader-completeness", 200, manyChanges(union)},
		// 31
		{"learners are counted as voters", "leader-completeness", 200, manyChanges(learnersVote)},
		// 886
		{"a snapshot names the first members", "snapshot-members", 50, rafttest.Options{
			Operations: &rafttest.Operations{Changes: 5},
			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
				c, err := raft.NewCore(cfg, st)
				return namesFirst{c}, err
			},
		}},
		// 268
		{"a leader that was removed leads on, and counts itself", "liveness", 50, rafttest.Options{
			Nodes: 3, SnapshotEvery: 1 << 40, Faults: rafttest.NoFaults(), Operations: &rafttest.Operations{Changes: 5},
			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
				c, err := raft.NewCore(cfg, st)
				return &leadsOn{Core: c, id: cfg.ID, real: map[[2]uint64][]byte{}}, err
			},
		}},
		// 333
		{"members listen to who was removed", "removed-server", 100, rafttest.Options{
			Operations: &rafttest.Operations{Changes: 5},
			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
				cfg.NoPreVote, cfg.NoCheckQuorum = true, true
				return raft.NewCore(cfg, st)
			},
		}},
		// 99
		{"a lease outlives the word to hand over", "linearizability", 100, rafttest.Options{
			Nodes: 3, Keys: 1, Clients: 6, Ops: 800, Lease: 8,
			Faults: &rafttest.Faults{Longest: 2 * time.Second, Cuts: 60}, Operations: &rafttest.Operations{Transfers: 80},
			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
				c, err := raft.NewCore(cfg, st)
				return &handsOverWithLease{Core: c, id: cfg.ID}, err
			},
		}},
		// 29
		{"a lease outlives a pause", "linearizability", 150, rafttest.Options{
			Nodes: 3, Keys: 1, Clients: 6, Ops: 800, Lease: 8, Faults: &rafttest.Faults{Pauses: 20, Partitions: 10},
			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
				c, err := raft.NewCore(cfg, st)
				return keepsLease{c}, err
			},
		}},
		// 731
		{"followers answer reads by themselves", "linearizability", 20, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return &followersAnswer{readsAtOnce{Core: c}} }),
		}},
		// 47
		{"the number of a read comes again", "linearizability", 150, rafttest.Options{
			Nodes: 3, Keys: 1, Ops: 400, Faults: &rafttest.Faults{Chaoses: 10},
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core {
				return &repeatsNumbers{Core: c, latest: map[uint64]uint64{}}
			}),
		}},
	} {
		t.Run(bug.name, func(t *testing.T) {
			bug.Attempts = -1
			reported := map[string]int{}
			finds := func(seed uint64) bool {
				_, err := rafttest.Explore(seed, bug.Options)
				var f *rafttest.Failure
				if !errors.As(err, &f) {
					require.NoError(t, err)
					return false
				}
				// Another rule may break first: a lost promise costs liveness too.
				if reported[f.Violation.Rule]++; f.Violation.Rule != bug.rule {
					return false
				}
				require.True(t, strings.HasPrefix(err.Error(), "RULE "+bug.rule+": "), err)
				return true
			}
			if *simPower > 0 {
				hits := 0
				for seed := range *simPower {
					if finds(seed) {
						hits++
					}
				}
				t.Logf("%s: found in %d of %d seeds; reported were %v", bug.name, hits, *simPower, reported)
				return
			}
			for seed := range bug.seeds {
				if finds(seed) {
					t.Logf("found in seed %d", seed)
					return
				}
			}
			t.Fatalf("no seed below %d breaks rule %s", bug.seeds, bug.rule)
		})
	}
}
