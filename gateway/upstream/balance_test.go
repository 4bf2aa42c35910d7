package upstream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

func TestEqualEndpointsGetEqualShares(t *testing.T) {
	for _, name := range Algorithms() {
		for _, n := range []int{1, 3, 10}[:tries.Of(3, 2)] {
			w := newWorld(t, 7)
			got := w.shares(w.pool(n, Options{Algorithm: name}), 400*n)
			for i := range got {
				within := 85.0 // more than 4 standard deviations
				if name == "roundRobin" {
					within = 0
				}
				require.InDelta(t, 400, got[i], within, "RULE U6: %s: %v", name, got)
			}
		}
	}
}

// The neighbour of whoever is passed over must not get its share as well.
func TestWhoIsPassedOverIsSharedByAllOthers(t *testing.T) {
	for _, name := range Algorithms() {
		w := newWorld(t, 3)
		p := w.pool(4, Options{Algorithm: name, MaxConcurrent: 1})
		var held []Token
		for key := uint64(0); len(held) < 1; key++ {
			held = append(held, w.pick(p, key, nil))
		}
		full := position(p, held[0].Endpoint())
		got := w.shares(p, 3000)
		for i := range got {
			switch {
			case i == full:
				require.Zero(t, got[i], "RULE U2: %s: a full endpoint is picked", name)
			case name == "roundRobin":
				require.InDelta(t, 1000, got[i], 1, "RULE U6: %v", got)
			default:
				require.InDelta(t, 1000, got[i], 140, "RULE U6: %s: %v", name, got)
			}
		}
		held[0].Done(OK)
	}
}

func TestTwoChoicesAreTwoDifferentOnes(t *testing.T) {
	for _, n := range []int{2, 3, 10} {
		w := newWorld(t, 5)
		p := w.pool(n, Options{Algorithm: "powerOfRandomNChoices"})
		busy := p.members[0].Endpoint
		c := choice{view: look(p.members, 0, w.now, p.options), now: w.now, random: w.random, max: unbounded}
		pairs := map[[2]*Endpoint]int{}
		for range 250 * n * (n - 1) {
			a, b := c.two()
			if a == b {
				t.Fatal("RULE U4: the same endpoint twice")
			}
			pairs[[2]*Endpoint{a, b}]++
		}
		require.Len(t, pairs, n*(n-1), "RULE U4: not all pairs are drawn")
		for _, seen := range pairs {
			require.InDelta(t, 250, seen, 75, "RULE U4: pairs are not equally likely")
		}
		// The one with more to do loses against whomever it meets: it can only win against itself.
		busy.inFlight.Store(1)
		require.Zero(t, w.shares(p, 1000)[0], "RULE U4: the same endpoint twice")
		busy.inFlight.Store(0)
	}
}

func TestTwoChoicesAmongFewOpenOnes(t *testing.T) {
	w := newWorld(t, 5)
	p := w.pool(100, Options{Algorithm: "powerOfRandomNChoices", MaxConcurrent: 1})
	for i := range 98 {
		p.members[i+1].inFlight.Store(1) // 0 and 99 are left
	}
	got := w.shares(p, 2000)
	require.InDelta(t, 1000, got[0], 130, "RULE U4: %v", got)
	require.InDelta(t, 1000, got[99], 130, "RULE U4: %v", got)
	for i := range p.members {
		p.members[i].inFlight.Store(0)
	}
}

func TestLeastConnectionsFindsTheFewest(t *testing.T) {
	w := newWorld(t, 9)
	p := w.pool(5, Options{Algorithm: "leastConnections"})
	for k, n := range []int64{3, 2, 1, 2, 3} {
		p.members[k].inFlight.Store(n)
	}
	var tokens []Token
	for range 4 { // up to 3, 3, 3, 3, 3
		tokens = append(tokens, w.pick(p, 0, nil))
	}
	var load []int64
	for _, e := range p.Endpoints() {
		load = append(load, e.InFlight())
	}
	require.Equal(t, []int64{3, 3, 3, 3, 3}, load, "RULE U6: not the one with the fewest")
	for _, token := range tokens {
		token.Done(OK)
	}
	for k := range p.members {
		p.members[k].inFlight.Store(0)
	}
}

