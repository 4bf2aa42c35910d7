// A query, as it is written: names are not looked up yet, nor types checked.

package coprocessor

import (
	"strconv"
	"strings"
)

// Query is a SELECT over one table. [Parse] makes one of a text, or a program fills it
// in; [Query.Plan] checks it against the table.
type Query struct {
	Explain bool // the text begins with EXPLAIN: the plan is wanted, not the rows
	Items   []Item
	From    string
	Where   *Expr // nil: all rows
	GroupBy []*Expr
	Having  *Expr
	OrderBy []Order
	// Limit is how many rows are wanted; nil is all of them.
	Limit *int64
}

// Item is what is selected. An Item without Expr is *: all columns of the table.
type Item struct {
	Expr *Expr
	As   string // its name in the result; empty: the text of the expression
	Pos  int    // where it is in the text, from 1; 0 if there is none
}

// Order is what to sort by. NULL is below all values.
type Order struct {
	Expr *Expr
	Desc bool
}

// Limit makes a limit for a Query.
func Limit(n int64) *int64 { return &n }

// String is the query as text: Parse makes the same query of it.
func (q *Query) String() string {
	var b strings.Builder
	if q.Explain {
		b.WriteString("EXPLAIN ")
	}
	b.WriteString("SELECT ")
	for i, it := range q.Items {
		comma(&b, i)
		if it.Expr == nil {
			b.WriteByte('*')
			continue
		}
		it.Expr.print(&b, 0)
		if it.As != "" {
			b.WriteString(" AS " + quoteName(it.As))
		}
	}
	b.WriteString(" FROM " + quoteName(q.From))
	if q.Where != nil {
		b.WriteString(" WHERE ")
		q.Where.print(&b, 0)
	}
	for i, e := range q.GroupBy {
		if i == 0 {
			b.WriteString(" GROUP BY ")
		}
		comma(&b, i)
		e.print(&b, 0)
	}
	if q.Having != nil {
		b.WriteString(" HAVING ")
		q.Having.print(&b, 0)
	}
	if len(q.OrderBy) > 0 {
		b.WriteString(" ORDER BY " + orderText(q.OrderBy))
	}
	if q.Limit != nil {
		b.WriteString(" LIMIT " + strconv.FormatInt(*q.Limit, 10))
	}
	return b.String()
}

func orderText(by []Order) string {
	var b strings.Builder
	for i, o := range by {
		comma(&b, i)
		o.Expr.print(&b, 0)
		if o.Desc {
			b.WriteString(" DESC")
		}
	}
	return b.String()
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// String is the expression as text, with no more parentheses than it needs.
func (e *Expr) String() string {
	var b strings.Builder
	e.print(&b, 0)
	return b.String()
}

// print writes the expression into one that binds as tightly as outer.
func (e *Expr) print(b *strings.Builder, outer int) {
	binds := ops[e.Op].binds
	if e.Op == opFloat || e.Op == opResult {
		e.Args[0].print(b, outer)
		return
	}
	if binds < outer {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	switch {
	case e.Op == OpLiteral:
		b.WriteString(e.Value.String())
	case e.Op == OpColumn:
		b.WriteString(quoteName(e.Name))
	case e.Op.aggregate():
		b.WriteString(e.Op.String() + "(")
		if len(e.Args) == 0 {
			b.WriteByte('*')
		}
		e.printArgs(b, e.Args)
		b.WriteByte(')')
	case e.Op == OpNot:
		b.WriteString("NOT ")
		e.Args[0].print(b, binds)
	case e.Op == OpNeg:
		b.WriteByte('-')
		// -5 is a literal; the operation on the literal 5 is -(5).
		if e.Args[0].Op == OpLiteral {
			binds = 10
		}
		e.Args[0].print(b, binds)
	case e.Op == OpIsNull:
		e.Args[0].print(b, binds+1)
		b.WriteString(" IS NULL")
	case e.Op == OpIn:
		e.Args[0].print(b, binds+1)
		b.WriteString(" IN (")
		e.printArgs(b, e.Args[1:])
		b.WriteByte(')')
	default:
		// All bind to the left, but comparisons, which do not chain at all.
		left := binds
		if binds == ops[OpEq].binds {
			left++
		}
		e.Args[0].print(b, left)
		b.WriteString(" " + e.Op.String() + " ")
		e.Args[1].print(b, binds+1)
	}
}

func (e *Expr) printArgs(b *strings.Builder, args []*Expr) {
	for i, a := range args {
		comma(b, i)
		a.print(b, 0)
	}
}

// quoteName is a name as a query's text has it: in quotes unless it is a plain word.
func quoteName(s string) string {
	plain := s != "" && !keywords[strings.ToUpper(s)]
	for i := 0; i < len(s); i++ {
		plain = plain && isWord(s[i], i == 0)
	}
	if plain {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
