package sim_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/sim"
)

func TestMinimiseFindsThePartThatFails(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for size := 1; size < 60; size++ {
		var items []int
		for i := range size {
			items = append(items, i)
		}
		need := r.Perm(size)[:r.IntN(min(size, 6)+1)]
		slices.Sort(need)
		calls := 0
		got, ok := sim.Minimise(items, 10_000, func(part []int) bool {
			calls++
			require.True(t, slices.IsSorted(part))
			return !slices.ContainsFunc(need, func(n int) bool { return !slices.Contains(part, n) })
		})
		require.True(t, ok)
		require.ElementsMatch(t, need, got)
		require.Less(t, calls, 400)
	}
}

// A predicate that is not monotone, as real runs are not: removing an item may
// heal or hide. What comes back must have failed and be 1-minimal.
func TestMinimiseIsOneMinimalOnAwkwardPredicates(t *testing.T) {
	for seed := range uint64(200) {
		fails := func(part []int) bool {
			sum := seed
			for _, n := range part {
				sum = sum*31 + uint64(n)
			}
			return len(part) == 24 || (len(part) >= 3 && rand.New(rand.NewPCG(sum, 0)).IntN(3) == 0)
		}
		items := make([]int, 24)
		for i := range items {
			items[i] = i
		}
		got, ok := sim.Minimise(items, 100_000, fails)
		require.True(t, ok)
		require.True(t, fails(got))
		for i := range got {
			require.False(t, fails(slices.Delete(slices.Clone(got), i, i+1)), "item %d of %v can go", i, got)
		}
	}
}

func TestMinimiseNeverReturnsWhatPasses(t *testing.T) {
	items := []int{1, 2, 3, 4, 5, 6, 7, 8}
	got, ok := sim.Minimise(items, 100, func([]int) bool { return false })
	require.False(t, ok)
	require.Nil(t, got)

	for attempts := range 40 {
		var failed [][]int
		calls := 0
		got, ok := sim.Minimise(items, attempts, func(part []int) bool {
			calls++
			bad := slices.Contains(part, 3) && slices.Contains(part, 8)
			if bad {
				failed = append(failed, slices.Clone(part))
			}
			clear(part) // the predicate owns what it gets
			return bad
		})
		require.True(t, ok)
		require.Equal(t, failed[len(failed)-1], got, "the last one seen to fail")
		require.LessOrEqual(t, calls, max(1, attempts))
	}
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8}, items)

	got, ok = sim.Minimise(items, 100, func([]int) bool { return true })
	require.True(t, ok)
	require.Empty(t, got)
}

func TestMinimiseCutsTheTailOfAScheduleFirst(t *testing.T) {
	var s sim.Schedule
	for i := range 100 {
		s = append(s, sim.Action{At: time.Duration(i) * time.Second, Fault: sim.FaultOp})
	}
	calls := 0
	got, ok := s.Minimise(1000, func(part sim.Schedule) (time.Duration, bool) {
		calls++
		if calls == 2 {
			require.Len(t, part, 11)
		}
		failed := slices.ContainsFunc(part, func(a sim.Action) bool { return a.At == 7*time.Second })
		return 10 * time.Second, failed
	})
	require.True(t, ok)
	require.Equal(t, sim.Schedule{{At: 7 * time.Second, Fault: sim.FaultOp}}, got)
	require.Less(t, calls, 20)

	// What fails only with its tail keeps it, whatever time it claims.
	got, ok = s.Minimise(1000, func(part sim.Schedule) (time.Duration, bool) {
		return 0, slices.ContainsFunc(part, func(a sim.Action) bool { return a.At == 90*time.Second })
	})
	require.True(t, ok)
	require.Equal(t, sim.Schedule{{At: 90 * time.Second, Fault: sim.FaultOp}}, got)

	_, ok = s.Minimise(1000, func(sim.Schedule) (time.Duration, bool) { return 0, false })
	require.False(t, ok)
}

// A bug of a real run: process 4 forgets what it had, after two power cuts.
func TestMinimiseFindsTheFaultsOfARun(t *testing.T) {
	fails := func(s sim.Schedule) (at time.Duration, failed bool) {
		cuts := 0
		for _, e := range gossipRun(t, 1, s, 20*time.Second).of(sim.Crashed) {
			if e.Process == 4 {
				cuts++
			}
			if cuts == 2 {
				return e.At, true
			}
		}
		return 0, false
	}
	s := sim.Generate(1, everything)
	seed := uint64(1)
	for _, failed := fails(s); !failed; _, failed = fails(s) {
		seed++
		s = sim.Generate(seed, everything)
	}
	got, ok := s.Minimise(500, fails)
	require.True(t, ok)
	require.Len(t, got, 2, "%v", got)
	for _, a := range got {
		require.Equal(t, sim.ID(4), a.Process)
		require.Contains(t, []sim.Fault{sim.FaultPowerCut, sim.FaultKill, sim.FaultPowerCutDuring, sim.FaultKillDuring}, a.Fault)
	}
}
