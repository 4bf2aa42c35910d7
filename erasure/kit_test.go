package erasure_test

import (
	"flag"
	"testing"

	"github.com/flagship-go/flagship/erasure/erasuretest"
)

var (
	kitThorough = flag.Bool("kit.thorough", false, "try every state that a power cut may leave, for minutes")
	kitSeeds    = flag.Uint64("kit.seeds", 40, "how many seeds TestSimulation runs; more of them: see erasuretest")
)

var cutEvery = 1

// TestKit grades the store by erasuretest.
func TestKit(t *testing.T) {
	impl := erasuretest.Erasure()
	impl.Thorough, impl.CutEvery = *kitThorough, cutEvery
	erasuretest.Store(t, impl)
}

// TestSimulation runs the store in a world that fails: see erasuretest.Explore.
func TestSimulation(t *testing.T) {
	for seed := range *kitSeeds {
		erasuretest.Simulate(t, erasuretest.Erasure(), seed, erasuretest.Options{Attempts: 100})
	}
}