// One of three is ten times slower. Round robin does not care; who looks at what is under way cares
// a little; peak-EWMA cares most.
func TestPeakEWMAPrefersTheFast(t *testing.T) {
	slow := func(name string) float64 {
		w := newWorld(t, 11)
		got := w.simulate(w.pool(3, Options{Algorithm: name}), time.Duration(tries.Of(60, 30))*time.Second, 100, func(i int) (time.Duration, Outcome) {
			return []time.Duration{10, 10, 100}[i] * time.Millisecond, OK
		})
		return float64(got[2]) / float64(sum(got))
	}
	require.InDelta(t, 1.0/3, slow("roundRobin"), 0.01)
	require.InDelta(t, 1.0/3, slow("random"), 0.02)
	require.Less(t, slow("powerOfRandomNChoices"), 0.25)
	require.Less(t, slow("leastConnections"), 0.15)
	require.Less(t, slow("peakEWMA"), 0.05, "RULE U7: a slow endpoint is asked as often as a fast one")
}

func TestPeakEWMAComesBackToWhoHasRecovered(t *testing.T) {
	w := newWorld(t, 12)
	p := w.pool(3, Options{Algorithm: "peakEWMA"})
	bad := true
	serve := func(i int) (time.Duration, Outcome) {
		if bad && i == 1 {
			return time.Second, OK
		}
		return 10 * time.Millisecond, OK
	}
	got := w.simulate(p, 30*time.Second, 100, serve)
	require.Less(t, got[1], sum(got)/50, "RULE U7: %v", got)
	bad = false
	w.simulate(p, 2*time.Minute, 100, serve) // from 1 s to 10 ms is 4.6 times the decay
	got = w.simulate(p, 30*time.Second, 100, serve)
	require.Greater(t, got[1], sum(got)/4, "RULE U7: it is fast again, and shunned for ever: %v", got)
}

// A second is what it needs to refuse: were that its latency, all requests would go there.
func TestAFailedCallIsNotAFastOne(t *testing.T) {
	w := newWorld(t, 13)
	p := w.pool(3, Options{Algorithm: "peakEWMA", Ejection: EjectionOptions{Failures: -1}})
	got := w.simulate(p, time.Minute, 100, func(i int) (time.Duration, Outcome) {
		if i == 1 {
			return 100 * time.Microsecond, Failed
		}
		return 20 * time.Millisecond, OK
	})
	require.Less(t, got[1], sum(got)/20, "RULE U7: who fails fast is loved: %v", got)
}

func TestOneBadSampleIsNotTheLast(t *testing.T) {
	w := newWorld(t, 14)
	p := w.pool(3, Options{Algorithm: "peakEWMA"})
	serve := func(int) (time.Duration, Outcome) { return 10 * time.Millisecond, OK }
	w.simulate(p, time.Second, 100, serve)
	p.members[1].latency.observe(time.Hour, w.now)
	p.members[1].picked.Store(int64(w.now))
	got := w.simulate(p, 5*time.Second, 100, serve)
	require.Positive(t, got[1], "RULE U7: nobody asks it any more: %v", got)
	require.Less(t, got[1], 10, "RULE U7: it was an hour: %v", got)
}

func TestWhoHasNeverAnsweredGetsOneRequest(t *testing.T) {
	w := newWorld(t, 15)
	p := w.pool(3, Options{Algorithm: "peakEWMA"})
	got := w.simulate(p, 30*time.Second, 100, func(i int) (time.Duration, Outcome) {
		if i == 1 {
			return time.Hour, OK // it hangs
		}
		return 10 * time.Millisecond, OK
	})
	require.Equal(t, 1, got[1], "RULE U7: who has never answered is taken for fast: %v", got)
}

func TestLatencyJumpsUpAndComesDown(t *testing.T) {
	var l latency
	now := time.Hour
	require.Zero(t, l.value())
	for range 100 {
		now += 100 * time.Millisecond
		l.observe(10*time.Millisecond, now)
	}
	require.InDelta(t, 10e6, l.value(), 1)
	l.observe(80*time.Millisecond, now)
	require.InDelta(t, 80e6, l.value(), 1, "RULE U7: a peak counts at once")
	for range 10 { // a second each: together one decay
		now += time.Second
		l.observe(10*time.Millisecond, now)
	}
	require.InDelta(t, 10e6+70e6/2.71828, l.value(), 1e3, "after one decay 1/e of it is left")
	l.observe(5*time.Millisecond, now-time.Minute) // a clock that is read before and used after
	require.False(t, l.value() > 80e6 || l.value() < 5e6)
	l.atLeast(time.Millisecond, now)
	l.atLeast(3*time.Second, now)
	require.InDelta(t, 3e9, l.value(), 1)
}
