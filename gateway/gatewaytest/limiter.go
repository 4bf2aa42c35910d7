package gatewaytest

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Limiter allows calls at a rate.
type Limiter interface{ Allow() bool }

// NewLimiter makes a limiter of rate calls a second, with a burst. Elapsed is its clock, from any beginning.
type NewLimiter func(rate float64, burst int, elapsed func() time.Duration) (Limiter, error)

// Limit grades limiters: rule L1 of package gateway.
func Limit(t *testing.T, newLimiter NewLimiter) {
	t.Helper()
	run(t, limitStories(newLimiter), struct{}{})
}

// GradeLimiter is Limit without a testing.T.
func GradeLimiter(newLimiter NewLimiter) []Result { return grade(limitStories(newLimiter), struct{}{}) }

func limitStories(n NewLimiter) []story {
	return []story{
		{Rule{ID: "fills", Of: "L1", Source: "issue", Text: "A bucket begins full, and gets its tokens at its rate."}, n.fills},
		{Rule{ID: "bounded", Of: "L1", Source: "pitfall 17", Text: "No interval gets more than burst + rate*time."}, n.bounded},
		{Rule{ID: "no-drift", Of: "L1", Source: "pitfall 17", Text: "Whoever asks all the time gets the rate, also after a long time."}, n.noDrift},
		{Rule{ID: "clock-back", Of: "L1", Source: "pitfall 17", Text: "A clock that goes back gives nothing."}, n.clockBack},
		{Rule{ID: "at-once", Of: "L1", Source: "issue", Text: "Many callers at once get no more than one."}, n.atOnce},
	}
}

// clock is the time that a story says it is. It is safe for concurrent use.
type clock struct{ now atomic.Int64 }

func (c *clock) elapsed() time.Duration { return time.Duration(c.now.Load()) }
func (c *clock) pass(d time.Duration)   { c.now.Add(int64(d)) }

func (n NewLimiter) of(rate float64, burst int) (Limiter, *clock) {
	c := &clock{}
	c.pass(time.Hour)
	l, err := n(rate, burst, c.elapsed)
	check(err == nil, "a limiter cannot be made: %v", err)
	return l, c
}

// burst is how many calls are allowed at once.
func burst(l Limiter) (n int) {
	for l.Allow() {
		if n++; n > 1_000_000 {
			failf("a limiter has no end")
		}
	}
	return n
}

func (n NewLimiter) fills() {
	l, c := n.of(10, 5)
	same(burst(l), 5, "a bucket of 5 begins with")
	c.pass(99 * time.Millisecond)
	same(burst(l), 0, "before there is a token it gives")
	c.pass(2 * time.Millisecond)
	same(burst(l), 1, "after a tenth of a second it gives")
	c.pass(time.Hour)
	same(burst(l), 5, "after an hour it gives")
}

func (n NewLimiter) bounded() {
	const rate, most = 100, 7
	l, c := n.of(rate, most)
	rng := rand.New(rand.NewPCG(1, 1))
	var taken []time.Duration
	for range 3000 {
		if l.Allow() {
			taken = append(taken, c.elapsed())
		}
		if rng.IntN(3) == 0 {
			c.pass(time.Duration(rng.Int64N(int64(30 * time.Millisecond))))
		}
	}
	// For each end, the beginning with the most calls beyond the rate: whatever the end, it is the one of the largest rate*time - calls.
	begin, lead := 0, math.Inf(-1)
	for end, at := range taken {
		if l := rate*at.Seconds() - float64(end); l > lead {
			begin, lead = end, l
		}
		calls, span := end-begin+1, at-taken[begin]
		if allowed := most + rate*span.Seconds() + 1e-6; float64(calls) > allowed {
			failf("%d calls in %v, of at most %.2f", calls, span, allowed)
		}
	}
}

func (n NewLimiter) noDrift() {
	const rate, seconds = 30, 60
	l, c := n.of(rate, 1)
	given := 0
	for range seconds * 1000 / 2 {
		c.pass(2 * time.Millisecond)
		if l.Allow() {
			given++
		}
	}
	// A call every 34 ms is what one gets who may every 33 1/3, and asks every 2.
	least, most := seconds*1000/34-1, seconds*rate+1
	check(given >= least && given <= most, "in %d s at %d a second %d calls were allowed, want from %d to %d", seconds, rate, given, least, most)
}

func (n NewLimiter) clockBack() {
	l, c := n.of(10, 5)
	burst(l)
	for range 20 {
		c.pass(-time.Second)
		same(burst(l), 0, "a clock has gone back, and the bucket gives")
		c.pass(time.Second)
		same(burst(l), 0, "a clock has gone back and forth, and the bucket gives")
	}
}

func (n NewLimiter) atOnce() {
	l, _ := n.of(1, 1000)
	var all sync.WaitGroup
	var given atomic.Int64
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if l.Allow() {
					given.Add(1)
				}
			}
		})
	}
	all.Wait()
	same(given.Load(), 1000, "8 callers at once got, of 1000 tokens")
}
