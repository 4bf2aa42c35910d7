package split

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRampGrowsInStepsFromStartToEnd(t *testing.T) {
	r := Ramp{Start: noon, Duration: time.Hour, Steps: 4, To: 0.5}
	for _, c := range []struct {
		after time.Duration
		share float64
	}{
		{-time.Second, 0},
		{0, 0},
		{15*time.Minute - 1, 0},
		{15 * time.Minute, 0.125},
		{30*time.Minute - 1, 0.125},
		{30 * time.Minute, 0.25},
		{45 * time.Minute, 0.375},
		{time.Hour - 1, 0.375},
		{time.Hour, 0.5},
		{250 * 365 * 24 * time.Hour, 0.5},
	} {
		require.Equal(t, c.share, r.At(noon.Add(c.after)).Share(), "%v after the start", c.after)
	}
}

func TestRampOfOneThousandStepsUnlessSaid(t *testing.T) {
	r := Ramp{Start: noon, Duration: 1000 * time.Second}
	require.InDelta(t, 0.001, r.At(noon.Add(time.Second)).Share(), 1e-15)
	require.InDelta(t, 0.001, r.At(noon.Add(2*time.Second-1)).Share(), 1e-15)
	require.InDelta(t, 0.999, r.At(noon.Add(1000*time.Second-1)).Share(), 1e-15)
	require.Equal(t, 1.0, r.At(noon.Add(1000*time.Second)).Share())
}

func TestRampWithoutDurationIsAJump(t *testing.T) {
	r := Ramp{Start: noon}
	require.Zero(t, r.At(noon.Add(-1)).Share())
	require.Equal(t, 1.0, r.At(noon).Share())
}

// T2: from 5 to 10 percent users are added, and none is moved back.
func TestGrowingShareOnlyAddsUsers(t *testing.T) {
	users := keys(tries.Of(20_000, 5_000))
	five, ten := interval(t, 0.05), interval(t, 0.10)
	added := 0
	for _, u := range users {
		h := Hash("canary", u)
		if five.Has(h) {
			if !ten.Has(h) {
				t.Fatalf("RULE T2: %s was in 5 percent and is not in 10", u)
			}
		} else if ten.Has(h) {
			added++
		}
	}
	within(t, len(users), added, 0.05, "RULE T2: as many are added as the share has grown by")

	r := Ramp{Start: noon, Duration: time.Hour, Steps: 37, To: 0.5}
	in := make([]bool, len(users))
	rng := rand.New(rand.NewPCG(3, 4))
	for at := -time.Minute; at < 70*time.Minute; at += time.Duration(rng.Int64N(int64(5 * time.Minute))) {
		now := r.At(noon.Add(at))
		for i, u := range users {
			has := now.Has(Hash("ramp", u))
			if in[i] && !has {
				t.Fatalf("RULE T2: %s has flipped back %v after the start", u, at)
			}
			in[i] = has
		}
	}
}

// Times and steps that would overflow, were the product taken in 64 bits.
func TestRampOfYearsInManySteps(t *testing.T) {
	r := Ramp{Start: noon, Duration: 200 * 365 * 24 * time.Hour, Steps: 1 << 30}
	require.InDelta(t, 0.5, r.At(noon.Add(r.Duration/2)).Share(), 1e-8)
	require.InDelta(t, 0.25, r.At(noon.Add(r.Duration/4)).Share(), 1e-8)
}

func TestRampsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, r := range map[string]Ramp{
		"a ramp of -1s":      {Duration: -time.Second},
		"a ramp in -1 steps": {Steps: -1},
		"a share of 2":       {To: 2},
	} {
		require.ErrorContains(t, r.Validate(), want)
		require.Zero(t, r.At(noon).Share(), "one that nobody has looked at is nobody")
	}
	require.NoError(t, Ramp{}.Validate())
}
