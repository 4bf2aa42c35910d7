package split

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// A Way is one of the sides of a split.
type Way struct {
	// Name tells the way from the others. It is part of the hash: a way can be written in another place, and keeps its users.
	Name string
	// Weight is the way's part, in any unit: 90 and 10, or 0.9 and 0.1. 0: nobody.
	Weight float64
}

// Weighted splits keys among any number of ways by weighted rendezvous: each way draws a
// number from the key and its own name, and the smallest wins.
//
//	                         draw      weight   draw/weight
//	key ---+--- "stable"     2.31        90       0.026  <- wins
//	       +--- "canary"     0.87        10       0.087
//
// The draw is -log2 of a uniform number: exponentially distributed. The smallest of such
// numbers, each divided by its weight, is i's with a probability of exactly w_i/sum(w) (it is a
// race of clocks that ring at rates w_i). A draw does not depend on weights; so between
// two ways i and j the order of draw_i/w_i and draw_j/w_j can turn only if w_j/w_i changes, and
// turns towards j only if it grows. That is T2, for any change of any number of weights, for
// ways that come (from weight 0) and go (to 0).
//
// It is safe for concurrent use, and does not change.
type Weighted struct {
	ways []contender
}

// contender is a way with a weight above 0, which is m * 2^e with the highest bit of m set.
type contender struct {
	seed  uint64
	m     uint64
	e     int
	index int
}

// NewWeighted makes a split. The names are distinct, the weights finite and not negative, and at
// least one is above 0.
func NewWeighted(ways ...Way) (*Weighted, error) {
	w := &Weighted{}
	names := make(map[string]bool, len(ways))
	for i, way := range ways {
		switch {
		case names[way.Name]:
			return nil, fmt.Errorf("split: two ways are named %q: each needs a name of its own", way.Name)
		case !(way.Weight >= 0) || math.IsInf(way.Weight, 1): // NaN is neither
			return nil, fmt.Errorf("split: way %q has a weight of %v: it is 0 or above, and finite", way.Name, way.Weight)
		}
		names[way.Name] = true
		if way.Weight > 0 {
			fraction, e := math.Frexp(way.Weight) // exact: [0.5, 1) * 2^e
			w.ways = append(w.ways, contender{seed: Hash("way", way.Name), m: uint64(math.Ldexp(fraction, 53)) << 11, e: e, index: i})
		}
	}
	if len(w.ways) == 0 {
		return nil, errors.New("split: no way has a weight above 0: nobody could be anywhere")
	}
	return w, nil
}

// Pick is the index of the way, as given to NewWeighted, that a hash is on.
func (w *Weighted) Pick(hash uint64) int {
	best, draw := &w.ways[0], exponential(mix(hash^w.ways[0].seed))
	for i := 1; i < len(w.ways); i++ {
		c := &w.ways[i]
		if d := exponential(mix(hash ^ c.seed)); c.beats(d, best, draw) {
			best, draw = c, d
		}
	}
	return best.index
}

// beats is whether dc/weight(c) < db/weight(b), exactly: both sides are multiplied by both
// weights, and the products have 128 bits. Two that are equal are ordered by name.
func (c *contender) beats(dc uint64, b *contender, db uint64) bool {
	hc, lc, ec := normal(dc, b.m, b.e)
	hb, lb, eb := normal(db, c.m, c.e)
	switch {
	case ec != eb:
		return ec < eb
	case hc != hb:
		return hc < hb
	case lc != lb:
		return lc < lb
	}
	return c.seed < b.seed
}

// normal is d * m * 2^e as hi:lo * 2^exp with the highest bit set, for d and m above 0.
func normal(d, m uint64, e int) (hi, lo uint64, exp int) {
	hi, lo = bits.Mul64(d, m)
	if hi == 0 {
		hi, lo, e = lo, 0, e-64
	}
	n := bits.LeadingZeros64(hi)
	return hi<<n | lo>>(64-n), lo << n, e - n
}
