package mvcc

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/cputime"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// BenchmarkSelect runs queries over a million rows of about 100 bytes, in 8 regions.
func BenchmarkSelect(b *testing.B) {
	ctx := context.Background()
	table, err := coprocessor.NewTable(coprocessor.Schema{Name: "t", Prefix: []byte("t"), Key: []string{"id"}, Columns: []coprocessor.Column{
		{Name: "id", Type: coprocessor.Int}, {Name: "x", Type: coprocessor.Int}, {Name: "g", Type: coprocessor.Int}, {Name: "f", Type: coprocessor.Float},
		{Name: "name", Type: coprocessor.String}, {Name: "text", Type: coprocessor.String},
	}})
	require.NoError(b, err)
	const n = 1_000_000
	row := func(i int64) []coprocessor.Value {
		x := int64(uint64(i+1) * 0x9e3779b97f4a7c15 >> 24)
		return []coprocessor.Value{coprocessor.IntValue(i), coprocessor.IntValue(x), coprocessor.IntValue(x % 100), coprocessor.FloatValue(float64(x) / 8), coprocessor.StringValue(fmt.Sprint("group", x%100)), coprocessor.StringValue("some text that a row has, and that no qu")}
	}
	o := &Options{}
	for i := range int64(7) {
		k, err := table.AppendKey(nil, row((i+1)*n/8))
		require.NoError(b, err)
		o.SplitKeys = append(o.SplitKeys, k)
	}
	db := clientBench(b, o)
	for from := int64(0); from < n; from += 10000 {
		require.NoError(b, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
			for i := from; i < from+10000; i++ {
				r := row(i)
				k, err := table.AppendKey(nil, r)
				if err != nil {
					return err
				}
				v, err := table.AppendValue(nil, r)
				if err != nil {
					return err
				}
				if err := tx.Put(k, v); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for name, text := range map[string]string{
		"count":          "SELECT count(*) FROM t",
		"sum":            "SELECT sum(x) FROM t",
		"filter1":        "SELECT count(*) FROM t WHERE g = 7",
		"groupby-int":    "SELECT g, count(*), sum(x) FROM t GROUP BY g",
		"groupby-string": "SELECT name, count(*), sum(x) FROM t GROUP BY name",
		"top10":          "SELECT id, x, name FROM t ORDER BY x DESC LIMIT 10",
	} {
		b.Run(name, func(b *testing.B) {
			q, err := coprocessor.Parse(text)
			require.NoError(b, err)
			p, err := q.Plan(table)
			require.NoError(b, err)
			b.ReportAllocs()
			stop := cputime.Report(b)
			for b.Loop() {
				tx, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly})
				require.NoError(b, err)
				for row, err := range tx.Select(ctx, p, nil) {
					require.NoError(b, err)
					_ = row
				}
				_ = tx.Rollback(ctx)
			}
			stop()
		})
	}
}
