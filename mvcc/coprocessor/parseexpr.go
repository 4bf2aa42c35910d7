// The part of the grammar that is about expressions; parse.go has the whole.

package coprocessor

import (
	"strconv"
	"strings"
)

func (p *parser) node(op Op, pos int, args ...*Expr) *Expr {
	p.nodes++
	return &Expr{Op: op, Pos: pos, Args: args}
}

// or is a whole expression.
func (p *parser) or() (*Expr, error) {
	return p.nested(func() (*Expr, error) { return p.chain(p.and, OpOr) })
}

func (p *parser) and() (*Expr, error)     { return p.chain(p.not, OpAnd) }
func (p *parser) sum() (*Expr, error)     { return p.chain(p.product, OpAdd, OpSub) }
func (p *parser) product() (*Expr, error) { return p.chain(p.unary, OpMul, OpDiv, OpMod) }

// nested reads what recursion alone would let nest without end.
func (p *parser) nested(f func() (*Expr, error)) (*Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, queryErrorf(p.tok.pos, "the expression is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	return f()
}

// chain reads operands with operators between them that bind to the left.
func (p *parser) chain(operand func() (*Expr, error), between ...Op) (*Expr, error) {
	left, err := operand()
	for err == nil {
		op, pos := p.operator(between...)
		if op == OpLiteral {
			return left, nil
		}
		if err = p.tooMany(); err != nil {
			break
		}
		var right *Expr
		if right, err = operand(); err == nil {
			left = p.node(op, pos, left, right)
		}
	}
	return nil, err
}

func (p *parser) tooMany() error {
	if p.nodes > maxNodes {
		return queryErrorf(p.tok.pos, "the query has more than %d operations and operands", maxNodes)
	}
	return nil
}

// operator passes over one of the operators if it is next, and says which. OpLiteral is
// none.
func (p *parser) operator(among ...Op) (op Op, pos int) {
	pos = p.tok.pos
	for _, op := range among {
		if p.take(op.String()) || op == OpNe && p.take("!=") {
			return op, pos
		}
	}
	return OpLiteral, pos
}

func (p *parser) not() (*Expr, error) {
	pos := p.tok.pos
	if !p.take("NOT") {
		return p.test()
	}
	e, err := p.nested(p.not)
	if err != nil {
		return nil, err
	}
	return p.node(OpNot, pos, e), nil
}

// test is a sum, or a question about sums.
func (p *parser) test() (*Expr, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	if op, pos := p.operator(OpEq, OpNe, OpLt, OpLe, OpGt, OpGe); op != OpLiteral {
		right, err := p.sum()
		return p.node(op, pos, left, right), err
	}
	pos := p.tok.pos
	is := p.take("IS")
	not := p.take("NOT")
	var e *Expr
	switch {
	case is:
		e, err = p.node(OpIsNull, pos, left), p.want("NULL")
	case p.take("IN"):
		e, err = p.in(left, pos)
	case p.take("LIKE"):
		e, err = p.like(left, pos)
	case p.take("BETWEEN"):
		e, err = p.between(left, pos)
	case not:
		err = p.unexpected("IN, LIKE or BETWEEN")
	default:
		return left, nil
	}
	if not {
		e = p.node(OpNot, pos, e)
	}
	return e, err
}

func (p *parser) in(left *Expr, pos int) (*Expr, error) {
	e := p.node(OpIn, pos, left)
	if err := p.want("("); err != nil {
		return nil, err
	}
	err := p.list(func() error {
		if p.ins++; p.ins > maxIn {
			return queryErrorf(p.tok.pos, "there are more than %d values in lists", maxIn)
		}
		pos := p.tok.pos
		v, ok, err := p.literal()
		if err == nil && !ok {
			err = p.unexpected("a literal, as in a list there are only those")
		}
		e.Args = append(e.Args, &Expr{Op: OpLiteral, Value: v, Pos: pos})
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, p.want(")")
}

func (p *parser) like(left *Expr, pos int) (*Expr, error) {
	t := p.tok
	if t.kind != tokString {
		return nil, p.unexpected("a pattern in quotes, such as 'ab%'")
	}
	p.advance()
	return p.node(OpLike, pos, left, &Expr{Op: OpLiteral, Value: StringValue(t.text), Pos: t.pos}), nil
}

func (p *parser) between(x *Expr, pos int) (*Expr, error) {
	lo, err := p.sum()
	if err != nil {
		return nil, err
	}
	if err := p.want("AND"); err != nil {
		return nil, err
	}
	hi, err := p.sum()
	if err != nil {
		return nil, err
	}
	// x is there twice now, and so is a BETWEEN within it.
	x.any(func(*Expr) bool { p.nodes++; return false })
	if err := p.tooMany(); err != nil {
		return nil, err
	}
	return p.node(OpAnd, pos, p.node(OpGe, pos, x, lo), p.node(OpLe, pos, x, hi)), nil
}

func (p *parser) unary() (*Expr, error) {
	pos := p.tok.pos
	v, ok, err := p.literal()
	switch {
	case err != nil:
		return nil, err
	case ok:
		e := p.node(OpLiteral, pos)
		e.Value = v
		return e, nil
	case p.take("-"):
		e, err := p.nested(p.unary)
		return p.node(OpNeg, pos, e), err
	case p.take("("):
		if p.tok.is("SELECT") {
			return nil, queryErrorf(p.tok.pos, "a query within a query is not supported; %s", supported)
		}
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		return e, p.want(")")
	}
	return p.nameOrCall()
}

func (p *parser) nameOrCall() (*Expr, error) {
	t := p.tok
	name, err := p.name("a value, a column or a function")
	if err != nil {
		return nil, err
	}
	if t.kind == tokName || !p.tok.is("(") {
		e := p.node(OpColumn, t.pos)
		e.Name = name
		return e, nil
	}
	op := OpCount
	for op <= OpMax && op.String() != strings.ToLower(name) {
		op++
	}
	if op > OpMax {
		return nil, queryErrorf(t.pos, "there is no function %s; there are count, sum, avg, min and max", name)
	}
	p.advance()
	e := p.node(op, t.pos)
	if op == OpCount && p.take("*") {
		return e, p.want(")")
	}
	arg, err := p.or()
	if err != nil {
		return nil, err
	}
	e.Args = []*Expr{arg}
	return e, p.want(")")
}

// literal reads a literal if one is next. A minus right before a number is part of it,
// as the least int has no other way to be written.
func (p *parser) literal() (v Value, ok bool, err error) {
	t := p.tok
	text := t.text
	if t.is("-") {
		ahead := p.lex
		if t = ahead.next(); t.kind != tokNumber {
			return Value{}, false, nil
		}
		text, p.lex = "-"+t.text, ahead
	}
	switch {
	case t.is("NULL"):
	case t.is("TRUE"), t.is("FALSE"):
		v = BoolValue(t.is("TRUE"))
	case t.kind == tokString:
		v = StringValue(text)
	case t.kind != tokNumber:
		return Value{}, false, nil
	case strings.ContainsAny(text, ".eE"):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Value{}, false, queryErrorf(t.pos, "%s is not a float of 64 bits", text)
		}
		v = FloatValue(f)
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Value{}, false, queryErrorf(t.pos, "%s is not an int: they are 64 bits", text)
		}
		v = IntValue(n)
	}
	p.advance()
	return v, true, nil
}
