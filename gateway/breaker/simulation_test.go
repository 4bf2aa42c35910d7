package breaker

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
	for _, perSecond := range []int{10, 100, 500} {
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

func TestAdaptiveBoundsLoadThatLeaksAndTimeToRecover(t *testing.T) {
	const dead = 30 * time.Second
	for _, k := range []float64{5.0 / 3, 2} {
		for _, perSecond := range []int{100, 1000} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("K=%.2f/rate=%d/seed=%d", k, perSecond, seed), func(t *testing.T) {
					w := &world{perSecond: perSecond, latency: 20 * time.Millisecond, timeout: 20 * time.Millisecond, dead: 10 * time.Second, back: 10*time.Second + dead}
					w.b = adaptive(t, AdaptiveOptions{K: k, Elapsed: w.elapsed, Rand: rand.New(rand.NewPCG(seed, 1)).Float64})
					require.Zero(t, w.to(w.dead), "rejected while all is well")
					w.to(w.back)
					window := 3.0
					inWindow := float64(perSecond) * window
					mean := inWindow*(1-1/(2*k)) + dead.Seconds()/window
					require.LessOrEqual(t, float64(w.leaked), mean+5*math.Sqrt(mean)+0.02*inWindow, "RULE B4: leaked to a dead backend")
					require.Greater(t, w.leaked, int(mean/2), "RULE B4: less than the formula lets through")

					rejected := w.to(w.back + 50*time.Second)
					require.LessOrEqual(t, (rejected - w.back).Seconds(), window*(math.Log(inWindow/k)+5), "RULE B4: time to recover")
					require.Equal(t, Closed, w.b.State(), "RULE B4: never recovers")
				})
			}
		}
	}
}

// A backend that takes a part of what it is sent is sent K times that part, and not more.
func TestAdaptiveSendsWhatAnOverloadedBackendTakes(t *testing.T) {
	var c clock
	draws := rand.New(rand.NewPCG(1, 2))
	const perSecond, takes, k = 1000, 300, 2.0
	a := adaptive(t, AdaptiveOptions{K: k, Elapsed: c.elapsed, Rand: draws.Float64})
	sent, accepted := 0, 0
	for range 60 {
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
	require.InDelta(t, takes, float64(accepted)/60, 0.1*takes, "RULE B4: the backend has room, and is not used")
	require.InDelta(t, k*takes, float64(sent)/60, 0.1*k*takes, "RULE B4: K times what it accepts is sent")
}
