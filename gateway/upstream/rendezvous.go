package upstream

import (
	"hash/fnv"
	"math"
)

// rendezvous is consistentHash: each key has an order of preference over all endpoints, a number for
// each pair (Thaler and Ravishankar's rendezvous hashing), and goes to the first that has room.
//
//	key 17:  b 0.93   d 0.71   a 0.40   c 0.22      b, or d when b is full or gone
//	key 18:  d 0.88   a 0.65   c 0.61   b 0.08
//
// If an endpoint goes, its keys go each to its own second choice, and so are spread over all
// that remain; if one comes, it takes keys from all, and no key moves between two others (U5). A ring
// does that too, with a hundred points for each endpoint in place of one number, but
// the keys of whoever goes all fall on the neighbours.
//
// No endpoint gets more than factor times the mean of what is under way (Mirrokni et al. 2018: bounded
// loads), so that one popular key does not break its endpoint. There is always one with room, as
// factor > 1, and there is nothing to walk around: one pass finds it.
type rendezvous struct{ factor float64 }

func (r rendezvous) pick(c choice) (*Endpoint, int64) {
	first, best := 0, uint64(0)
	for i, seed := range c.seeds {
		if score := mix(c.key ^ seed); score >= best {
			first, best = i, score
		}
	}
	// Every bound is 1 at least: who has nothing to do is below it, and the usual case needs no total.
	if c.set[first].inFlight.Load() != 0 {
		return r.next(c, r.bound(c), -1)
	}
	if c.open(first) {
		return c.set[first], 1
	}
	return r.next(c, r.bound(c), first) // who fades in is asked once, or it would have two chances
}

// bound is what an endpoint may have under way, with the request that is being placed. The total is summed up
// now, from the endpoints: a counter of our own would not know what other pools send there.
func (r rendezvous) bound(c choice) int64 {
	total := int64(1)
	for _, e := range c.set {
		total += e.inFlight.Load()
	}
	return int64(math.Ceil(r.factor * float64(total) / float64(len(c.set))))
}

// next finds the first in the key's order that is open and below the bound, and is not the one at except. If there is none, because
// others were excluded, the one with the fewest requests is the least evil.
func (r rendezvous) next(c choice, bound int64, except int) (*Endpoint, int64) {
	var chosen, idlest *Endpoint
	best, fewest := uint64(0), int64(unbounded)
	for i, e := range c.set {
		if i == except || !c.open(i) {
			continue
		}
		inFlight := e.inFlight.Load()
		if inFlight < fewest {
			idlest, fewest = e, inFlight
		}
		if score := mix(c.key ^ c.seeds[i]); inFlight < bound && score >= best {
			chosen, best = e, score
		}
	}
	if chosen == nil {
		return idlest, unbounded
	}
	return chosen, bound
}

// seedOf is the number of an address: the same in every gateway.
func seedOf(address string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(address))
	return mix(h.Sum64())
}

// mix makes each bit of the answer depend on each bit of x (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
