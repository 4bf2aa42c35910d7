package breaker

import (
	"container/heap"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

var seeds = flag.Int("seeds", 0, "with how many seeds an adaptive breaker is tried; 0: 3, and 1 with -short")

// A world in virtual time: requests come at a rate, the breaker is asked, and what it lets through reaches a backend
// that is well, dead from a time on, and well again. A call that it answers takes latency; one that it does not, timeout.
type world struct {
	clock
	b                Breaker
	perSecond        int
	latency, timeout time.Duration
	dead, back       time.Duration // the backend is dead from one to the other

	under  calls
	leaked int // calls that reached the dead backend
}

type call struct {
	end    time.Duration
	ok     bool
	ticket Ticket
}

type calls []*call

func (c calls) Len() int           { return len(c) }
func (c calls) Less(i, j int) bool { return c[i].end < c[j].end }
func (c calls) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *calls) Push(x any)        { *c = append(*c, x.(*call)) }
func (c *calls) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// request is one that comes now; false if it was rejected.
func (w *world) request() bool {
	ticket, err := w.b.Allow()
	if err != nil {
		return false
	}
	now := w.elapsed()
	c := &call{end: now + w.latency, ok: now < w.dead || now >= w.back, ticket: ticket}
	if !c.ok {
		w.leaked++
		c.end = now + w.timeout
	}
	heap.Push(&w.under, c)
	return true
}

// to lets time pass until end, and returns when the last request was rejected.
func (w *world) to(end time.Duration) (rejected time.Duration) {
	every := time.Second / time.Duration(w.perSecond)
	for at := w.elapsed() + every; at <= end; at += every {
		for len(w.under) > 0 && w.under[0].end <= at {
			c := heap.Pop(&w.under).(*call)
			w.now.Store(int64(c.end))
			c.ticket.Done(c.ok)
		}
		w.now.Store(int64(at))
		if !w.request() {
			rejected = at
		}
	}
	return rejected
}

// What is asserted is the table in doc.go. All takes place in virtual time.
func TestLoadThatLeaksAndTimeToRecoverAreBounded(t *testing.T) {
	const dead, failures, trials = 30 * time.Second, 5, 3
	for _, perSecond := range []int{10, 100, 500}[:tries.Of(3, 2)] {
		for _, timeout := range []time.Duration{time.Millisecond, time.Second, 12 * time.Second} {
			for name, make := range map[string]func(GateOptions) Breaker{
				"consecutive": func(o GateOptions) Breaker {
					return must(NewConsecutive(ConsecutiveOptions{Failures: failures, GateOptions: o}))
				},
				"rate": func(o GateOptions) Breaker {
					return must(NewRate(RateOptions{Failures: failures, Of: 10, GateOptions: o}))
				},
			} {
				t.Run(fmt.Sprintf("%s/rate=%d/timeout=%v", name, perSecond, timeout), func(t *testing.T) {
					w := &world{perSecond: perSecond, latency: 20 * time.Millisecond, timeout: timeout, dead: 10 * time.Second, back: 10*time.Second + dead}
					o := GateOptions{Timeout: 5 * time.Second, Trials: trials, TrialTimeout: 5 * time.Second, Elapsed: w.elapsed}
					w.b = make(o)
					require.Zero(t, w.to(w.dead), "rejected while all is well")
					require.NotZero(t, w.to(w.back), "RULE B4: the backend was dead for half a minute, and nobody has noticed")
					underWay := int(timeout.Seconds()*float64(perSecond)) + 1
					require.LessOrEqual(t, w.leaked, failures+underWay+trials*(int(dead/o.Timeout)+1), "RULE B4: leaked to a dead backend")

					rejected := w.to(w.back + 50*time.Second)
					// Trials that began before the backend was back fail when their time is over.
					late := min(timeout, o.TrialTimeout)
					second := time.Second / time.Duration(perSecond)
					require.LessOrEqual(t, rejected-w.back, o.Timeout+late+w.latency+(trials+1)*second, "RULE B4: time to recover")
					require.Equal(t, Closed, w.b.State(), "RULE B4: never recovers")
				})
			}
		}
	}
}

