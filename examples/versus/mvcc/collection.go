package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/mvcc"
)

// Old versions are collected, by call. badger does it in compactions, and go-memdb and SQLite
// have nothing to collect: there a state is gone with its last reader.
//
//	gc             all versions but the last one of each key; an operation is a version
//	gc-foreground  keys are read and written, while collection begins again whenever it
//	               has ended, and while there is none; an operation is an update

const gcVersions = 20 // of each key, in the beginning

func (o *session) gcKeys() int { return max(10, o.accounts/10) }

func gcTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Name: "gc", Title: "Collecting old versions, a version", Cells: []versus.Cell{versus.Cell(fmt.Sprint("versions=", gcVersions))}}
	t.Ops = int64(o.gcKeys() * (gcVersions - 1))
	for _, c := range collectors() {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(ctx context.Context, _ versus.Cell) (versus.Runner, error) {
				h, err := o.openHistory(ctx, c)
				return gcRunner{h}, err
			}})
	}
	return t
}

func gcForegroundTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Reference: ours + quiet, Name: "gc-foreground", Title: fmt.Sprintf("Read, modify and write one key of %d, beside collection and without", o.gcKeys()),
		Cells: []versus.Cell{"clients=1", "clients=16"}, Stretch: 2}
	t.Goals = []versus.Goal{{Metric: versus.P99, AtMost: 2, Of: ours + quiet, Cells: t.Cells}}
	for _, c := range collectors() {
		for _, name := range []string{c.name, c.name + quiet} {
			t.Contenders = append(t.Contenders, versus.Contender{Name: name, Module: c.module,
				Setup: func(ctx context.Context, _ versus.Cell) (versus.Runner, error) {
					h, err := o.openHistory(ctx, c)
					return &foreground{history: h, keys: o.gcKeys(), collects: !strings.HasSuffix(name, quiet)}, err
				}})
		}
	}
	return t
}

// quiet is what is added to a contender's name where nothing is collected.
const quiet = "-quiet"

// collectors are the contenders that can be asked to collect.
func collectors() []contender {
	return append([]contender{oursAs(ours, mvcc.SnapshotIsolation, mvcc.Options{})}, without(peers(), badgerMem, badgerDisk, memdbName, sqliteName, tikvName)...)
}

// history is a store with old versions.
type history struct {
	store
	dir string
}

func (o *session) openHistory(ctx context.Context, c contender) (history, error) {
	s, dir, err := openFresh(c, o.Dir)
	if err != nil {
		return history{}, err
	}
	for v := range gcVersions {
		if err := fill(ctx, s, o.gcKeys(), amount(int64(v))); err != nil {
			return history{}, errors.Join(err, s.Close(), os.RemoveAll(dir))
		}
	}
	return history{s, dir}, nil
}

func (h history) collect(ctx context.Context) error { return h.store.(collector).Collect(ctx) }

func (h history) Close() error { return errors.Join(h.store.Close(), os.RemoveAll(h.dir)) }

type gcRunner struct{ history }

func (r gcRunner) Run(ctx context.Context, w *versus.Work) error {
	c := w.NewClient()
	if err := r.collect(ctx); err != nil {
		return err
	}
	for c.Next() { // each version is an operation
	}
	return nil
}

type foreground struct {
	history
	keys     int
	collects bool
}

// Run updates keys, and collects all the time: latencies are those of who meets it.
func (r *foreground) Run(ctx context.Context, w *versus.Work) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	collected := make(chan error, 1)
	go func() { collected <- r.keepCollecting(working) }()
	err := w.Each(ctx, w.Cell.Int("clients", 1), func(ctx context.Context, c *versus.Client) error {
		start := time.Now()
		_, err := addTo(ctx, r.store, accountKey(c.Rand.IntN(r.keys)), 1)
		c.Record(time.Since(start))
		return err
	})
	stop()
	return errors.Join(err, <-collected)
}

// keepCollecting begins a collection whenever one has ended, until there is no more work;
// the last one comes to its end.
func (r *foreground) keepCollecting(working context.Context) error {
	for r.collects {
		if err := r.collect(context.WithoutCancel(working)); err != nil {
			return fmt.Errorf("collecting: %w", err)
		}
		if working.Err() != nil {
			break
		}
	}
	return nil
}
