// The oracle: a plan done one row at a time, as plainly as can be. It shares the checked
// expressions with the package, and nothing of how they are computed.

package coprocessor

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

var errSlow = errors.New("slow: no result")

// slowEval is an expression over one row, of the table or of groups.
func slowEval(e *Expr, row []Value) (Value, error) {
	switch e.Op {
	case OpLiteral:
		return e.Value, nil
	case OpColumn, opResult:
		return row[e.index], nil
	}
	x, err := slowEval(e.Args[0], row)
	if err != nil {
		return Value{}, err
	}
	switch e.Op {
	case OpAnd, OpOr:
		decides := BoolValue(e.Op == OpOr)
		if x == decides {
			return x, nil
		}
		y, err := slowEval(e.Args[1], row)
		switch {
		case err != nil || y == decides:
			return y, err
		case x.IsNull() || y.IsNull():
			return Value{}, nil
		}
		return BoolValue(e.Op == OpAnd), nil
	case OpIsNull:
		return BoolValue(x.IsNull()), nil
	case OpIn:
		return slowIn(e, x)
	}
	y := x
	if len(e.Args) > 1 {
		if y, err = slowEval(e.Args[1], row); err != nil {
			return Value{}, err
		}
	}
	if x.IsNull() || y.IsNull() {
		return Value{}, nil
	}
	switch {
	case e.Op == OpNot:
		return BoolValue(x.Int == 0), nil
	case e.Op == opFloat:
		return FloatValue(float64(x.Int)), nil
	case e.Op == OpLike:
		return BoolValue(slowLike(y.Str, x.Str)), nil
	case e.Op.compares():
		c := slowCompare(x, y)
		return BoolValue(map[Op]bool{OpEq: c == 0, OpNe: c != 0, OpLt: c < 0, OpLe: c <= 0, OpGt: c > 0, OpGe: c >= 0}[e.Op]), nil
	case e.typ == Float:
		return slowFloat(e.Op, x.Float, y.Float)
	}
	return slowInt(e.Op, big.NewInt(x.Int), big.NewInt(y.Int))
}

func slowIn(e *Expr, x Value) (Value, error) {
	if x.IsNull() {
		return x, nil
	}
	null := false
	for _, a := range e.Args[1:] {
		if a.Value == x {
			return BoolValue(true), nil
		}
		null = null || a.Value.IsNull()
	}
	if null {
		return Value{}, nil
	}
	return BoolValue(false), nil
}

func slowInt(op Op, x, y *big.Int) (Value, error) {
	z := new(big.Int)
	switch op {
	case OpAdd:
		z.Add(x, y)
	case OpSub:
		z.Sub(x, y)
	case OpMul:
		z.Mul(x, y)
	case OpNeg:
		z.Neg(x)
	case OpDiv, OpMod:
		if y.Sign() == 0 {
			return Value{}, errSlow
		}
		if op == OpDiv {
			z.Quo(x, y)
		} else {
			z.Rem(x, y)
		}
	}
	if !z.IsInt64() {
		return Value{}, errSlow
	}
	return IntValue(z.Int64()), nil
}

func slowFloat(op Op, x, y float64) (Value, error) {
	z := map[Op]float64{OpAdd: x + y, OpSub: x - y, OpMul: x * y, OpNeg: -x, OpDiv: x / y}[op]
	if math.IsNaN(z) || math.IsInf(z, 0) {
		return Value{}, errSlow
	}
	return FloatValue(z), nil
}

// slowCompare has NULL below all.
func slowCompare(x, y Value) int {
	switch {
	case x.IsNull() || y.IsNull():
		return int(bit(y.IsNull())) - int(bit(x.IsNull()))
	case x.Type == Float:
		return cmp.Compare(x.Float, y.Float)
	case x.Type == String:
		return strings.Compare(x.Str, y.Str)
	}
	return cmp.Compare(x.Int, y.Int)
}

func slowLike(p, s string) bool {
	if p == "" {
		return s == ""
	}
	switch p[0] {
	case '%':
		return slowLike(p[1:], s) || s != "" && slowLike(p, s[width(s):])
	case '_':
		return s != "" && slowLike(p[1:], s[width(s):])
	case '\\':
		p = p[1:]
	}
	return s != "" && s[0] == p[0] && slowLike(p[1:], s[1:])
}

