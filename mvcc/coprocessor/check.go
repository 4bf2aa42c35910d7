// The check: names become columns, and every operation gets operands that it can do.

package coprocessor

import "slices"

// checker makes checked expressions of written ones, which it does not change.
type checker struct {
	table   *Table
	plan    *Plan  // Groups and Calls are its
	clause  string // for errors
	grouped bool   // from SELECT on: the input is groups
	nodes   int
}

// condition is an expression that is true or not.
func (c *checker) condition(e *Expr) (*Expr, error) {
	bound, err := c.bind(e)
	if err != nil {
		return nil, err
	}
	defaultType(bound, Bool)
	if bound.typ != Bool {
		return nil, queryErrorf(e.Pos, "%s wants a condition, and %v is %v: compare it with something", c.clause, e, bound.typ)
	}
	return bound, nil
}

// bind checks an expression over the input of the clause.
func (c *checker) bind(e *Expr) (bound *Expr, err error) {
	if c.grouped {
		bound, err = c.overGroups(e)
	} else {
		bound, err = c.overRows(e)
	}
	if err != nil {
		return nil, err
	}
	if bound.Op == OpLiteral && (c.clause == "GROUP BY" || c.clause == "ORDER BY") {
		return nil, queryErrorf(e.Pos, "%s %v is the same for every row: name a column", c.clause, e)
	}
	return bound, nil
}

// overRows checks an expression over rows of the table.
func (c *checker) overRows(e *Expr) (*Expr, error) {
	switch {
	case e.Op.aggregate():
		return nil, queryErrorf(e.Pos, "%v is not possible in %s, which comes before the aggregates: HAVING comes after", e, c.clause)
	case e.Op == OpColumn:
		i := c.table.column(e.Name)
		if i < 0 {
			return nil, queryErrorf(e.Pos, "table %s has no column %s; it has %s", c.table.Name, e.Name, c.names())
		}
		return &Expr{Op: OpColumn, Name: e.Name, Pos: e.Pos, typ: c.table.Columns[i].Type, index: i}, nil
	}
	return c.within(e, c.overRows)
}

// overGroups checks an expression over groups: a part of it that is a key, or
// an aggregate, has been computed by then.
func (c *checker) overGroups(e *Expr) (*Expr, error) {
	if e.Op.aggregate() {
		return c.call(e)
	}
	mayBe := slices.ContainsFunc(c.plan.Groups, func(g *Expr) bool { return g.Op == e.Op })
	if mayBe && !e.any(func(e *Expr) bool { return e.Op.aggregate() }) {
		rows, err := c.overRows(e)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(c.plan.Groups, rows.same)
		if i >= 0 {
			return &Expr{Op: opResult, Args: []*Expr{rows}, Pos: e.Pos, typ: rows.typ, index: i}, nil
		}
	}
	if e.Op == OpColumn {
		return nil, queryErrorf(e.Pos, "column %s in %s has many values in a group: put it into GROUP BY, or into an aggregate such as min(%s)", e.Name, c.clause, e.Name)
	}
	return c.within(e, c.overGroups)
}

// call gives an aggregate its place among the calls.
func (c *checker) call(e *Expr) (*Expr, error) {
	bound := &Expr{Op: e.Op, Pos: e.Pos, typ: Int}
	if err := c.arity(e); err != nil {
		return nil, err
	}
	for _, a := range e.Args {
		if a.any(func(e *Expr) bool { return e.Op.aggregate() }) {
			return nil, queryErrorf(a.Pos, "%v is in %s: aggregates do not nest", a, e.Op)
		}
		arg, err := c.overRows(a)
		if err != nil {
			return nil, err
		}
		number := arg.typ == Int || arg.typ == Float
		switch {
		case e.Op == OpCount:
			defaultType(arg, Int)
		case arg.typ == Null:
			return nil, queryErrorf(a.Pos, "%v: of NULL alone nobody knows the type", e)
		case (e.Op == OpSum || e.Op == OpAvg) && !number:
			return nil, queryErrorf(a.Pos, "%v wants numbers, and %v is %v", e, a, arg.typ)
		case e.Op == OpAvg:
			bound.typ = Float
		default:
			bound.typ = arg.typ
		}
		bound.Args = []*Expr{arg}
	}
	i := slices.IndexFunc(c.plan.Calls, bound.same)
	if i < 0 {
		i = len(c.plan.Calls)
		c.plan.Calls = append(c.plan.Calls, bound)
	}
	return &Expr{Op: opResult, Args: []*Expr{bound}, Pos: e.Pos, typ: bound.typ, index: len(c.plan.Groups) + i}, nil
}

func (c *checker) names() string {
	s := ""
	for i, col := range c.table.Columns {
		if i > 0 {
			s += ", "
		}
		s += quoteName(col.Name)
	}
	return s
}

