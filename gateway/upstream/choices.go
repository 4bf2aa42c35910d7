package upstream

import "time"

// twoChoices draws two endpoints and takes the one with fewer requests under way. That is nearly as good as
// asking all of them (Mitzenmacher 2001: the longest queue falls from log n / log log n to
// log log n), costs the same for three and for a thousand, and does not send a herd of gateways to
// the one that all of them see idle.
type twoChoices struct{}

func (twoChoices) pick(c choice) (*Endpoint, int64) {
	a, b := c.two()
	if b != nil && b.inFlight.Load() < a.inFlight.Load() {
		a = b
	}
	return a, unbounded
}

// two draws two different endpoints (U4); the second is nil if only one is open, both if none is.
func (c *choice) two() (a, b *Endpoint) {
	i := c.draw(-1)
	if i < 0 {
		return nil, nil
	}
	if j := c.draw(i); j >= 0 {
		b = c.set[j]
	}
	return c.set[i], b
}

// tooLong is how long an endpoint may go without any request before it is given one, whatever it
// is thought to cost: one bad sample must not be the last.
const tooLong = 3 * time.Second

// peakEWMA is twoChoices by cost: the latency that an endpoint has shown, times what waits there.
// It takes load from a slow endpoint before its queue is long.
type peakEWMA struct{}

func (peakEWMA) pick(c choice) (*Endpoint, int64) {
	a, b := c.two()
	switch {
	case b == nil || a.starved(c.now):
	case b.starved(c.now) || b.cost(c.now) < a.cost(c.now):
		a = b
	}
	return a, unbounded
}

func (e *Endpoint) starved(now time.Duration) bool {
	return now-time.Duration(e.picked.Load()) > tooLong && e.inFlight.Load() == 0
}

// leastConnections asks all and takes the one with the fewest requests under way. It begins anywhere, so
// that equals share: otherwise the first would get all of a quiet time.
type leastConnections struct{}

func (leastConnections) pick(c choice) (best *Endpoint, most int64) {
	n := len(c.set)
	fewest := int64(unbounded)
	for k, i := 0, c.below(n); k < n; k, i = k+1, i+1 {
		if i == n {
			i = 0
		}
		if !c.open(i) {
			continue
		}
		if inFlight := c.set[i].inFlight.Load(); inFlight < fewest {
			best, fewest = c.set[i], inFlight
		}
	}
	return best, unbounded
}
