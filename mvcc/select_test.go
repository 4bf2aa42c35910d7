package mvcc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
	"github.com/flagship-go/flagship/mvcc/oracle"
	"github.com/flagship-go/flagship/mvcc/region"
)

func clientTable(t testing.TB) *coprocessor.Table {
	table, err := coprocessor.NewTable(coprocessor.Schema{
		Name: "t", Prefix: []byte("t/"),
		Columns: []coprocessor.Column{
			{Name: "id", Type: coprocessor.Int},
			{Name: "kind", Type: coprocessor.String},
			{Name: "x", Type: coprocessor.Int},
		},
		Key: []string{"id"},
	})
	require.NoError(t, err)
	return table
}

func clientPlan(t testing.TB, table *coprocessor.Table, text string) *coprocessor.Plan {
	q, err := coprocessor.Parse(text)
	require.NoError(t, err)
	plan, err := q.Plan(table)
	require.NoError(t, err)
	return plan
}

func clientRow(t testing.TB, table *coprocessor.Table, id int, kind string, x int) (key, value []byte) {
	row := []coprocessor.Value{coprocessor.IntValue(int64(id)), coprocessor.StringValue(kind), coprocessor.IntValue(int64(x))}
	key, err := table.AppendKey(nil, row)
	require.NoError(t, err)
	value, err = table.AppendValue(nil, row)
	require.NoError(t, err)
	return key, value
}

func clientSelect(tx *Txn, plan *coprocessor.Plan, o *coprocessor.Options) (rows []string, err error) {
	for row, err := range tx.Select(context.Background(), plan, o) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, fmt.Sprint(row))
	}
	return rows, nil
}

var clientQueries = []string{
	"SELECT count(*) FROM t",
	"SELECT kind, count(*), sum(x), min(x), avg(x) FROM t WHERE x > 20 GROUP BY kind ORDER BY kind",
	"SELECT * FROM t",
	"SELECT id, x FROM t WHERE x % 3 = 0 LIMIT 7",
	"SELECT id, x FROM t ORDER BY x DESC, id LIMIT 5",
	"SELECT id FROM t ORDER BY x, id",
	"SELECT id FROM t WHERE id > 30 AND id < 60",
	"SELECT sum(x) FROM t WHERE kind = 'none'",
}

// C1 over real regions: whatever the cuts and pages, and while regions split, the result
// is that of all rows in one place; own writes are in it (V14).
func TestSelectOverRegions(t *testing.T) {
	ctx := context.Background()
	table := clientTable(t)
	r := rand.New(rand.NewPCG(3, 3))
	var keys, values [][]byte
	for i := range 120 {
		k, v := clientRow(t, table, i, []string{"a", "b", "c"}[r.IntN(3)], r.IntN(100))
		keys, values = append(keys, k), append(values, v)
	}
	want := func(text string) []string {
		plan := clientPlan(t, table, text)
		var rows []string
		for row, err := range plan.Select(ctx, nil, coprocessor.NewSource(coprocessor.Rows{Keys: keys, Values: values})) {
			require.NoError(t, err)
			rows = append(rows, fmt.Sprint(row))
		}
		return rows
	}
	for _, serial := range []bool{true, false} {
		local := region.NewLocal(NewMemory(), [][]byte{keys[40], keys[80]}, region.Options{})
		wire := &clientWire{local: local}
		// Nothing is left to be done in the background when the queries begin.
		clock, err := oracle.New(nil)
		require.NoError(t, err)
		writer, err := Open(&Options{Transport: wire, Clock: clock, Serial: true})
		require.NoError(t, err)
		require.NoError(t, writer.Run(ctx, TxnOptions{}, func(tx *Txn) error {
			for i := range keys {
				if err := tx.Put(keys[i], values[i]); err != nil {
					return err
				}
			}
			return errors.Join(tx.Put([]byte("a"), []byte("not a row")), tx.Put([]byte("u"), []byte("nor this")))
		}))
		require.NoError(t, writer.Close())
		db, err := Open(&Options{Transport: wire, Clock: clock, Serial: serial})
		require.NoError(t, err)
		split := 5
		for _, text := range clientQueries {
			tx := clientBegin(t, db, SnapshotIsolation)
			for _, o := range []*coprocessor.Options{nil, {PageBytes: 64}} {
				got, err := clientSelect(tx, clientPlan(t, table, text), o)
				require.NoError(t, err)
				require.Equal(t, want(text), got, "RULE V17: %s", text)
				n := wire.n
				wire.fault = func(at int, q region.Request) clientFault {
					if at == n+1 {
						_ = local.Split(keys[split])
						split += 7
					}
					return clientFine
				}
				got, err = clientSelect(tx, clientPlan(t, table, text), o)
				require.NoError(t, err)
				require.Equal(t, want(text), got, "RULE V17: %s, while a region splits", text)
				wire.fault = nil
			}
			// A row changed, one deleted, one new: as if they were there.
			saved := [2][][]byte{slices.Clone(keys), slices.Clone(values)}
			k, v := clientRow(t, table, 50, "b", 99)
			require.NoError(t, tx.Put(k, v))
			values[50] = v
			require.NoError(t, tx.Delete(keys[10]))
			keys, values = slices.Delete(keys, 10, 11), slices.Delete(values, 10, 11)
			k, v = clientRow(t, table, 500, "c", 98)
			require.NoError(t, tx.Put(k, v))
			keys, values = append(keys, k), append(values, v)
			got, err := clientSelect(tx, clientPlan(t, table, text), &coprocessor.Options{PageBytes: 64})
			require.NoError(t, err)
			require.Equal(t, want(text), got, "RULE V14: %s", text)
			keys, values = saved[0], saved[1]
			require.NoError(t, tx.Rollback(ctx))
		}
		require.Zero(t, db.Metrics().Active)
		require.NoError(t, db.Close())
		require.NoError(t, local.Close())
	}
}

