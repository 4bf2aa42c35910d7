package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/mvcc"
)

// Workloads of short transactions; an operation is one that was committed, with all
// attempts that it took.
//
//	update  one key is read and written
//	mixed   of twenty operations one is an update, the others read a key
//	bank    an amount goes from one account to another; at the end of each sample the
//	        accounts add up to what they did at the beginning

func updateTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Name: "update", Title: fmt.Sprintf("Read, modify and write one key of %d", o.accounts),
		Cells: []versus.Cell{"clients=1", "clients=16"}}
	all := append([]contender{oursAs(ours, mvcc.SnapshotIsolation, mvcc.Options{}), oursAs(ours2PC, mvcc.SnapshotIsolation, twoPhases)}, peers()...)
	t.Goals = []versus.Goal{cpu(0.6, badgerMem, t.Cells...), cpu(0.1, tikvName, t.Cells...)}
	o.transactions(t, all, func(r *runner, c *versus.Client, ctx context.Context) error {
		return r.add(ctx, c.Rand.IntN(r.keys), 1)
	})
	return t
}

// update2Table is update with ours in two phases, and the goal for it.
func update2Table(o *session) *versus.Table {
	t := updateTable(o)
	t.Ours, t.Name, t.Title = ours2PC, "update-2pc", t.Title+", and ours in two phases"
	t.Goals = []versus.Goal{cpu(1, badgerMem, t.Cells...), cpu(0.1, tikvName, t.Cells...)}
	t.Contenders = t.Contenders[1:]
	return t
}

func mixedTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Name: "mixed", Title: fmt.Sprintf("One key of %d: 95 %% reads, 5 %% updates", o.accounts),
		Cells: []versus.Cell{"clients=16"}}
	t.Goals = []versus.Goal{cpu(0.7, badgerMem, t.Cells...)}
	all := append([]contender{oursAs(ours, mvcc.SnapshotIsolation, mvcc.Options{})}, peers()...)
	o.transactions(t, all, func(r *runner, c *versus.Client, ctx context.Context) error {
		n := c.Rand.IntN(r.keys)
		if c.Rand.IntN(20) == 0 {
			return r.add(ctx, n, 1)
		}
		return readOne(ctx, r.store, accountKey(n))
	})
	return t
}

func readOne(ctx context.Context, s store, key []byte) error {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	v, err := snap.Get(key)
	if err == nil && v == nil {
		err = fmt.Errorf("key %q has no value", key)
	}
	return errors.Join(err, snap.Close())
}

// bankTable has much room, or little.
func bankTable(o *session) *versus.Table {
	wide, narrow := versus.Cell(fmt.Sprintf("accounts=%d/clients=16", o.accounts)), versus.Cell("accounts=16/clients=64")
	t := &versus.Table{Ours: ours, Name: "bank", Title: "An amount goes from one account to another",
		Cells: []versus.Cell{wide, narrow}}
	t.Goals = []versus.Goal{cpu(0.8, badgerMem, wide)}
	all := append([]contender{oursAs(ours, mvcc.SnapshotIsolation, mvcc.Options{}), oursAs(oursSerial, mvcc.Serializable, mvcc.Options{})}, peers()...)
	o.transactions(t, all, transfer(false))
	return t
}

// contendedTable is bank where transactions lock the accounts before they look: both in
// one request, or one by one as they are drawn.
func contendedTable(o *session) *versus.Table {
	cell := versus.Cell("accounts=16/clients=64")
	t := &versus.Table{Ours: oursLock, Name: "contended", Title: "An amount goes from one account of few to another; ours locks them first",
		Cells: []versus.Cell{cell}, Goals: []versus.Goal{cpu(0.35, badgerMem, cell)}}
	lock := oursAs(oursLock, mvcc.Pessimistic, mvcc.Options{})
	each := oursAs(oursLockEach, mvcc.Pessimistic, mvcc.Options{})
	o.transactions(t, append([]contender{lock}, without(peers(), badgerDisk)...), transfer(false))
	o.transactions(t, []contender{each}, transfer(true))
	return t
}

// serialTable is bank where ours is serializable, as badger's is.
func serialTable(o *session) *versus.Table {
	cell := versus.Cell("accounts=16/clients=64")
	t := &versus.Table{Ours: oursSerial, Name: "serializable", Title: "An amount goes from one account of few to another; serializable",
		Cells: []versus.Cell{cell}, Goals: []versus.Goal{cpu(0.5, badgerMem, cell)}}
	all := []contender{oursAs(oursSerial, mvcc.Serializable, mvcc.Options{})}
	o.transactions(t, append(all, without(peers(), badgerDisk, tikvName)...), transfer(false))
	return t
}

// transfer is one operation of a bank.
func transfer(lockEach bool) operation {
	return func(r *runner, c *versus.Client, ctx context.Context) error {
		from, to := two(c.Rand, r.keys)
		return r.update(ctx, func(tx tx) error {
			a, b, err := balances(tx, accountKey(from), accountKey(to), lockEach)
			if err != nil {
				return err
			}
			return errors.Join(tx.Put(accountKey(from), amount(a-1)), tx.Put(accountKey(to), amount(b+1)))
		})
	}
}

