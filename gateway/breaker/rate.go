package breaker

import (
	"fmt"
	"sync/atomic"
	"time"
)

// RateOptions say how a breaker that counts failures among the last calls is to be.
type RateOptions struct {
	// Failures among the last Of calls open the breaker. 0 and 0: 30 of 300.
	Failures, Of int
	// Within is how old a failure may be to count. Without it two failures of last week and one of
	// today would be three of the last ten, on a route that is seldom used. 0: 60 s.
	Within time.Duration
	GateOptions
}

// Rate opens when a number of the last calls have failed, and these failures are not too old: a
// window that is bounded by count and by time. It is for a backend that is ill.
//
// It does not keep the window. It opens at a failure, if at all; and then only one thing is to be known: where the
// failure is that makes the number full, Failures-1 before.
//
//	call     1  2  3  4  5  6  7  8  9 10       Failures: 3, Of: 7
//	         x  .  .  x  .  .  .  .  x  x
//	                  ^-----------------^        Three failures in 7 calls. It opens at call 10, if call 4
//	                                             ended no longer than Within ago.
//
// So there is a ring of the last failures, each with its time and the number of its call, and
// what a success costs is to be counted.
type Rate struct {
	gate
	of     uint64
	within time.Duration
	// succeeded is how many calls did while it was closed. It is all that a success writes.
	succeeded atomic.Uint64

	// last are the failures, a ring; n of them came since the gate closed. Both are under mu.
	last []failed
	n    int
}

// failed is a call that has failed: which one it was, and when it ended.
type failed struct {
	call uint64
	at   time.Duration
}

// NewRate makes a breaker that is closed.
func NewRate(o RateOptions) (*Rate, error) {
	if o.Failures == 0 && o.Of == 0 {
		o.Failures, o.Of = 30, 300
	}
	switch {
	case o.Failures < 1 || o.Of < o.Failures:
		return nil, fmt.Errorf("breaker: %d Failures of %d calls: there is 1 or more, and as many calls as failures or more", o.Failures, o.Of)
	case o.Within < 0:
		return nil, fmt.Errorf("breaker: Within %v: it is above 0, or 0 for 60 s", o.Within)
	}
	if o.Within == 0 {
		o.Within = time.Minute
	}
	if err := o.fill(); err != nil {
		return nil, err
	}
	return &Rate{gate: gate{o: o.GateOptions}, of: uint64(o.Of), within: o.Within, last: make([]failed, o.Failures)}, nil
}

// Allow lets a call through, or fails with ErrOpen.
func (r *Rate) Allow() (Ticket, error) {
	stamp, err := r.allow()
	if err != nil {
		return Ticket{}, err
	}
	return Ticket{r, stamp}, nil
}

// Metrics is not a snapshot of one instant: the counters are read one after the other.
func (r *Rate) Metrics() Metrics {
	m := r.gate.Metrics()
	closed := r.succeeded.Load()
	m.Successes += closed
	m.Requests += closed
	return m
}

func (r *Rate) end(stamp uint64, o outcome) {
	// No lock: should the gate open, and close again, between these two lines, a window is one success longer.
	if o == success && state(stamp) == Closed && stamp == r.stamp.Load() {
		r.succeeded.Add(1)
		return
	}
	r.count(o)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case stamp != r.stamp.Load():
		r.late.Add(1) // B2
	case state(stamp) == HalfOpen:
		r.endTrial(o)
	case o == failure && r.trips():
		r.n = 0 // B1: what happens after it closes is counted from the beginning
		r.open()
	}
}

// trips notes a failure, and tells whether it is one too many. mu is held.
func (r *Rate) trips() bool {
	f := failed{call: r.succeeded.Load() + uint64(r.n), at: r.o.Elapsed()}
	r.last[r.n%len(r.last)] = f
	r.n++
	if r.n < len(r.last) {
		return false
	}
	first := r.last[r.n%len(r.last)]
	return f.call-first.call < r.of && f.at-first.at <= r.within
}
