package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	theirs "github.com/cockroachdb/cockroachdb-parser/pkg/util/hlc"

	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/mvcc/hlc"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// clockTable sets package hlc beside CockroachDB's clock, from the module of its parser.
// Both check the offset, and read the computer's clock.
//
//	now     a timestamp
//	behind  timestamps of somebody else's are observed that are below one's own
//	ahead   ones that are above; of either, an operation is a burst of them, as the loop
//	        around an operation takes as long as one does
const burst = 64

func clockTable() *versus.Table {
	t := &versus.Table{Ours: ours, Name: "clock", Title: fmt.Sprintf("Hybrid logical clocks: a timestamp now, %d from others behind and ahead", burst),
		Cells: []versus.Cell{"op=now/clients=1", "op=now/clients=16", "op=behind/clients=1", "op=ahead/clients=1"}}
	t.Goals = []versus.Goal{cpu(0.85, "cockroach", t.Cells[:2]...), cpu(0.45, "cockroach", t.Cells[2]), cpu(0.35, "cockroach", t.Cells[3])}
	t.Contenders = []versus.Contender{
		{Name: ours, Module: oursModule, Setup: func(context.Context, versus.Cell) (versus.Runner, error) {
			return oursClock{hlc.New(nil)}, nil
		}},
		{Name: "cockroach", Module: "github.com/cockroachdb/cockroachdb-parser", Setup: func(context.Context, versus.Cell) (versus.Runner, error) {
			return theirClock{theirs.NewClockWithSystemTimeSource(500*time.Millisecond, 400*time.Millisecond, theirs.PanicLogger)}, nil
		}},
	}
	return t
}

type oursClock struct{ c *hlc.Clock }

func (r oursClock) Run(ctx context.Context, w *versus.Work) error {
	if w.Cell.Get("op") == "now" {
		return w.Each(ctx, w.Cell.Int("clients", 1), func(ctx context.Context, _ *versus.Client) error {
			_, err := r.c.Now(ctx)
			return err
		})
	}
	ts, err := r.c.Now(ctx)
	if err != nil {
		return err
	}
	step := timestamp.TS(1)
	if w.Cell.Get("op") == "behind" {
		step, ts = 0, ts-1
	}
	for c := w.NewClient(); c.Next(); {
		for range burst {
			ts += step
			if err := r.c.Observe(ts); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r oursClock) Close() error { return r.c.Close() }

type theirClock struct{ c *theirs.Clock }

func (r theirClock) Run(ctx context.Context, w *versus.Work) error {
	if w.Cell.Get("op") == "now" {
		return w.Each(ctx, w.Cell.Int("clients", 1), func(context.Context, *versus.Client) error {
			if r.c.Now().IsEmpty() {
				return errors.New("no timestamp")
			}
			return nil
		})
	}
	ts, step := r.c.NowAsClockTimestamp(), int32(1)
	if w.Cell.Get("op") == "behind" {
		ts.WallTime, step = ts.WallTime-1, 0
	}
	for c := w.NewClient(); c.Next(); {
		for range burst {
			ts.Logical += step
			r.c.Update(ts)
		}
	}
	return nil
}

func (r theirClock) Close() error { return nil }
