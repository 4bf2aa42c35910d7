package erasuretest

import (
	"flag"
	"os"
	"testing"
)

var (
	simSeeds = flag.Uint64("seeds", 300, "how many seeds TestSimulation runs, from -first")
	simFirst = flag.Uint64("first", 0, "the first of them")
	simStory = flag.String("story", "", "file with the steps to run instead of what the seed -first generates")
)

// underRace says that the race detector is on.
var underRace bool

// oneGoroutine passes over, with the race detector on, what would take it minutes in
// one goroutine to find nothing.
func oneGoroutine(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("it runs in one goroutine: nothing for the race detector")
	}
}

// TestSimulation runs the store of package erasure in a world that fails. A night's run:
//
//	go test ./erasure/erasuretest -run TestSimulation -timeout 0 -args -seeds 100000
func TestSimulation(t *testing.T) {
	oneGoroutine(t)
	simulateSeeds(t, Erasure(), *simSeeds)
}

// The reference is simulated too: what is found in both is a bug of the ledger.
func TestSimulationOfTheReference(t *testing.T) {
	oneGoroutine(t)
	simulateSeeds(t, referenceImpl(""), min(*simSeeds, 100))
}

func simulateSeeds(t *testing.T, impl Implementation, seeds uint64) {
	var o Options
	if *simStory != "" {
		text, err := os.ReadFile(*simStory)
		if err == nil {
			o.Story, err = ParseSteps(string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var all Report
	for seed := range seeds {
		all = all.Add(Simulate(t, impl, *simFirst+seed, o))
	}
	t.Logf("%d seeds: %+v", seeds, all.Stats)
}
