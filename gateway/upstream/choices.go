package upstream

import (
	"math/bits"
	"time"
)

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

// leastConnections asks all and takes the one with the fewest requests under way, or one of those: each
// with the same probability, also if some between them are not open. (Going around from a random place would give
// the neighbour of a full one two shares.)
type leastConnections struct{}

func (leastConnections) pick(c choice) (best *Endpoint, most int64) {
	fewest, equals := int64(unbounded), uint64(0)
	dice := c.random() // one throw; mix makes as many of it as are needed
	for i, e := range c.set {
		inFlight := e.inFlight.Load()
		if inFlight > fewest || !c.open(i) {
			continue
		}
		if inFlight < fewest {
			fewest, equals = inFlight, 0
		}
		equals++
		dice = mix(dice + 1)
		if nth, _ := bits.Mul64(dice, equals); nth == 0 {
			best = e
		}
	}
	return best, unbounded
}
