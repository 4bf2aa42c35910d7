package limit

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// Bucket is a token bucket: it holds up to burst tokens, begins full, and gets rate tokens
// a second; each call that is allowed takes one. It is safe for concurrent use: one atomic
// word, and no lock.
type Bucket struct {
	quota   quota
	elapsed func() time.Duration
	// fullAt is when the bucket will be full, if nobody takes anything: the cell rate algorithm's
	// "theoretical arrival time".
	fullAt atomic.Int64
}

// NewBucket makes a bucket. The rate is in tokens a second, above 0 and at most 1e9. Elapsed is a
// monotonic clock from any beginning; nil is the time since the call.
func NewBucket(rate float64, burst int, elapsed func() time.Duration) (*Bucket, error) {
	q, err := newQuota(rate, burst)
	if err != nil {
		return nil, err
	}
	b := &Bucket{quota: q, elapsed: orSince(elapsed)}
	b.fullAt.Store(int64(b.elapsed()))
	return b, nil
}

// Allow takes a token, and tells whether there was one.
func (b *Bucket) Allow() bool {
	now := int64(b.elapsed()) // this is when the call came, however often it has to try
	for {
		was := b.fullAt.Load()
		will, wait := b.quota.take(was, now)
		if wait > 0 {
			return false
		}
		if b.fullAt.CompareAndSwap(was, will) {
			return true
		}
	}
}

// RetryAfter is how long it takes until there is a token, if nobody else takes it; 0 if there is one now.
func (b *Bucket) RetryAfter() time.Duration {
	_, wait := b.quota.take(b.fullAt.Load(), int64(b.elapsed()))
	return time.Duration(wait)
}

// quota is what a bucket is measured by, in nanoseconds.
//
//	         now                 fullAt
//	----------+---------------------+------> time
//	          |<- tokens missing -->|
//	          |<----- capacity: burst * interval ----->|
//
// A token is an interval of time. The bucket that lacks k tokens is full in k intervals; taking one moves
// fullAt by one. It may not go further than the capacity from now. Time is what is counted, in
// integers: there are no fractions of tokens to add up, and nothing to refill.
type quota struct {
	interval, capacity int64
}

func newQuota(rate float64, burst int) (quota, error) {
	if !(rate > 0 && rate <= 1e9) { // NaN is neither
		return quota{}, fmt.Errorf("limit: a rate of %v a second: it is above 0 and at most 1e9", rate)
	}
	if burst < 1 {
		return quota{}, fmt.Errorf("limit: a burst of %d: it is at least 1, or nothing would be let through", burst)
	}
	// Rounded up: never more than the rate (L1), and less by a part of rate/1e9 at most.
	interval := math.Ceil(1e9 / rate)
	if interval*float64(burst) > 1<<61 {
		return quota{}, fmt.Errorf("limit: a burst of %d at %v a second takes more than 70 years to fill: lower the burst", burst, rate)
	}
	return quota{interval: int64(interval), capacity: int64(interval) * int64(burst)}, nil
}

// take is what fullAt will be when a token is taken now, or how long to wait for one.
func (q quota) take(fullAt, now int64) (will, wait int64) {
	// A bucket that has been full for long is full, not more (L1). A clock that goes back makes now
	// smaller, and the room between it and fullAt with it: that gives nothing.
	will = max(fullAt, now) + q.interval
	if over := will - now - q.capacity; over > 0 {
		return fullAt, over
	}
	return will, 0
}

func orSince(elapsed func() time.Duration) func() time.Duration {
	if elapsed != nil {
		return elapsed
	}
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
