package mvcc

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

func selectTable(t testing.TB) *coprocessor.Table {
	table, err := coprocessor.NewTable(coprocessor.Schema{Name: "t", Prefix: []byte("t/"), Key: []string{"id"}, Columns: []coprocessor.Column{
		{Name: "id", Type: coprocessor.Int}, {Name: "x", Type: coprocessor.Int}, {Name: "s", Type: coprocessor.String},
	}})
	require.NoError(t, err)
	return table
}

func selectPlan(t testing.TB, table *coprocessor.Table, text string) *coprocessor.Plan {
	q, err := coprocessor.Parse(text)
	require.NoError(t, err)
	p, err := q.Plan(table)
	require.NoError(t, err)
	return p
}

func selectRow(t testing.TB, table *coprocessor.Table, id, x int64, s string) (k, v []byte) {
	row := []coprocessor.Value{coprocessor.IntValue(id), coprocessor.IntValue(x), coprocessor.StringValue(s)}
	k, err := table.AppendKey(nil, row)
	require.NoError(t, err)
	v, err = table.AppendValue(nil, row)
	require.NoError(t, err)
	return k, v
}

// selectRule names a rule when its test fails.
func selectRule(t *testing.T, rule string) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("RULE " + rule)
		}
	})
}

func selectAll(rows iter.Seq2[[]coprocessor.Value, error]) (out [][]coprocessor.Value, err error) {
	for row, err := range rows {
		if err != nil {
			return out, err
		}
		out = append(out, slices.Clone(row))
	}
	return out, nil
}

// A query is what a scan of the same transaction comes to: at any time, over regions that
// split, and with what the transaction has itself written (V1, V14, V17).
func TestSelectIsWhatAScanComesTo(t *testing.T) {
	selectRule(t, "V14: a query sees what its transaction has written")
	ctx := context.Background()
	table := selectTable(t)
	plans := []*coprocessor.Plan{
		selectPlan(t, table, "SELECT count(*), sum(x), max(s), min(id) FROM t"),
		selectPlan(t, table, "SELECT x % 5, count(*) FROM t GROUP BY x % 5 HAVING count(*) > 1"),
		selectPlan(t, table, "SELECT s, id FROM t WHERE x > 3 ORDER BY x DESC LIMIT 4"),
		selectPlan(t, table, "SELECT * FROM t WHERE s LIKE 'a%'"),
		selectPlan(t, table, "SELECT id FROM t WHERE id BETWEEN 20 AND 70 LIMIT 7"),
		selectPlan(t, table, "SELECT x FROM t WHERE id = 40"),
		selectPlan(t, table, "SELECT x FROM t WHERE id = 40 AND id = 41"),
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newClientWorld(t, RegionOptions{}, "t", "u")
		db, _ := w.client()
		var times []TS
		for range 30 {
			mode := []Mode{SnapshotIsolation, Serializable, Pessimistic}[rng.IntN(3)]
			tx := clientBegin(t, db, mode)
			for range rng.IntN(12) {
				k, v := selectRow(t, table, rng.Int64N(100), rng.Int64N(50), string(rune('a'+rng.IntN(3)))+fmt.Sprint(rng.IntN(9)))
				if rng.IntN(4) == 0 {
					require.NoError(t, tx.Delete(k))
				} else {
					require.NoError(t, tx.Put(k, v))
				}
			}
			selectCheck(t, tx, plans, seed)
			require.NoError(t, tx.Commit(ctx))
			if tx.CommitTS() != 0 {
				times = append(times, tx.CommitTS())
			}
			if rng.IntN(6) == 0 {
				k, _ := selectRow(t, table, rng.Int64N(100), 0, "")
				require.NoError(t, w.local.Split(k))
			}
			if len(times) > 0 {
				old, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: times[rng.IntN(len(times))]})
				require.NoError(t, err)
				selectCheck(t, old, plans, seed)
				require.NoError(t, old.Rollback(ctx))
			}
		}
	}
}

func selectCheck(t *testing.T, tx *Txn, plans []*coprocessor.Plan, seed uint64) {
	ctx := context.Background()
	var rows coprocessor.Rows
	for kv, err := range tx.Scan(ctx, []byte("t/"), []byte("t0"), ScanOptions{}) {
		require.NoError(t, err)
		rows.Keys, rows.Values = append(rows.Keys, kv.Key), append(rows.Values, kv.Value)
	}
	for _, p := range plans {
		want, err := selectAll(p.Select(ctx, nil, coprocessor.NewSource(rows)))
		require.NoError(t, err)
		got, err := selectAll(tx.Select(ctx, p, &coprocessor.Options{PageBytes: 100}))
		require.NoError(t, err)
		require.Equal(t, want, got, "seed %d: %v", seed, p)
	}
}

