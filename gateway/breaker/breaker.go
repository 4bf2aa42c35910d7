package breaker

import (
	"errors"
	"fmt"
	"time"
)

// ErrOpen is the answer to a call that a breaker does not let through. The backend has not seen
// the call: this is no failure of it (U3).
var ErrOpen = errors.New("circuit breaker is open")

// A Breaker is asked before each call, and told how it went. All are safe for concurrent use.
//
//	ticket, err := b.Allow()
//	if err != nil {
//		return err // rejected
//	}
//	defer ticket.Cancel() // does nothing after Done; frees the place if call panics (B3)
//	err = call()
//	ticket.Done(err == nil)
type Breaker interface {
	// Allow lets a call through, or fails with ErrOpen.
	Allow() (Ticket, error)
	State() State
	Metrics() Metrics
}

// A Ticket is a call that was let through. It is told once how the call went; what it is told after that
// does nothing, and nor does anything that is told to the zero Ticket. A ticket belongs to one goroutine at
// a time and is not copied.
type Ticket struct {
	by issuer
	// stamp is the breaker's state and generation when the call began (B2).
	stamp uint64
}

// issuer is whoever has issued tickets.
type issuer interface {
	end(stamp uint64, o outcome)
}

type outcome uint8

const (
	success outcome = iota
	failure
	// canceled says nothing about the backend: the client went away, or the call never came to be.
	canceled
)

// Done reports the outcome of the call.
func (t *Ticket) Done(ok bool) {
	if ok {
		t.end(success)
	} else {
		t.end(failure)
	}
}

// Cancel reports that the call says nothing about the backend, neither good nor bad.
func (t *Ticket) Cancel() { t.end(canceled) }

func (t *Ticket) end(o outcome) {
	if by := t.by; by != nil {
		t.by = nil
		by.end(t.stamp, o)
	}
}

// State is what a breaker does with calls.
type State uint8

const (
	// Closed lets all calls through.
	Closed State = iota
	// HalfOpen lets some through, to see how they go.
	HalfOpen
	// Open lets none through. (Of the adaptive one: fewer than half.)
	Open
)

// String is the name that metrics and pages show.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Metrics count calls since the breaker was made. A call that was let through is counted when it ends.
type Metrics struct {
	State State
	// Requests is how often a call was asked for: the sum of the four that follow. A call that was
	// rejected is one of them, and no failure (U3).
	Requests uint64
	// Rejected calls were not let through.
	Rejected uint64
	// Successes, Failures and Canceled are how the others went.
	Successes, Failures, Canceled uint64
	// Late is how many outcomes belonged to an earlier state, and did not count for the present one (B2).
	Late uint64
	// Opened is how often the breaker has opened; always 0 for the adaptive one, which has no such moment.
	Opened uint64
}

var errNegative = errors.New("it is 1 or more, or 0 for the default")

func orSince(elapsed func() time.Duration) func() time.Duration {
	if elapsed != nil {
		return elapsed
	}
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
