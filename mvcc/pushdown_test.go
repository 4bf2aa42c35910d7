package mvcc

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
	"github.com/flagship-go/flagship/mvcc/region"
)

func pushdownTable(t *testing.T) *coprocessor.Table {
	table, err := coprocessor.NewTable(coprocessor.Schema{Name: "t", Prefix: []byte("t/"), Key: []string{"id"},
		Columns: []coprocessor.Column{{Name: "id", Type: coprocessor.Int}, {Name: "n", Type: coprocessor.Int}}})
	require.NoError(t, err)
	return table
}

func pushdownRow(t *testing.T, table *coprocessor.Table, id, n int64) KV {
	row := []coprocessor.Value{coprocessor.IntValue(id), coprocessor.IntValue(n)}
	key, err := table.AppendKey(nil, row)
	require.NoError(t, err)
	value, err := table.AppendValue(nil, row)
	require.NoError(t, err)
	return KV{Key: key, Value: value}
}

func pushdownPlan(t *testing.T, table *coprocessor.Table, text string) *coprocessor.Plan {
	q, err := coprocessor.Parse(text)
	require.NoError(t, err)
	p, err := q.Plan(table)
	require.NoError(t, err)
	return p
}

// pushdownFetched runs a plan over the rows that a scan finds.
func pushdownFetched(ctx context.Context, t *testing.T, txn *Txn, p *coprocessor.Plan) iter.Seq2[[]coprocessor.Value, error] {
	var rows coprocessor.Rows
	lo, hi := p.Table.Range()
	for kv, err := range txn.Scan(ctx, lo, hi, ScanOptions{}) {
		require.NoError(t, err)
		rows.Keys, rows.Values = append(rows.Keys, kv.Key), append(rows.Values, kv.Value)
	}
	return p.Select(ctx, nil, coprocessor.NewSource(rows))
}

func pushdownRows(t *testing.T, rows iter.Seq2[[]coprocessor.Value, error]) (text string) {
	for row, err := range rows {
		require.NoError(t, err)
		text += fmt.Sprintln(row)
	}
	return text
}

// Whatever the query, pages and regions included, it has the answer of one that fetches the
// rows; beside others' locks, versions above its snapshot, tombstones, and its own writes.
func TestSelectIsWhatItWouldBeOverFetchedRows(t *testing.T) {
	ctx := context.Background()
	table := pushdownTable(t)
	local := region.NewLocal(NewMemory(), [][]byte{pushdownRow(t, table, 100, 0).Key, pushdownRow(t, table, 777, 0).Key}, region.Options{})
	defer local.Close()
	d, err := Open(&Options{Transport: local, NoAsyncCommit: true})
	require.NoError(t, err)
	defer d.Close()
	put := func(txn *Txn, id, n int64) {
		kv := pushdownRow(t, table, id, n)
		require.NoError(t, txn.Put(kv.Key, kv.Value))
	}
	require.NoError(t, d.Run(ctx, TxnOptions{}, func(txn *Txn) error {
		for id := range int64(1500) {
			put(txn, id, id*id%97)
		}
		return nil
	}))
	require.NoError(t, d.Run(ctx, TxnOptions{}, func(txn *Txn) error {
		return txn.Delete(pushdownRow(t, table, 5, 0).Key)
	}))
	txn, err := d.Begin(ctx, TxnOptions{})
	require.NoError(t, err)
	require.NoError(t, d.Run(ctx, TxnOptions{}, func(txn *Txn) error { // above the snapshot
		put(txn, 6, 1_000_000)
		put(txn, 5000, 1_000_000)
		return nil
	}))
	queries := []string{
		"SELECT count(*), sum(n), min(n), max(id) FROM t",
		"SELECT n, count(*) FROM t WHERE n > 40 GROUP BY n ORDER BY n",
		"SELECT id, n FROM t ORDER BY n DESC LIMIT 7",
		"SELECT id FROM t WHERE n = 1",
		"SELECT id, n FROM t LIMIT 300",
	}
	small := &coprocessor.Options{PageBytes: 512}
	compare := func(when string) {
		for _, q := range queries {
			p := pushdownPlan(t, table, q)
			want := pushdownRows(t, pushdownFetched(ctx, t, txn, p))
			require.Equal(t, want, pushdownRows(t, txn.Select(ctx, p, small)), "%s: %s", when, q)
			require.NotContains(t, want, "1000000")
		}
	}
	compare("at a snapshot")
	require.NoError(t, local.Split(pushdownRow(t, table, 400, 0).Key))
	compare("after a split")
	put(txn, 2000, 96)
	compare("with a row of its own")
	require.Contains(t, pushdownRows(t, txn.Select(ctx, pushdownPlan(t, table, "SELECT id FROM t WHERE id = 2000"), nil)), "2000")
	require.NoError(t, txn.Rollback(ctx))
	for _, err := range txn.Select(ctx, pushdownPlan(t, table, queries[0]), nil) {
		require.ErrorIs(t, err, ErrDone)
	}
}

// What a serializable transaction has queried is part of what it has read (V13).
func TestASerializableQueryIsValidated(t *testing.T) {
	ctx := context.Background()
	table := pushdownTable(t)
	d, err := Open(nil)
	require.NoError(t, err)
	defer d.Close()
	for _, q := range []string{"SELECT count(*) FROM t", "SELECT id FROM t"} {
		txn, err := d.Begin(ctx, TxnOptions{Mode: Serializable})
		require.NoError(t, err)
		pushdownRows(t, txn.Select(ctx, pushdownPlan(t, table, q), nil))
		require.NoError(t, txn.Put([]byte("other"), nil))
		kv := pushdownRow(t, table, int64(len(q)), 1) // a phantom
		require.NoError(t, d.Run(ctx, TxnOptions{}, func(txn *Txn) error { return txn.Put(kv.Key, kv.Value) }))
		if err := txn.Commit(ctx); err == nil {
			t.Fatalf("RULE V13: %s: a row came to what was queried, and the commit succeeded", q)
		} else {
			require.ErrorIs(t, err, ErrConflict)
		}
	}
}