// two draws two accounts.
func two(rng *rand.Rand, n int) (from, to int) {
	from, to = rng.IntN(n), rng.IntN(n-1)
	if to >= from {
		to++
	}
	return from, to
}

// balances reads two accounts, and locks them where that is possible.
func balances(tx tx, from, to []byte, lockEach bool) (a, b int64, err error) {
	var values [2][]byte
	l, locks := tx.(locker)
	switch {
	case locks && lockEach:
		for i, k := range [][]byte{from, to} {
			v, err := l.Lock(k)
			if err != nil {
				return 0, 0, err
			}
			values[i] = v[0]
		}
	case locks:
		v, err := l.Lock(from, to)
		if err != nil {
			return 0, 0, err
		}
		values = [2][]byte(v)
	default:
		for i, k := range [][]byte{from, to} {
			if values[i], err = tx.Get(k); err != nil {
				return 0, 0, err
			}
		}
	}
	a, err1 := amountOf(values[0])
	b, err2 := amountOf(values[1])
	return a, b, errors.Join(err1, err2)
}

// operation is one of a client's.
type operation func(r *runner, c *versus.Client, ctx context.Context) error

// runner is a sample: a store with accounts.
type runner struct {
	store
	dir       string
	keys      int
	op        operation
	balanced  bool // operations leave the total as it is
	conflicts atomic.Int64
	done      atomic.Int64
	log       func(done, conflicts int64)
}

// opening is what each account has in the beginning.
const opening = 1000

// transactions adds contenders that do operations on a store of their own for each
// sample.
func (o *session) transactions(t *versus.Table, all []contender, op operation) {
	for _, c := range all {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
				s, dir, err := openFresh(c, o.Dir)
				if err != nil {
					return nil, err
				}
				r := &runner{store: s, dir: dir, keys: cell.Int("accounts", o.accounts), op: op, balanced: cell.Get("accounts") != ""}
				r.log = func(done, conflicts int64) { o.attempts.add(t.Name, cell, c.name, done, conflicts) }
				if err := fill(ctx, s, r.keys, amount(opening)); err != nil {
					return nil, errors.Join(err, r.Close())
				}
				return r, nil
			}})
	}
}

func (r *runner) Run(ctx context.Context, w *versus.Work) error {
	err := w.Each(ctx, w.Cell.Int("clients", 1), func(ctx context.Context, c *versus.Client) error {
		r.done.Add(1)
		return r.op(r, c, ctx)
	})
	r.log(r.done.Load(), r.conflicts.Load())
	return err
}

// Close looks whether everything is there.
func (r *runner) Close() error {
	sum, err := total(context.Background(), r.store)
	if err == nil && r.balanced && sum != int64(r.keys)*opening {
		err = fmt.Errorf("%d accounts of %d add up to %d", r.keys, opening, sum)
	}
	return errors.Join(err, r.store.Close(), os.RemoveAll(r.dir))
}

func (r *runner) update(ctx context.Context, fn func(tx) error) error {
	n, err := r.Update(ctx, fn)
	r.conflicts.Add(int64(n))
	return err
}

func (r *runner) add(ctx context.Context, n int, by int64) error {
	conflicts, err := addTo(ctx, r.store, accountKey(n), by)
	r.conflicts.Add(int64(conflicts))
	return err
}

// addTo reads the amount of a key, and writes another.
func addTo(ctx context.Context, s store, key []byte, by int64) (conflicts int, err error) {
	return s.Update(ctx, func(tx tx) error {
		v, err := tx.Get(key)
		if err != nil {
			return err
		}
		now, err := amountOf(v)
		if err != nil {
			return err
		}
		return tx.Put(key, amount(now+by))
	})
}

// attempts counts what had to be done again.
type attempts struct {
	mu    sync.Mutex
	order []string
	of    map[string]*[2]int64
}

func (a *attempts) add(table string, cell versus.Cell, name string, done, conflicts int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := fmt.Sprintf("| %s | %s | %s |", table, cell, name)
	if a.of == nil {
		a.of = map[string]*[2]int64{}
	}
	if a.of[key] == nil {
		a.of[key] = new([2]int64)
		a.order = append(a.order, key)
	}
	a.of[key][0] += done
	a.of[key][1] += conflicts
}

// write writes those of which at least one attempt in a thousand failed.
func (a *attempts) write(out io.Writer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.order) == 0 {
		return
	}
	fmt.Fprint(out, "### Attempts that met a conflict\n\n| table | cell | contender | of all attempts |\n| --- | --- | --- | ---: |\n")
	for _, key := range a.order {
		done, conflicts := a.of[key][0], a.of[key][1]
		if share := 100 * float64(conflicts) / float64(max(1, done+conflicts)); share >= 0.1 {
			fmt.Fprintf(out, "%s %.1f %% |\n", key, share)
		}
	}
	fmt.Fprintln(out, "\nNot named: below 0.1 %. Of all samples, also those that warm up.")
}
