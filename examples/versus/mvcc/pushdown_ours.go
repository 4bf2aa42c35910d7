package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// rows is package mvcc with a table of the rows, in eight regions.
type rows struct {
	db    *mvcc.DB
	table *coprocessor.Table
}

func openRows(ctx context.Context, n int, _ string) (asked, error) {
	table, err := coprocessor.NewTable(coprocessor.Schema{Name: "t", Prefix: []byte("t"), Key: []string{"id"}, Columns: []coprocessor.Column{
		{Name: "id", Type: coprocessor.Int}, {Name: "x", Type: coprocessor.Int}, {Name: "g", Type: coprocessor.Int}, {Name: "text", Type: coprocessor.String},
	}})
	if err != nil {
		return nil, err
	}
	r := &rows{table: table}
	var splits [][]byte
	for i := int64(1); i < 8; i++ {
		key, _, err := r.encode(i * int64(n) / 8)
		if err != nil {
			return nil, err
		}
		splits = append(splits, key)
	}
	if r.db, err = mvcc.Open(&mvcc.Options{SplitKeys: splits}); err != nil {
		return nil, err
	}
	if err := r.fill(ctx, int64(n)); err != nil {
		return nil, errors.Join(err, r.db.Close())
	}
	return r, nil
}

func (r *rows) encode(id int64) (key, value []byte, err error) {
	of := rowOf(id)
	row := []coprocessor.Value{coprocessor.IntValue(of.id), coprocessor.IntValue(of.x), coprocessor.IntValue(of.g), coprocessor.StringValue(rowText)}
	key, err1 := r.table.AppendKey(nil, row)
	value, err2 := r.table.AppendValue(nil, row)
	return key, value, errors.Join(err1, err2)
}

// fill writes the rows in transactions of a thousand.
func (r *rows) fill(ctx context.Context, n int64) error {
	for from := int64(0); from < n; from += 1000 {
		err := r.db.Run(ctx, mvcc.TxnOptions{}, func(txn *mvcc.Txn) error {
			for id := from; id < min(from+1000, n); id++ {
				key, value, err := r.encode(id)
				if err != nil {
					return err
				}
				if err := txn.Put(key, value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("filling: %w", err)
		}
	}
	return nil
}

// ask gets the rows out, and adds up what they say.
func (r *rows) ask(ctx context.Context, q query) (string, error) {
	txn, err := r.db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		return "", err
	}
	defer txn.Rollback(ctx)
	fold := q.fold()
	var row []coprocessor.Value
	lo, hi := r.table.Range()
	for kv, err := range txn.Scan(ctx, lo, hi, mvcc.ScanOptions{}) {
		if err != nil {
			return "", err
		}
		if row, err = r.table.DecodeRow(row, kv.Key, kv.Value); err != nil {
			return "", err
		}
		fold.add(row[1].Int, row[2].Int)
	}
	return fold.answer(), nil
}

func (r *rows) close() error { return r.db.Close() }

// pushed is rows whose regions answer the query.
type pushed struct{ *rows }

func openPushed(ctx context.Context, n int, dir string) (asked, error) {
	r, err := openRows(ctx, n, dir)
	if err != nil {
		return nil, err
	}
	return pushed{r.(*rows)}, nil
}

func (p pushed) ask(ctx context.Context, q query) (string, error) {
	parsed, err := coprocessor.Parse(q.text)
	if err != nil {
		return "", err
	}
	plan, err := parsed.Plan(p.table)
	if err != nil {
		return "", err
	}
	txn, err := p.db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
	if err != nil {
		return "", err
	}
	defer txn.Rollback(ctx)
	var b strings.Builder
	for row, err := range txn.Select(ctx, plan, nil) {
		if err != nil {
			return "", err
		}
		for i, v := range row {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprint(&b, v.Int)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
