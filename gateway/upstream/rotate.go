package upstream

import "sync/atomic"

// roundRobin takes one after the other. Whoever is passed over costs a step of the counter
// for everybody: if the next were taken without one, the neighbour of a full endpoint would
// get two shares.
//
//	a b c d, b is full     a (b) c d a (b) c d     1/3 each
//	without the step       a c c d a c c d         c has twice as many
type roundRobin struct{ last atomic.Uint64 }

func (r *roundRobin) pick(c choice) (*Endpoint, int64) {
	// Others turn the counter too, and a fading endpoint is open now and then: twice
	// around, and who has found nobody by then looks at one after the other.
	for range 2 * len(c.set) {
		if i := int(r.last.Add(1) % uint64(len(c.set))); c.open(i) {
			return c.set[i], unbounded
		}
	}
	return random{}.pick(c)
}

// random throws dice.
type random struct{}

func (random) pick(c choice) (*Endpoint, int64) {
	i := c.draw(-1)
	if i < 0 {
		return nil, 0
	}
	return c.set[i], unbounded
}
