package rs

import "sync"

// The field GF(2^8): 256 elements, each a byte, read as a polynomial over GF(2)
// of degree below 8. Bit i is the coefficient of x^i.
//
//	0x53 = 01010011 = x^6 + x^4 + x + 1
//
// A sum is the XOR of the two bytes, and so is a difference. A product is the
// product of the polynomials, reduced by the polynomial 0x11d; of the sixteen
// primitive ones of degree 8 the smallest, and the one that the field uses.
// (AES, and the processors' GF2P8MULB, use 0x11b: another field.)
const polynomial = 0x11d // x^8 + x^4 + x^3 + x^2 + 1

// tables are the field's products, worked out once.
type tables struct {
	// exp[i] is x^i. The powers of x repeat after 255, so the table is twice
	// as long: the sum of two logarithms needs no reduction.
	exp [510]byte
	// log[a] is the i with x^i = a. Zero has none; log[0] is never used.
	log [256]byte
	// mul[a][b] is a·b.
	mul [256][256]byte
}

// field returns the tables. They are made when first asked for, in about
// 50 µs, and never change.
var field = sync.OnceValue(func() *tables {
	t := &tables{}
	a := 1
	for i := range 255 {
		t.exp[i], t.exp[i+255] = byte(a), byte(a)
		t.log[a] = byte(i)
		a = timesX(a)
	}
	for a := range 256 {
		// Row a by doubling: a·(2b) = x·(a·b), and a·(2b+1) is one a more.
		row := &t.mul[a]
		for b := 1; b < 256; b++ {
			row[b] = byte(timesX(int(row[b/2])))
			if b%2 == 1 {
				row[b] ^= byte(a)
			}
		}
	}
	return t
})

// timesX multiplies by the polynomial x: a shift, and a subtraction of the
// field's polynomial when the degree reaches 8.
func timesX(a int) int {
	a <<= 1
	if a&0x100 != 0 {
		a ^= polynomial
	}
	return a
}

// Add returns a + b, which is a - b too: every element is its own negative.
func Add(a, b byte) byte { return a ^ b }

// Mul returns a·b.
func Mul(a, b byte) byte { return field().mul[a][b] }

// Div returns a/b. It panics when b is zero, as integer division does.
func Div(a, b byte) byte { return Mul(a, Inv(b)) }

// Inv returns 1/a. It panics when a is zero.
func Inv(a byte) byte {
	if a == 0 {
		panic("rs: division by zero in GF(2^8)")
	}
	t := field()
	return t.exp[255-int(t.log[a])]
}

// Exp returns a^n for n >= 0; 0^0 is 1.
func Exp(a byte, n int) byte {
	switch {
	case n == 0:
		return 1
	case a == 0:
		return 0
	}
	t := field()
	return t.exp[int(t.log[a])*n%255]
}
