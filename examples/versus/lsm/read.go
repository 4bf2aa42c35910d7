package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/internal/versus"
)

// One goroutine reads a store that was filled in random order, flushed and
// settled, then closed and opened; all of it has been read once, so that what
// can be cached is.
//
//	readrandom   keys that are there, copied into memory of the caller's
//	readmissing  keys that are not
//	seek10       seek, then ten keys and values, with one iterator
//	newiter      the same with a new iterator each time
//	scan         all keys and values in order; an operation is a key

const (
	readrandom  = versus.Cell("op=readrandom")
	readmissing = versus.Cell("op=readmissing")
	seek10      = versus.Cell("op=seek10")
	newiter     = versus.Cell("op=newiter10")
	scan        = versus.Cell("op=scan")
)

func readTable(o *session, name string, d data) *versus.Table {
	t := &versus.Table{
		Ours: ours,
		Name: name, Cells: []versus.Cell{readrandom, readmissing, seek10, newiter, scan},
		Title: title("Reads, one goroutine, all cached", d),
		Goals: []versus.Goal{
			cpu(0.7, pebbleName, readrandom), cpu(0.5, pebbleName, readmissing),
			cpu(1, pebbleName, seek10, newiter), cpu(1.2, pebbleName, scan),
		},
	}
	base := newBases(o, name, d)
	for _, c := range contenders() {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(context.Context, versus.Cell) (versus.Runner, error) {
				dir, err := base.dir(c)
				if err != nil {
					return nil, err
				}
				s, err := c.open(dir, usual)
				if err != nil {
					return nil, err
				}
				r := &readRunner{runner: runner{store: s}, data: d}
				if err := r.warm(); err != nil {
					return nil, errors.Join(err, s.Close())
				}
				settle(o.Quick, afterOpening)
				return r, nil
			}})
	}
	return t
}

func title(what string, d data) string {
	return fmt.Sprintf("%s: %d keys of 16 B, values of %d B", what, d.keys, d.value)
}

type readRunner struct {
	runner
	data data
	sink int
}

// warm reads everything once, and some of it key by key.
func (r *readRunner) warm() error {
	it, err := r.NewIter()
	if err != nil {
		return err
	}
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		r.sink += len(it.Value())
		n++
	}
	if err := it.Close(); err != nil {
		return err
	}
	if n != r.data.keys {
		return fmt.Errorf("the store has %d keys, not %d", n, r.data.keys)
	}
	var k, v []byte
	for i := range r.data.keys / 10 {
		k = keyOf(k, uint64(i))
		if v, _, err = r.Get(v[:0], k); err != nil {
			return err
		}
	}
	return nil
}

func (r *readRunner) Run(ctx context.Context, w *versus.Work) error {
	var err error
	switch w.Cell {
	case readrandom:
		err = r.gets(w, 0, true)
	case readmissing:
		err = r.gets(w, uint64(r.data.keys), false)
	case seek10, newiter:
		err = r.seeks(w)
	default:
		err = r.scan(w)
	}
	if err != nil {
		return err
	}
	return ctx.Err()
}

func (r *readRunner) gets(w *versus.Work, first uint64, want bool) error {
	c := w.NewClient()
	var k, v []byte
	for c.Next() {
		k = keyOf(k, first+c.Rand.Uint64N(uint64(r.data.keys)))
		var found bool
		var err error
		if v, found, err = r.Get(v[:0], k); err != nil {
			return err
		}
		if found != want {
			return fmt.Errorf("key %s: found is %v", k, found)
		}
	}
	return nil
}

func (r *readRunner) seeks(w *versus.Work) error {
	c := w.NewClient()
	it, err := r.NewIter()
	if err != nil {
		return err
	}
	var k []byte
	for c.Next() {
		k = keyOf(k, c.Rand.Uint64N(uint64(r.data.keys)))
		if w.Cell == newiter {
			if err := it.Close(); err != nil {
				return err
			}
			if it, err = r.NewIter(); err != nil {
				return err
			}
		}
		ok := it.Seek(k)
		for i := 0; ok && i < 10; i++ {
			r.sink += len(it.Key()) + len(it.Value())
			ok = it.Next()
		}
	}
	return it.Close()
}

func (r *readRunner) scan(w *versus.Work) error {
	c := w.NewClient()
	it, err := r.NewIter()
	if err != nil {
		return err
	}
	for ok := false; c.Next(); {
		if ok {
			ok = it.Next()
		}
		if !ok {
			ok = it.First()
		}
		r.sink += len(it.Key()) + len(it.Value())
	}
	return it.Close()
}

func (r *readRunner) Close() error { return r.close() }
