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
// A call is counted when it ends, so that a backend which is slow but well is not taken for a dead one. And p is
// looked at when a failure comes: as long as none makes it positive, Allow is one load, and reads no clock.
type Adaptive struct {
	o     AdaptiveOptions
	start time.Duration
	epoch atomic.Int64 // which bucket is now, counted from the start
	// past is requests<<32 | accepts of the window without the bucket that is now.
	past atomic.Uint64
	// rejecting is set by the failure that makes p positive, and taken back by the call that finds that it is not.
	rejecting atomic.Bool
	// stripes are the parts of the window, requests<<32 | accepts, in a ring, several times beside each other. All that is counted
	// is counted in one of them, by one addition; those above change with the bucket only, and processors need not pass them on.
	stripes [stripes][]atomic.Uint64

	mu  sync.Mutex // moves the window
	old tally      // what has left it, for the metrics

	rejected, canceled atomic.Uint64
}

// stripes are so many that processors which count at the same time seldom do so in the same one. A call
// keeps to that which it has drawn.
const stripes = 4

// tally is what a word of requests and accepts says.
type tally struct{ requests, accepts uint64 }

func tallyOf(word uint64) tally { return tally{word >> 32, word & (1<<32 - 1)} }

func (t *tally) add(word uint64) {
	t.requests += word >> 32
	t.accepts += word & (1<<32 - 1)
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
	a := &Adaptive{o: o, start: o.Elapsed()}
	for i := range a.stripes {
		a.stripes[i] = make([]atomic.Uint64, (o.Buckets+7)&^7)[:o.Buckets] // cache lines of its own
	}
	return a, nil
}

// Allow lets a call through, or fails with ErrOpen.
func (a *Adaptive) Allow() (Ticket, error) {
	if !a.rejecting.Load() {
		return Ticket{by: a, stamp: rand.Uint64() % stripes}, nil
	}
	now := a.move()
	p := a.probability(a.past.Load() + a.bucket(now))
	if p == 0 {
		a.rejecting.Store(false)
	} else if a.o.Rand() < p {
		a.stripes[0][now].Add(request)
		a.rejected.Add(1)
		return Ticket{}, ErrOpen
	}
	return Ticket{by: a}, nil
}

func (a *Adaptive) end(stripe uint64, o outcome) {
	s := a.stripes[stripe]
	switch o {
	case success:
		s[a.move()].Add(request + accept)
	case failure:
		now := a.move()
		s[now].Add(request)
		if !a.rejecting.Load() && a.probability(a.past.Load()+a.bucket(now)) > 0 {
			a.rejecting.Store(true)
		}
	case canceled:
		a.canceled.Add(1)
	}
}

// bucket is what is in one part of the window.
func (a *Adaptive) bucket(i int64) (sum uint64) {
	for s := range a.stripes {
		sum += a.stripes[s][i].Load()
	}
	return sum
}

// probability is B4's, for a window.
func (a *Adaptive) probability(window uint64) float64 {
	t := tallyOf(window)
	if t.requests < uint64(a.o.MinRequests) {
		return 0
	}
	return max(0, (float64(t.requests)-float64(a.o.K*float64(t.accepts)))/float64(t.requests+1))
}

// Probability is that of being rejected, for a call that came now.
func (a *Adaptive) Probability() float64 {
	now := a.move()
	return a.probability(a.past.Load() + a.bucket(now))
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
	m.Rejected = a.rejected.Load() // before the buckets: each of them is in one already
	all := a.old
	for i := range a.o.Buckets {
		all.add(a.bucket(int64(i)))
	}
	m.Successes = all.accepts
	m.Failures = all.requests - all.accepts - m.Rejected
	m.Requests = all.requests + m.Canceled
	return m
}

// move takes out of the window what is too old to be in it, and returns which bucket is now.
func (a *Adaptive) move() (bucket int64) {
	n := int64(a.o.Buckets)
	epoch := int64((a.o.Elapsed() - a.start) / a.o.Bucket)
	now := a.epoch.Load()
	if epoch <= now {
		return now % n // also if a clock went back
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now = a.epoch.Load()
	epoch = max(now, epoch)
	for e := max(now, epoch-n) + 1; e <= epoch; e++ {
		for s := range a.stripes {
			a.old.add(a.stripes[s][e%n].Swap(0))
		}
	}
	// Added up anew, and not subtracted: somebody may have been late, and have counted in a bucket that was over already.
	var past uint64
	for i := range n {
		if i != epoch%n {
			past += a.bucket(i)
		}
	}
	a.past.Store(past)
	a.epoch.Store(epoch)
	return epoch % n
}
