package raft_test

import (
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

var (
	simSeed  = flag.Uint64("seed", 0, "run this one seed of TestSimulation and print its events")
	simSeeds = flag.Uint64("seeds", 300, "how many seeds TestSimulation runs")
)

// A run takes some 5 ms for 50 s of virtual time: 10,000 seeds are a minute.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		rafttest.Simulate(t, *simSeed, rafttest.Options{Sink: func(e rafttest.Event) { t.Log(e) }})
		return
	}
	var sum rafttest.Report
	for seed := uint64(1); seed <= *simSeeds; seed++ {
		sum = sum.Add(rafttest.Simulate(t, seed, rafttest.Options{}))
	}
	t.Logf("%d seeds, %v of virtual time: %+v", *simSeeds, sum.Virtual, sum.Stats)
	if *simSeeds < 100 {
		return
	}
	// A world in which nothing goes wrong tests nothing, nor does one in which
	// nothing goes on.
	n := int(*simSeeds)
	for _, c := range []struct {
		what      string
		got, want int
	}{
		{"elections", sum.Elections, 2 * n},
		{"commits", int(sum.Commits), 60 * n},
		{"crashes", sum.Crashes, 3 * n},
		{"storage errors", sum.DiskFailures, n},
		{"stalls", sum.DiskStalls, n / 2},
		{"disks found rotten", sum.Corruptions, n / 20},
		{"snapshots", sum.Snapshots, 20 * n},
		{"snapshots installed", sum.SnapshotsInstalled, n},
		{"operations", sum.OpsOK, 100 * n},
		{"reads", sum.Reads, 40 * n},
		{"unknown outcomes", sum.OpsUnknown, n},
	} {
		require.Greater(t, c.got, c.want, c.what)
	}
}

func TestSimulationOfASeedIsTheSameByteForByte(t *testing.T) {
	run := func(seed uint64) (sum uint64, events int) {
		h := fnv.New64a()
		rafttest.Simulate(t, seed, rafttest.Options{Sink: func(e rafttest.Event) {
			fmt.Fprintln(h, e)
			events++
		}})
		return h.Sum64(), events
	}
	sums := map[uint64]bool{}
	for seed := uint64(1); seed <= 12; seed++ {
		first, events := run(seed)
		again, _ := run(seed)
		require.Equal(t, first, again, "seed %d", seed)
		require.Greater(t, events, 1000, "seed %d", seed)
		sums[first] = true
	}
	require.Len(t, sums, 12, "different seeds, different runs")
}

// Whether somebody listens must not change what happens, or a failure would be
// gone when one looks.
func TestSimulationDoesNotDependOnItsListener(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		silent := rafttest.Simulate(t, seed, rafttest.Options{})
		loud := rafttest.Simulate(t, seed, rafttest.Options{Sink: func(rafttest.Event) {}})
		require.Equal(t, silent, loud)
	}
}

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
	Faults: &rafttest.Faults{Longest: time.Second, Kills: 30, Chaoses: 100},
}

func TestSimulationFindsPlantedBugs(t *testing.T) {
	for _, bug := range []struct {
		name  string
		rule  string // that must be reported,
		seeds uint64 // within so many
		rafttest.Options
	}{
		{"the vote is forgotten at a restart", "vote-kept", 20, rafttest.Options{
			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
				st.HardState.VotedFor = raft.None
				return raft.NewCore(cfg, st)
			},
		}},
		{"the vote is forgotten and the disk does not show it", "election-safety", 150, manyElections},
		{"promises leave before the disk has them", "leader-completeness", 150, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return promisesEarly{c} }),
		}},
		{"nothing is synced", "lost-write", 20, rafttest.Options{
			OpenStorage: storageWith(func(s raft.Storage) raft.Storage { return neverSyncs{s} }),
		}},
		{"reads are answered without a round", "linearizability", 150, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return &readsAtOnce{Core: c} }),
		}},
		{"an entry is applied twice", "state-machine-safety", 10, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return &appliesTwice{Core: c} }),
		}},
		{"a snapshot holds an older state", "snapshot-state", 20, rafttest.Options{
			OpenStorage: storageWith(func(s raft.Storage) raft.Storage { return &staleSnapshots{Storage: s} }),
		}},
		{"a restarted node has no time", "liveness", 50, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, st raft.State) rafttest.Core {
				if st.HardState.Term > 0 {
					return deafToTime{c}
				}
				return c
			}),
		}},
		{"the core panics", "panic", 5, rafttest.Options{
			NewCore: coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return panics{c} }),
		}},
	} {
		t.Run(bug.name, func(t *testing.T) {
			bug.Attempts = -1
			for seed := uint64(1); seed <= bug.seeds; seed++ {
				_, err := rafttest.Explore(seed, bug.Options)
				var f *rafttest.Failure
				// Another rule may break first: a lost promise costs liveness too.
				if errors.As(err, &f) && f.Violation.Rule == bug.rule {
					require.True(t, strings.HasPrefix(err.Error(), "RULE "+bug.rule+": "), err)
					t.Logf("found in seed %d", seed)
					return
				}
			}
			t.Fatalf("no seed up to %d breaks rule %s", bug.seeds, bug.rule)
		})
	}
}

func TestMinimisingLeavesATenthOfTheSchedule(t *testing.T) {
	const rule = "leader-completeness"
	o := rafttest.Options{
		Attempts: -1,
		NewCore:  coreWith(func(c rafttest.Core, _ raft.State) rafttest.Core { return promisesEarly{c} }),
	}
	var f *rafttest.Failure
	seed := uint64(0)
	for f == nil || f.Violation.Rule != rule {
		seed++
		require.Less(t, seed, uint64(150))
		_, err := rafttest.Explore(seed, o)
		errors.As(err, &f)
	}
	o.Attempts = 0
	_, err := rafttest.Explore(seed, o)
	require.ErrorAs(t, err, &f)
	require.Equal(t, rule, f.Violation.Rule)
	require.LessOrEqual(t, 10*len(f.Minimal), len(f.Schedule), "%v", err)
	require.NotEmpty(t, f.Events)
	t.Log(err)

	// What was printed can be pasted, and fails again; less of it does not.
	breaks := func(s rafttest.Schedule) bool {
		o.Schedule, o.Attempts = s, -1
		_, err := rafttest.Explore(seed, o)
		return errors.As(err, &f) && f.Violation.Rule == rule
	}
	pasted, err := rafttest.ParseSchedule(f.Minimal.String())
	require.NoError(t, err)
	require.True(t, breaks(pasted))
	for i := range pasted {
		require.False(t, breaks(slices.Delete(slices.Clone(pasted), i, i+1)), "action %d is superfluous", i)
	}
}

// BenchmarkSimulate runs ten virtual minutes of a cluster of five, with ticks
// of 100 ms and one operation a second.
func BenchmarkSimulate(b *testing.B) {
	for _, c := range []struct {
		name   string
		faults *rafttest.Faults
	}{{"faults=none", rafttest.NoFaults()}, {"faults=drawn", nil}} {
		b.Run(c.name, func(b *testing.B) {
			var sum rafttest.Report
			for seed := uint64(1); b.Loop(); seed++ {
				r, err := rafttest.Explore(seed, rafttest.Options{Nodes: 5, Duration: 10 * time.Minute, Ops: 600, Faults: c.faults})
				if err != nil {
					b.Fatal(err)
				}
				sum = sum.Add(r)
			}
			b.ReportMetric(sum.Virtual.Minutes()/b.Elapsed().Seconds(), "virtual-min/s")
		})
	}
}
