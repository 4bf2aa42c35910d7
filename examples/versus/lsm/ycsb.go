package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/versus"
)

// The mixes of YCSB (Cooper et al., "Benchmarking cloud serving systems with
// YCSB", SoCC 2010), four goroutines, not synced. Keys are drawn with a zipfian
// distribution, in D those written last most often.
//
//	A  half reads, half updates         D  19 reads to an insert
//	B  19 reads to an update            E  19 scans of 1 to 100 keys to an insert
//	C  reads                            F  half reads, half read-modify-writes
//
// A contender's store goes through the cells and rounds in turn, and keeps what
// is written. As E is asked of a store in use, a fifth of the number of keys is
// updated before each of its samples.

func ycsbTable(o *session, d data) *versus.Table {
	cell := func(name string) versus.Cell { return versus.Cell("workload=" + name) }
	t := &versus.Table{
		Ours: ours,
		Name: "ycsb", Title: title("YCSB, four goroutines, not synced", d),
		Goals: []versus.Goal{
			rate(1, pebbleName, cell("A"), cell("D"), cell("F")), rate(1.2, pebbleName, cell("C")),
			rate(4, pebbleName, cell("E")), rate(1, badgerName, cell("E")),
		},
	}
	for _, name := range []string{"A", "B", "C", "D", "E", "F"} {
		t.Cells = append(t.Cells, cell(name))
	}
	base := newBases(o, t.Name, d)
	z := newZipf(d.keys)
	for _, c := range contenders() {
		shared := &ycsbStore{data: d, zipf: z}
		shared.count.Store(uint64(d.keys))
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
				dir, err := base.dir(c)
				if err != nil {
					return nil, err
				}
				s, err := c.open(dir, usual)
				if err != nil {
					return nil, err
				}
				r := &ycsbRunner{runner: runner{store: s}, ycsbStore: shared}
				if cell.Get("workload") == "E" {
					err = r.prepare()
				}
				return r, err
			}})
	}
	return t
}

// ycsbStore is what a contender's samples share.
type ycsbStore struct {
	data  data
	zipf  *zipf
	count atomic.Uint64 // keys that were written
}

type ycsbRunner struct {
	runner
	*ycsbStore
}

// prepare updates keys as A does.
func (r *ycsbRunner) prepare() error {
	w := &versus.Work{}
	c := w.NewClient()
	var k []byte
	for range r.data.keys / 5 {
		k = r.drawn(k, c)
		if err := r.Put(k, valueOf(c.Rand.Uint64(), r.data.value)); err != nil {
			return err
		}
	}
	return nil
}

// ycsbClient is the memory of a goroutine.
type ycsbClient struct{ k, v []byte }

func (r *ycsbRunner) Run(ctx context.Context, w *versus.Work) error {
	clients := make([]ycsbClient, 4)
	op := r.ops()[w.Cell.Get("workload")]
	return w.Each(ctx, len(clients), func(_ context.Context, c *versus.Client) error {
		return op(c, &clients[c.ID])
	})
}

type ycsbOp = func(*versus.Client, *ycsbClient) error

func (r *ycsbRunner) ops() map[string]ycsbOp {
	mix := func(percent int, often, seldom ycsbOp) ycsbOp {
		return func(c *versus.Client, m *ycsbClient) error {
			if c.Rand.IntN(100) < percent {
				return often(c, m)
			}
			return seldom(c, m)
		}
	}
	return map[string]ycsbOp{
		"A": mix(50, r.read, r.update), "B": mix(95, r.read, r.update), "C": r.read,
		"D": mix(95, r.readLatest, r.insert), "E": mix(95, r.scan, r.insert), "F": mix(50, r.read, r.modify),
	}
}

// drawn is a key of the zipfian distribution; keyOf scatters the frequent ones.
func (r *ycsbRunner) drawn(k []byte, c *versus.Client) []byte { return keyOf(k, r.zipf.rank(c.Rand)) }

func (r *ycsbRunner) read(c *versus.Client, m *ycsbClient) error {
	m.k = r.drawn(m.k, c)
	return r.get(m)
}

func (r *ycsbRunner) get(m *ycsbClient) (err error) {
	var found bool
	if m.v, found, err = r.Get(m.v[:0], m.k); err == nil && !found {
		err = fmt.Errorf("key %s is lost", m.k)
	}
	return err
}

func (r *ycsbRunner) update(c *versus.Client, m *ycsbClient) error {
	m.k = r.drawn(m.k, c)
	return r.Put(m.k, valueOf(c.Rand.Uint64(), r.data.value))
}

func (r *ycsbRunner) modify(c *versus.Client, m *ycsbClient) error {
	if err := r.read(c, m); err != nil {
		return err
	}
	return r.Put(m.k, valueOf(c.Rand.Uint64(), r.data.value))
}

// readLatest reads one of the keys written last; those that another goroutine is
// just writing may be missing.
func (r *ycsbRunner) readLatest(c *versus.Client, m *ycsbClient) (err error) {
	m.k = keyOf(m.k, r.count.Load()-1-r.zipf.rank(c.Rand))
	m.v, _, err = r.Get(m.v[:0], m.k)
	return err
}

func (r *ycsbRunner) insert(_ *versus.Client, m *ycsbClient) error {
	n := r.count.Add(1) - 1
	m.k = keyOf(m.k, n)
	return r.Put(m.k, valueOf(n, r.data.value))
}

func (r *ycsbRunner) scan(c *versus.Client, m *ycsbClient) error {
	m.k = r.drawn(m.k, c)
	it, err := r.NewIter()
	if err != nil {
		return err
	}
	n := 1 + c.Rand.IntN(100)
	for ok := it.Seek(m.k); ok && n > 0; ok = it.Next() {
		m.v = append(m.v[:0], it.Value()...)
		n--
	}
	return it.Close()
}

func (r *ycsbRunner) Close() error { return r.close() }
