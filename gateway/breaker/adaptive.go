package breaker

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// AdaptiveOptions say how a breaker that rejects a part of the calls is to be.
type AdaptiveOptions struct {
	// K is how many requests there may be for each that is accepted. 0: 5/3, as in Kratos. With 2 (Google) twice as much is
	// sent as a backend takes, and it recovers sooner; with less, less is lost on one that is overloaded. It is above 1.
	K float64
	// Bucket and Buckets are the window: how long a part of it is, and how many there are. 0: 300 ms and 10.
	Bucket  time.Duration
	Buckets int
	// MinRequests in the window are needed for any to be rejected. 0: 100.
	MinRequests int
	// Elapsed is a monotonic clock from any beginning, not before 0. Nil: the time since the breaker was made.
	Elapsed func() time.Duration
	// Rand is uniform in [0, 1), and safe for concurrent use. Nil: math/rand/v2.Float64.
	Rand func() float64
}

// Adaptive rejects each call with a probability (B4):
//
//	p = max(0, (requests - K*accepts) / (requests + 1))
//
// Both are of a window that slides. It has no states and no timeout, and it is for a backend that takes
// a part of what it is sent: as many calls get through as it accepts, times K.
//
// A call that is rejected here is a request, and never a failure of the backend. What follows, for a backend that is dead
// and gets R requests a second: R*w requests are in the window of w seconds, p is R*w/(R*w+1), and R*(1-p) = 1/w
// get through, about one per window, whatever R is. When it is back, each that is accepted lets K more be tried in
// a window: they grow exponentially, and it recovers in a time that grows with log(R).
//
// A call is counted when it ends, so that a backend which is slow but well is not taken for a dead one.
type Adaptive struct {
	o     AdaptiveOptions
	start time.Duration
	epoch atomic.Int64 // which bucket is now, counted from the start
	// sum is requests<<32 | accepts of the window, and buckets are its parts. Whoever counts adds to sum first, and
	// what is taken out of a bucket is subtracted from sum after: sum is never below its parts.
	sum     atomic.Uint64
	buckets []atomic.Uint64

	mu sync.Mutex // moves the window
	// Of what has left the window, for the metrics.
	oldRequests, oldAccepts uint64
	rejected, canceled      atomic.Uint64
}

const (
	request = 1 << 32
	accept  = 1
)

// NewAdaptive makes a breaker that has seen no calls.
func NewAdaptive(o AdaptiveOptions) (*Adaptive, error) {
	switch {
	case o.K == 0:
		o.K = 5.0 / 3
	case !(o.K > 1): // NaN is not
		return nil, fmt.Errorf("breaker: K of %v: it is above 1, or 0 for 5/3", o.K)
	}
	switch {
	case o.Bucket < 0:
		return nil, fmt.Errorf("breaker: Bucket of %v: it is above 0, or 0 for 300 ms", o.Bucket)
	case o.Buckets < 0:
		return nil, fmt.Errorf("breaker: %d Buckets: %w", o.Buckets, errNegative)
	case o.MinRequests < 0:
		return nil, fmt.Errorf("breaker: MinRequests of %d: %w", o.MinRequests, errNegative)
	}
	if o.Bucket == 0 {
		o.Bucket = 300 * time.Millisecond
	}
	if o.Buckets == 0 {
		o.Buckets = 10
	}
	if o.MinRequests == 0 {
		o.MinRequests = 100
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	o.Elapsed = orSince(o.Elapsed)
	return &Adaptive{o: o, start: o.Elapsed(), buckets: make([]atomic.Uint64, o.Buckets)}, nil
}

// Allow lets a call through, or fails with ErrOpen.
func (a *Adaptive) Allow() (Ticket, error) {
	at := a.move()
	if p := a.probability(); p > 0 && a.o.Rand() < p {
		a.count(at, request)
		a.rejected.Add(1)
		return Ticket{}, ErrOpen
	}
	return Ticket{by: a}, nil
}

func (a *Adaptive) end(_ uint64, o outcome) {
	switch o {
	case success:
		a.count(a.move(), request+accept)
	case failure:
		a.count(a.move(), request)
	case canceled:
		a.canceled.Add(1)
	}
}

// Probability is that of being rejected, for a call that came now.
func (a *Adaptive) Probability() float64 {
	a.move()
	return a.probability()
}

func (a *Adaptive) probability() float64 {
	sum := a.sum.Load()
	requests, accepts := sum>>32, sum&(1<<32-1)
	if requests < uint64(a.o.MinRequests) {
		return 0
	}
	return max(0, (float64(requests)-float64(a.o.K*float64(accepts)))/float64(requests+1))
}

// State is Closed if no call is rejected, HalfOpen if some are, and Open if more than half of them are.
func (a *Adaptive) State() State {
	switch p := a.Probability(); {
	case p == 0:
		return Closed
	case p <= 0.5:
		return HalfOpen
	default:
		return Open
	}
}

// Metrics is not a snapshot of one instant: the counters are read one after the other.
func (a *Adaptive) Metrics() Metrics {
	m := Metrics{State: a.State(), Canceled: a.canceled.Load()}
	a.mu.Lock()
	defer a.mu.Unlock()
	m.Rejected = a.rejected.Load() // before the sum: each of them is in the sum already
	sum := a.sum.Load()
	m.Successes = a.oldAccepts + sum&(1<<32-1)
	m.Failures = a.oldRequests + sum>>32 - m.Successes - m.Rejected
	m.Requests = m.Rejected + m.Successes + m.Failures + m.Canceled
	return m
}

// count adds to the window.
func (a *Adaptive) count(epoch int64, what uint64) {
	a.sum.Add(what)
	a.buckets[epoch%int64(len(a.buckets))].Add(what)
}

// move takes out of the window what is too old to be in it, and returns which bucket is now.
func (a *Adaptive) move() (epoch int64) {
	epoch = int64((a.o.Elapsed() - a.start) / a.o.Bucket)
	now := a.epoch.Load()
	if epoch <= now {
		return now // also if a clock went back
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now = a.epoch.Load()
	n := int64(len(a.buckets))
	for e := max(now, epoch-n) + 1; e <= epoch; e++ {
		old := a.buckets[e%n].Swap(0)
		a.sum.Add(-old)
		a.oldRequests += old >> 32
		a.oldAccepts += old & (1<<32 - 1)
	}
	epoch = max(now, epoch)
	a.epoch.Store(epoch)
	return epoch
}
