package split

import (
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

func TestLogarithmOfIntegersIsTheLogarithm(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range tries.Of(100_000, 20_000) {
		x := rng.Uint64() >> rng.IntN(64)
		want := 64 - math.Log2(float64(x|1))
		if got := float64(exponential(x)) / one; math.Abs(got-want) > 3e-6 {
			t.Fatalf("-log2 of %#x is %v, and not %v", x, want, got)
		}
	}
}

// Monotone, so that the smaller of two uniform numbers has the larger draw also where the table has its joints; and never 0.
func TestDrawsAreMonotoneAndNeverZero(t *testing.T) {
	require.Positive(t, exponential(math.MaxUint64))
	require.Equal(t, uint64(64*one), exponential(0))
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range 1 << tableBits {
		joint := uint64(1)<<63 + uint64(i)<<(63-tableBits)
		for n := range 64 {
			for range 4 {
				x := (joint - rng.Uint64()>>rng.IntN(64)/4) >> n
				y := x + rng.Uint64()>>(1+rng.IntN(63))
				if y > x && exponential(x) < exponential(y) {
					t.Fatalf("%#x has a smaller draw than %#x", x, y)
				}
			}
		}
	}
}

// The comparison of quotients is exact: beside it stands one of numbers as long as they need be.
func TestQuotientsAreComparedExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range tries.Of(100_000, 20_000) {
		c := contender{m: 1<<63 | rng.Uint64(), e: rng.IntN(5), seed: 1}
		b := contender{m: 1<<63 | rng.Uint64(), e: rng.IntN(5), seed: 2}
		dc := 1 + rng.Uint64N(1<<54)>>rng.IntN(54)
		db := dc + rng.Uint64N(2)
		switch rng.IntN(4) {
		case 0: // weights that are nearly equal
			b.m = c.m + rng.Uint64N(3) | 1<<63
		case 1: // products that are: dc*b.m = db*c.m, but for what is left over
			db = dc + rng.Uint64N(dc)
			c.m = 1<<63 + rng.Uint64N(1<<62)
			b.m, b.e = c.m, c.e
			if hi, lo := bits.Mul64(db, c.m); hi < dc {
				if q, _ := bits.Div64(hi, lo, dc); q>>63 == 1 && q+1 > q {
					b.m = q + rng.Uint64N(2)
				}
			}
		}
		want := product(dc, b.m, b.e).Cmp(product(db, c.m, c.e))
		if c.beats(dc, &b, db) != (want <= 0) || b.beats(db, &c, dc) != (want > 0) {
			t.Fatalf("RULE T2: %d/%v and %d/%v: the order is not %d", dc, c, db, b, want)
		}
	}
}

func product(d, m uint64, e int) *big.Int {
	p := new(big.Int).Mul(new(big.Int).SetUint64(d), new(big.Int).SetUint64(m))
	return p.Lsh(p, uint(e))
}
