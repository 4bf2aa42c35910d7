package main

import (
	"context"

	"github.com/flagship-go/flagship/internal/versus"
)

// One goroutine writes, unsynced. An operation is a key.
//
//	fillrandom  keys in random order, one by one, into an empty store
//	overwrite   the same into a store that has them all
//	batch       fillrandom in batches of 1000

const (
	fillrandom = versus.Cell("op=fillrandom")
	overwrite  = versus.Cell("op=overwrite")
	fillbatch  = versus.Cell("op=batch1000")
)

func writeTable(o *session, name string, d data) *versus.Table {
	t := &versus.Table{
		Ours: ours,
		Name: name, Ops: int64(d.keys), Cells: []versus.Cell{fillrandom, overwrite, fillbatch},
		Title: title("Writes, one goroutine, not synced", d),
		Goals: []versus.Goal{cpu(1, pebbleName, fillrandom, overwrite, fillbatch)},
	}
	base := newBases(o, name, d)
	// bbolt rewrites pages where they are: it takes a minute for each sample.
	for _, c := range named(ours, pebbleName, badgerName, goleveldb) {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
				r := &writeRunner{data: d}
				var err error
				if cell == overwrite {
					if r.remove, err = base.copy(c); err == nil {
						r.store, err = c.open(r.remove, usual)
					}
				} else {
					r.store, r.remove, err = openFresh(c, o.Dir, usual)
				}
				return r, err
			}})
	}
	return t
}

type writeRunner struct {
	runner
	data data
}

func (r *writeRunner) Run(ctx context.Context, w *versus.Work) error {
	var err error
	if w.Cell == fillbatch {
		err = r.batches(w)
	} else {
		err = r.puts(w)
	}
	if err != nil {
		return err
	}
	return ctx.Err()
}

func (r *writeRunner) puts(w *versus.Work) error {
	c := w.NewClient()
	var k []byte
	for n := uint64(0); c.Next(); n++ {
		k = keyOf(k, n)
		if err := r.Put(k, valueOf(n, r.data.value)); err != nil {
			return err
		}
	}
	return nil
}

func (r *writeRunner) batches(w *versus.Work) error {
	c := w.NewClient()
	b := r.NewBatch()
	var k []byte
	for n := uint64(0); c.Next(); n++ {
		k = keyOf(k, n)
		if err := b.Put(k, valueOf(n, r.data.value)); err != nil {
			return err
		}
		if n%1000 == 999 {
			if err := b.Apply(); err != nil {
				return err
			}
		}
	}
	return b.Apply()
}

func (r *writeRunner) Close() error {
	if err := verify(r.store, r.data); err != nil {
		_ = r.close()
		return err
	}
	return r.close()
}
