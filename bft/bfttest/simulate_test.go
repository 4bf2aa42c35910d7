package bfttest_test

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

var (
	simSeeds = flag.Uint64("seeds", 200, "how many seeds TestSimulate runs")
	simSeed  = flag.Uint64("seed", 0, "the first of them")
)

// TestSimulate runs seeds, each a network, liars and a schedule of faults. All that a world may have must happen in them.
func TestSimulate(t *testing.T) {
	const few = 50
	t.Run("first", func(t *testing.T) { simulate(t, *simSeed, min(few, *simSeeds)) })
	t.Run("rest", func(t *testing.T) { simulate(t, *simSeed+few, max(few, *simSeeds)-few) })
}

func simulate(t *testing.T, seed, seeds uint64) {
	var sum bfttest.Report
	for last := seed + seeds; seed < last; seed++ {
		sum = sum.Add(bfttest.Simulate(t, seed, bfttest.Options{}))
	}
	t.Logf("%d seeds: %d validators, %d liars, %v: %d heights, up to round %d, %d inputs, %d crashes, %d inputs replayed, %d double votes, %d locks let go",
		seeds, sum.Validators, sum.Liars, sum.Virtual, sum.Heights, sum.MaxRound, sum.Inputs, sum.Crashes, sum.Replayed, sum.Evidence, sum.Locks)
	if seeds >= 50 {
		require.NotZero(t, sum.Crashes)
		require.NotZero(t, sum.Replayed)
		require.NotZero(t, sum.Evidence)
		require.NotZero(t, sum.Liars)
		require.Greater(t, sum.MaxRound, types.Round(2))
	}
}

// With real signatures guards outlive crashes, signed valid rounds travel with prevotes, and nobody is believed to be who it is not.
func TestSimulateWithSignatures(t *testing.T) {
	var sum bfttest.Report
	for seed := range max(*simSeeds/25, 1) {
		sum = sum.Add(bfttest.Simulate(t, *simSeed+seed, bfttest.Options{Signed: true, Duration: 3 * time.Second}))
	}
	t.Logf("%d heights, %d crashes, %d double votes, %d forged", sum.Heights, sum.Crashes, sum.Evidence, sum.Forged)
	require.NotZero(t, sum.Heights)
	require.NotZero(t, sum.Crashes)
	require.NotZero(t, sum.Forged, "RULE S1")
}

// One seed is one run.
func TestARunRepeatsByItsSeed(t *testing.T) {
	run := func() (events []string) {
		bfttest.Simulate(t, 7, bfttest.Options{Sink: func(e bfttest.Event) { events = append(events, e.String()) }})
		return events
	}
	first := run()
	require.Greater(t, len(first), 1000)
	require.Equal(t, first, run())
}

// The log is what a crash leaves: a validator that crashes in any operation of it takes up where it was, and says
// nothing twice.
func TestACrashInEveryOperationOfTheLog(t *testing.T) {
	quiet := bfttest.Options{Powers: []int64{1, 1, 1, 1}, Liars: []bfttest.Lie{0, 0, 0, bfttest.Equivocating}, Duration: time.Second, Schedule: bfttest.Schedule{}}
	crashes := 0
	for at := 1; at <= 120; at++ {
		quiet.CrashAt = at
		report := bfttest.Simulate(t, uint64(at), quiet)
		crashes += report.Crashes
	}
	require.Equal(t, 120, crashes)
}

// forgetful is a core that begins each round without a lock: what amnesia is.
type forgetful struct {
	self  types.Address
	start bft.Input
	core  *bft.Core
}

func (f *forgetful) Step(in bft.Input) ([]bft.Output, error) {
	if in.Start != nil {
		f.start = in
	}
	outs, err := f.core.Step(in)
	for _, o := range outs {
		if o.Kind == bft.OutRound && o.Round > 0 {
			f.core = bft.NewCore(f.self)
			if _, err := f.core.Step(f.start); err != nil {
				return nil, err
			}
			// Three votes that nobody has cast bring it where it was.
			set := f.start.Start.Validators
			for i := range set.Len() {
				v := types.Vote{Type: types.Precommit, Height: o.Height, Round: o.Round, Validator: set.At(i).Address}
				if v.Validator != f.self {
					if out, _ := f.core.Step(bft.Input{Vote: &v}); len(out) > 0 {
						return out, nil
					}
				}
			}
		}
	}
	return outs, err
}

// A network of validators that forget forks, or breaks the lock rule, and the failure tells how, by few faults.
func TestTheSimulatorFindsAmnesia(t *testing.T) {
	for seed := range uint64(100) {
		_, err := bfttest.Explore(seed, bfttest.Options{Attempts: 50, NewCore: func(self types.Address) bfttest.Core {
			return &forgetful{self: self, core: bft.NewCore(self)}
		}})
		var f *bfttest.Failure
		if !errors.As(err, &f) {
			continue
		}
		var v *bfttest.Violation
		require.ErrorAs(t, err, &v)
		if v.Rule != "L29" && v.Rule != "agreement" {
			continue
		}
		require.LessOrEqual(t, len(f.Minimal), len(f.Schedule))
		require.NotEmpty(t, f.Story)
		require.Contains(t, err.Error(), fmt.Sprintf("seed %d", seed))
		return
	}
	t.Fatal("100 seeds, and none finds it")
}
