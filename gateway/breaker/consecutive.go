package breaker

import (
	"fmt"
	"sync/atomic"
)

// ConsecutiveOptions say how a breaker that counts failures in a row is to be.
type ConsecutiveOptions struct {
	// Failures in a row open the breaker. 0: 5.
	Failures int
	GateOptions
}

// Consecutive opens after a number of failures in a row. One success in between, and it counts from
// the beginning: it is for a backend that is dead, not for one that is ill.
type Consecutive struct {
	gate
	limit int64
	// inRow is how many failures there were since the last success. It changes under mu.
	inRow atomic.Int64
}

// NewConsecutive makes a breaker that is closed.
func NewConsecutive(o ConsecutiveOptions) (*Consecutive, error) {
	if o.Failures < 0 {
		return nil, fmt.Errorf("breaker: %d Failures in a row: %w", o.Failures, errNegative)
	}
	if o.Failures == 0 {
		o.Failures = 5
	}
	if err := o.fill(); err != nil {
		return nil, err
	}
	return &Consecutive{gate: gate{o: o.GateOptions}, limit: int64(o.Failures)}, nil
}

// Allow lets a call through, or fails with ErrOpen.
func (c *Consecutive) Allow() (Ticket, error) {
	stamp, err := c.allow()
	if err != nil {
		return Ticket{}, err
	}
	return Ticket{c, stamp}, nil
}

func (c *Consecutive) end(stamp uint64, o outcome) {
	c.count(o)
	// The common case: a success after a success, or nothing to be said, while it is closed: nothing changes, and no lock is taken.
	if state(stamp) == Closed && stamp == c.stamp.Load() && (o == canceled || o == success && c.inRow.Load() == 0) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case stamp != c.stamp.Load():
		c.late.Add(1) // B2
	case state(stamp) == HalfOpen:
		c.endTrial(o)
	case o == success:
		c.inRow.Store(0)
	case o == failure:
		if c.inRow.Add(1) == c.limit {
			c.inRow.Store(0) // B1: what happens after it closes is counted from the beginning
			c.open()
		}
	}
}
