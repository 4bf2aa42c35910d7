package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/mvcc"
)

// One goroutine reads a store that was filled before, once for all samples.
//
//	get   a key of many versions: the latest, with a snapshot for each, and the one in the
//	      middle, at a snapshot that has been open since then
//	scan  all keys in order; an operation is a key

func getTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Name: "get", Title: "One key of many versions"}
	for _, versions := range []int{1, 10, 1000} {
		for _, at := range []string{"latest", "middle"} {
			t.Cells = append(t.Cells, versus.Cell(fmt.Sprintf("versions=%d/at=%s", versions, at)))
		}
	}
	t.Goals = []versus.Goal{cpu(0.6, badgerMem, t.Cells[0])}
	o.reads(t, without(peers(), tikvName), func(r *readRunner, w *versus.Work) error { return r.gets(w) })
	return t
}

// getShortTable is get where the store that client-go is tested with can take part: it
// decodes all versions of a key.
func getShortTable(o *session) *versus.Table {
	t := getTable(o)
	t.Name, t.Title, t.Cells, t.Goals, t.Contenders = "get-short", "One key of few versions, with client-go", t.Cells[:4], nil, nil
	t.Goals = []versus.Goal{cpu(0.1, tikvName, t.Cells...)}
	peers := without(peers(), badgerMem, badgerDisk, etcdName, memdbName, sqliteName)
	o.reads(t, peers, func(r *readRunner, w *versus.Work) error { return r.gets(w) })
	return t
}

func scanTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Name: "scan", Title: fmt.Sprintf("All of %d keys in order, a key", o.accounts), Cells: []versus.Cell{"versions=1"}}
	t.Goals = []versus.Goal{cpu(0.25, badgerMem, t.Cells...)}
	o.reads(t, peers(), func(r *readRunner, w *versus.Work) error { return r.scans(w) })
	return t
}

// base is a store that has been filled, and a snapshot of it from when half of the
// versions were there.
type base struct {
	store
	middle snapshot
	dir    string
	keys   int
}

// bases are closed together.
type bases map[string]*base

func (b bases) close() error {
	var errs []error
	for _, s := range b {
		errs = append(errs, s.middle.Close(), s.Close(), os.RemoveAll(s.dir))
	}
	clear(b)
	return errors.Join(errs...)
}

func (o *session) base(ctx context.Context, c contender, versions int) (*base, error) {
	key := fmt.Sprint(c.name, "/", versions)
	if b := o.bases[key]; b != nil {
		return b, nil
	}
	s, dir, err := openFresh(c, o.Dir)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // the snapshot is there for later samples too
	b := &base{store: s, dir: dir, keys: max(10, min(o.accounts, 10*o.accounts/versions))}
	for v := 1; v <= versions; v++ {
		if err = fill(ctx, s, b.keys, amount(int64(v))); err != nil {
			break
		}
		if v == (versions+1)/2 {
			if b.middle, err = s.Snapshot(ctx); err != nil {
				break
			}
		}
	}
	if err != nil {
		if b.middle != nil {
			err = errors.Join(err, b.middle.Close())
		}
		return nil, errors.Join(err, s.Close(), os.RemoveAll(dir))
	}
	o.bases[key] = b
	return b, nil
}

type readRunner struct {
	*base
	versions int
	run      func(r *readRunner, w *versus.Work) error
}

func (o *session) reads(t *versus.Table, peers []contender, run func(*readRunner, *versus.Work) error) {
	for _, c := range append([]contender{oursAs(ours, mvcc.SnapshotIsolation, mvcc.Options{})}, peers...) {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
				versions := cell.Int("versions", 1)
				b, err := o.base(ctx, c, versions)
				return &readRunner{b, versions, run}, err
			}})
	}
}

func (r *readRunner) Run(_ context.Context, w *versus.Work) error { return r.run(r, w) }

// Close leaves the base to the next sample.
func (r *readRunner) Close() error { return nil }

func (r *readRunner) gets(w *versus.Work) error {
	c, ctx := w.NewClient(), context.Background()
	want, latest := int64(r.versions), w.Cell.Get("at") == "latest"
	if !latest {
		want = int64(r.versions+1) / 2
	}
	for c.Next() {
		key := accountKey(c.Rand.IntN(r.keys))
		snap := r.middle
		if latest {
			var err error
			if snap, err = r.Snapshot(ctx); err != nil {
				return err
			}
		}
		v, err := snap.Get(key)
		if err != nil {
			return err
		}
		if n, err := amountOf(v); err != nil || n != want {
			return fmt.Errorf("key %s has version %d, not %d: %w", key, n, want, err)
		}
		if latest {
			if err := snap.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

var errEnough = errors.New("enough")

func (r *readRunner) scans(w *versus.Work) error {
	c, ctx := w.NewClient(), context.Background()
	sum := int64(0)
	for {
		snap, err := r.Snapshot(ctx)
		if err != nil {
			return err
		}
		rows := 0
		err = snap.Scan([]byte("account/"), []byte("account0"), func(_, v []byte) error {
			if !c.Next() {
				return errEnough
			}
			rows++
			sum += int64(v[len(v)-1])
			return nil
		})
		switch cerr := snap.Close(); {
		case errors.Is(err, errEnough):
			return cerr
		case err != nil || cerr != nil:
			return errors.Join(err, cerr)
		case rows != r.keys:
			return fmt.Errorf("%d keys of %d", rows, r.keys)
		}
	}
}

// ownGoals judges what many versions cost, by what one does.
func ownGoals(out io.Writer, report *versus.Report) {
	one, ok := report.Value("versions=1/at=latest", ours, versus.CPUPerOp)
	if !ok || one == 0 {
		return
	}
	for _, g := range []struct {
		cell  versus.Cell
		limit float64
	}{{"versions=1000/at=latest", 1.3}, {"versions=1000/at=middle", 1.5}} {
		if v, ok := report.Value(g.cell, ours, versus.CPUPerOp); ok {
			fmt.Fprintf(out, "* **%s**: <= %gx CPU/op of its own with one version at %s (%.2fx)\n", verdict(v/one <= g.limit), g.limit, g.cell, v/one)
		}
	}
	fmt.Fprintln(out)
}
