package breaker

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

func TestConsecutiveCountsFailuresInARow(t *testing.T) {
	var c clock
	b, err := NewConsecutive(ConsecutiveOptions{Failures: 3, GateOptions: GateOptions{Elapsed: c.elapsed}})
	require.NoError(t, err)
	script(t, b, "xx.xx.xx.xx.", "RULE B1: failures that are not in a row")
	script(t, b, "xxxr", "RULE B1: three in a row")
	c.advance(time.Minute - 1)
	script(t, b, "r", "the default is a minute")
	c.advance(1)
	script(t, b, ".xx.xxxr", "the default is one trial")
}

func TestConsecutiveOpensAtTheFifthUnlessSaid(t *testing.T) {
	b, err := NewConsecutive(ConsecutiveOptions{})
	require.NoError(t, err)
	script(t, b, "xxxxxr", "")
}

func rate(t testing.TB, failures, of int, within time.Duration, c *clock) *Rate {
	b, err := NewRate(RateOptions{Failures: failures, Of: of, Within: within, GateOptions: GateOptions{Elapsed: c.elapsed}})
	require.NoError(t, err)
	return b
}

// The picture in rate.go.
func TestRateCountsFailuresAmongTheLastCalls(t *testing.T) {
	var c clock
	script(t, rate(t, 3, 7, 0, &c), "x..x....xxr", "RULE B1: 3 failures of the last 7")
	script(t, rate(t, 3, 7, 0, &c), "x..x..xr", "RULE B1: 3 failures of the last 7")
	script(t, rate(t, 3, 7, 0, &c), "x..x...x...x...x...x", "RULE B1: 3 failures of 8 or more")
	script(t, rate(t, 1, 1, 0, &c), "..xr", "RULE B1: one")
	script(t, rate(t, 3, 3, 0, &c), "xx.xx.xxxr", "RULE B1: three of three")
	b, err := NewRate(RateOptions{})
	require.NoError(t, err)
	script(t, b, strings.Repeat(strings.Repeat(".", 9)+"x", 30)+"r", "RULE B1: 30 of 300 is the default")
}

// Pitfall 16: two failures last week and one now.
func TestRateForgetsFailuresThatAreOld(t *testing.T) {
	var c clock
	b := rate(t, 3, 10, time.Minute, &c)
	script(t, b, "xx", "")
	c.advance(time.Minute + 1)
	script(t, b, "x", "RULE B1: opened by failures of last week")
	script(t, b, ".", "RULE B1: opened by failures of last week")
	c.advance(time.Minute)
	script(t, b, "x", "")
	require.Equal(t, Closed, b.State())
	script(t, b, "xr", "RULE B1: three within a minute")
}

// Beside it stands the definition: look at the last calls, and count those that failed and are not too old.
func TestRateIsWhatItsWindowSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	opened := 0
	times := tries.Of(2000, 400)
	for range times {
		failures := 1 + rng.IntN(5)
		of := failures + rng.IntN(12)
		within := time.Duration(1+rng.IntN(30)) * time.Second
		var c clock
		b := rate(t, failures, of, within, &c)
		type call struct {
			at     time.Duration
			failed bool
		}
		var calls []call
		for range 60 {
			c.advance(time.Duration(rng.IntN(6)) * time.Second)
			now := call{c.elapsed(), rng.IntN(3) == 0}
			calls = append(calls, now)
			ticket, err := b.Allow()
			if err != nil {
				t.Fatalf("RULE B1: rejected before it has opened: %v", err)
			}
			ticket.Done(!now.failed)
			n := 0
			for _, past := range calls[max(0, len(calls)-of):] {
				if past.failed && now.at-past.at <= within {
					n++
				}
			}
			// It opens at a failure; a window gets fuller by nothing else.
			if want := now.failed && n >= failures; want != (b.State() == Open) {
				t.Fatalf("RULE B1: %d of the last %d calls failed within %v, %d is one too many, and it is %v: %v", n, of, within, failures, b.State(), calls)
			} else if want {
				opened++
				break
			}
		}
	}
	require.Greater(t, opened, times/4)
}

func adaptive(t testing.TB, o AdaptiveOptions) *Adaptive {
	a, err := NewAdaptive(o)
	require.NoError(t, err)
	return a
}

// feed has outcomes counted that nobody has drawn for.
func feed(a *Adaptive, successes, failures int) {
	for range successes {
		a.end(0, success)
	}
	for range failures {
		a.end(0, failure)
	}
}

func TestAdaptiveRejectsByTheFormula(t *testing.T) {
	var c clock
	draw := 0.0
	a := adaptive(t, AdaptiveOptions{K: 1.5, MinRequests: 10, Elapsed: c.elapsed, Rand: func() float64 { return draw }})
	feed(a, 0, 9)
	require.Zero(t, a.Probability(), "RULE B4: rejects though it has hardly seen anything")
	feed(a, 0, 1)
	require.Equal(t, 10.0/11, a.Probability(), "RULE B4: not the formula")
	require.Equal(t, Open, a.State())
	feed(a, 10, 0)
	require.Equal(t, (20-1.5*10)/21.0, a.Probability(), "RULE B4: not the formula")
	require.Equal(t, HalfOpen, a.State())

	p := a.Probability()
	draw = p
	script(t, a, "c", "RULE B4: a draw that is not below p")
	require.Equal(t, p, a.Probability(), "RULE B3: a call that was canceled counts")
	draw = math.Nextafter(p, 0)
	script(t, a, "r", "RULE B4: a draw below p")
	require.Equal(t, (21-1.5*10)/22.0, a.Probability(), "RULE B4: what it rejects is a request")
	require.Equal(t, Metrics{State: HalfOpen, Requests: 22, Rejected: 1, Successes: 10, Failures: 10, Canceled: 1}, a.Metrics(),
		"RULE U3: what it rejects is a failure of the backend")

	feed(a, 20, 0)
	require.Zero(t, a.Probability(), "RULE B4: as many accepted as are needed")
	require.Equal(t, Closed, a.State())
	draw = 0
	script(t, a, ".", "RULE B4: p is 0, and there is a draw of 0")
}

