// Aggregates: a state for each group, that takes in values, and other states.
//
// What is kept is what can be merged. The average of two averages is nothing; so avg
// keeps sum and count, and divides at the root. A sum of ints is kept in 128 bits, so
// that it does not depend on the order whether it fits: 2^63-1, 1 and -1 add up, also
// if the region of -1 comes last. A sum of floats is rounded at each step, so its last digits
// are those of the regions' cuts, and of the order in which parts are merged.

package coprocessor

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
)

// aggregate is one call, for all groups. Which slices it uses depends on what it is.
type aggregate struct {
	call   *Expr
	typ    Type    // of the values; Null for count(*)
	n      []int64 // values that were not NULL
	sums   []wide
	floats []float64
	best   vector // of min and max; where n is 0, there is none yet
	size   int    // of strings in best
}

// wide is an int of 128 bits.
type wide struct {
	hi int64
	lo uint64
}

func (w *wide) add(o wide) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, o.lo, 0)
	w.hi += o.hi + int64(carry)
}

// float is the number, rounded.
func (w wide) float() float64 {
	if w.hi < 0 {
		lo, borrow := bits.Sub64(0, w.lo, 0)
		return -wide{-w.hi - int64(borrow), lo}.float()
	}
	return math.Ldexp(float64(w.hi), 64) + float64(w.lo)
}

func newAggregate(call *Expr) *aggregate {
	a := &aggregate{call: call}
	if len(call.Args) > 0 {
		a.typ = call.Args[0].typ
	}
	a.best.typ = a.typ
	a.best.nulls = true
	return a
}

// grow makes room for n groups.
func (a *aggregate) grow(n int) {
	a.n = extend(a.n, n)
	switch op := a.call.Op; {
	case op == OpCount:
	case op == OpSum || op == OpAvg:
		if a.typ == Float {
			a.floats = extend(a.floats, n)
		} else {
			a.sums = extend(a.sums, n)
		}
	default:
		a.best.null = extend(a.best.null, n)
		switch a.typ {
		case Float:
			a.best.floats = extend(a.best.floats, n)
		case String:
			a.best.strs = extend(a.best.strs, n)
		default:
			a.best.ints = extend(a.best.ints, n)
		}
	}
}

func extend[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}

// memory is what a group takes, about.
func (a *aggregate) memory() int {
	return 8*len(a.n) + 16*len(a.sums) + 8*len(a.floats) + (1+a.typ.memory())*len(a.best.null) + a.size
}

// update takes in the rows sel: row sel[j] is in group ids[j]. For count(*) arg is nil.
func (a *aggregate) update(ids, sel []int32, arg *vector) {
	switch {
	case arg == nil:
		for _, g := range ids {
			a.n[g]++
		}
		return
	case arg.nulls:
		for j, r := range sel {
			a.n[ids[j]] += bit(!arg.null[r])
		}
	default:
		for _, g := range ids {
			a.n[g]++
		}
	}
	switch a.call.Op {
	case OpSum, OpAvg:
		a.sum(ids, sel, arg)
	case OpMin, OpMax:
		a.extreme(ids, sel, arg)
	}
}

func (a *aggregate) sum(ids, sel []int32, arg *vector) {
	for j, r := range sel {
		if arg.nulls && arg.null[r] {
			continue
		}
		if a.typ == Float {
			a.floats[ids[j]] += arg.floats[r]
			continue
		}
		x := arg.ints[r]
		s := &a.sums[ids[j]]
		lo, carry := bits.Add64(s.lo, uint64(x), 0)
		s.lo, s.hi = lo, s.hi+x>>63+int64(carry)
	}
}

// extreme keeps the least or greatest. A best that is marked in null is there: the mark
// is turned around while the state grows, since a new group's is false.
func (a *aggregate) extreme(ids, sel []int32, arg *vector) {
	isMax := a.call.Op == OpMax
	best := &a.best
	for j, r := range sel {
		if arg.isNull(r) {
			continue
		}
		g := ids[j]
		if !best.null[g] {
			best.null[g] = true
			a.take(g, arg, r)
			continue
		}
		var better bool
		switch a.typ {
		case Float:
			better = arg.floats[r] != best.floats[g] && arg.floats[r] > best.floats[g] == isMax
		case String:
			c := bytes.Compare(arg.strs[r], best.strs[g])
			better = c != 0 && c > 0 == isMax
		default:
			better = arg.ints[r] != best.ints[g] && arg.ints[r] > best.ints[g] == isMax
		}
		if better {
			a.take(g, arg, r)
		}
	}
}

func (a *aggregate) take(g int32, arg *vector, r int32) {
	switch a.typ {
	case Float:
		a.best.floats[g] = arg.floats[r]
	case String:
		a.size -= cap(a.best.strs[g])
		a.best.strs[g] = append(a.best.strs[g][:0], arg.strs[r]...)
		a.size += cap(a.best.strs[g])
	default:
		a.best.ints[g] = arg.ints[r]
	}
}

// merge takes in another's states: its group i is ids[i] here.
func (a *aggregate) merge(o *aggregate, ids []int32) {
	for i, g := range ids {
		a.n[g] += o.n[i]
	}
	switch a.call.Op {
	case OpSum, OpAvg:
		for i, g := range ids {
			if a.typ == Float {
				a.floats[g] += o.floats[i]
			} else {
				a.sums[g].add(o.sums[i])
			}
		}
	case OpMin, OpMax:
		// Its marks say what is there; as a vector of values they say what is not.
		values := o.best
		values.null = make([]bool, len(ids))
		for i := range ids {
			values.null[i] = !o.best.null[i]
		}
		a.extreme(ids, upTo(nil, len(ids)), &values)
	}
}

// result is the aggregate of every group. Of no values there is a count, but nothing
// else.
func (a *aggregate) result() (*vector, error) {
	out := &vector{typ: a.call.typ}
	switch a.call.Op {
	case OpCount:
		out.ints, out.null = a.n, make([]bool, len(a.n))
		return out, nil
	case OpMin, OpMax:
		*out = a.best
		out.null = make([]bool, len(a.n))
	default:
		out.resize(len(a.n))
	}
	out.nulls = true
	for g, n := range a.n {
		out.null[g] = n == 0
		if n == 0 || a.call.Op == OpMin || a.call.Op == OpMax {
			continue
		}
		if reason := a.finish(out, g, n); reason != "" {
			return nil, &ArithmeticError{Expr: a.call.String(), Pos: a.call.Pos, Reason: reason}
		}
	}
	return out, nil
}

// finish is sum and avg of one group.
func (a *aggregate) finish(out *vector, g int, n int64) (reason string) {
	if a.typ != Float && a.call.Op == OpSum {
		s := a.sums[g]
		if s.hi != int64(s.lo)>>63 {
			return fmt.Sprintf("overflow of int: %d values add up to about %g", n, s.float())
		}
		out.ints[g] = int64(s.lo)
		return ""
	}
	var f float64
	if a.typ == Float {
		f = a.floats[g]
	} else {
		f = a.sums[g].float()
	}
	if !finite(f) {
		return fmt.Sprintf("overflow of float: %d values add up to more than there is", n)
	}
	if a.call.Op == OpAvg {
		f /= float64(n)
	}
	out.floats[g] = f + 0
	return ""
}