func (c *checker) arity(e *Expr) error {
	if c.nodes++; c.nodes > 20*maxNodes {
		return queryErrorf(e.Pos, "the query is too large")
	}
	if e.Op >= numOps || e.Op == opResult || e.Op == opFloat {
		return queryErrorf(e.Pos, "there is no operation %d", e.Op)
	}
	if least, most := e.Op.arity(); len(e.Args) < least || len(e.Args) > most {
		return queryErrorf(e.Pos, "%v has %d operands, which is not what it takes", e.Op, len(e.Args))
	}
	return nil
}

// within checks the operands of an operation, and then the operation.
func (c *checker) within(e *Expr, operand func(*Expr) (*Expr, error)) (*Expr, error) {
	if err := c.arity(e); err != nil {
		return nil, err
	}
	b := &Expr{Op: e.Op, Value: e.Value, Pos: e.Pos, typ: Bool}
	if e.Op == OpLiteral {
		if b.typ = e.Value.Type; b.typ == Float && !finite(e.Value.Float) || b.typ > Bool {
			return nil, queryErrorf(e.Pos, "%v is not a value", e.Value)
		}
		return b, nil
	}
	for i, a := range e.Args {
		if e.Op == OpIn && i > 0 {
			// Literals of a list are many, and all alike.
			if a.Op != OpLiteral {
				return nil, queryErrorf(a.Pos, "a list has literals only, and %v is none", a)
			}
			b.Args = append(b.Args, &Expr{Op: OpLiteral, Value: a.Value, Pos: a.Pos, typ: a.Value.Type})
			continue
		}
		arg, err := operand(a)
		if err != nil {
			return nil, err
		}
		b.Args = append(b.Args, arg)
	}
	return b, c.operation(b)
}

// operation checks that the operands fit the operation, and sets its type.
func (c *checker) operation(b *Expr) error {
	switch op := b.Op; {
	case op == OpAnd || op == OpOr || op == OpNot:
		for _, a := range b.Args {
			defaultType(a, Bool)
			if a.typ != Bool {
				return queryErrorf(a.Pos, "%v wants conditions, and %v is %v", op, a, a.typ)
			}
		}
	case op == OpIsNull:
		defaultType(b.Args[0], Int)
	case op == OpLike:
		defaultType(b.Args[0], String)
		if a := b.Args[0]; a.typ != String {
			return queryErrorf(a.Pos, "LIKE wants a string, and %v is %v", a, a.typ)
		}
		if a := b.Args[1]; a.Op != OpLiteral || a.typ != String {
			return queryErrorf(a.Pos, "LIKE wants a pattern in quotes, not %v", a)
		}
		return checkPattern(b.Args[1])
	case op == OpNeg:
		defaultType(b.Args[0], Int)
		b.typ = b.Args[0].typ
		if b.typ != Int && b.typ != Float {
			return queryErrorf(b.Pos, "- wants a number, and %v is %v", b.Args[0], b.typ)
		}
	default:
		return c.alike(b)
	}
	return nil
}

// alike checks an operation whose operands are of one type: an int beside a float
// becomes one, and NULL is whatever the other is.
func (c *checker) alike(b *Expr) error {
	common := Null
	for _, a := range b.Args {
		switch {
		case a.typ == Null || a.typ == common:
		case common == Null, common == Int && a.typ == Float:
			common = a.typ
		case common == Float && a.typ == Int:
		default:
			return queryErrorf(b.Pos, "%v does not take %v and %v: %v is %v, %v is %v", b.Op, common, a.typ, b.Args[0], b.Args[0].typ, a, a.typ)
		}
	}
	if common == Null {
		common = Int
	}
	for i, a := range b.Args {
		defaultType(a, common)
		if a.typ == common {
			continue
		}
		if a.Op == OpLiteral {
			f := float64(a.Value.Int)
			b.Args[i] = &Expr{Op: OpLiteral, Value: FloatValue(f), Pos: a.Pos, typ: Float}
			continue
		}
		b.Args[i] = &Expr{Op: opFloat, Args: []*Expr{a}, Pos: a.Pos, typ: Float}
	}
	if b.Op.computes() {
		b.typ = common
		if common != Int && (common != Float || b.Op == OpMod) {
			want := "numbers"
			if b.Op == OpMod {
				want = "ints"
			}
			return queryErrorf(b.Pos, "%v wants %s, and %v is %v", b.Op, want, b.Args[0], b.Args[0].typ)
		}
	}
	return nil
}

// defaultType gives a NULL a type, which decides what it is stored as.
func defaultType(e *Expr, t Type) {
	if e.typ == Null {
		e.typ = t
	}
}
