package breaker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a monotonic clock that a test moves.
type clock struct{ now atomic.Int64 }

func (c *clock) elapsed() time.Duration  { return time.Duration(c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

// script lets a breaker see calls, one after the other, each ended before the next: x fails, . succeeds, c is canceled,
// and r is one that must be rejected.
func script(t *testing.T, b Breaker, calls, why string) {
	t.Helper()
	for i, call := range calls {
		ticket, err := b.Allow()
		if call == 'r' {
			require.ErrorIs(t, err, ErrOpen, "%s: call %d of %s", why, i, calls)
			continue
		}
		require.NoError(t, err, "%s: call %d of %s", why, i, calls)
		switch call {
		case 'x':
			ticket.Done(false)
		case '.':
			ticket.Done(true)
		case 'c':
			ticket.Cancel()
		}
	}
}

func allow(t *testing.T, b Breaker, why string) *Ticket {
	t.Helper()
	ticket, err := b.Allow()
	require.NoError(t, err, why)
	return &ticket
}

// kinds are the two that have states, so that both open at the second failure.
func kinds(t *testing.T, c *clock, trials int) map[string]Breaker {
	o := GateOptions{Timeout: 10 * time.Second, Trials: trials, TrialTimeout: 3 * time.Second, Elapsed: c.elapsed}
	consecutive, err := NewConsecutive(ConsecutiveOptions{Failures: 2, GateOptions: o})
	require.NoError(t, err)
	rate, err := NewRate(RateOptions{Failures: 2, Of: 4, GateOptions: o})
	require.NoError(t, err)
	return map[string]Breaker{"consecutive": consecutive, "rate": rate}
}

// eachKind runs a claim about the gate with each breaker that has one.
func eachKind(t *testing.T, trials int, claim func(t *testing.T, b Breaker, c *clock)) {
	var c clock
	for name, b := range kinds(t, &c, trials) {
		t.Run(name, func(t *testing.T) { claim(t, b, &c) })
	}
}
