// The plan: a query that was checked, cut into the operators that do it.

package coprocessor

import (
	"slices"
	"strconv"
	"strings"
)

// Plan is what is to be done, in this order:
//
//	TableScan    Table, of it the columns Columns()       in the region
//	Selection    Where                                    in the region
//	Aggregation  Groups, Calls        partial in the region, final at the root
//	Selection    Having                                   at the root
//	TopN         OrderBy, Limit       in the region and at the root; over groups, at the root
//	Limit        Limit                in the region and at the root; over groups, at the root
//	Projection   Output                                   at the root
//
// The order is the type: nobody can put a limit below a filter. Either Groups and Calls
// are both empty, and the operators behind them work on rows of the table, or they work
// on groups: a group is its keys, and then the results of its calls.
//
// A Plan does not change, and is safe for concurrent use. Its expressions are checked.
type Plan struct {
	Table   *Table
	Where   *Expr   // nil: every row
	Groups  []*Expr // keys of a group
	Calls   []*Expr // aggregates; OpCount without Args is count(*)
	Having  *Expr
	OrderBy []Order
	Limit   int64 // -1: none
	Output  []Output

	query   *Query
	carried []int // columns of the table that a row takes to the root
	columns []int // columns of the table that a region reads
}

// Output is a column of the result.
type Output struct {
	Name string
	Expr *Expr
}

// grouped reports whether the result is one row a group, or one at all.
func (p *Plan) grouped() bool { return len(p.Groups)+len(p.Calls) > 0 }

// Columns are the columns that a region reads, by index.
func (p *Plan) Columns() []int { return slices.Clone(p.columns) }

// NeedsValues reports whether a region needs the values of rows, and not only their
// keys: a source may leave them out otherwise.
func (p *Plan) NeedsValues() bool {
	return slices.ContainsFunc(p.columns, func(i int) bool { return !p.Table.slots[i].inKey })
}

// NeedsKeys reports whether a region needs the keys of rows: to read a column, to order
// by, or to say where a page ends.
func (p *Plan) NeedsKeys() bool {
	return !p.grouped() || slices.ContainsFunc(p.columns, func(i int) bool { return p.Table.slots[i].inKey })
}

// Pages reports whether the result of a region may come in pages, which then are to be
// given to Merge in the order of keys: the plan has neither groups nor OrderBy.
func (p *Plan) Pages() bool { return !p.grouped() && len(p.OrderBy) == 0 }

// String is the text that makes this plan.
func (p *Plan) String() string { return p.query.String() }

// Plan looks up the names of a query in its table, and checks the types. It fails with a
// [*QueryError].
func (q *Query) Plan(t *Table) (*Plan, error) {
	if q.From != t.Name {
		return nil, queryErrorf(0, "the query is over table %s, the table is %s", q.From, t.Name)
	}
	if q.Limit != nil && *q.Limit < 0 {
		return nil, queryErrorf(0, "LIMIT %d: a limit is 0 at least", *q.Limit)
	}
	p := &Plan{Table: t, Limit: -1, query: q}
	if q.Limit != nil {
		p.Limit = *q.Limit
	}
	c := &checker{table: t, plan: p, clause: "WHERE"}
	var err error
	if q.Where != nil {
		if p.Where, err = c.condition(q.Where); err != nil {
			return nil, err
		}
	}
	c.clause = "GROUP BY"
	for _, e := range q.GroupBy {
		bound, err := c.bind(e)
		if err != nil {
			return nil, err
		}
		p.Groups = append(p.Groups, bound)
	}
	c.grouped = len(q.GroupBy) > 0 || q.Having != nil || q.aggregates()
	if err := c.output(q); err != nil {
		return nil, err
	}
	p.needs()
	return p, nil
}

// aggregates reports whether an aggregate is asked for: then all rows are one group, if
// nothing else is said.
func (q *Query) aggregates() bool {
	found := func(e *Expr) bool {
		return e != nil && e.any(func(e *Expr) bool { return e.Op.aggregate() })
	}
	return slices.ContainsFunc(q.Items, func(it Item) bool { return found(it.Expr) }) ||
		slices.ContainsFunc(q.OrderBy, func(o Order) bool { return found(o.Expr) })
}

