package main

import (
	"bytes"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flagship-go/flagship/examples/txnkv/service"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// Lines of code as rows: file, line, length, words.

const (
	// mvccBatch is how many rows are written in a transaction: all are in one range, so it
	// commits in one phase.
	mvccBatch = 2000
	// mvccSource bounds what is read of a folder that is no Go installation.
	mvccSource = 256 << 20
)

var mvccQueries = []struct{ what, text string }{
	{"count and sum", "SELECT count(*), sum(length), sum(words), max(length) FROM lines"},
	{"group by", "SELECT words, count(*), sum(length) FROM lines WHERE length > 0 GROUP BY words ORDER BY words LIMIT 1000"},
	{"top 10", "SELECT file, line, length FROM lines ORDER BY length DESC LIMIT 10"},
	{"few of many", "SELECT count(*) FROM lines WHERE words >= 30 AND length < 200"},
}

// codeLine is a row.
type codeLine struct {
	file                string
	line, length, words int64
}

// codeLines gives the rows of files, in the order of their keys.
func codeLines(files []File) iter.Seq[codeLine] {
	return func(yield func(codeLine) bool) {
		for _, f := range files {
			n := int64(0)
			for text := range bytes.Lines(f.Data) {
				n++
				text = bytes.TrimSuffix(text, []byte("\n"))
				if !yield(codeLine{f.Name, n, int64(len(text)), int64(len(bytes.Fields(text)))}) {
					return
				}
			}
		}
	}
}

func linesTable() (*coprocessor.Table, error) {
	return coprocessor.NewTable(coprocessor.Schema{
		Name: "lines", Prefix: []byte("lines/"), Key: []string{"file", "line"},
		Columns: []coprocessor.Column{{Name: "file", Type: coprocessor.String}, {Name: "line", Type: coprocessor.Int},
			{Name: "length", Type: coprocessor.Int, NotNull: true}, {Name: "words", Type: coprocessor.Int, NotNull: true}},
	})
}

// questions stores lines of code as rows, and asks about them: where the rows are, and by
// fetching them.
func (a *mvccActs) questions() error {
	files, _, err := readTree(a.Root, mvccSource, func(name string) bool { return path.Ext(name) == ".go" })
	if err != nil {
		return err
	}
	table, err := linesTable()
	if err != nil {
		return err
	}
	var rows []codeLine
	for l := range codeLines(files) {
		if len(rows) == a.rows {
			break
		}
		rows = append(rows, l)
	}
	if len(rows) < mvccRanges*2 {
		return fmt.Errorf("this chapter needs %d lines of code or more, and %s has %d; name a larger folder with -src", mvccRanges*2, a.Root, len(rows))
	}
	a.Say("Now %d lines of the Go installation become rows: file, line, length, words, in %d ranges.", len(rows), mvccRanges)
	start := time.Now()
	if err := a.storeRows(table, rows); err != nil {
		return err
	}
	a.Event("", fmt.Sprintf("%d rows are on all %d nodes after %v", len(rows), mvccNodes, time.Since(start).Round(10*time.Millisecond)), nil)
	return a.askAll(table, rows)
}

// storeRows writes rows that are in the order of keys, each part to a range of its own.
func (a *mvccActs) storeRows(table *coprocessor.Table, rows []codeLine) error {
	var parts [][]mvcc.KV
	for i := range mvccRanges {
		part, err := encodeLines(table, rows[i*len(rows)/mvccRanges:(i+1)*len(rows)/mvccRanges])
		if err != nil {
			return err
		}
		if !slices.IsSortedFunc(part, func(x, y mvcc.KV) int { return bytes.Compare(x.Key, y.Key) }) {
			slices.SortFunc(part, func(x, y mvcc.KV) int { return bytes.Compare(x.Key, y.Key) })
		}
		if err := a.cluster.Split(a.ctx, part[0].Key); err != nil {
			return err
		}
		parts = append(parts, part)
	}
	g, ctx := errgroup.WithContext(a.ctx)
	stored := make(chan int, 16)
	for _, part := range parts {
		g.Go(func() error {
			for batch := range slices.Chunk(part, mvccBatch) {
				err := a.db.Run(ctx, mvcc.TxnOptions{}, func(t *mvcc.Txn) error {
					for _, kv := range batch {
						if err := t.Put(kv.Key, kv.Value); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
				stored <- len(batch)
			}
			return nil
		})
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		n := 0
		for more := range stored {
			n += more
			a.Progress("rows stored", n, len(rows))
		}
	}()
	err := g.Wait()
	close(stored)
	<-told
	return err
}

func encodeLines(table *coprocessor.Table, rows []codeLine) (pairs []mvcc.KV, err error) {
	for _, r := range rows {
		values := []coprocessor.Value{coprocessor.StringValue(r.file), coprocessor.IntValue(r.line), coprocessor.IntValue(r.length), coprocessor.IntValue(r.words)}
		var kv mvcc.KV
		if kv.Key, err = table.AppendKey(nil, values); err != nil {
			return nil, err
		}
		if kv.Value, err = table.AppendValue(nil, values); err != nil {
			return nil, err
		}
		pairs = append(pairs, kv)
	}
	return pairs, nil
}

// askAll runs each query both ways, at one snapshot.
func (a *mvccActs) askAll(table *coprocessor.Table, rows []codeLine) error {
	t, err := a.db.Begin(a.ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		return err
	}
	defer t.Rollback(a.ctx)
	var out strings.Builder
	fmt.Fprintf(&out, "%-14s %12s %12s", "", "pushed down", "shipped out")
	same := true
	for i, q := range mvccQueries {
		query, err := coprocessor.Parse(q.text)
		if err != nil {
			return err
		}
		plan, err := query.Plan(table)
		if err != nil {
			return err
		}
		if i == 0 {
			a.Picture(plan.Explain())
		}
		pushed, pushTime, err := collect(t.Select(a.ctx, plan, nil))
		if err != nil {
			return err
		}
		shipped, shipTime, err := collect(service.SelectShipped(a.ctx, t, plan, nil))
		if err != nil {
			return err
		}
		same = same && pushed == shipped
		fmt.Fprintf(&out, "\n%-14s %12v %12v", q.what, pushTime.Round(time.Millisecond/10), shipTime.Round(time.Millisecond/10))
		switch i {
		case 0:
			want := plainTotals(rows)
			a.Claim(pushed == want, "count, sums and maximum are those of a loop over the files: %s", strings.TrimSpace(pushed))
		case 2:
			a.Picture("the longest lines\n" + strings.TrimSuffix(pushed, "\n"))
		}
	}
	a.Picture(out.String())
	a.Claim(same, "each of %d queries has the same answer, whether the question goes to the rows or the rows come to the question", len(mvccQueries))
	return nil
}

// collect is a result as text, and how long it took.
func collect(rows iter.Seq2[[]coprocessor.Value, error]) (string, time.Duration, error) {
	start := time.Now()
	var b strings.Builder
	for row, err := range rows {
		if err != nil {
			return "", 0, err
		}
		fmt.Fprintln(&b, row)
	}
	return b.String(), time.Since(start), nil
}

// plainTotals is the first query as anybody would write it.
func plainTotals(rows []codeLine) string {
	var length, words, longest int64
	for _, r := range rows {
		length, words, longest = length+r.length, words+r.words, max(longest, r.length)
	}
	return fmt.Sprintln([]coprocessor.Value{coprocessor.IntValue(int64(len(rows))), coprocessor.IntValue(length), coprocessor.IntValue(words), coprocessor.IntValue(longest)})
}
