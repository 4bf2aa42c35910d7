package coprocessor

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	seed = flag.Uint64("seed", 0, "run this seed of the random tests only")
	many = flag.Int("queries", 4000, "how many random queries")
)

// random makes tables, rows and queries.
type random struct{ *rand.Rand }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

// table has a column or two of each type, some in the key.
func (r random) table() *Table {
	s := Schema{Name: "t", Prefix: []byte("t/"), Columns: []Column{
		{Name: "a", Type: Int}, {Name: "b", Type: Int}, {Name: "f", Type: Float}, {Name: "g", Type: Float},
		{Name: "s", Type: String}, {Name: "u", Type: String}, {Name: "p", Type: Bool}, {Name: "q", Type: Bool},
	}}
	r.Shuffle(len(s.Columns), func(i, j int) { s.Columns[i], s.Columns[j] = s.Columns[j], s.Columns[i] })
	for range r.IntN(4) {
		if name := s.Columns[r.IntN(len(s.Columns))].Name; !slices.Contains(s.Key, name) {
			s.Key = append(s.Key, name)
		}
	}
	t, err := NewTable(s)
	if err != nil {
		panic(err)
	}
	return t
}

// value is often one that others are too, and sometimes one at the edge of its type.
// Floats are such that sums are exact, so that their order is not seen.
func (r random) value(t Type) Value {
	switch t {
	case Int:
		return IntValue(pick(r, r.Int64N(7)-3, r.Int64N(7)-3, r.Int64N(2000)-1000, pick(r, int64(0), math.MaxInt64, math.MinInt64, 1<<40)))
	case Float:
		return FloatValue(pick(r, 0, 0.5, -0.5, 2, float64(r.IntN(4000)-2000)/4))
	case String:
		return StringValue(pick(r, "", "a", "b", "ab", "aab", "ba", "ü", "aü%", "a_b", "exactly8", "exactly8a", "a\x01", "a\x01b", "it's", fmt.Sprint("key", r.IntN(40))))
	}
	return BoolValue(r.IntN(2) == 0)
}

// rows are in the order of their keys, which differ.
func (r random) rows(t *Table, n int) ([][]Value, Rows) {
	type full struct {
		values []Value
		k, v   []byte
	}
	byKey := map[string]full{}
	nulls := pick(r, 0, 0.2, 0.8)
	for i := range n {
		row := make([]Value, len(t.Columns))
		for c, col := range t.Columns {
			if t.slots[c].inKey || r.Float64() >= nulls {
				row[c] = r.value(col.Type)
			}
		}
		key, err := t.AppendKey(nil, row)
		if len(t.key) == 0 {
			key, err = t.AppendID(nil, int64(i)-3)
		}
		if err != nil {
			panic(err)
		}
		value, err := t.AppendValue(nil, row)
		if err != nil {
			panic(err)
		}
		byKey[string(key)] = full{row, key, value}
	}
	var all []full
	for _, f := range byKey {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b full) int { return bytes.Compare(a.k, b.k) })
	var values [][]Value
	var rows Rows
	for _, f := range all {
		values = append(values, f.values)
		rows.Keys, rows.Values = append(rows.Keys, f.k), append(rows.Values, f.v)
	}
	return values, rows
}

