package raft_test

import (
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

var (
	simSeed  = flag.String("seed", "", "run this one seed of TestSimulation and print its events")
	simSeeds = flag.Uint64("seeds", 300, "how many seeds TestSimulation runs, from 0")
)

// A run takes some 5 ms for 50 s of virtual time: 10,000 seeds are a minute.
func TestSimulation(t *testing.T) {
	if *simSeed != "" {
		seed, err := strconv.ParseUint(*simSeed, 10, 64)
		require.NoError(t, err)
		rafttest.Simulate(t, seed, rafttest.Options{Sink: func(e rafttest.Event) { t.Log(e) }})
		return
	}
	var sum rafttest.Report
	for seed := range *simSeeds {
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
		{"reads of followers", sum.FollowerReads, 15 * n},
		{"reads by lease", sum.LeaseReads, 5 * n},
		{"leases dropped", sum.LeasesDropped, n / 10},
		{"changes of membership", sum.Changes, n},
		{"nodes that joined", sum.Joined, n / 2},
		{"nodes that were removed", sum.Removed, n / 4},
		{"nodes that were lost", sum.Lost, n / 5},
		{"transfers of leadership", sum.Transfers, n / 5},
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

// Outside the model: a lease is a bet on clocks. Where they run faster and
// slower than it was made for, a deposed leader answers from the past. Reads
// with a round of messages ask no clock. (Found in some 7 of 100 seeds.)
func TestALeaseNeedsItsClockBound(t *testing.T) {
	o := rafttest.Options{
		Nodes: 3, Keys: 1, Clients: 6, Ops: 800, MaxDrift: 990_000, Attempts: -1,
		Faults:     &rafttest.Faults{Longest: 8 * time.Second, Partitions: 4, Drifts: 15},
		Operations: rafttest.NoOperations(),
	}
	stale := 0
	for seed := range uint64(60) {
		o.Lease = -1
		rafttest.Simulate(t, seed, o)
		if o.Lease = 10; stale > 0 {
			continue
		}
		_, err := rafttest.Explore(seed, o)
		var f *rafttest.Failure
		if errors.As(err, &f) {
			require.Equal(t, "linearizability", f.Violation.Rule, err)
			stale++
		}
	}
	require.Positive(t, stale, "no stale read")
}

// Outside the model: a voter whose storage loses what it had synced, without a
// word. The disk's promise is what shows it first. Where that is hidden, what
// was committed is gone: a majority is no majority if one of it forgets.
func TestAVoterMustNotForgetWhatItSynced(t *testing.T) {
	world := rafttest.Options{
		Nodes: 3, Attempts: -1, SnapshotEvery: 1 << 40, SyncDelay: -1,
		Faults: &rafttest.Faults{Kills: 20, Partitions: 10}, Operations: rafttest.NoOperations(),
	}
	shown, hidden := world, world
	shown.OpenStorage = storageWith(func(s raft.Storage) raft.Storage { return forgetsLog{s} })
	hidden.NewCore = func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
		c, err := raft.NewCore(cfg, forget(st))
		return forgetful{c, st.HardState.Commit}, err
	}
	for rule, o := range map[string]rafttest.Options{"lost-write": shown, "leader-completeness": hidden} {
		broken := 0
		for seed := range uint64(20) {
			_, err := rafttest.Explore(seed, o)
			var f *rafttest.Failure
			if errors.As(err, &f) && f.Violation.Rule == rule {
				broken++
			}
		}
		require.Greater(t, broken, 10, "RULE %s is broken in nearly every seed", rule)
	}
}

// forgetful does not show what it forgot.
type forgetful struct {
	*raft.Core
	commit uint64
}

func (c forgetful) Status() raft.Status {
	st := c.Core.Status()
	st.Commit = max(st.Commit, c.commit)
	return st
}

// forgetsLog forgets, at every start, some of the log.
type forgetsLog struct{ raft.Storage }

func (s forgetsLog) Load() (raft.State, error) {
	st, err := s.Storage.Load()
	return forget(st), err
}

func forget(st raft.State) raft.State {
	st.Entries = st.Entries[:len(st.Entries)*3/4]
	st.HardState.Commit = min(st.HardState.Commit, uint64(len(st.Entries)))
	return st
}

// BenchmarkSimulate runs ten virtual minutes of a cluster of five, with ticks
// of 100 ms and one operation a second.
func BenchmarkSimulate(b *testing.B) {
	for _, c := range []struct {
		name       string
		faults     *rafttest.Faults
		operations *rafttest.Operations
	}{{"faults=none", rafttest.NoFaults(), rafttest.NoOperations()}, {"faults=drawn", nil, nil}} {
		b.Run(c.name, func(b *testing.B) {
			var sum rafttest.Report
			for seed := uint64(1); b.Loop(); seed++ {
				r, err := rafttest.Explore(seed, rafttest.Options{Nodes: 5, Duration: 10 * time.Minute, Ops: 600, Faults: c.faults, Operations: c.operations})
				if err != nil {
					b.Fatal(err)
				}
				sum = sum.Add(r)
			}
			b.ReportMetric(sum.Virtual.Minutes()/b.Elapsed().Seconds(), "virtual-min/s")
		})
	}
}
