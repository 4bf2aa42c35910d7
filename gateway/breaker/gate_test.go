package breaker

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOpenLetsNobodyThroughUntilItsTimeIsOver(t *testing.T) {
	eachKind(t, 1, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, ".x...", "")
		require.Equal(t, Closed, b.State())
		script(t, b, "xx", "RULE B1: opened too early")
		require.Equal(t, Open, b.State(), "RULE B1: two failures, and still not open")
		script(t, b, "rrr", "RULE B1: let through while open")
		c.advance(10*time.Second - 1)
		script(t, b, "r", "RULE B1: let through while open")
		c.advance(1)
		require.Equal(t, HalfOpen, b.State(), "an idle route looks open for ever")
		script(t, b, ".", "RULE B1: not tried when the time is over")
		require.Equal(t, Closed, b.State(), "RULE B1: not closed by a trial that succeeds")
		script(t, b, "...", "")
	})
}

func TestHalfOpenLetsOnlyTrialsThroughAndAllMustSucceed(t *testing.T) {
	eachKind(t, 3, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "xx", "")
		c.advance(10 * time.Second)
		one, two, three := allow(t, b, "RULE B1: a trial"), allow(t, b, "RULE B1: a trial"), allow(t, b, "RULE B1: a trial")
		script(t, b, "rr", "RULE B1: more than 3 trials at once (gobreaker#91: those under way count)")
		one.Done(true)
		two.Done(true)
		require.Equal(t, HalfOpen, b.State(), "RULE B1: closed before all trials have succeeded")
		script(t, b, "rr", "RULE B1: more than 3 trials in all (gobreaker#49)")
		three.Done(true)
		require.Equal(t, Closed, b.State())
		script(t, b, "....", "RULE B1: closed lets all through")
	})
}

func TestOneTrialThatFailsOpensAgain(t *testing.T) {
	eachKind(t, 3, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "xx", "")
		c.advance(10 * time.Second)
		script(t, b, "..xr", "RULE B1: one failure closes the door")
		require.Equal(t, Open, b.State())
		c.advance(10*time.Second - 1)
		script(t, b, "r", "RULE B1: the time begins again with the trial that failed")
		c.advance(1)
		script(t, b, "....", "RULE B1: successes of the first half-open generation count in the second")
	})
}

func TestWhatHappenedBeforeItOpenedIsForgottenWhenItCloses(t *testing.T) {
	eachKind(t, 1, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "xx", "")
		c.advance(10 * time.Second)
		script(t, b, ".x", "")
		require.Equal(t, Closed, b.State(), "RULE B1: opened by failures from before")
		script(t, b, "x", "")
		require.Equal(t, Open, b.State())
	})
}

// Pitfall 14. The calls began closed and end, badly and well, in all that comes after: gobreaker drops the place of
// a trial for them (#122), others close or open by them.
func TestLateOutcomesCountInNoOtherGeneration(t *testing.T) {
	eachKind(t, 2, func(t *testing.T, b Breaker, c *clock) {
		var late []*Ticket
		for range 12 {
			late = append(late, allow(t, b, ""))
		}
		end := func(ok bool) {
			late[0].Done(ok)
			late = late[1:]
		}
		script(t, b, "xx", "")
		end(true)
		end(false)
		require.Equal(t, Open, b.State(), "RULE B2: a late success has closed it")
		c.advance(10 * time.Second)

		trial := allow(t, b, "RULE B2: a late failure has begun the time again")
		end(true)
		end(true)
		end(true)
		require.Equal(t, HalfOpen, b.State(), "RULE B2: late successes have closed it")
		end(false)
		require.Equal(t, HalfOpen, b.State(), "RULE B2: a late failure has opened it")
		late[0].Cancel()
		late = late[1:]
		other := allow(t, b, "")
		script(t, b, "r", "RULE B2: a late cancellation has freed a place that it never had")
		trial.Done(true)
		other.Done(true)
		require.Equal(t, Closed, b.State())

		end(false)
		end(false)
		require.Equal(t, Closed, b.State(), "RULE B2: failures of an earlier generation have opened it")
		script(t, b, "x", "")
		end(true)
		script(t, b, "x", "")
		require.Equal(t, Open, b.State(), "RULE B2: a late success stands between two failures")
		m := b.Metrics()
		require.Equal(t, uint64(10), m.Late)
		require.Equal(t, uint64(2), m.Opened)
	})
}