// expr is an expression of a type, over columns; or over groups, where groups and calls
// are what there is.
func (r random) expr(t *Table, want Type, depth int, leaf func(Type) *Expr) *Expr {
	if depth <= 0 || r.IntN(6) == 0 {
		if r.IntN(3) == 0 {
			if r.IntN(8) == 0 {
				return Lit(Value{})
			}
			return Lit(r.value(want))
		}
		if e := leaf(want); e != nil {
			return e
		}
		return Lit(r.value(want))
	}
	sub := func(t2 Type) *Expr { return r.expr(t, t2, depth-1, leaf) }
	any4 := pick(r, Int, Int, Float, String, Bool)
	switch want {
	case Int:
		if r.IntN(8) == 0 {
			return Do(OpNeg, sub(Int))
		}
		return Do(pick(r, OpAdd, OpAdd, OpSub, OpSub, OpMul, OpDiv, OpMod), sub(Int), sub(Int))
	case Float:
		// Without ints, whose range is such that sums would not be exact.
		return Do(pick(r, OpAdd, OpSub, OpMul), sub(Float), sub(Float))
	case String:
		return sub(String)
	}
	switch r.IntN(10) {
	case 0:
		return Do(OpNot, sub(Bool))
	case 1:
		return Do(OpIsNull, sub(any4))
	case 2:
		pattern := pick(r, "a%", "%b", "%a%", "a_b", "_", "%", "", `a\_b`, "a%b%", "%_b", "k_y%1")
		return Do(OpLike, sub(String), Lit(StringValue(pattern)))
	case 3:
		in := Do(OpIn, sub(any4))
		for range 1 + r.IntN(4) {
			in.Args = append(in.Args, Lit(r.value(any4)))
		}
		if r.IntN(3) == 0 {
			in.Args = append(in.Args, Lit(Value{}))
		}
		return in
	case 4, 5:
		return Do(pick(r, OpAnd, OpOr), sub(Bool), sub(Bool))
	case 6:
		return Do(pick(r, OpLt, OpNe, OpGe), sub(Int), sub(Float))
	}
	return Do(pick(r, OpEq, OpNe, OpLt, OpLe, OpGt, OpGe), sub(any4), sub(any4))
}

func (r random) query(t *Table) *Query {
	column := func(want Type) *Expr {
		for {
			if c := t.Columns[r.IntN(len(t.Columns))]; c.Type == want {
				return Col(c.Name)
			}
		}
	}
	anyType := func() Type { return pick(r, Int, Int, Float, String, Bool) }
	q := &Query{From: t.Name}
	if r.IntN(3) > 0 {
		q.Where = r.expr(t, Bool, r.IntN(4), column)
	}
	leaf := column
	if r.IntN(2) == 0 {
		var types []Type
		for range r.IntN(3) {
			typ := anyType()
			e := column(typ)
			if r.IntN(3) == 0 {
				e = r.expr(t, typ, 1, column)
			}
			if e.Op != OpLiteral {
				q.GroupBy, types = append(q.GroupBy, e), append(types, typ)
			}
		}
		leaf = func(want Type) *Expr { return r.overGroups(t, q.GroupBy, types, want, column) }
		q.Having = r.expr(t, Bool, r.IntN(3), leaf)
	}
	for range 1 + r.IntN(4) {
		typ := anyType()
		q.Items = append(q.Items, Item{Expr: r.expr(t, typ, r.IntN(3), leaf)})
	}
	for range max(0, r.IntN(5)-1) {
		if e := r.expr(t, anyType(), r.IntN(2), leaf); e.Op != OpLiteral {
			q.OrderBy = append(q.OrderBy, Order{e, r.IntN(2) == 0})
		}
	}
	if r.IntN(2) == 0 {
		q.Limit = Limit(pick(r, int64(0), 1, 2, 3, 10, 1000))
	}
	return q
}

// overGroups is a key of the type, or an aggregate, if there is one.
func (r random) overGroups(t *Table, keys []*Expr, types []Type, want Type, column func(Type) *Expr) *Expr {
	if i := slices.Index(types, want); i >= 0 && r.IntN(2) == 0 {
		return keys[i]
	}
	arg := func(typ Type) *Expr {
		if r.IntN(3) > 0 {
			return column(typ)
		}
		for {
			if e := r.expr(t, typ, 1, column); e.Op != OpLiteral {
				return e
			}
		}
	}
	switch {
	case want == Int && r.IntN(3) == 0:
		return Do(OpCount)
	case want == Int && r.IntN(2) == 0:
		return Do(OpCount, arg(pick(r, Int, Float, String, Bool)))
	case want == Int && r.IntN(2) == 0:
		return Do(OpSum, arg(Int))
	case want == Float && r.IntN(2) == 0:
		return Do(pick(r, OpSum, OpAvg), arg(Float))
	}
	return Do(pick(r, OpMin, OpMax), arg(want))
}

