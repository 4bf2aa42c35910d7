package bfttest_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

var (
	twinsScenarios = flag.Int("twins", 3000, "how many scenarios TestTwins plays")
	twinsRounds    = flag.Int("rounds", 7, "of how many rounds")
	twinsSeed      = flag.Uint64("twins-seed", 1, "which they are")
)

// TestTwins plays a sample. All of them: -twins and time enough.
func TestTwins(t *testing.T) {
	r := rand.New(rand.NewPCG(*twinsSeed, 0))
	w := bfttest.NewTwins(newCore)
	for i := range *twinsScenarios {
		if err := w.Play(bfttest.RandomTwins(r, *twinsRounds)); err != nil {
			t.Fatalf("scenario %d: %v", i, err)
		}
	}
	t.Logf("%d of %s scenarios of %d rounds", *twinsScenarios, bfttest.TwinsCount(*twinsRounds), *twinsRounds)
}

// Every scenario of one round there is.
func TestTwinsOfOneRound(t *testing.T) {
	w := bfttest.NewTwins(newCore)
	count := int(bfttest.TwinsCount(1).Int64())
	require.Equal(t, 65_536, count)
	for i := range count {
		if err := w.Play(bfttest.TwinsScenario{bfttest.TwinsRound(i)}); err != nil {
			t.Fatalf("scenario %d: %v", i, err)
		}
	}
}

// The enumeration means what it says: each round is another one, in words, but for the number of the first group.
func TestEveryTwinsRoundIsAnother(t *testing.T) {
	seen := map[string]bool{}
	for i := range 1 << 16 {
		seen[bfttest.TwinsRound(i).String()] = true
	}
	require.Len(t, seen, 1<<16)
	require.Equal(t, "n2 proposes; n1 n1' n3 n4 | n2; deaf to prevotes: n4; deaf to precommits: n1 n1'",
		bfttest.TwinsRound(1|2<<2|1<<10|3<<11).String())
}

// Cores that forget their locks fork within a few scenarios, and the story is short.
func TestTwinsFindAmnesia(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	w := bfttest.NewTwins(func(self types.Address) bfttest.Core { return &forgetful{self: self, core: bft.NewCore(self)} })
	for range 5000 {
		// They may also never decide again, for they forget the polka that would free others.
		if err := w.Play(bfttest.RandomTwins(r, 3)); err != nil && strings.Contains(err.Error(), "RULE agreement: fork: ") {
			require.ErrorContains(t, err, "proposes")
			return
		}
	}
	t.Fatal("5000 scenarios, and none finds it")
}

// One core does nothing: three others of four go on without it, and it is found out.
func TestTwinsFindWhoDoesNothing(t *testing.T) {
	w := bfttest.NewTwins(func(self types.Address) bfttest.Core {
		if self[1] == '4' {
			return idle{}
		}
		return bft.NewCore(self)
	})
	require.ErrorContains(t, w.Play(bfttest.TwinsScenario{0}), "RULE liveness: n4 has not decided")
}