func TestTicketIsToldOnce(t *testing.T) {
	eachKind(t, 2, func(t *testing.T, b Breaker, c *clock) {
		ticket := allow(t, b, "")
		for range 5 {
			ticket.Done(false)
			ticket.Cancel()
		}
		require.Equal(t, Closed, b.State(), "RULE B2: one call has failed twice")
		script(t, b, "...x...xx", "RULE B2: one call has failed twice")
		c.advance(10 * time.Second)
		trial := allow(t, b, "")
		trial.Done(true)
		trial.Done(true)
		trial.Cancel()
		require.Equal(t, HalfOpen, b.State(), "RULE B2: one trial has succeeded twice")
		allow(t, b, "")
		script(t, b, "r", "RULE B2: a trial that was over has freed a place")
		var none Ticket
		none.Done(false)
		none.Cancel()
	})
}

func TestTrialThatIsCanceledFreesItsPlace(t *testing.T) {
	eachKind(t, 1, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "xx", "")
		c.advance(10 * time.Second)
		script(t, b, "ccc", "RULE B3: a trial that was canceled keeps its place")
		require.Equal(t, HalfOpen, b.State(), "RULE B3: a trial that was canceled is an outcome")

		require.Panics(t, func() {
			ticket := allow(t, b, "")
			defer ticket.Cancel()
			panic("a filter's")
		})
		ticket := allow(t, b, "RULE B3: a trial that panicked keeps its place")
		script(t, b, "r", "")
		ticket.Done(true)
		require.Equal(t, Closed, b.State())
	})
}

func TestTrialThatNobodyReportsOnIsGivenUp(t *testing.T) {
	eachKind(t, 2, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "xx", "")
		c.advance(10 * time.Second)
		forgotten := allow(t, b, "")
		c.advance(2 * time.Second)
		slow := allow(t, b, "")
		c.advance(3*time.Second - 1)
		script(t, b, "r", "RULE B3: given up too early")
		c.advance(1)
		one, two := allow(t, b, "RULE B3: a place is lost for ever"), allow(t, b, "RULE B3: a place is lost for ever")
		slow.Done(false)
		require.Equal(t, HalfOpen, b.State(), "RULE B2: a trial that was given up opens it")
		forgotten.Cancel()
		script(t, b, "r", "RULE B2: a trial that was given up frees a place")
		one.Done(true)
		two.Done(true)
		require.Equal(t, Closed, b.State())
	})
}

// Client gone is neither good nor bad (pitfall 13).
func TestCancellationIsNoOutcome(t *testing.T) {
	eachKind(t, 1, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "cccxcccccc", "RULE B3: client gone is a failure")
		require.Equal(t, Closed, b.State(), "RULE B3: client gone is a failure")
		script(t, b, "x", "")
		require.Equal(t, Open, b.State(), "RULE B3: client gone is a success between two failures")
	})
}

// Pitfall 15, kratos#2777: what is rejected here says nothing about the backend.
func TestRejectedCallsAreNoFailures(t *testing.T) {
	eachKind(t, 1, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "..xx", "")
		for range 1000 {
			script(t, b, "r", "")
		}
		require.Equal(t, Metrics{State: Open, Requests: 1004, Rejected: 1000, Successes: 2, Failures: 2, Opened: 1}, b.Metrics(),
			"RULE U3: a rejected call is counted as the backend's")
		c.advance(10 * time.Second)
		script(t, b, ".c.", "RULE U3: rejected calls have kept it open")
		require.Equal(t, Metrics{State: Closed, Requests: 1007, Rejected: 1000, Successes: 4, Failures: 2, Canceled: 1, Opened: 1}, b.Metrics())
	})
}

// Callers at once: trials are never more than there are places, whatever the order, and it all adds up.
func TestCallersAtOnceNeverExceedTheTrials(t *testing.T) {
	const callers, calls, trials = 8, 500, 3
	eachKind(t, trials, func(t *testing.T, b Breaker, c *clock) {
		script(t, b, "xx", "")
		var through, canceled atomic.Int64
		var wg sync.WaitGroup
		for g := range callers {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(1, uint64(g)))
				for range calls {
					ticket, err := b.Allow()
					c.advance(time.Millisecond)
					if err != nil {
						continue
					}
					through.Add(1)
					// It is never closed: each trial fails or is canceled, and there are no successes. So who is through is a trial.
					if rng.IntN(2) == 0 {
						canceled.Add(1)
						ticket.Cancel()
					} else {
						ticket.Done(false)
					}
				}
			})
		}
		wg.Wait()
		m := b.Metrics()
		require.Equal(t, uint64(callers*calls+2), m.Requests)
		require.Equal(t, uint64(through.Load()+2), m.Failures+m.Canceled)
		// At most a generation for each timeout, and in each at most the places and what was canceled.
		generations := int64(m.Opened)
		require.LessOrEqual(t, through.Load()-canceled.Load(), generations*trials, "RULE B1: more trials than places")
		require.LessOrEqual(t, generations, 1+1+int64(c.elapsed()/(10*time.Second)), "RULE B1: it was open for less than its time")
	})
}
