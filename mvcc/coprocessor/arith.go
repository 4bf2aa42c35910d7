// Arithmetic. What has no result is an error; NULL has none to fail with.

package coprocessor

import (
	"fmt"
	"math"
	"math/bits"
)

// compute is + - * / % of two numbers, and - of one.
func (v *evaluator) compute(b *batch, l, r *vector, sel []int32) error {
	var bad int32
	if l.typ == Float {
		bad = v.floats(l.floats, r.floats, sel)
	} else {
		bad = v.ints(l.ints, r.ints, sel)
	}
	if bad < 0 {
		return nil
	}
	e := &ArithmeticError{Expr: v.e.String(), Pos: v.e.Pos}
	if b.table != nil {
		e.Key = b.rows.key(bad)
	}
	x, y := l.value(bad), r.value(bad)
	switch divides := v.e.Op == OpDiv || v.e.Op == OpMod; {
	case divides && y.Int == 0 && y.Float == 0:
		e.Reason = fmt.Sprintf("division by zero: %v %v %v", x, v.e.Op, y)
	case v.e.Op == OpNeg:
		e.Reason = fmt.Sprintf("overflow of %v: -(%v)", x.Type, x)
	default:
		e.Reason = fmt.Sprintf("overflow of %v: %v %v %v", x.Type, x, v.e.Op, y)
	}
	return e
}

// ints returns the first row that fails, or -1. Values beside a NULL may be anything, so
// they are passed over.
func (v *evaluator) ints(l, r []int64, sel []int32) (bad int32) {
	out := &v.out
	switch v.e.Op {
	case OpAdd:
		for _, i := range sel {
			x, y := l[i], r[i]
			z := x + y
			// It overflows if the operands have one sign and the sum the other.
			if (x^z)&(y^z) < 0 && !out.isNull(i) {
				return i
			}
			out.ints[i] = z
		}
	case OpSub:
		for _, i := range sel {
			x, y := l[i], r[i]
			z := x - y
			if (x^y)&(x^z) < 0 && !out.isNull(i) {
				return i
			}
			out.ints[i] = z
		}
	case OpMul:
		for _, i := range sel {
			z, ok := multiply(l[i], r[i])
			if !ok && !out.isNull(i) {
				return i
			}
			out.ints[i] = z
		}
	case OpNeg:
		for _, i := range sel {
			if l[i] == math.MinInt64 && !out.isNull(i) {
				return i
			}
			out.ints[i] = -l[i]
		}
	default:
		return v.divide(l, r, sel)
	}
	return -1
}

// divide is / and % of ints: towards zero, and the remainder has the sign of the left.
func (v *evaluator) divide(l, r []int64, sel []int32) (bad int32) {
	out := &v.out
	for _, i := range sel {
		if out.isNull(i) {
			continue
		}
		x, y := l[i], r[i]
		switch {
		case y == 0:
			return i
		case v.e.Op == OpMod:
			out.ints[i] = x % y
		case x == math.MinInt64 && y == -1:
			return i
		default:
			out.ints[i] = x / y
		}
	}
	return -1
}

// multiply reports whether the product fits: its upper half is then all sign.
func multiply(x, y int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(x), uint64(y))
	hi -= uint64(x>>63)&uint64(y) + uint64(y>>63)&uint64(x)
	return int64(lo), int64(hi) == int64(lo)>>63
}

func (v *evaluator) floats(l, r []float64, sel []int32) (bad int32) {
	out := &v.out
	for _, i := range sel {
		if out.isNull(i) {
			continue
		}
		var z float64
		switch v.e.Op {
		case OpAdd:
			z = l[i] + r[i]
		case OpSub:
			z = l[i] - r[i]
		case OpMul:
			z = l[i] * r[i]
		case OpDiv:
			z = l[i] / r[i]
		case OpNeg:
			z = -l[i]
		}
		if !finite(z) {
			return i
		}
		out.floats[i] = z + 0
	}
	return -1
}
