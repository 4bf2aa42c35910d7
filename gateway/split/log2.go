package split

import "math/bits"

// Logarithms in integers. math.Log2 is not for this: it is written in assembly on some
// architectures, and what is compiled from Go may fuse a multiplication and an addition
// into one rounding on others. Two replicas would then disagree about a user, seldom, and
// nobody would find out why.
//
// Fixed point: 48 bits after the point. A table has log2 at 257 places from 1 to 2, and
// between them is a straight line. It lies at most 3e-6 below the curve.

const (
	one       = 1 << 48
	tableBits = 8
)

// table is not changed after it is made.
var table = makeTable()

func makeTable() (t [1<<tableBits + 1]uint64) {
	for i := range 1 << tableBits {
		t[i] = log2Slow(1<<63 + uint64(i)<<(63-tableBits))
	}
	t[1<<tableBits] = one
	return t
}

// log2Slow is log2(x/2^63) for x of at least 2^63, bit by bit: squaring a number doubles its
// logarithm; whether the square has reached 2 is the next bit.
func log2Slow(x uint64) (log uint64) {
	for bit := uint64(one / 2); bit > 0; bit /= 2 {
		hi, lo := bits.Mul64(x, x) // x*x/2^64: the point has moved by one
		if hi>>63 == 1 {
			log |= bit
			x = hi
		} else {
			x = hi<<1 | lo>>63
		}
	}
	return log
}

// exponential is -log2((x+1)/2^64), as far as the table is exact, and never 0: exponentially distributed if x is uniform.
func exponential(x uint64) uint64 {
	x |= 1 // no logarithm of 0
	n := bits.LeadingZeros64(x)
	x <<= n
	i := x << 1 >> (64 - tableBits)
	within := x << (1 + tableBits) >> 44 // 20 bits: the way to the next place
	fraction := table[i] + (table[i+1]-table[i])*within>>20
	return uint64(n+1)*one - fraction
}
