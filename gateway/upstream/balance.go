package upstream

import (
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// A balancer says which of several endpoints a request goes to. It sees what everybody
// can see of the endpoints, a clock and a source of random numbers, all of them passed: with the same
// of these it decides the same. It answers nil if no endpoint is open, and otherwise
// also how many requests that endpoint may have under way, with this one.
type balancer interface {
	pick(c choice) (e *Endpoint, most int64)
}

// unbounded is the bound of those who have none.
const unbounded = math.MaxInt64

// balancers makes one of each name. The names are Skipper's as far as it has them.
var balancers = map[string]func(Options) balancer{
	"roundRobin":            func(Options) balancer { return new(roundRobin) },
	"random":                func(Options) balancer { return random{} },
	"powerOfRandomNChoices": func(Options) balancer { return twoChoices{} },
	"leastConnections":      func(Options) balancer { return leastConnections{} },
	"peakEWMA":              func(Options) balancer { return peakEWMA{} },
	"consistentHash":        func(o Options) balancer { return rendezvous{factor: o.BalanceFactor} },
}

// Algorithms lists the names that [Options].Algorithm may have, sorted.
func Algorithms() []string { return slices.Sorted(maps.Keys(balancers)) }

func newBalancer(o Options) (balancer, error) {
	build, ok := balancers[o.Algorithm]
	if !ok {
		return nil, fmt.Errorf("upstream: algorithm %q is unknown; there are %s", o.Algorithm, strings.Join(Algorithms(), ", "))
	}
	return build(o), nil
}

// A choice is what one request's balancer looks at.
type choice struct {
	*view         // who is usable; not empty
	key    uint64 // consistentHash: what is to stay together
	now    time.Duration
	random func() uint64
	not    *Endpoint // who has failed this request before
	max    int64     // requests under way to one endpoint
	fading bool      // whether fade-in is looked at
}

// open tells whether the i-th endpoint can be picked. One that fades in is open with a probability
// that grows; so every balancer gives it its share without knowing of it.
func (c *choice) open(i int) bool {
	e := c.set[i]
	if e == c.not || e.inFlight.Load() >= c.max {
		return false
	}
	return !c.fading || c.faded(i, c.now) >= c.uniform()
}

// below draws a number from 0 to n-1.
func (c *choice) below(n int) int {
	high, _ := bits.Mul64(c.random(), uint64(n))
	return int(high)
}

// uniform draws a number in [0, 1).
func (c *choice) uniform() float64 { return float64(c.random()>>11) / (1 << 53) }

// draw picks one of the open endpoints, each with the same probability, and not the one at except.
// -1: there is none. Most often the first try is good; when few are open, they are counted out.
func (c *choice) draw(except int) int {
	for range 4 {
		if i := c.below(len(c.set)); i != except && c.open(i) {
			return i
		}
	}
	drawn, seen := -1, 0
	for i := range c.set {
		if i == except || !c.open(i) {
			continue
		}
		if seen++; c.below(seen) == 0 { // the k-th takes the place with 1/k: all are equal in the end
			drawn = i
		}
	}
	return drawn
}