func width(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// slowSelect is the whole plan over rows that are in the order of their keys.
func slowSelect(p *Plan, rows [][]Value) ([][]Value, error) {
	rows, err := slowFilter(conjuncts(p.Where), rows)
	if err != nil {
		return nil, err
	}
	if p.grouped() {
		if rows, err = slowGroups(p, rows); err != nil {
			return nil, err
		}
		if rows, err = slowFilter(conjuncts(p.Having), rows); err != nil {
			return nil, err
		}
	}
	type sorted struct{ keys, row []Value }
	var all []sorted
	for _, row := range rows {
		s := sorted{row: row}
		for _, o := range p.OrderBy {
			v, err := slowEval(o.Expr, row)
			if err != nil {
				return nil, err
			}
			s.keys = append(s.keys, v)
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b sorted) int {
		for i, o := range p.OrderBy {
			if c := slowCompare(a.keys[i], b.keys[i]); c != 0 && o.Desc {
				return -c
			} else if c != 0 {
				return c
			}
		}
		return 0
	})
	var out [][]Value
	for _, s := range all {
		if p.Limit >= 0 && int64(len(out)) == p.Limit {
			break
		}
		var row []Value
		for _, o := range p.Output {
			v, err := slowEval(o.Expr, s.row)
			if err != nil {
				return nil, err
			}
			row = append(row, v)
		}
		out = append(out, row)
	}
	return out, nil
}

func slowFilter(conditions []*Expr, rows [][]Value) ([][]Value, error) {
	var out [][]Value
next:
	for _, row := range rows {
		for _, c := range conditions {
			v, err := slowEval(c, row)
			if err != nil {
				return nil, err
			}
			if v != BoolValue(true) {
				continue next
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// slowGroups makes rows of groups, in the order of their keys.
func slowGroups(p *Plan, rows [][]Value) ([][]Value, error) {
	members := map[string][][]Value{}
	keys := map[string][]Value{}
	if len(p.Groups) == 0 {
		members[""], keys[""] = nil, nil
	}
	for _, row := range rows {
		var key []Value
		for _, e := range p.Groups {
			v, err := slowEval(e, row)
			if err != nil {
				return nil, err
			}
			key = append(key, v)
		}
		name := ""
		if len(key) > 0 {
			name = fmt.Sprintf("%q", key)
		}
		members[name], keys[name] = append(members[name], row), key
	}
	var out [][]Value
	for name, key := range keys {
		group := slices.Clone(key)
		for _, c := range p.Calls {
			v, err := slowAggregate(c, members[name])
			if err != nil {
				return nil, err
			}
			group = append(group, v)
		}
		out = append(out, group)
	}
	slices.SortFunc(out, func(a, b []Value) int { return slices.CompareFunc(a[:len(p.Groups)], b[:len(p.Groups)], slowCompare) })
	return out, nil
}

func slowAggregate(c *Expr, rows [][]Value) (Value, error) {
	if len(c.Args) == 0 {
		return IntValue(int64(len(rows))), nil
	}
	var values []Value
	for _, row := range rows {
		v, err := slowEval(c.Args[0], row)
		if err != nil {
			return Value{}, err
		}
		if !v.IsNull() {
			values = append(values, v)
		}
	}
	switch {
	case c.Op == OpCount:
		return IntValue(int64(len(values))), nil
	case len(values) == 0:
		return Value{}, nil
	case c.Op == OpMin:
		return slices.MinFunc(values, slowCompare), nil
	case c.Op == OpMax:
		return slices.MaxFunc(values, slowCompare), nil
	}
	ints, floats := new(big.Int), 0.0
	for _, v := range values {
		ints.Add(ints, big.NewInt(v.Int))
		floats += v.Float
	}
	if c.Args[0].typ == Int {
		if c.Op == OpSum {
			return slowInt(OpAdd, ints, new(big.Int))
		}
		floats, _ = new(big.Float).SetInt(ints).Float64()
	}
	if c.Op == OpAvg {
		return slowFloat(OpDiv, floats, float64(len(values)))
	}
	return slowFloat(OpAdd, floats, 0)
}
