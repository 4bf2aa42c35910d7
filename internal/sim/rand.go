package sim

import (
	"hash/fnv"
	"math"
	"math/bits"
	"math/rand/v2"
)

// stream returns a random source of its own for one concern. Every link, every
// disk, every life of a process and every named use of the scenario draws from
// a separate one, all derived from the one seed. If they shared a generator,
// one message more would shift every draw after it, and a run with one fault
// removed would be another run altogether: minimising could not work.
func stream(seed uint64, concern string, a, b uint64) *rand.Rand {
	return rand.New(newPCG(seed, concern, a, b))
}

func newPCG(seed uint64, concern string, a, b uint64) *rand.PCG {
	h := fnv.New64a()
	h.Write([]byte(concern))
	x := scramble(seed + scramble(h.Sum64()))
	x = scramble(x + scramble(a))
	x = scramble(x + scramble(b+1))
	return rand.NewPCG(x, scramble(x))
}

// scramble is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014): seeds
// that differ in one bit, such as 1 and 2, give unrelated results.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// chance turns 32 random bits into the outcome of an event of probability p.
func chance(luck uint32, p float64) bool {
	return float64(luck) < p*(1<<32)
}

// scale returns floor(x*num/den), or the largest number if that is too large.
// Clocks use it instead of floating point, which compilers may round
// differently (fused multiply-add) on different processors.
func scale(x, num, den uint64) (quotient, remainder uint64) {
	hi, lo := bits.Mul64(x, num)
	if hi >= den {
		return math.MaxUint64, 0
	}
	return bits.Div64(hi, lo, den)
}
