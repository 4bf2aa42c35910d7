// The parser: by hand, one function for each rule of the grammar.
//
//	query   = [EXPLAIN] SELECT item {, item} FROM name [WHERE or] [GROUP BY or {, or}]
//	          [HAVING or] [ORDER BY order {, order}] [LIMIT number] [;]
//	item    = * | or [[AS] name]
//	order   = or [ASC | DESC]
//	or      = and {OR and}
//	and     = not {AND not}
//	not     = NOT not | test
//	test    = sum [(= | <> | != | < | <= | > | >=) sum | IS [NOT] NULL
//	               | [NOT] IN (literal {, literal}) | [NOT] LIKE string | [NOT] BETWEEN sum AND sum]
//	sum     = product {(+ | -) product}
//	product = unary {(* | / | %) unary}
//	unary   = - unary | literal | name | function ( or ) | count ( * ) | ( or )
//
// a BETWEEN b AND c is read as a >= b AND a <= c, and a NOT IN .. as NOT a IN ...

package coprocessor

import (
	"strconv"
	"strings"
)

const supported = "supported is SELECT items FROM table [WHERE condition] [GROUP BY ...] [HAVING condition] [ORDER BY ... [DESC]] [LIMIT n]"

// The limits keep a hostile text from using up the stack or the memory.
const (
	maxDepth = 100
	maxNodes = 2000
	maxIn    = 100000
)

// Parse reads the text of a query. It fails with a [*QueryError] that says where, and
// what is supported.
func Parse(text string) (*Query, error) {
	p := &parser{lex: lexer{text: text}}
	p.advance()
	return p.query()
}

// parser looks at one token at a time. Its functions return where the first thing is
// that does not fit; a token that is bad fits nowhere.
type parser struct {
	lex   lexer
	tok   token
	depth int
	nodes int
	ins   int // literals in lists
}

func (p *parser) advance() { p.tok = p.lex.next() }

// take passes over a keyword or sign if it is next.
func (p *parser) take(s string) bool {
	if !p.tok.is(s) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) want(s string) error {
	if !p.take(s) {
		return p.unexpected(s)
	}
	return nil
}

// unexpected is the error about the token that is next.
func (p *parser) unexpected(wanted string) error {
	if p.tok.kind == tokBad {
		return p.tok.err
	}
	if p.tok.kind == tokWord {
		switch word := strings.ToUpper(p.tok.text); word {
		case "DISTINCT", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "UNION", "EXCEPT", "INTERSECT", "OFFSET",
			"CASE", "CAST", "OVER", "EXISTS", "WITH", "INSERT", "UPDATE", "DELETE":
			return queryErrorf(p.tok.pos, "%s is not supported; %s", word, supported)
		}
	}
	return queryErrorf(p.tok.pos, "%v is unexpected, wanted is %s; %s", p.tok, wanted, supported)
}

func (p *parser) query() (_ *Query, err error) {
	q := &Query{Explain: p.take("EXPLAIN")}
	if err := p.want("SELECT"); err != nil {
		return nil, err
	}
	if err := p.list(func() error { return p.item(q) }); err != nil {
		return nil, err
	}
	if err := p.want("FROM"); err != nil {
		return nil, err
	}
	if q.From, err = p.name("the name of a table"); err != nil {
		return nil, err
	}
	if p.tok.is(",") {
		return nil, queryErrorf(p.tok.pos, "a query is over one table; %s", supported)
	}
	if err := p.clauses(q); err != nil {
		return nil, err
	}
	p.take(";")
	if p.tok.kind != tokEnd {
		return nil, p.unexpected("the end of the text, or a clause that comes later")
	}
	return q, nil
}

// clauses are what follows the table, in their order.
func (p *parser) clauses(q *Query) (err error) {
	if p.take("WHERE") {
		if q.Where, err = p.or(); err != nil {
			return err
		}
	}
	if p.take("GROUP") {
		if err := p.by(func() error { return p.key(q) }); err != nil {
			return err
		}
	}
	if p.take("HAVING") {
		if q.Having, err = p.or(); err != nil {
			return err
		}
	}
	if p.take("ORDER") {
		if err := p.by(func() error { return p.order(q) }); err != nil {
			return err
		}
	}
	if p.take("LIMIT") {
		return p.limit(q)
	}
	return nil
}

func (p *parser) by(one func() error) error {
	if err := p.want("BY"); err != nil {
		return err
	}
	return p.list(one)
}

// list reads one or more, with commas between.
func (p *parser) list(one func() error) error {
	for {
		if err := one(); err != nil {
			return err
		}
		if !p.take(",") {
			return nil
		}
	}
}

func (p *parser) item(q *Query) (err error) {
	it := Item{Pos: p.tok.pos}
	if !p.take("*") {
		if it.Expr, err = p.or(); err != nil {
			return err
		}
		if p.take("AS") || p.tok.isName() {
			if it.As, err = p.name("the name of the result"); err != nil {
				return err
			}
		}
	}
	q.Items = append(q.Items, it)
	return nil
}

func (p *parser) key(q *Query) error {
	e, err := p.or()
	q.GroupBy = append(q.GroupBy, e)
	return err
}

func (p *parser) order(q *Query) error {
	e, err := p.or()
	if err != nil {
		return err
	}
	desc := p.take("DESC")
	if !desc {
		p.take("ASC")
	}
	q.OrderBy = append(q.OrderBy, Order{Expr: e, Desc: desc})
	return nil
}

func (p *parser) limit(q *Query) error {
	n, err := strconv.ParseInt(p.tok.text, 10, 64)
	if p.tok.kind != tokNumber || err != nil {
		return p.unexpected("a number of rows")
	}
	q.Limit = &n
	p.advance()
	return nil
}

func (p *parser) name(what string) (string, error) {
	if !p.tok.isName() {
		return "", p.unexpected(what)
	}
	s := p.tok.text
	p.advance()
	return s, nil
}
