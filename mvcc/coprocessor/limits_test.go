package coprocessor

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// wide rows: n, a string of 100 bytes, and n % 7.
func numbered(t testing.TB, n int) (*Table, Rows) {
	table := mustTable(t, Schema{Name: "t", Prefix: []byte("t"), Columns: []Column{
		{Name: "n", Type: Int}, {Name: "s", Type: String}, {Name: "m", Type: Int},
	}})
	var values [][]Value
	for i := range n {
		s := bytes.Repeat([]byte{'a' + byte(i%26)}, 90)
		values = append(values, []Value{IntValue(int64(i)), StringValue(string(s) + IntValue(int64(i)).String()), IntValue(int64(i % 7))})
	}
	return table, encode(t, table, values...)
}

func TestMemoryLimit(t *testing.T) {
	rule(t, "C9 memory has a limit")
	table, rows := numbered(t, 20000)
	small := &Options{MemoryLimit: 1 << 20}
	for _, text := range []string{
		"SELECT s, count(*) FROM t GROUP BY s",
		"SELECT n, max(s) FROM t GROUP BY n",
		"SELECT n FROM t ORDER BY s",
		"SELECT s FROM t ORDER BY m LIMIT 15000",
	} {
		p := plan(t, table, text)
		rowsOut := 0
		var err error
		for _, e := range p.Select(context.Background(), small, NewSource(rows)) {
			if err = e; err == nil {
				rowsOut++
			}
		}
		require.ErrorIs(t, err, ErrMemory, text)
		require.ErrorContains(t, err, "the limit is 1048576", text)
		require.ErrorContains(t, err, text)
		require.Zero(t, rowsOut)
		rowsOut = 0
		for _, err := range p.Select(context.Background(), nil, NewSource(rows)) {
			require.NoError(t, err)
			rowsOut++
		}
		require.GreaterOrEqual(t, rowsOut, 15000)
	}
	// What needs none has no limit: a heap of three, seven groups, rows that are passed on.
	for _, text := range []string{"SELECT s FROM t ORDER BY s LIMIT 3", "SELECT m, max(s), min(s) FROM t GROUP BY m", "SELECT s FROM t"} {
		for _, err := range plan(t, table, text).Select(context.Background(), &Options{MemoryLimit: 20000, PageBytes: 5000}, NewSource(rows)) {
			require.NoError(t, err, text)
		}
	}
}

// counted counts what is asked of a source.
type counted struct {
	Source
	rows, calls int
}

func (c *counted) Next(ctx context.Context, most int) (Rows, error) {
	rows, err := c.Source.Next(ctx, most)
	c.rows, c.calls = c.rows+len(rows.Keys), c.calls+1
	return rows, err
}

// TestSlowClientHoldsOnePage: rows are read as the client takes them.
func TestSlowClientHoldsOnePage(t *testing.T) {
	rule(t, "C9 a slow client holds a page")
	table, rows := numbered(t, 20000)
	src := &counted{Source: NewSource(rows)}
	taken := 0
	for row, err := range plan(t, table, "SELECT n FROM t").Select(context.Background(), &Options{PageBytes: 1000}, src) {
		require.NoError(t, err)
		require.Equal(t, int64(taken), row[0].Int)
		taken++
		require.LessOrEqual(t, src.rows-taken, maxBatch, "read ahead at row %d", taken)
	}
	require.Equal(t, 20000, taken)
}

func TestLimitEndsTheScan(t *testing.T) {
	rule(t, "C3 a limit ends the scan")
	table, rows := numbered(t, 20000)
	for text, most := range map[string]int{
		"SELECT n FROM t LIMIT 5":               32,
		"SELECT n FROM t WHERE n >= 40 LIMIT 5": 32 + 64,
		"SELECT n FROM t LIMIT 0":               0,
		"SELECT count(*) FROM t LIMIT 0":        0,
		"SELECT n FROM t ORDER BY m LIMIT 0":    0,
	} {
		src, other := &counted{Source: NewSource(rows)}, &counted{Source: NewSource(rows)}
		for _, err := range plan(t, table, text).Select(context.Background(), nil, src, other) {
			require.NoError(t, err)
		}
		require.Equal(t, most, src.rows, text)
		require.Zero(t, other.calls, text)
	}
}

// TestLimitWaitsForAllGroups: more than a batch of them, so that somebody could stop early.
func TestLimitWaitsForAllGroups(t *testing.T) {
	rule(t, "C3 a limit of groups counts groups that are whole")
	table, rows := numbered(t, 20000)
	require.Equal(t, "0, 2858", answer(plan(t, table, "SELECT m, count(*) FROM t GROUP BY m LIMIT 1"), rows, 3000))
}

func TestClientMayGo(t *testing.T) {
	table, rows := numbered(t, 5000)
	src := &counted{Source: NewSource(rows)}
	for _, err := range plan(t, table, "SELECT n FROM t").Select(context.Background(), &Options{PageBytes: 1000}, src) {
		require.NoError(t, err)
		break
	}
	require.Less(t, src.rows, 5000)
}

// cancelling cancels a context when it has been asked some times.
type cancelling struct {
	Source
	cancel context.CancelFunc
	left   int
}

func (c *cancelling) Next(ctx context.Context, most int) (Rows, error) {
	if c.left--; c.left == 0 {
		c.cancel()
	}
	return c.Source.Next(ctx, most)
}

