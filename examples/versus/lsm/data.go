package main

import (
	"math"
	"math/rand/v2"
	"sync"
)

// keyOf makes the key of a number: 16 hexadecimal digits, spread over the whole
// range, and no number has the key of another.
func keyOf(buf []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	n *= 0x9e3779b97f4a7c15
	n ^= n >> 32
	buf = append(buf[:0], "................"...)
	for i := range buf {
		buf[i] = digits[n>>60]
		n <<= 4
	}
	return buf
}

// pool is random bytes, which do not compress.
var pool = sync.OnceValue(func() []byte {
	p := make([]byte, 1<<20)
	rng := rand.NewChaCha8([32]byte{})
	rng.Read(p)
	return p
})

// valueOf is the value of a number: a part of the pool that nobody changes.
func valueOf(n uint64, size int) []byte {
	p := pool()
	at := (n * 7919) % uint64(len(p)-size)
	return p[at : at+uint64(size)]
}

// zipf draws numbers below n of which few are drawn often: that of rank r with a
// probability proportional to 1/r^0.99 (Gray et al., "Quickly generating
// billion-record synthetic databases", SIGMOD 1994, as in YCSB).
type zipf struct {
	n                 float64
	zetan, alpha, eta float64
}

const theta = 0.99

func newZipf(n int) *zipf {
	zeta := func(n int) (sum float64) {
		for i := 1; i <= n; i++ {
			sum += 1 / math.Pow(float64(i), theta)
		}
		return sum
	}
	z := &zipf{n: float64(n), zetan: zeta(n), alpha: 1 / (1 - theta)}
	z.eta = (1 - math.Pow(2/z.n, 1-theta)) / (1 - zeta(2)/z.zetan)
	return z
}

// rank draws one; 0 is the most frequent.
func (z *zipf) rank(rng *rand.Rand) uint64 {
	u := rng.Float64()
	switch uz := u * z.zetan; {
	case uz < 1:
		return 0
	case uz < 1+math.Pow(0.5, theta):
		return 1
	}
	return min(uint64(z.n*math.Pow(z.eta*u-z.eta+1, z.alpha)), uint64(z.n)-1)
}