// output checks what is done with rows, or with groups if there are any.
func (c *checker) output(q *Query) (err error) {
	p := c.plan
	c.clause = "SELECT"
	for _, it := range q.Items {
		if it.Expr == nil {
			if c.grouped {
				return queryErrorf(it.Pos, "SELECT * is of rows, and with GROUP BY or an aggregate there are groups: name what is wanted")
			}
			for i, col := range c.table.Columns {
				p.Output = append(p.Output, Output{col.Name, &Expr{Op: OpColumn, Name: col.Name, typ: col.Type, index: i}})
			}
			continue
		}
		o := Output{Name: it.As}
		if o.Expr, err = c.bind(it.Expr); err != nil {
			return err
		}
		defaultType(o.Expr, Int)
		if o.Name == "" {
			o.Name = it.Expr.String()
		}
		p.Output = append(p.Output, o)
	}
	if len(p.Output) == 0 {
		return queryErrorf(0, "SELECT wants something to select")
	}
	c.clause = "HAVING"
	if q.Having != nil {
		if p.Having, err = c.condition(q.Having); err != nil {
			return err
		}
	}
	c.clause = "ORDER BY"
	for _, o := range q.OrderBy {
		e := o.Expr
		// A name that was given to a result comes before a column's.
		for i, it := range q.Items {
			if e.Op == OpColumn && it.Expr != nil && it.As == e.Name {
				e = q.Items[i].Expr
				break
			}
		}
		bound, err := c.bind(e)
		if err != nil {
			return err
		}
		p.OrderBy = append(p.OrderBy, Order{bound, o.Desc})
	}
	return nil
}

// needs works out which columns are read, and which of them go to the root.
func (p *Plan) needs() {
	collect := func(into *[]int, e *Expr) {
		if e != nil {
			e.any(func(e *Expr) bool {
				if e.Op == OpColumn && !slices.Contains(*into, e.index) {
					*into = append(*into, e.index)
				}
				return false
			})
		}
	}
	if !p.grouped() {
		for _, o := range p.Output {
			collect(&p.carried, o.Expr)
		}
		for _, o := range p.OrderBy {
			collect(&p.columns, o.Expr)
		}
	}
	slices.Sort(p.carried)
	for _, i := range p.carried {
		if !slices.Contains(p.columns, i) {
			p.columns = append(p.columns, i)
		}
	}
	collect(&p.columns, p.Where)
	for _, e := range slices.Concat(p.Groups, p.Calls) {
		collect(&p.columns, e)
	}
	slices.Sort(p.columns)
}

// Explain draws the plan: the operators from the last to the first, and which of them
// are pushed down.
func (p *Plan) Explain() string {
	var b strings.Builder
	depth := 0
	line := func(where, what string) {
		b.WriteString(where + strings.Repeat("  ", depth) + what + "\n")
		depth++
	}
	const root, region, both = "root    ", "region  ", "        "
	var outs []string
	for _, o := range p.Output {
		s := o.Expr.String()
		if o.Name != s {
			s += " AS " + quoteName(o.Name)
		}
		outs = append(outs, s)
	}
	line(root, "Projection "+strings.Join(outs, ", "))
	order := p.orderLine()
	if order != "" {
		line(root, order)
	}
	pushed := order
	if p.grouped() {
		if p.Having != nil {
			line(root, "Selection "+p.Having.String())
		}
		line(root, "Aggregation, final: "+p.aggregationLine())
		pushed = "Aggregation, partial: " + p.aggregationLine()
	}
	b.WriteString(both + "-- one for each region, at the same time --\n")
	if pushed != "" {
		line(region, pushed)
	}
	if p.Where != nil {
		line(region, "Selection "+p.Where.String())
	}
	var names []string
	for _, i := range p.columns {
		names = append(names, quoteName(p.Table.Columns[i].Name))
	}
	scan := "TableScan " + quoteName(p.Table.Name)
	if _, _, used := p.keyRange(); len(used) > 0 {
		scan += ", keys by " + exprsText(used, " AND ")
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	line(region, scan+", columns "+strings.Join(names, ", "))
	return b.String()
}

func (p *Plan) orderLine() string {
	switch limit := strconv.FormatInt(p.Limit, 10); {
	case len(p.OrderBy) > 0 && p.Limit >= 0:
		return "TopN " + limit + " BY " + orderText(p.OrderBy)
	case len(p.OrderBy) > 0:
		return "TopN, all BY " + orderText(p.OrderBy)
	case p.Limit >= 0:
		return "Limit " + limit
	}
	return ""
}

func (p *Plan) aggregationLine() string {
	switch {
	case len(p.Groups) == 0:
		return exprsText(p.Calls, ", ")
	case len(p.Calls) == 0:
		return "BY " + exprsText(p.Groups, ", ")
	}
	return exprsText(p.Calls, ", ") + " BY " + exprsText(p.Groups, ", ")
}

func exprsText(es []*Expr, between string) string {
	var s []string
	for _, e := range es {
		s = append(s, e.String())
	}
	return strings.Join(s, between)
}