func TestAdaptiveWindowSlides(t *testing.T) {
	var c clock
	c.advance(time.Hour)
	a := adaptive(t, AdaptiveOptions{MinRequests: 1, Elapsed: c.elapsed})
	feed(a, 0, 20)
	c.advance(1500 * time.Millisecond)
	feed(a, 0, 10)
	require.Equal(t, 30.0/31, a.Probability())
	c.advance(1499 * time.Millisecond)
	require.Equal(t, 30.0/31, a.Probability(), "RULE B4: forgets too early")
	c.advance(time.Millisecond)
	require.Equal(t, 10.0/11, a.Probability(), "RULE B1: failures that are older than the window")
	c.advance(-2 * time.Second)
	require.Equal(t, 10.0/11, a.Probability(), "a clock that goes back changes nothing")
	c.advance(100 * time.Hour)
	require.Zero(t, a.Probability(), "RULE B1: failures that are older than the window")
	require.Equal(t, uint64(30), a.Metrics().Failures)
}

// A backend that is slow but well: half of what was sent in the window is still under way.
func TestAdaptiveTakesCallsUnderWayForNothing(t *testing.T) {
	var c clock
	a := adaptive(t, AdaptiveOptions{Elapsed: c.elapsed, Rand: func() float64 { return 0 }})
	var under []*Ticket
	for range 5000 {
		under = append(under, allow(t, a, "RULE B4: calls under way are taken for failures"))
		c.advance(time.Millisecond)
		if len(under) > 2000 {
			under[0].Done(true)
			under = under[1:]
		}
	}
}

// Callers at once, while the window moves: nothing is counted twice or lost, and in the end nothing is left in it.
func TestAdaptiveCountsCallersAtOnce(t *testing.T) {
	const callers, calls = 8, 3000
	var c clock
	a := adaptive(t, AdaptiveOptions{Elapsed: c.elapsed})
	var rejected, failed atomic.Int64
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(g)))
			for range calls {
				c.advance(time.Millisecond)
				ticket, err := a.Allow()
				if err != nil {
					rejected.Add(1)
					continue
				}
				ok := rng.IntN(3) != 0
				if !ok {
					failed.Add(1)
				}
				ticket.Done(ok)
			}
		})
	}
	wg.Wait()
	m := a.Metrics()
	require.Equal(t, uint64(callers*calls), m.Requests)
	require.Equal(t, uint64(rejected.Load()), m.Rejected)
	require.Equal(t, uint64(failed.Load()), m.Failures)
	c.advance(time.Minute)
	require.Zero(t, a.Probability())
	require.Zero(t, a.past.Load(), "RULE B1: something stays in the window for ever")
	require.Equal(t, m.Requests, a.Metrics().Requests)
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, err := range map[string]error{
		"breaker: -1 Failures in a row":          errorOf(NewConsecutive(ConsecutiveOptions{Failures: -1})),
		"breaker: Timeout of -1ns":               errorOf(NewConsecutive(ConsecutiveOptions{GateOptions: GateOptions{Timeout: -1}})),
		"breaker: -1 Trials":                     errorOf(NewRate(RateOptions{GateOptions: GateOptions{Trials: -1}})),
		"breaker: TrialTimeout of -1ns":          errorOf(NewRate(RateOptions{GateOptions: GateOptions{TrialTimeout: -1}})),
		"breaker: 5 Failures of 4 calls":         errorOf(NewRate(RateOptions{Failures: 5, Of: 4})),
		"breaker: 0 Failures of 4 calls":         errorOf(NewRate(RateOptions{Of: 4})),
		"breaker: Within -1s":                    errorOf(NewRate(RateOptions{Within: -time.Second})),
		"breaker: K of 1":                        errorOf(NewAdaptive(AdaptiveOptions{K: 1})),
		"breaker: K of NaN":                      errorOf(NewAdaptive(AdaptiveOptions{K: math.NaN()})),
		"breaker: Bucket of -1ns":                errorOf(NewAdaptive(AdaptiveOptions{Bucket: -1})),
		"breaker: -1 Buckets":                    errorOf(NewAdaptive(AdaptiveOptions{Buckets: -1})),
		"breaker: MinRequests of -1: it is 1 or": errorOf(NewAdaptive(AdaptiveOptions{MinRequests: -1})),
	} {
		require.ErrorContains(t, err, want)
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestNothingIsAllocated(t *testing.T) {
	var c clock
	for name, b := range map[string]Breaker{
		"consecutive": must(NewConsecutive(ConsecutiveOptions{})),
		"rate":        rate(t, 5, 10, time.Minute, &c),
		"adaptive":    adaptive(t, AdaptiveOptions{MinRequests: 10, Rand: func() float64 { return 0.5 }}),
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			for i := range 50 {
				if ticket, err := b.Allow(); err == nil {
					ticket.Done(i%20 != 0)
					ticket.Cancel()
				}
			}
		}), name)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