// When the backend is back, a call comes through every w, and each that succeeds lets K more come in the w after it: they are a
// population, which grows by exp(x) in each w, x = K*(1-exp(-x)), unless it dies out. It does so but for a probability of
// x/K, so the first that does not is waited for as for the radioactive decay of an atom, K/x*w in the mean. With luck it is at
// once: what is bounded here is what nobody in a million has to wait, and, of many seeds, what nine of ten do not.
func TestAdaptiveBoundsLoadThatLeaksAndTimeToRecover(t *testing.T) {
	if *seeds == 0 {
		*seeds = tries.Of(3, 1)
	}
	for k, x := range map[float64]float64{5.0 / 3: 1.126, 2: 1.594} {
		for _, perSecond := range []int{100, tries.Of(1000, 300)} {
			t.Run(fmt.Sprintf("K=%.2f/rate=%d", k, perSecond), func(t *testing.T) {
				within := func(p float64) time.Duration {
					return time.Duration((math.Log(float64(perSecond)*window.Seconds()/k) - math.Log(p)*k) / x * float64(window))
				}
				late := 0
				for seed := range uint64(*seeds) {
					took := adaptiveRecovers(t, k, perSecond, seed, within(1e-6))
					if took > within(0.1) {
						late++
					}
				}
				if *seeds >= 100 {
					require.Less(t, late, *seeds/10, "RULE B4: time to recover, of one in ten")
				}
			})
		}
	}
}

// window is that of an Adaptive by default.
const window = 3 * time.Second

// adaptiveRecovers lets a backend be dead and come back, and returns how long after that a request was rejected. It fails
// if that is more than most.
func adaptiveRecovers(t *testing.T, k float64, perSecond int, seed uint64, most time.Duration) time.Duration {
	const dead = 30 * time.Second
	w := &world{perSecond: perSecond, latency: 20 * time.Millisecond, timeout: 20 * time.Millisecond, dead: 10 * time.Second, back: 10*time.Second + dead}
	w.b = adaptive(t, AdaptiveOptions{K: k, Elapsed: w.elapsed, Rand: rand.New(rand.NewPCG(seed, 1)).Float64})
	require.Zero(t, w.to(w.dead), "seed %d: rejected while all is well", seed)
	w.to(w.back)
	// A window ends with a bucket that is not over: it is up to a tenth shorter.
	mean := float64(perSecond)*window.Seconds()*(1-1/(2*k)) + dead.Seconds()/window.Seconds()
	require.LessOrEqual(t, float64(w.leaked), mean+float64(perSecond)*w.latency.Seconds()+5*math.Sqrt(mean), "RULE B4: seed %d: leaked to a dead backend", seed)
	require.GreaterOrEqual(t, float64(w.leaked), 0.9*mean-5*math.Sqrt(mean), "RULE B4: seed %d: less than the formula lets through", seed)

	last := w.back
	for w.elapsed() < last+2*window {
		last = max(last, w.to(w.elapsed()+time.Second))
		require.LessOrEqual(t, last-w.back, most, "RULE B4: seed %d: time to recover", seed)
	}
	require.Equal(t, Closed, w.b.State(), "RULE B4: seed %d: never recovers", seed)
	return last - w.back
}

// A backend that takes a part of what it is sent is sent K times that part, and not more.
func TestAdaptiveSendsWhatAnOverloadedBackendTakes(t *testing.T) {
	var c clock
	draws := rand.New(rand.NewPCG(1, 2))
	const perSecond, takes, k = 1000, 300, 2.0
	seconds := tries.Of(60, 30)
	a := adaptive(t, AdaptiveOptions{K: k, Elapsed: c.elapsed, Rand: draws.Float64})
	sent, accepted := 0, 0
	for range seconds {
		room := 0.0
		for range perSecond {
			c.advance(time.Second / perSecond)
			room = min(room+takes/float64(perSecond), 30)
			ticket, err := a.Allow()
			if err != nil {
				continue
			}
			sent++
			ok := room >= 1
			if ok {
				room--
				accepted++
			}
			ticket.Done(ok)
		}
	}
	require.InDelta(t, takes, float64(accepted)/float64(seconds), 0.1*takes, "RULE B4: the backend has room, and is not used")
	require.InDelta(t, k*takes, float64(sent)/float64(seconds), 0.1*k*takes, "RULE B4: K times what it accepts is sent")
}
