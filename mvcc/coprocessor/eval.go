// Evaluation: an expression over the selected rows of a batch, one loop for each node.

package coprocessor

import (
	"bytes"
	"slices"
)

// evaluator computes an expression. It has the vectors for it, so each runner has its
// own; what it returns is valid until it is run again.
type evaluator struct {
	e      *Expr
	args   []*evaluator
	out    vector
	rest   []int32 // AND, OR: rows that the right side decides
	filled int     // OpLiteral: how much of out has it
	set    *set    // OpIn
	like   pattern // OpLike
}

func newEvaluator(e *Expr) *evaluator {
	v := &evaluator{e: e, out: vector{typ: e.typ}}
	operands := e.Args
	switch e.Op {
	case opResult:
		return v // the input has it
	case OpIn:
		v.set, operands = newSet(e.Args[1:]), e.Args[:1]
	case OpLike:
		v.like, operands = parsePattern(e.Args[1].Value.Str), e.Args[:1]
	}
	for _, a := range operands {
		v.args = append(v.args, newEvaluator(a))
	}
	return v
}

func newEvaluators(es []*Expr) []*evaluator {
	out := make([]*evaluator, len(es))
	for i, e := range es {
		out[i] = newEvaluator(e)
	}
	return out
}

// eval computes the expression for the rows sel, which the batch has selected.
func (v *evaluator) eval(b *batch, sel []int32) (*vector, error) {
	switch op := v.e.Op; {
	case op == OpColumn || op == opResult:
		return b.column(v.e.index)
	case op == OpLiteral:
		v.literal(b.n)
		return &v.out, nil
	case op == OpAnd || op == OpOr:
		return v.logic(b, sel)
	}
	l, err := v.args[0].eval(b, sel)
	if err != nil {
		return nil, err
	}
	r := l
	if len(v.args) == 2 {
		if r, err = v.args[1].eval(b, sel); err != nil {
			return nil, err
		}
	}
	v.out.resize(b.n)
	if l.nulls || r.nulls {
		v.out.nulls = true
		for _, i := range sel {
			v.out.null[i] = l.isNull(i) || r.isNull(i)
		}
	}
	switch op := v.e.Op; {
	case op.compares():
		v.compare(l, r, sel)
	case op.computes() || op == OpNeg:
		err = v.compute(b, l, r, sel)
	default:
		v.test(l, sel)
	}
	return &v.out, err
}

// literal makes a vector that is the same everywhere, so that no loop need know of it.
func (v *evaluator) literal(n int) {
	if v.filled >= n && v.filled > 0 {
		return
	}
	x, str := v.e.Value, []byte(v.e.Value.Str)
	v.out.resize(n)
	v.filled, v.out.nulls = n, x.IsNull()
	for i := range n {
		v.out.null[i] = x.IsNull()
		switch v.e.typ {
		case Float:
			v.out.floats[i] = x.Float
		case String:
			v.out.strs[i] = str
		default:
			v.out.ints[i] = x.Int
		}
	}
}

// logic is AND and OR. A left side of FALSE decides AND, and TRUE decides OR: there
// the right side is not looked at, nor can it fail.
func (v *evaluator) logic(b *batch, sel []int32) (*vector, error) {
	l, err := v.args[0].eval(b, sel)
	if err != nil {
		return nil, err
	}
	var decides int64
	if v.e.Op == OpOr {
		decides = 1
	}
	out := &v.out
	out.resize(b.n)
	v.rest = v.rest[:0]
	for _, i := range sel {
		out.ints[i], out.null[i] = decides, false
		if l.isNull(i) || l.ints[i] != decides {
			v.rest = append(v.rest, i)
		}
	}
	r, err := v.args[1].eval(b, v.rest)
	if err != nil {
		return nil, err
	}
	for _, i := range v.rest {
		switch rn := r.isNull(i); {
		case !rn && r.ints[i] == decides:
		case rn || l.isNull(i):
			out.null[i] = true
		default:
			out.ints[i] = 1 - decides
		}
	}
	out.nulls = l.nulls || r.nulls
	return out, nil
}

func (v *evaluator) compare(l, r *vector, sel []int32) {
	op, out := v.e.Op, v.out.ints
	switch l.typ {
	case Float:
		compareNumbers(op, l.floats, r.floats, out, sel)
	case String:
		v.compareStrings(l, r, sel)
	default:
		compareNumbers(op, l.ints, r.ints, out, sel)
	}
}