// ragged is a source whose batches are of any size, and whose slices are overwritten as
// soon as they may be.
type ragged struct {
	r    random
	rest Rows
	last [][]byte
}

func (g *ragged) Next(_ context.Context, most int) (Rows, error) {
	for _, b := range g.last {
		for i := range b {
			b[i] = 0xa5
		}
	}
	n := min(len(g.rest.Keys), 1+g.r.IntN(most))
	var out Rows
	for i := range n {
		out.Keys = append(out.Keys, bytes.Clone(g.rest.Keys[i]))
		out.Values = append(out.Values, bytes.Clone(g.rest.Values[i]))
	}
	g.rest = Rows{Keys: g.rest.Keys[n:], Values: g.rest.Values[n:]}
	g.last = slices.Concat(out.Keys, out.Values)
	return out, nil
}

// regions cuts the rows at random, and runs the plan over each, a page after the other.
func (r random) regions(p *Plan, rows Rows) (parts []*Partial, err error) {
	o := &Options{PageBytes: pick(r, 1, 200, 1<<20)}
	for from, left := 0, r.IntN(6); from < len(rows.Keys) || left >= 0; left-- {
		to := len(rows.Keys)
		if left > 0 {
			to = from + r.IntN(to-from+1)
		}
		region := Rows{Keys: rows.Keys[from:to], Values: rows.Values[from:to]}
		from = to
		for {
			part, err := p.Run(context.Background(), &ragged{r: r, rest: region}, o)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
			if !part.More {
				break
			}
			if last := region.Keys[part.Scanned-1]; bytes.Compare(part.Resume, last) <= 0 {
				return nil, fmt.Errorf("a page ends at %q and goes on at %q", last, part.Resume)
			}
			i, _ := slices.BinarySearchFunc(region.Keys, part.Resume, bytes.Compare)
			region = Rows{Keys: region.Keys[i:], Values: region.Values[i:]}
		}
	}
	if p.grouped() || len(p.OrderBy) > 0 {
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	return parts, nil
}

func gather(p *Plan, parts []*Partial) (out [][]Value, err error) {
	for row, err := range p.Merge(context.Background(), each(parts), nil) {
		if err != nil {
			return nil, err
		}
		out = append(out, slices.Clone(row))
	}
	return out, nil
}

func each(parts []*Partial) func(func(*Partial, error) bool) {
	return func(yield func(*Partial, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// TestRegionsAddUpToTheWhole: a query pushed to any regions, in pages, merged in any
// order, is what one row after the other comes to.
func TestRegionsAddUpToTheWhole(t *testing.T) {
	rule(t, "C1 the parts add up to the whole")
	outcomes := map[string]int{}
	for i := range uint64(*many) {
		if *seed != 0 {
			i = *seed
		}
		r := random{rand.New(rand.NewPCG(i, 7))}
		table := r.table()
		query := r.query(table)
		p, err := query.Plan(table)
		if err != nil {
			// The few that do not fit: an int compared with a string.
			require.ErrorIs(t, err, ErrQuery, "seed %d: %v", i, query)
			outcomes["bad query"]++
			continue
		}
		values, rows := r.rows(table, pick(r, 0, 1, 5, 60, 400))
		values, rows = inRange(t, p, values, rows)
		want, slowErr := slowSelect(p, values)
		var got [][]Value
		parts, err := r.regions(p, rows)
		if err == nil {
			got, err = gather(p, parts)
		}
		if slowErr == nil || err != nil {
			outcomes[fmt.Sprint("rows ", len(want) > 0, " error ", err != nil)]++
		}
		switch {
		case slowErr != nil && err == nil:
			// A row that fails is not looked at if the limit is reached before.
			early := p.Limit > 0 && !p.grouped() && len(p.OrderBy) == 0
			require.True(t, p.Limit == 0 || early, "seed %d: %v: no error", i, query)
		case slowErr != nil:
			require.ErrorIs(t, err, ErrArithmetic, "seed %d: %v", i, query)
		default:
			require.NoError(t, err, "seed %d: %v", i, query)
			require.Equal(t, want, got, "seed %d: %v", i, query)
		}
		if *seed != 0 {
			break
		}
	}
	t.Log(outcomes)
	if *seed == 0 && *many >= 4000 {
		require.Greater(t, outcomes["rows true error false"], *many/4, outcomes)
		require.Greater(t, outcomes["rows false error true"], *many/100, outcomes)
		require.Less(t, outcomes["bad query"], *many/2, outcomes)
	}
}

// inRange leaves out the rows that are not in the plan's range, none of which it wants.
func inRange(t *testing.T, p *Plan, values [][]Value, rows Rows) ([][]Value, Rows) {
	start, end := p.Range()
	from, _ := slices.BinarySearchFunc(rows.Keys, start, bytes.Compare)
	to := len(rows.Keys)
	if end != nil {
		to, _ = slices.BinarySearchFunc(rows.Keys, end, bytes.Compare)
	}
	to = max(from, to)
	for _, row := range slices.Concat(values[:from], values[to:]) {
		kept, err := slowFilter(conjuncts(p.Where), [][]Value{row})
		if err == nil {
			require.Empty(t, kept, "RULE C11: %v: a row is not in the range", p)
		}
	}
	return values[from:to], Rows{Keys: rows.Keys[from:to], Values: rows.Values[from:to]}
}

// TestRangeOfAKey: what the key has to be, and no more than that.
func TestRangeOfAKey(t *testing.T) {
	rule(t, "C11 a range has all rows that are wanted")
	r := random{rand.New(rand.NewPCG(1, 13))}
	narrow := 0
	for i := range *many {
		table := r.table()
		q := &Query{From: "t", Items: []Item{{}}}
		for range 1 + r.IntN(4) {
			c := table.Columns[r.IntN(len(table.Columns))]
			if len(table.key) > 0 && r.IntN(4) > 0 {
				c = table.Columns[table.key[r.IntN(len(table.key))]]
			}
			args := []*Expr{Col(c.Name), Lit(r.value(c.Type))}
			if r.IntN(3) == 0 {
				slices.Reverse(args)
			}
			e := Do(pick(r, OpEq, OpEq, OpLt, OpLe, OpGt, OpGe, OpNe), args...)
			if q.Where != nil {
				e = Do(OpAnd, q.Where, e)
			}
			q.Where = e
		}
		p, err := q.Plan(table)
		require.NoError(t, err)
		values, rows := r.rows(table, 40)
		left, _ := inRange(t, p, values, rows)
		if len(left) < len(values) {
			narrow++
		}
		if _, _, used := p.keyRange(); len(used) == len(conjuncts(p.Where)) && used[0].Op == OpEq && len(table.key) == 1 {
			kept, err := slowFilter(conjuncts(p.Where), left)
			require.NoError(t, err)
			require.Len(t, kept, len(left), "%d: %v: a row in the range is not wanted", i, p)
		}
	}
	require.Greater(t, narrow, *many/3)
}

// TestTextIsTheQuery: what is printed is parsed as the same query.
func TestTextIsTheQuery(t *testing.T) {
	rule(t, "C8 a query prints as itself")
	for i := range uint64(*many) {
		r := random{rand.New(rand.NewPCG(i, 11))}
		q := r.query(r.table())
		text := q.String()
		again, err := Parse(text)
		require.NoError(t, err, "seed %d: %s", i, text)
		again.each(func(e *Expr) { e.Pos = 0 })
		for j := range again.Items {
			again.Items[j].Pos = 0
		}
		require.Equal(t, q, again, "seed %d: %s", i, text)
	}
}

// each calls f with every node of a query.
func (q *Query) each(f func(*Expr)) {
	walk := func(e *Expr) {
		if e != nil {
			e.any(func(e *Expr) bool { f(e); return false })
		}
	}
	walk(q.Where)
	walk(q.Having)
	for _, it := range q.Items {
		walk(it.Expr)
	}
	for _, e := range q.GroupBy {
		walk(e)
	}
	for _, o := range q.OrderBy {
		walk(o.Expr)
	}
}
