package breaker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// GateOptions are what the consecutive and the rate breaker have in common: what happens once they are open.
type GateOptions struct {
	// Timeout is how long the breaker stays open until trials begin. 0: 60 s.
	Timeout time.Duration
	// Trials is how many calls are let through half-open; all must succeed for the breaker to close, and one
	// that fails opens it again. 0: 1.
	Trials int
	// TrialTimeout is after how long a trial that nobody has reported on is given up, and its place is free again (B3). 0: Timeout.
	TrialTimeout time.Duration
	// Elapsed is a monotonic clock from any beginning. Nil: the time since the breaker was made.
	Elapsed func() time.Duration
}

func (o *GateOptions) fill() error {
	switch {
	case o.Timeout < 0:
		return fmt.Errorf("breaker: Timeout of %v: it is above 0, or 0 for 60 s", o.Timeout)
	case o.Trials < 0:
		return fmt.Errorf("breaker: %d Trials: there is 1 or more, or 0 for 1", o.Trials)
	case o.TrialTimeout < 0:
		return fmt.Errorf("breaker: TrialTimeout of %v: it is above 0, or 0 for Timeout", o.TrialTimeout)
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Trials == 0 {
		o.Trials = 1
	}
	if o.TrialTimeout == 0 {
		o.TrialTimeout = o.Timeout
	}
	o.Elapsed = orSince(o.Elapsed)
	return nil
}

// gate is the door that a breaker opens and closes.
//
//	           trips                     Timeout over
//	Closed ------------------> Open ----------------------> HalfOpen
//	   ^                         ^                           |   |
//	   |                         +------- a trial fails -----+   |
//	   +---------------- Trials succeed -------------------------+
//
// Each arrow begins a generation, and so does the giving up of trials that nobody reports on. A
// ticket has the generation in which it was issued, and counts in no other (B2): neither an old failure as
// a trial's nor an old success as one, and a place that is freed was taken in the same generation.
//
// The word that says all this is read without the lock, so that a closed gate is one load.
type gate struct {
	o GateOptions
	// stamp is generation<<2 | State. It changes under mu.
	stamp atomic.Uint64
	// until is when an open gate lets trials through. It is stored before the gate opens.
	until atomic.Int64

	mu sync.Mutex
	// trials are the places taken in this half-open generation, passed those that succeeded, and lastTrial is when the last was taken.
	trials, passed int
	lastTrial      time.Duration

	_ [64]byte // what is written by each call does not share a cache line with what is read by each

	rejected, successes, failures, canceled, late, opened atomic.Uint64
}

func state(stamp uint64) State { return State(stamp & 3) }

// State is what a call would meet: an open gate whose time is over turns half-open when one comes, and is called so
// before, or a route that nobody uses would look broken for ever.
func (g *gate) State() State {
	s := state(g.stamp.Load())
	if s == Open && int64(g.o.Elapsed()) >= g.until.Load() {
		return HalfOpen
	}
	return s
}

// Metrics is not a snapshot of one instant: the counters are read one after the other.
func (g *gate) Metrics() Metrics {
	m := Metrics{
		State:     g.State(),
		Rejected:  g.rejected.Load(),
		Successes: g.successes.Load(),
		Failures:  g.failures.Load(),
		Canceled:  g.canceled.Load(),
		Late:      g.late.Load(),
		Opened:    g.opened.Load(),
	}
	m.Requests = m.Rejected + m.Successes + m.Failures + m.Canceled
	return m
}

// allow is Allow but for the ticket: the stamp it gets.
func (g *gate) allow() (stamp uint64, err error) {
	stamp = g.stamp.Load()
	if state(stamp) == Closed {
		return stamp, nil
	}
	now := g.o.Elapsed()
	if state(stamp) == Open && int64(now) < g.until.Load() {
		g.rejected.Add(1)
		return 0, ErrOpen
	}
	return g.try(now)
}

// try is allow for a gate that may be half-open, or become it.
func (g *gate) try(now time.Duration) (stamp uint64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch stamp = g.stamp.Load(); state(stamp) {
	case Closed:
		return stamp, nil
	case Open:
		if int64(now) < g.until.Load() {
			g.rejected.Add(1)
			return 0, ErrOpen
		}
		g.become(HalfOpen)
	case HalfOpen:
		// B3: nobody has reported, and nobody will. Those who do count nothing (B2).
		if g.trials == g.o.Trials && now-g.lastTrial >= g.o.TrialTimeout {
			g.become(HalfOpen)
		}
	}
	if g.trials == g.o.Trials {
		g.rejected.Add(1)
		return 0, ErrOpen
	}
	g.trials++
	g.lastTrial = now
	return g.stamp.Load(), nil
}

// become begins a generation. mu is held.
func (g *gate) become(s State) {
	g.trials, g.passed = 0, 0
	generation := g.stamp.Load()>>2 + 1
	g.stamp.Store(generation<<2 | uint64(s))
}

// open is called with mu held.
func (g *gate) open() {
	g.opened.Add(1)
	g.until.Store(int64(g.o.Elapsed() + g.o.Timeout))
	g.become(Open)
}

// count counts an outcome for the metrics.
func (g *gate) count(o outcome) {
	switch o {
	case success:
		g.successes.Add(1)
	case failure:
		g.failures.Add(1)
	case canceled:
		g.canceled.Add(1)
	}
}

// endTrial takes the outcome of a call that was let through half-open; true if the gate is closed by
// it. mu is held, and the stamp is the present one.
func (g *gate) endTrial(o outcome) (closed bool) {
	switch o {
	case success:
		if g.passed++; g.passed == g.o.Trials {
			g.become(Closed)
			return true
		}
	case failure:
		g.open()
	case canceled:
		g.trials--
	}
	return false
}
