package ranges

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
)

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t testing.TB, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// within is a context that ends well before the test's patience does.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

type world struct {
	*Cluster
	t  testing.TB
	o  Options
	db *mvcc.DB
}

// start opens a cluster in a directory of the test's.
func start(t testing.TB, o Options) *world {
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Tick == 0 {
		o.Tick = 20 * time.Millisecond
	}
	if os.Getenv("TXNKV_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	w := &world{t: t, o: o}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	c, err := Open(within(w.t, time.Minute), w.o)
	require.NoError(w.t, err)
	db, err := mvcc.Open(&mvcc.Options{Transport: c, Clock: c.Clock(), LockTTL: 500 * time.Millisecond, LockWait: 20 * time.Second})
	require.NoError(w.t, err)
	w.Cluster, w.db = c, db
}

func (w *world) close() {
	require.NoError(w.t, w.db.Close())
	require.NoError(w.t, w.Cluster.Close())
}

func (w *world) run(f func(ctx context.Context, t *mvcc.Txn) error) {
	w.t.Helper()
	ctx := within(w.t, time.Minute)
	require.NoError(w.t, w.db.Run(ctx, mvcc.TxnOptions{}, func(t *mvcc.Txn) error { return f(ctx, t) }))
}

func (w *world) put(pairs ...string) {
	w.t.Helper()
	w.run(func(_ context.Context, t *mvcc.Txn) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := t.Put([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) get(key string) (value string) {
	w.t.Helper()
	w.run(func(ctx context.Context, t *mvcc.Txn) error {
		v, err := t.Get(ctx, []byte(key))
		value = string(v)
		return err
	})
	return value
}

// holder returns the node that serves the range of a key, waiting for one.
func (w *world) holder(key string) (id uint64, n *Node) {
	w.t.Helper()
	for ctx := within(w.t, time.Minute); ; {
		info, err := w.Region(ctx, []byte(key))
		require.NoError(w.t, err)
		for _, n := range w.nodes() {
			if r := n.replica(info.ID); r != nil && r.region() != nil && r.region().Info().Contains([]byte(key)) {
				return info.ID, n
			}
		}
		w.Stale(info.Ref, nil)
		require.NoError(w.t, pause(ctx, 5*time.Millisecond), "nobody serves key %q", key)
	}
}

var clocks = []string{"tso", "hlc"}

func forClocks(t *testing.T, f func(t *testing.T, o Options)) {
	for _, c := range clocks {
		t.Run("clock="+c, func(t *testing.T) { f(t, Options{Clock: c}) })
	}
}