// compareNumbers has a loop for each operation, so that none decides which it is for
// each row.
func compareNumbers[T int64 | float64](op Op, l, r []T, out []int64, sel []int32) {
	switch op {
	case OpEq:
		for _, i := range sel {
			out[i] = bit(l[i] == r[i])
		}
	case OpNe:
		for _, i := range sel {
			out[i] = bit(l[i] != r[i])
		}
	case OpLt:
		for _, i := range sel {
			out[i] = bit(l[i] < r[i])
		}
	case OpLe:
		for _, i := range sel {
			out[i] = bit(l[i] <= r[i])
		}
	case OpGt:
		for _, i := range sel {
			out[i] = bit(l[i] > r[i])
		}
	case OpGe:
		for _, i := range sel {
			out[i] = bit(l[i] >= r[i])
		}
	}
}

func bit(b bool) int64 {
	var n int64
	if b {
		n = 1
	}
	return n
}

func (v *evaluator) compareStrings(l, r *vector, sel []int32) {
	op, out := v.e.Op, v.out.ints
	for _, i := range sel {
		if v.out.isNull(i) {
			continue
		}
		if op == OpEq || op == OpNe {
			out[i] = bit(bytes.Equal(l.strs[i], r.strs[i]) == (op == OpEq))
			continue
		}
		c := bytes.Compare(l.strs[i], r.strs[i])
		switch op {
		case OpLt:
			out[i] = bit(c < 0)
		case OpLe:
			out[i] = bit(c <= 0)
		case OpGt:
			out[i] = bit(c > 0)
		case OpGe:
			out[i] = bit(c >= 0)
		}
	}
}

// test is the operations with one operand, but for -.
func (v *evaluator) test(l *vector, sel []int32) {
	out := &v.out
	switch v.e.Op {
	case OpNot:
		for _, i := range sel {
			out.ints[i] = 1 - l.ints[i]&1
		}
	case OpIsNull:
		out.nulls = false
		for _, i := range sel {
			out.ints[i] = bit(l.isNull(i))
		}
	case opFloat:
		for _, i := range sel {
			out.floats[i] = float64(l.ints[i])
		}
	case OpLike:
		for _, i := range sel {
			if !l.isNull(i) {
				out.ints[i] = bit(v.like.match(l.strs[i]))
			}
		}
	case OpIn:
		v.in(l, sel)
	}
}

// set is the literals of IN.
type set struct {
	ints    map[int64]bool
	floats  map[float64]bool
	strs    map[string]bool
	hasNull bool
}

func newSet(literals []*Expr) *set {
	s := &set{ints: map[int64]bool{}, floats: map[float64]bool{}, strs: map[string]bool{}}
	for _, e := range literals {
		switch {
		case e.Value.IsNull():
			s.hasNull = true
		case e.typ == Float:
			s.floats[e.Value.Float] = true
		case e.typ == String:
			s.strs[e.Value.Str] = true
		default:
			s.ints[e.Value.Int] = true
		}
	}
	return s
}

// in is TRUE where the value is in the list; where it is not, a NULL in the list leaves
// open whether it might be.
func (v *evaluator) in(l *vector, sel []int32) {
	out, s := &v.out, v.set
	for _, i := range sel {
		if l.isNull(i) {
			continue
		}
		var found bool
		switch l.typ {
		case Float:
			found = s.floats[l.floats[i]]
		case String:
			found = s.strs[string(l.strs[i])]
		default:
			found = s.ints[l.ints[i]]
		}
		out.ints[i] = bit(found)
		if s.hasNull && !out.nulls {
			clear(out.null)
			out.nulls = true
		}
		if s.hasNull {
			out.null[i] = !found
		}
	}
}

// conjuncts cuts a condition at its ANDs: a row that fails one is gone before the next
// is looked at, and so are the columns that only later ones need.
func conjuncts(e *Expr) []*Expr {
	if e == nil {
		return nil
	}
	if e.Op == OpAnd {
		return slices.Concat(conjuncts(e.Args[0]), conjuncts(e.Args[1]))
	}
	return []*Expr{e}
}

// filter keeps the rows of a batch for which all conditions are true.
func filter(conditions []*evaluator, b *batch) error {
	for _, c := range conditions {
		if len(b.sel) == 0 {
			return nil
		}
		v, err := c.eval(b, b.sel)
		if err != nil {
			return err
		}
		b.sel = v.keepTrue(b.sel)
	}
	return nil
}
