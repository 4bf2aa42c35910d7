package split

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

// keys are names as users have them: they differ in the last bytes.
func keys(n int) []string {
	k := make([]string, n)
	for i := range k {
		k[i] = fmt.Sprintf("user-%d", i)
	}
	return k
}

// within fails if count of n is more than five standard deviations from a share of p, for keys that are fixed: it is
// right for all time or wrong for all time.
func within(t *testing.T, n, count int, p float64, rule string) {
	t.Helper()
	sigma := math.Sqrt(float64(n) * p * (1 - p))
	require.InDelta(t, float64(n)*p, count, 5*sigma+1e-9, rule)
}

// Replicas of other versions and on other processors have these too. They were computed by another program, in
// another language, with fractions instead of floating point.
func TestDecisionsAreTheSameEverywhere(t *testing.T) {
	for _, g := range []struct {
		split, key string
		want       uint64
	}{
		{"", "", 0x8932c885a3fe960e},
		{"canary", "", 0xb344bd0169de479},
		{"canary", "alice", 0x89284e110583706b},
		{"canary", "bob", 0xe4fa60b5e7657579},
		{"checkout", "alice", 0x1f9a1fc09610fa53},
		{"canary", "192.0.2.1", 0xc051f0c7b517c821},
		{"canary", "\x00\xff \xfc", 0xcb94d31ed10c111b},
	} {
		require.Equal(t, g.want, Hash(g.split, g.key), "RULE T1: %q of %q is on another side here than elsewhere", g.key, g.split)
	}

	w, err := NewWeighted(Way{"stable", 0.6}, Way{"canary", 0.3}, Way{"next", 0.1})
	require.NoError(t, err)
	var got strings.Builder
	for _, u := range keys(64) {
		fmt.Fprint(&got, w.Pick(Hash("golden", u)))
	}
	const want = "1100020000001010200020101010012100100000200010000102000002020011"
	require.Equal(t, want, got.String(), "RULE T1: users are on other sides here than elsewhere")

	for i, want := range map[int]uint64{1: 1583169853354, 2: 3160191458785, 100: 133907056401747, 255: 280681071173261, 256: 1 << 48} {
		require.Equal(t, want, table[i], "RULE T1: log2(1+%d/256) is another here than elsewhere", i)
	}
	require.Equal(t, uint64(0x15555555555555<<9), interval(t, 1.0/3).limit, "RULE T1: a third, as near as a float64 is to it")
	third := Ramp{Start: noon, Duration: 3 * time.Second, Steps: 3}.At(noon.Add(time.Second))
	require.Equal(t, uint64(0x2aaaaaaaaaaaaaaa), third.limit, "RULE T1: a third, as near as 63 bits are to it")
}

func TestHashMovesHalfOfTheBitsForEachBitOfTheKey(t *testing.T) {
	const n = 250
	for bit := 0; bit < 64; bit += tries.Of(1, 3) {
		var moved [64]int
		for i := range n {
			key := fmt.Appendf(nil, "key%05d", i)
			h := Hash("s", string(key))
			key[bit/8] ^= 1 << (bit % 8)
			for b := range moved {
				moved[b] += int((h ^ Hash("s", string(key))) >> b & 1)
			}
		}
		for b, m := range moved {
			require.InDelta(t, n/2, m, 6*math.Sqrt(n)/2, "input bit %d hardly moves output bit %d", bit, b)
		}
	}
}

func TestNameAndKeyDoNotRunIntoEachOther(t *testing.T) {
	require.NotEqual(t, Hash("ab", "c"), Hash("a", "bc"), "RULE T3: two splits are one")
	require.NotEqual(t, Hash("", "abc"), Hash("abc", ""), "RULE T3: two splits are one")
}

// T3: who is in one split's tenth is in another's with a probability of a tenth.
func TestSplitsAreIndependent(t *testing.T) {
	n := tries.Of(20_000, 5_000)
	tenth, err := NewInterval(0.1)
	require.NoError(t, err)
	three, err := NewWeighted(Way{"a", 5}, Way{"b", 3}, Way{"c", 2})
	require.NoError(t, err)
	both, names := 0, [3][3]int{}
	for _, k := range keys(n) {
		one, other := Hash("checkout", k), Hash("search", k)
		if tenth.Has(one) && tenth.Has(other) {
			both++
		}
		names[three.Pick(one)][three.Pick(other)]++
	}
	within(t, n, both, 0.01, "RULE T3: the same users are in both canaries")
	for i, p := range []float64{0.5, 0.3, 0.2} {
		for j, q := range []float64{0.5, 0.3, 0.2} {
			within(t, n, names[i][j], p*q, "RULE T3: the same users are in both canaries")
		}
	}
}

