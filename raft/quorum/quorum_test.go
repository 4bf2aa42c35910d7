package quorum

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnyTwoMajoritiesOverlap(t *testing.T) {
	for n := 1; n <= 9; n++ {
		require.Greater(t, 2*Size(n), n, "n=%d: two disjoint majorities", n)
		require.LessOrEqual(t, 2*(Size(n)-1), n, "n=%d: a smaller set would do", n)
	}
}

// The oracle is the definition: try every index and count who reached it.
func indexByDefinition(match []uint64) (best uint64) {
	for _, candidate := range match {
		reached := 0
		for _, m := range match {
			if m >= candidate {
				reached++
			}
		}
		if reached >= Size(len(match)) {
			best = max(best, candidate)
		}
	}
	return best
}

func TestIndexIsTheHighestReachedByAMajority(t *testing.T) {
	require.Zero(t, Index(nil))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		match := make([]uint64, 1+rng.IntN(9))
		for i := range match {
			match[i] = rng.Uint64N(8)
		}
		want := indexByDefinition(match)
		require.Equal(t, want, Index(match), "match=%v", match)
	}
}

func TestVoteIsDecidedExactlyWhenMissingAnswersCannotChangeIt(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for granted := 0; granted <= n; granted++ {
			for denied := 0; denied <= n-granted; denied++ {
				missing := n - granted - denied
				want := Pending
				if granted >= Size(n) {
					want = Won
				} else if granted+missing < Size(n) {
					want = Lost
				}
				require.Equal(t, want, Vote(n, granted, denied), "n=%d granted=%d denied=%d", n, granted, denied)
			}
		}
	}
	require.Equal(t, Lost, Vote(0, 0, 0), "an empty cluster elects nobody")
}

func BenchmarkIndex(b *testing.B) {
	for b.Loop() {
		m := [5]uint64{10, 12, 11, 15, 9}
		Index(m[:])
	}
}