// A query meets the locks of a client that has gone, as a scan does: gone before the
// primary was committed, it has written nothing; gone after, all.
func TestSelectResolvesLocks(t *testing.T) {
	selectRule(t, "V1: a query meets locks")
	ctx := context.Background()
	table := selectTable(t)
	k, v := selectRow(t, table, 1, 5, "")
	k2, v2 := selectRow(t, table, 2, 5, "")
	pairs := []string{string(k) + "=" + string(v), string(k2) + "=" + string(v2)}
	for text, wants := range map[string][2]string{
		"SELECT count(*) FROM t":          {"[[0]]", "[[2]]"},
		"SELECT sum(1) FROM t GROUP BY s": {"[]", "[[2]]"},
		"SELECT id FROM t":                {"[]", "[[1] [2]]"},
		"SELECT id FROM t ORDER BY x":     {"[]", "[[1] [2]]"},
	} {
		for i, want := range wants {
			decided := i == 1
			w := newClientWorld(t, RegionOptions{}, string(k2))
			db, _ := w.client()
			if decided {
				gone, wire := w.client(clientTwoPhase)
				wire.fault = func(n int, _ Request) clientFault {
					if n == 3 {
						return clientGone
					}
					return clientFine
				}
				w.put(gone, pairs...)
			} else {
				clientVanishes(w, 2, clientTwoPhase, pairs...)
			}
			tx := clientBegin(t, db, SnapshotIsolation)
			got, err := selectAll(tx.Select(ctx, selectPlan(t, table, text), nil))
			require.NoError(t, err, text)
			require.Equal(t, want, fmt.Sprint(got), "%s, decided %t", text, decided)
			require.NoError(t, tx.Rollback(ctx))
		}
	}
}

// V13: a row that another inserts into the range of a query is a conflict.
func TestSelectIsPartOfWhatIsRead(t *testing.T) {
	selectRule(t, "V13: the range of a query is read")
	ctx := context.Background()
	table := selectTable(t)
	for _, text := range []string{"SELECT sum(x) FROM t", "SELECT id FROM t", "SELECT x FROM t WHERE id < 50"} {
		w := newClientWorld(t, RegionOptions{}, "t/\x80")
		db, _ := w.client()
		for _, inside := range []bool{true, false} {
			tx := clientBegin(t, db, Serializable)
			_, err := selectAll(tx.Select(ctx, selectPlan(t, table, text), nil))
			require.NoError(t, err)
			require.NoError(t, tx.Put([]byte("z"), nil))
			k, v := selectRow(t, table, 7, 5, "")
			if !inside {
				k = []byte("elsewhere")
			}
			require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error { return tx.Put(k, v) }))
			if err := tx.Commit(ctx); inside {
				require.ErrorIs(t, err, ErrConflict, text)
			} else {
				require.NoError(t, err)
			}
		}
	}
}

// What is wrong with a row or a query is the region's answer, and is not asked again.
func TestSelectFailsAtOnce(t *testing.T) {
	ctx := context.Background()
	table := selectTable(t)
	w := newClientWorld(t, RegionOptions{})
	db, wire := w.client()
	k, v := selectRow(t, table, 1, 0, "long enough")
	bad, _ := selectRow(t, table, 2, 0, "")
	require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
		require.NoError(t, tx.Put(bad, []byte("no row")))
		return tx.Put(k, v)
	}))
	for text, want := range map[string]error{
		"SELECT 1 / x FROM t WHERE id = 1":      coprocessor.ErrArithmetic,
		"SELECT sum(1 / x) FROM t WHERE id = 1": coprocessor.ErrArithmetic,
		"SELECT sum(x) FROM t":                  coprocessor.ErrRow,
		"SELECT id FROM t ORDER BY s":           coprocessor.ErrRow,
	} {
		tx := clientBegin(t, db, SnapshotIsolation)
		before := len(wire.sent)
		_, err := selectAll(tx.Select(ctx, selectPlan(t, table, text), nil))
		require.ErrorIs(t, err, want, text)
		require.Equal(t, before+1, len(wire.sent), text)
		require.NoError(t, tx.Rollback(ctx))
		_, err = selectAll(tx.Select(ctx, selectPlan(t, table, text), nil))
		require.ErrorIs(t, err, ErrDone)
	}
}

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
			stop := reportCPU(b)
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