func TestSharesAreWhatWasWritten(t *testing.T) {
	n := tries.Of(20_000, 5_000)
	hashes := make([]uint64, n)
	for i, k := range keys(n) {
		hashes[i] = Hash("shares", k)
	}
	for _, weights := range [][]float64{
		{50, 30, 20}, {90, 10}, {1, 1}, {0.001, 0.999}, {1, 2, 3, 4, 5, 6, 7}, {3, 0, 1}, {1e-300, 3e-300}, {1e300, 1e300}, {math.SmallestNonzeroFloat64, 2 * math.SmallestNonzeroFloat64},
	} {
		w, sum := weighted(t, weights), 0.0
		for _, x := range weights {
			sum += x / weights[0] // 1e300+1e300 is no problem, but 9e307 twice would be
		}
		counts := make([]int, len(weights))
		for _, h := range hashes {
			counts[w.Pick(h)]++
		}
		for i, x := range weights {
			within(t, n, counts[i], x/weights[0]/sum, fmt.Sprintf("RULE T1: way %d of %v", i, weights))
		}
	}
	for _, share := range []float64{0, 0.001, 0.05, 0.1, 0.5, 1} {
		in, count := interval(t, share), 0
		require.Equal(t, share, in.Share())
		for _, h := range hashes {
			if in.Has(h) {
				count++
			}
		}
		within(t, n, count, share, fmt.Sprintf("RULE T1: a share of %v", share))
	}
}

func weighted(t *testing.T, weights []float64) *Weighted {
	ways := make([]Way, len(weights))
	for i, x := range weights {
		ways[i] = Way{fmt.Sprintf("way%d", i), x}
	}
	w, err := NewWeighted(ways...)
	require.NoError(t, err)
	return w
}

func interval(t *testing.T, share float64) Interval {
	i, err := NewInterval(share)
	require.NoError(t, err)
	return i
}

func TestWholeAndNothingHaveNoExceptions(t *testing.T) {
	for _, h := range []uint64{0, 1, 1 << 63, math.MaxUint64} {
		require.True(t, interval(t, 1).Has(h))
		require.False(t, interval(t, 0).Has(h))
		require.Zero(t, weighted(t, []float64{1}).Pick(h))
		require.Equal(t, 1, weighted(t, []float64{0, 1e-9, 0}).Pick(h), "a weight of 0 is nobody")
	}
}

// T2, over random changes of all weights at once: who moves from i to j does so because w_j/w_i grew.
func TestUsersMoveOnlyTowardsWaysThatGrew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	users := keys(2000)
	moves, times := 0, tries.Of(50, 12)
	for range times {
		n := 2 + rng.IntN(5)
		before, after := make([]float64, n), make([]float64, n)
		for i := range n {
			before[i] = randomWeight(rng)
			after[i] = before[i]
			if rng.IntN(2) == 0 {
				after[i] = randomWeight(rng)
			}
		}
		before[0], after[n-1] = before[0]+1, after[n-1]+1
		b, a := weighted(t, before), weighted(t, after)
		for _, u := range users {
			h := Hash("move", u)
			i, j := b.Pick(h), a.Pick(h)
			if i != j {
				moves++
				if after[j]*before[i] <= before[j]*after[i] {
					t.Fatalf("RULE T2: %s moved from %d to %d: %v -> %v", u, i, j, before, after)
				}
			}
		}
	}
	require.Greater(t, moves, 50*times)
}

// randomWeight is often 0, and otherwise a small integer: products of those are exact, so that the test is.
func randomWeight(rng *rand.Rand) float64 {
	if rng.IntN(4) == 0 {
		return 0
	}
	return float64(1 + rng.IntN(100))
}

// The same ratios are the same split, whatever the unit: not one user moves when all weights are
// multiplied by the same number.
func TestUnitOfWeightsDoesNotMatter(t *testing.T) {
	percent, same := weighted(t, []float64{50, 30, 20}), weighted(t, []float64{5 << 40, 3 << 40, 2 << 40})
	for _, u := range keys(tries.Of(20_000, 5_000)) {
		h := Hash("unit", u)
		if percent.Pick(h) != same.Pick(h) {
			t.Fatalf("RULE T2: %s moved, and no ratio has changed", u)
		}
	}
}

func TestOrderOfWaysDoesNotMatter(t *testing.T) {
	ab, err := NewWeighted(Way{"a", 3}, Way{"b", 1})
	require.NoError(t, err)
	ba, err := NewWeighted(Way{"b", 1}, Way{"new", 0}, Way{"a", 3})
	require.NoError(t, err)
	for _, u := range keys(10_000) {
		h := Hash("order", u)
		if (ab.Pick(h) == 0) != (ba.Pick(h) == 2) {
			t.Fatalf("RULE T2: %s moved because lines were written in another order", u)
		}
	}
}

func TestWeightsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		ways []Way
		want string
	}{
		"none":     {nil, "no way has a weight above 0"},
		"all zero": {[]Way{{"a", 0}, {"b", 0}}, "no way has a weight above 0"},
		"negative": {[]Way{{"a", 1}, {"b", -1}}, `way "b" has a weight of -1`},
		"nan":      {[]Way{{"a", math.NaN()}}, `way "a" has a weight of NaN`},
		"infinite": {[]Way{{"a", math.Inf(1)}}, `way "a" has a weight of +Inf`},
		"twice":    {[]Way{{"a", 1}, {"a", 1}}, `two ways are named "a"`},
	} {
		_, err := NewWeighted(c.ways...)
		require.ErrorContains(t, err, c.want, name)
	}
	for _, share := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		_, err := NewInterval(share)
		require.ErrorContains(t, err, "split: a share of", share)
	}
}
