package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/versus"
)

// Writers that each put one key of 100 B at a time into a store that syncs, and
// wait until it is durable. Every store is a new one.

func durableTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Name: "durable", Title: "Durable writes: keys of 16 B, values of 100 B"}
	for _, writers := range []int{1, 16, 64} {
		t.Cells = append(t.Cells, versus.Cell(fmt.Sprintf("writers=%d", writers)))
	}
	t.Goals = []versus.Goal{rate(1, goleveldb, t.Cells...), rate(1, pebbleName, t.Cells...)}
	durable := usual
	durable.sync = true
	for _, c := range contenders() {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(context.Context, versus.Cell) (versus.Runner, error) {
				s, dir, err := openFresh(c, o.Dir, durable)
				return &durableRunner{runner: runner{store: s, remove: dir}}, err
			}})
	}
	return t
}

type durableRunner struct {
	runner
	next atomic.Uint64
}

func (r *durableRunner) Run(ctx context.Context, w *versus.Work) error {
	return w.Each(ctx, w.Cell.Int("writers", 1), func(context.Context, *versus.Client) error {
		n := r.next.Add(1)
		return r.Put(keyOf(nil, n), valueOf(n, 100))
	})
}

func (r *durableRunner) Close() error { return r.close() }
