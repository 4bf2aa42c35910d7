// The root's part of a plan: from partial results to rows.

package coprocessor

import (
	"context"
	"errors"
	"iter"
)

// Merge does the root's part of the plan: it puts together what the regions' rows came
// to, and gives the result a row at a time. A row has a value for each of Output; the
// slice is used again for the next.
//
// parts gives the partial results, each once, of regions that together are all rows of
// the table and do not overlap. They may come in any order, unless [Plan.Pages]: then they
// come in the order of keys, each page after the other, and rows are given as the pages
// come. parts is not asked further than the limit needs. A
// part with an error ends the result with that error.
func (p *Plan) Merge(ctx context.Context, parts iter.Seq2[*Partial, error], o *Options) iter.Seq2[[]Value, error] {
	return func(yield func([]Value, error) bool) {
		m := &merger{plan: p, limit: o.orDefault().MemoryLimit, left: p.Limit, yield: yield, row: make([]Value, len(p.Output))}
		for _, out := range p.Output {
			m.output = append(m.output, newEvaluator(out.Expr))
		}
		if err := m.run(ctx, parts); err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop ends the work when nothing more is wanted.
var errStop = errors.New("no more rows are wanted")

// merger is one Merge.
type merger struct {
	plan   *Plan
	limit  int   // of memory
	left   int64 // rows to the plan's limit; below 0 there is none
	yield  func([]Value, error) bool
	output []*evaluator
	row    []Value
	chunk  batch
}

func (m *merger) run(ctx context.Context, parts iter.Seq2[*Partial, error]) error {
	p := m.plan
	if p.Limit == 0 {
		return nil
	}
	var groups *grouping
	var rows *topN
	switch {
	case p.grouped():
		groups = newGrouping(p)
	case len(p.OrderBy) > 0:
		rows = p.newRows()
	}
	for part, err := range parts {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		used := 0
		switch {
		case groups != nil:
			groups.merge(part.groups)
			used = groups.size()
		case rows != nil:
			// Here they are put in order: the keys of the rows are among the sort keys.
			o := part.rows
			rows.add(o.stored, o.carried.views(), upTo(nil, o.carried.n))
			used = rows.size()
		default:
			o := part.rows
			if err := m.emit(ctx, p.carriedColumns(&o.carried), upTo(nil, o.carried.n)); err != nil {
				return err
			}
		}
		if used > m.limit {
			return p.overLimit("the root", used, m.limit)
		}
	}
	switch {
	case groups != nil:
		return m.groups(ctx, groups)
	case rows != nil:
		return m.emit(ctx, p.carriedColumns(&rows.carried), rows.order())
	}
	return nil
}

// carriedColumns puts the columns that came along where the table has them.
func (p *Plan) carriedColumns(s *store) []*vector {
	cols := make([]*vector, len(p.Table.Columns))
	for i, c := range p.carried {
		cols[c] = &s.cols[i]
	}
	return cols
}

// groups filters and sorts the groups. Groups that are equal to the sort keys, or all if
// there are none, come in the order of their own keys.
func (m *merger) groups(ctx context.Context, g *grouping) error {
	p := m.plan
	cols, err := g.columns()
	if err != nil {
		return err
	}
	having := newEvaluators(conjuncts(p.Having))
	var order []*evaluator
	var desc []bool
	var types []Type
	for _, o := range p.OrderBy {
		order, desc, types = append(order, newEvaluator(o.Expr)), append(desc, o.Desc), append(types, o.Expr.typ)
	}
	for _, e := range p.Groups {
		desc, types = append(desc, false), append(types, e.typ)
	}
	// Only the number of the group is brought along.
	best := newTopN(p.Limit, desc, types, []Type{Int})
	var numbers vector
	err = m.chunks(ctx, cols, upTo(nil, g.table.keys.n), func(b *batch, picked []int32) error {
		if err := filter(having, b); err != nil {
			return err
		}
		var keys []*vector
		for _, e := range order {
			v, err := e.eval(b, b.sel)
			if err != nil {
				return err
			}
			keys = append(keys, v)
		}
		for i := range p.Groups {
			keys = append(keys, &b.cols[i])
		}
		numbers.resize(b.n)
		for i, r := range picked {
			numbers.ints[i] = int64(r)
		}
		best.add(keys, []*vector{&numbers}, b.sel)
		if used := best.size() + g.size(); used > m.limit {
			return p.overLimit("the root", used, m.limit)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var picked []int32
	for _, slot := range best.order() {
		picked = append(picked, int32(best.carried.cols[0].ints[slot]))
	}
	return m.emit(ctx, cols, picked)
}

// chunks calls f with the picked rows, some at a time, as a batch.
func (m *merger) chunks(ctx context.Context, cols []*vector, picked []int32, f func(b *batch, picked []int32) error) error {
	b := &m.chunk
	if b.cols == nil {
		b.cols = make([]vector, len(cols))
	}
	for len(picked) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(picked), maxBatch)
		b.n, b.sel = n, upTo(b.sel, n)
		for i, c := range cols {
			if c != nil {
				b.cols[i].gather(c, picked[:n])
			}
		}
		if err := f(b, picked[:n]); err != nil {
			return err
		}
		picked = picked[n:]
	}
	return nil
}

// emit gives the picked rows out, up to the limit.
func (m *merger) emit(ctx context.Context, cols []*vector, picked []int32) error {
	if m.left >= 0 {
		picked = picked[:min(int64(len(picked)), m.left)]
	}
	values := make([]*vector, len(m.output))
	err := m.chunks(ctx, cols, picked, func(b *batch, _ []int32) error {
		for i, e := range m.output {
			var err error
			if values[i], err = e.eval(b, b.sel); err != nil {
				return err
			}
		}
		for r := range int32(b.n) {
			for i, v := range values {
				m.row[i] = v.value(r)
			}
			if !m.yield(m.row, nil) {
				return errStop
			}
		}
		return nil
	})
	if err == nil && m.left >= 0 {
		if m.left -= int64(len(picked)); m.left == 0 {
			return errStop
		}
	}
	return err
}

// Select runs the whole plan in this process: over sources that are the regions of
// the table, in the order of their keys, one after the other.
func (p *Plan) Select(ctx context.Context, o *Options, sources ...Source) iter.Seq2[[]Value, error] {
	return p.Merge(ctx, func(yield func(*Partial, error) bool) {
		for _, src := range sources {
			for more := true; more; {
				part, err := p.Run(ctx, src, o)
				if !yield(part, err) || err != nil {
					return
				}
				// A page ends where the source stands.
				more = part.More
			}
		}
	}, o)
}