// A query reads at its snapshot, waits for nobody who commits above it, and to a
// serializable transaction is a read of the whole range.
func TestSelectIsARead(t *testing.T) {
	ctx := context.Background()
	table := clientTable(t)
	plan := clientPlan(t, table, "SELECT count(*), sum(x) FROM t")
	k1, v1 := clientRow(t, table, 1, "a", 10)
	k2, v2 := clientRow(t, table, 2, "a", 5)
	w := newClientWorld(t, region.Options{}, string(k2))
	db, _ := w.client()
	put := func(k, v []byte) {
		require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error { return tx.Put(k, v) }))
	}
	put(k1, v1)
	tx := clientBegin(t, db, Serializable)
	clientVanishes(w, 2, clientTwoPhase, string(k1)+"="+string(v2), string(k2)+"="+string(v2))
	rows, err := clientSelect(tx, plan, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"[1 10]"}, rows, "RULE V1: a snapshot")
	w.clock.pass(time.Minute)
	put(k2, v2)
	rows, err = clientSelect(tx, plan, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"[1 10]"}, rows, "RULE V1: a snapshot")
	clientWrite(t, tx, "elsewhere=1")
	require.ErrorIs(t, tx.Commit(ctx), ErrConflict, "RULE V13: a row that the query would have counted")

	_, err = clientSelect(tx, plan, nil)
	require.ErrorIs(t, err, ErrDone)
	tx = clientBegin(t, db, ReadOnly)
	_, err = clientSelect(tx, clientPlan(t, table, "SELECT 1/(x-5) FROM t"), nil)
	require.ErrorIs(t, err, coprocessor.ErrArithmetic)
	put(k2, []byte("no row"))
	late := clientBegin(t, db, ReadOnly)
	_, err = clientSelect(late, plan, nil)
	require.ErrorIs(t, err, coprocessor.ErrRow)
	require.ErrorContains(t, err, fmt.Sprintf("%q", k2))
	_, err = clientSelect(late, clientPlan(t, table, "SELECT kind, count(*) FROM t GROUP BY kind"), &coprocessor.Options{MemoryLimit: 1})
	require.Error(t, err)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range late.Select(canceled, plan, nil) {
		require.ErrorIs(t, err, context.Canceled)
	}
	for range tx.Select(ctx, clientPlan(t, table, "SELECT * FROM t"), nil) {
		break // leaves nothing behind
	}
	require.NoError(t, late.Rollback(ctx))
	require.NoError(t, tx.Rollback(ctx))
}

// V12 in a query: it moves up, and answers that came from below are asked for again.
func TestSelectMovesUp(t *testing.T) {
	ctx := context.Background()
	table := clientTable(t)
	for _, serial := range []bool{true, false} {
		k1, v1 := clientRow(t, table, 1, "a", 10)
		k2, v2 := clientRow(t, table, 2, "a", 5)
		_, v3 := clientRow(t, table, 2, "a", 7)
		w := newClientWorld(t, region.Options{Hybrid: true}, string(k2))
		w.clock.offset = 100 * time.Millisecond
		db, _ := w.client(func(o *Options) { o.Serial = serial })
		ahead, _ := w.client(func(o *Options) { o.Clock = clientSkewed{w.clock, 80 * time.Millisecond} })
		w.put(db, string(k1)+"="+string(v1), string(k2)+"="+string(v2))
		w.clock.pass(time.Second)
		tx := clientBegin(t, db, ReadOnly)
		w.put(ahead, string(k2)+"="+string(v3))
		rows, err := clientSelect(tx, clientPlan(t, table, "SELECT sum(x) FROM t"), nil)
		require.NoError(t, err)
		require.Equal(t, []string{"[17]"}, rows, "RULE V12: a row that may be older than the query")
		require.NoError(t, tx.Rollback(ctx))
	}
}

// A query meets the locks of a client that has gone, as any read does: what it had decided
// is in the result, what it had not is not.
func TestSelectResolvesLocks(t *testing.T) {
	ctx := context.Background()
	table := clientTable(t)
	k1, v1 := clientRow(t, table, 1, "a", 5)
	k2, v2 := clientRow(t, table, 2, "a", 5)
	pairs := []string{string(k1) + "=" + string(v1), string(k2) + "=" + string(v2)}
	for text, wants := range map[string][2]string{
		"SELECT count(*) FROM t":             {"[[0]]", "[[2]]"},
		"SELECT sum(1) FROM t GROUP BY kind": {"[]", "[[2]]"},
		"SELECT id FROM t":                   {"[]", "[[1] [2]]"},
	} {
		for i, want := range wants {
			w := newClientWorld(t, region.Options{}, string(k2))
			db, _ := w.client()
			if decided := i == 1; decided {
				gone, wire := w.client(clientTwoPhase)
				wire.fault = func(n int, _ region.Request) clientFault {
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
			rows, err := clientSelect(tx, clientPlan(t, table, text), nil)
			require.NoError(t, err, text)
			require.Equal(t, want, fmt.Sprint(rows), "RULE V1: %s, decided %t", text, i == 1)
			require.NoError(t, tx.Rollback(ctx))
		}
	}
}
