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
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.query()
}

// parser looks at one token at a time.
type parser struct {
	lex   lexer
	tok   token
	depth int
	nodes int
	ins   int // literals in lists
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

// take passes over a keyword or sign if it is next.
func (p *parser) take(s string) (bool, error) {
	if !p.tok.is(s) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) want(s string) error {
	if !p.tok.is(s) {
		return p.unexpected(s)
	}
	return p.advance()
}

// unexpected is the error about the token that is next.
func (p *parser) unexpected(wanted string) error {
	if p.tok.kind == tokWord {
		switch word := strings.ToUpper(p.tok.text); {
		case word == "DISTINCT" || word == "JOIN" || word == "UNION" || word == "OFFSET" || word == "CASE" || word == "WITH" ||
			word == "INSERT" || word == "UPDATE" || word == "DELETE" || word == "CAST" || word == "OVER" || word == "EXISTS":
			return queryErrorf(p.tok.pos, "%s is not supported; %s", word, supported)
		}
	}
	return queryErrorf(p.tok.pos, "%v is unexpected, wanted is %s; %s", p.tok, wanted, supported)
}

func (p *parser) query() (*Query, error) {
	q := &Query{}
	var err error
	if q.Explain, err = p.take("EXPLAIN"); err != nil {
		return nil, err
	}
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
	if _, err := p.take(";"); err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected("the end of the text, or a clause that comes later")
	}
	return q, nil
}

// clauses are what follows the table, in their order.
func (p *parser) clauses(q *Query) (err error) {
	for _, c := range []struct {
		first, second string
		read          func() error
	}{
		{"WHERE", "", func() error { q.Where, err = p.or(); return err }},
		{"GROUP", "BY", func() error { return p.list(func() error { return p.expr(&q.GroupBy) }) }},
		{"HAVING", "", func() error { q.Having, err = p.or(); return err }},
		{"ORDER", "BY", func() error { return p.list(func() error { return p.order(q) }) }},
		{"LIMIT", "", func() error { return p.limit(q) }},
	} {
		found, err := p.take(c.first)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if c.second != "" {
			if err := p.want(c.second); err != nil {
				return err
			}
		}
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

// list reads one or more, with commas between.
func (p *parser) list(one func() error) error {
	for {
		if err := one(); err != nil {
			return err
		}
		if more, err := p.take(","); !more || err != nil {
			return err
		}
	}
}

func (p *parser) expr(into *[]*Expr) error {
	e, err := p.or()
	*into = append(*into, e)
	return err
}

func (p *parser) item(q *Query) (err error) {
	it := Item{Pos: p.tok.pos}
	if star, err := p.take("*"); star || err != nil {
		q.Items = append(q.Items, it)
		return err
	}
	if it.Expr, err = p.or(); err != nil {
		return err
	}
	as, err := p.take("AS")
	if err != nil {
		return err
	}
	if as || p.tok.kind == tokName || p.tok.kind == tokWord && !keywords[strings.ToUpper(p.tok.text)] {
		if it.As, err = p.name("the name of the result"); err != nil {
			return err
		}
	}
	q.Items = append(q.Items, it)
	return nil
}

func (p *parser) order(q *Query) error {
	e, err := p.or()
	if err != nil {
		return err
	}
	desc, err := p.take("DESC")
	if err != nil {
		return err
	}
	if !desc {
		if _, err := p.take("ASC"); err != nil {
			return err
		}
	}
	q.OrderBy = append(q.OrderBy, Order{Expr: e, Desc: desc})
	return nil
}

func (p *parser) limit(q *Query) error {
	n, err := strconv.ParseInt(p.tok.text, 10, 64)
	if p.tok.kind != tokNumber || err != nil {
		return queryErrorf(p.tok.pos, "LIMIT is a number of rows, not %v", p.tok)
	}
	q.Limit = &n
	return p.advance()
}

func (p *parser) name(what string) (string, error) {
	if p.tok.kind != tokName && (p.tok.kind != tokWord || keywords[strings.ToUpper(p.tok.text)]) {
		return "", p.unexpected(what)
	}
	s := p.tok.text
	return s, p.advance()
}
