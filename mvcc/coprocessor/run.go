// The region's part of a plan: from rows to a partial result.

package coprocessor

import (
	"bytes"
	"context"
	"fmt"
)

// Options bound what a query may use up. The zero value is a good default; nil is the
// same.
type Options struct {
	// MemoryLimit is how many bytes the groups, or the rows that are sorted, may take:
	// in each region, and again at the root. Beyond it the query fails with ErrMemory.
	// Default 64 MiB.
	MemoryLimit int
	// PageBytes is about how large a Partial of rows may get before it is sent on; small
	// pages are less memory at the root, and more requests. Default 1 MiB.
	PageBytes int
}

func (o *Options) orDefault() Options {
	d := Options{MemoryLimit: 64 << 20, PageBytes: 1 << 20}
	if o != nil && o.MemoryLimit > 0 {
		d.MemoryLimit = o.MemoryLimit
	}
	if o != nil && o.PageBytes > 0 {
		d.PageBytes = o.PageBytes
	}
	return d
}

// Rows in a batch: few at first, for a query that ends soon, and then so many that
// the work between batches does not count while the vectors still fit the cache.
const (
	firstBatch = 32
	maxBatch   = 1024
)

// Partial is what a region's rows come to. It is given to [Plan.Merge], once, and does
// not share memory with the source.
type Partial struct {
	// More says that the region has rows left, and Resume from which key on: a page was
	// full. The next Partial is of another Run over Resume <= key.
	More   bool
	Resume []byte
	// Scanned is how many rows were read, Returned how many rows or groups this is.
	Scanned, Returned int

	groups *grouping
	rows   *topN // also rows in no order but their keys'
}

// Run does the region's part of the plan over rows of the table. It may be called
// concurrently. Its errors are those of src and of ctx, ErrRow, ErrArithmetic and
// ErrMemory.
func (p *Plan) Run(ctx context.Context, src Source, o *Options) (*Partial, error) {
	opts := o.orDefault()
	r := p.newRunner()
	size := firstBatch
	for !r.done() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := src.Next(ctx, size)
		if err != nil {
			return nil, err
		}
		n := rows.len()
		if n == 0 {
			break
		}
		if p.NeedsKeys() && len(rows.Keys) != n || p.NeedsValues() && len(rows.Values) != n {
			return nil, fmt.Errorf("coprocessor: table %s: the source gave %d keys and %d values", p.Table.Name, len(rows.Keys), len(rows.Values))
		}
		r.part.Scanned += n
		r.batch.load(rows)
		if err := r.add(); err != nil {
			return nil, err
		}
		used := r.size()
		if r.pages && used >= opts.PageBytes {
			last := rows.Keys[len(rows.Keys)-1]
			r.part.More, r.part.Resume = true, append(bytes.Clone(last), 0)
			break
		}
		if used > opts.MemoryLimit {
			return nil, p.overLimit("a region", used, opts.MemoryLimit)
		}
		size = min(2*size, maxBatch)
	}
	return r.finish(), nil
}

func (p *Plan) overLimit(where string, used, limit int) error {
	return fmt.Errorf("%w: %s holds %d bytes of groups or rows for %q, the limit is %d: select less, or raise MemoryLimit", ErrMemory, where, used, p, limit)
}

// runner is one Run.
type runner struct {
	plan    *Plan
	batch   *batch
	where   []*evaluator
	part    *Partial
	pages   bool         // the result is rows, and not only the best of them
	order   []*evaluator // of rows
	keys    []*vector    // scratch
	carried []*vector
}

func (p *Plan) newRunner() *runner {
	r := &runner{plan: p, batch: newBatch(p.Table), where: newEvaluators(conjuncts(p.Where)), part: &Partial{}}
	if p.grouped() {
		r.part.groups = newGrouping(p)
		r.part.groups.compile(p)
		return r
	}
	r.part.rows = p.newRows()
	r.pages = p.Limit < 0 || len(p.OrderBy) == 0
	for _, o := range p.OrderBy {
		r.order = append(r.order, newEvaluator(o.Expr))
	}
	return r
}

// newRows is where rows of the table go: in the order that is asked for, and then in
// that of their keys.
func (p *Plan) newRows() *topN {
	var desc []bool
	var keys, carried []Type
	for _, o := range p.OrderBy {
		desc, keys = append(desc, o.Desc), append(keys, o.Expr.typ)
	}
	if len(keys) > 0 {
		desc, keys = append(desc, false), append(keys, String)
	}
	for _, i := range p.carried {
		carried = append(carried, p.Table.Columns[i].Type)
	}
	return newTopN(p.Limit, desc, keys, carried)
}

// done reports that no further row can make a difference.
func (r *runner) done() bool {
	rows := r.part.rows
	return r.plan.Limit == 0 || rows != nil && len(r.order) == 0 && rows.full()
}

// add takes the batch through the operators.
func (r *runner) add() error {
	b := r.batch
	if err := filter(r.where, b); err != nil {
		return err
	}
	if len(b.sel) == 0 {
		return nil
	}
	if g := r.part.groups; g != nil {
		return g.add(b)
	}
	rows := r.part.rows
	r.keys = r.keys[:0]
	for _, e := range r.order {
		v, err := e.eval(b, b.sel)
		if err != nil {
			return err
		}
		r.keys = append(r.keys, v)
	}
	if len(r.order) > 0 {
		r.keys = append(r.keys, b.keyVector())
		b.sel = append(b.sel[:0], rows.candidates(r.keys[0], b.sel)...)
	} else if rows.limit >= 0 {
		b.sel = b.sel[:min(int64(len(b.sel)), rows.limit-int64(rows.keys.n))]
	}
	r.carried = r.carried[:0]
	for _, i := range r.plan.carried {
		v, err := b.column(i)
		if err != nil {
			return err
		}
		r.carried = append(r.carried, v)
	}
	rows.add(r.keys, r.carried, b.sel)
	return nil
}

func (r *runner) size() int {
	if g := r.part.groups; g != nil {
		return g.size()
	}
	return r.part.rows.size()
}

func (r *runner) finish() *Partial {
	if g := r.part.groups; g != nil {
		r.part.Returned = g.table.keys.n
		g.keys, g.args, g.scratch = nil, nil, nil
	} else {
		r.part.Returned = r.part.rows.keys.n
	}
	return r.part
}
