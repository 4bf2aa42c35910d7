package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/mvcc"
)

// gcTable collects all versions but the last one of each key, by call. badger does it
// in compactions, and go-memdb and SQLite have nothing to collect: there a state is gone with
// its last reader.
func gcTable(o *session) *versus.Table {
	const versions = 20
	t := &versus.Table{Ours: ours, Name: "gc", Title: "Collecting old versions, a version", Cells: []versus.Cell{versus.Cell(fmt.Sprint("versions=", versions))}}
	keys := max(10, o.accounts/10)
	t.Ops = int64(keys * (versions - 1))
	for _, c := range append([]contender{oursAs(ours, mvcc.SnapshotIsolation, mvcc.Options{})}, without(peers(), badgerMem, badgerDisk, memdbName, sqliteName, tikvName)...) {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(ctx context.Context, _ versus.Cell) (versus.Runner, error) {
				s, dir, err := openFresh(c, o.Dir)
				if err != nil {
					return nil, err
				}
				for v := range versions {
					if err := fill(ctx, s, keys, amount(int64(v))); err != nil {
						return nil, errors.Join(err, s.Close(), os.RemoveAll(dir))
					}
				}
				return &gcRunner{s, dir}, nil
			}})
	}
	return t
}

type gcRunner struct {
	store
	dir string
}

func (r *gcRunner) Run(ctx context.Context, w *versus.Work) error {
	c := w.NewClient()
	if err := r.store.(collector).Collect(ctx); err != nil {
		return err
	}
	for c.Next() { // each version is an operation
	}
	return nil
}

func (r *gcRunner) Close() error { return errors.Join(r.store.Close(), os.RemoveAll(r.dir)) }