func TestCancelledInTheRegionAndAtTheRoot(t *testing.T) {
	table, rows := numbered(t, 20000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src := &counted{Source: &cancelling{NewSource(rows), cancel, 3}}
	_, err := plan(t, table, "SELECT count(*) FROM t").Run(ctx, src, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 3, src.calls)

	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, e := range plan(t, table, "SELECT n FROM t ORDER BY n").Select(ctx, nil, NewSource(rows)) {
		if err = e; err == nil {
			n++
		}
		cancel()
	}
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, maxBatch, n, "to the end of the chunk")
}

func TestErrorOfASourceOrAPart(t *testing.T) {
	table, rows := numbered(t, 10)
	p := plan(t, table, "SELECT n FROM t")
	broken := errors.New("disk is gone")
	_, err := p.Run(context.Background(), failing{broken}, nil)
	require.ErrorIs(t, err, broken)
	_, err = p.Run(context.Background(), NewSource(Rows{Keys: rows.Keys}), nil)
	require.ErrorContains(t, err, "10 keys and 0 values")
	var got []int64
	for row, e := range p.Select(context.Background(), nil, NewSource(rows), failing{broken}) {
		if err = e; err == nil {
			got = append(got, row[0].Int)
		}
	}
	require.ErrorIs(t, err, broken)
	require.Len(t, got, 10, "what came before the error")
}

// TestSourceLeavesOutWhatIsNotNeeded: keys that no column is read from, values if all are
// in the key. An error still names the row.
func TestSourceLeavesOutWhatIsNotNeeded(t *testing.T) {
	rows := fruitRows(t)
	run := func(text string, rows Rows) string {
		part, err := plan(t, fruit(t), text).Run(context.Background(), sourceOf(rows), nil)
		if err != nil {
			return err.Error()
		}
		got, err := gather(plan(t, fruit(t), text), []*Partial{part})
		require.NoError(t, err)
		return got[0][0].String()
	}
	noKeys := Rows{Values: rows.Values, Key: func(i int) []byte { return rows.Keys[i] }}
	require.Equal(t, "109", run("SELECT sum(count) FROM fruit", noKeys))
	require.Contains(t, run("SELECT sum(1 / (count - 90)) FROM fruit", noKeys), `the row with key "fruit/\x80\x00\x00\x00\x00\x00\x00\x04"`)
	require.Contains(t, run("SELECT sum(1 / (count - 90)) FROM fruit", Rows{Values: rows.Values}), `division by zero: 1 / 0`)
	require.Contains(t, run("SELECT max(id) FROM fruit", noKeys), "0 keys and 6 values")
	require.Contains(t, run("SELECT count FROM fruit", noKeys), "0 keys and 6 values")
	require.Equal(t, "6", run("SELECT max(id) FROM fruit", Rows{Keys: rows.Keys}))
	require.Equal(t, "6", run("SELECT count(*) FROM fruit", Rows{Keys: rows.Keys}))
	require.Equal(t, "6", run("SELECT count(*) FROM fruit", noKeys))
}

// once is a source of one batch.
type once struct{ rows Rows }

func sourceOf(r Rows) Source { return &once{r} }

func (o *once) Next(context.Context, int) (Rows, error) {
	r := o.rows
	o.rows = Rows{}
	return r, nil
}

type failing struct{ err error }

func (f failing) Next(context.Context, int) (Rows, error) { return Rows{}, f.err }

// TestBatchesGrow: a query that ends soon reads little, one that does not loses little.
func TestBatchesGrow(t *testing.T) {
	table, rows := numbered(t, 5000)
	var asked []int
	src := sizes{NewSource(rows), &asked}
	_, err := plan(t, table, "SELECT count(*) FROM t").Run(context.Background(), src, nil)
	require.NoError(t, err)
	require.Equal(t, []int{32, 64, 128, 256, 512, 1024, 1024}, asked[:7])
}

type sizes struct {
	Source
	asked *[]int
}

func (s sizes) Next(ctx context.Context, most int) (Rows, error) {
	*s.asked = append(*s.asked, most)
	return s.Source.Next(ctx, most)
}

// TestPlanMayBeUsedAtOnce by all regions.
func TestPlanMayBeUsedAtOnce(t *testing.T) {
	table, rows := numbered(t, 4000)
	p := plan(t, table, "SELECT m, count(*), min(s) FROM t WHERE n IN (1, 2, 3, 700) OR s LIKE '%b%' GROUP BY m ORDER BY m DESC")
	want := answer(p, rows, 4000)
	results := make(chan string)
	for size := range 8 {
		go func() { results <- answer(p, rows, 100+100*size) }()
	}
	for range 8 {
		require.Equal(t, want, <-results)
	}
}

// TestResultsShareNothingWithTheSource, which uses its memory again.
func TestResultsShareNothingWithTheSource(t *testing.T) {
	rule(t, "C10 what leaves a region is its own")
	table, rows := numbered(t, 40)
	for _, text := range []string{"SELECT s FROM t", "SELECT s FROM t ORDER BY s LIMIT 30", "SELECT s FROM t GROUP BY s", "SELECT max(s), min(s) FROM t GROUP BY m"} {
		p := plan(t, table, text)
		copied := Rows{}
		for i := range rows.Keys {
			copied.Keys, copied.Values = append(copied.Keys, bytes.Clone(rows.Keys[i])), append(copied.Values, bytes.Clone(rows.Values[i]))
		}
		part, err := p.Run(context.Background(), NewSource(copied), nil)
		require.NoError(t, err)
		for _, b := range slices.Concat(copied.Keys, copied.Values) {
			clear(b)
		}
		got, err := gather(p, []*Partial{part})
		require.NoError(t, err)
		want, err := gather2(p, rows)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
}
