package erasure_test

import (
	"flag"
	"testing"

	"github.com/flagship-go/flagship/erasure/erasuretest"
)

var (
	kitThorough = flag.Bool("kit.thorough", false, "try every state that a power cut may leave, for minutes")
	kitSeeds    = flag.Uint64("kit.seeds", 40, "how many seeds the simulator runs; more of them: see erasuretest")
)

var cutEvery = 1

// TestKit grades the store by erasuretest.
func TestKit(t *testing.T) {
	impl := erasuretest.Erasure()
	impl.Thorough, impl.CutEvery, impl.Seeds = *kitThorough, cutEvery, *kitSeeds
	erasuretest.Store(t, impl)
}
