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
		if err = p.advance(); err != nil {
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

// operator is which of the operators is next; OpLiteral is none.
func (p *parser) operator(among ...Op) (Op, int) {
	for _, op := range among {
		if p.tok.is(op.String()) || op == OpNe && p.tok.is("!=") {
			return op, p.tok.pos
		}
	}
	return OpLiteral, 0
}

func (p *parser) not() (*Expr, error) {
	pos := p.tok.pos
	if not, err := p.take("NOT"); !not || err != nil {
		if err != nil {
			return nil, err
		}
		return p.test()
	}
	e, err := p.nested(p.not)
	if err != nil {
		return nil, err
	}
	return p.node(OpNot, pos, e), nil
}

// nested reads what recursion alone would let nest without end.
func (p *parser) nested(f func() (*Expr, error)) (*Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, queryErrorf(p.tok.pos, "the expression is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	return f()
}

// test is a sum, or a question about sums.
func (p *parser) test() (*Expr, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	if op, pos := p.operator(OpEq, OpNe, OpLt, OpLe, OpGt, OpGe); op != OpLiteral {
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := p.sum()
		if err != nil {
			return nil, err
		}
		return p.node(op, pos, left, right), nil
	}
	pos := p.tok.pos
	is, err := p.take("IS")
	if err != nil {
		return nil, err
	}
	not, err := p.take("NOT")
	if err != nil {
		return nil, err
	}
	var e *Expr
	switch {
	case is:
		e, err = p.node(OpIsNull, pos, left), p.want("NULL")
	case p.tok.is("IN"):
		e, err = p.in(left)
	case p.tok.is("LIKE"):
		e, err = p.like(left)
	case p.tok.is("BETWEEN"):
		e, err = p.between(left)
	case not:
		err = p.unexpected("IN, LIKE or BETWEEN")
	default:
		return left, nil
	}
	if err == nil && not {
		e = p.node(OpNot, pos, e)
	}
	return e, err
}

func (p *parser) in(left *Expr) (*Expr, error) {
	e := p.node(OpIn, p.tok.pos, left)
	if err := p.advance(); err != nil {
		return nil, err
	}
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

func (p *parser) like(left *Expr) (*Expr, error) {
	e := p.node(OpLike, p.tok.pos, left)
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind != tokString {
		return nil, p.unexpected("a pattern in quotes, such as 'ab%'")
	}
	e.Args = append(e.Args, &Expr{Op: OpLiteral, Value: StringValue(p.tok.text), Pos: p.tok.pos})
	return e, p.advance()
}

func (p *parser) between(x *Expr) (*Expr, error) {
	pos := p.tok.pos
	if err := p.advance(); err != nil {
		return nil, err
	}
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
	if err != nil {
		return nil, err
	}
	if ok {
		e := p.node(OpLiteral, pos)
		e.Value = v
		return e, nil
	}
	switch {
	case p.tok.is("-"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.nested(p.unary)
		if err != nil {
			return nil, err
		}
		return p.node(OpNeg, pos, e), nil
	case p.tok.is("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
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
	if err := p.advance(); err != nil {
		return nil, err
	}
	e := p.node(op, t.pos)
	if op == OpCount && p.tok.is("*") {
		if err := p.advance(); err != nil {
			return nil, err
		}
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
func (p *parser) literal() (_ Value, ok bool, err error) {
	t := p.tok
	text := t.text
	switch {
	case t.is("NULL"):
		return Value{}, true, p.advance()
	case t.is("TRUE"), t.is("FALSE"):
		return BoolValue(t.is("TRUE")), true, p.advance()
	case t.kind == tokString:
		return StringValue(text), true, p.advance()
	case t.is("-"):
		ahead := p.lex
		if t, err = ahead.next(); err != nil || t.kind != tokNumber {
			return Value{}, false, err
		}
		text = "-" + t.text
		p.lex = ahead
	case t.kind != tokNumber:
		return Value{}, false, nil
	}
	if !strings.ContainsAny(text, ".eE") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Value{}, false, queryErrorf(t.pos, "%s is not an int: they are 64 bits", text)
		}
		return IntValue(n), true, p.advance()
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Value{}, false, queryErrorf(t.pos, "%s is not a float of 64 bits", text)
	}
	return FloatValue(f), true, p.advance()
}
