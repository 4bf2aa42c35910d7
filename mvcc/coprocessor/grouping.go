// Aggregation: groups and their states together, in a region and at the root.

package coprocessor

// grouping is the operator Aggregation: the groups, and the state of each call.
type grouping struct {
	table *groupTable
	calls []*aggregate
	// In a region: what computes the keys, and the arguments; nil for count(*).
	keys, args []*evaluator
	scratch    []*vector
}

func newGrouping(p *Plan) *grouping {
	var types []Type
	for _, e := range p.Groups {
		types = append(types, e.typ)
	}
	g := &grouping{table: newGroupTable(types)}
	for _, e := range p.Calls {
		g.calls = append(g.calls, newAggregate(e))
	}
	if len(types) == 0 {
		// All rows are one group, which is there without any.
		g.table.keys.n = 1
		g.grow()
	}
	return g
}

// compile makes it one that takes in rows.
func (g *grouping) compile(p *Plan) {
	g.keys = newEvaluators(p.Groups)
	for _, c := range g.calls {
		if len(c.call.Args) == 0 {
			g.args = append(g.args, nil)
			continue
		}
		g.args = append(g.args, newEvaluator(c.call.Args[0]))
	}
}

func (g *grouping) grow() {
	for _, c := range g.calls {
		c.grow(g.table.keys.n)
	}
}

// add takes in a batch of rows.
func (g *grouping) add(b *batch) error {
	g.scratch = g.scratch[:0]
	for _, e := range g.keys {
		v, err := e.eval(b, b.sel)
		if err != nil {
			return err
		}
		g.scratch = append(g.scratch, v)
	}
	ids := g.table.assign(g.scratch, b.sel)
	g.grow()
	for i, c := range g.calls {
		var arg *vector
		if e := g.args[i]; e != nil {
			var err error
			if arg, err = e.eval(b, b.sel); err != nil {
				return err
			}
		}
		c.update(ids, b.sel, arg)
	}
	return nil
}

// merge takes in what another grouping of the plan has.
func (g *grouping) merge(o *grouping) {
	if len(o.table.keys.cols) == 0 {
		for i, c := range g.calls {
			c.merge(o.calls[i], []int32{0})
		}
		return
	}
	ids := g.table.assign(o.table.keys.views(), upTo(nil, o.table.keys.n))
	g.grow()
	for i, c := range g.calls {
		c.merge(o.calls[i], ids)
	}
}

func (g *grouping) size() int {
	n := g.table.size()
	for _, c := range g.calls {
		n += c.memory()
	}
	return n
}

// columns are the groups as a batch has them: keys, then results.
func (g *grouping) columns() ([]*vector, error) {
	cols := g.table.keys.views()
	for _, c := range g.calls {
		v, err := c.result()
		if err != nil {
			return nil, err
		}
		cols = append(cols, v)
	}
	return cols, nil
}
