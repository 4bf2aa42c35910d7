package mvcc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/region"
)

// clientClock counts, and its time of day is moved by whoever sleeps.
type clientClock struct {
	mu     sync.Mutex
	last   TS
	spent  time.Duration // below a millisecond
	offset time.Duration
	calls  int
}

func newClientClock() *clientClock { return &clientClock{last: TS(1000 << 18)} }

func (c *clientClock) Now(context.Context) (TS, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.last++
	return c.last, nil
}

func (c *clientClock) Observe(ts TS) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, ts)
	return nil
}

func (c *clientClock) MaxOffset() time.Duration { return c.offset }

func (c *clientClock) peek() TS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// pass lets time go by.
func (c *clientClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spent += d
	whole := c.spent.Truncate(time.Millisecond)
	c.spent -= whole
	c.last = c.last.Add(whole)
}

func (c *clientClock) sleep(ctx context.Context, d time.Duration) error {
	c.pass(d)
	return ctx.Err()
}

// clientFault is what becomes of one request.
type clientFault int

const (
	clientFine       clientFault = iota
	clientLost                   // it never comes
	clientAnswerLost             // it is done, and nobody hears of it
	clientTwice                  // it comes again after its answer
	clientLate                   // no answer, and it comes after the next one
	clientGone                   // this and all later requests of the client are lost
	clientNumFaults
)

func (f clientFault) String() string {
	return [...]string{"fine", "lost", "answer lost", "twice", "late", "gone"}[f]
}

var errClientWire = errors.New("wire: nobody answers")

// clientWire brings requests to regions, and can be told not to.
type clientWire struct {
	local *region.Local
	// fault decides about the request of a number, from 0 on.
	fault func(n int, q region.Request) clientFault

	mu   sync.Mutex
	n    int
	gone bool
	late []func()
	log  []string
	sent []region.Request
}

func (w *clientWire) Region(ctx context.Context, key []byte) (region.Info, error) {
	return w.local.Region(ctx, key)
}

func (w *clientWire) Stale(r region.Ref, current []region.Info) { w.local.Stale(r, current) }

func (w *clientWire) Split(key []byte) error { return w.local.Split(key) }

func (w *clientWire) Send(ctx context.Context, r region.Ref, q region.Request) (any, error) {
	w.mu.Lock()
	n, fault := w.n, clientFine
	w.n++
	w.log = append(w.log, clientName(q))
	w.sent = append(w.sent, q)
	w.mu.Unlock()
	if w.fault != nil {
		fault = w.fault(n, q)
	}
	w.mu.Lock()
	w.gone = w.gone || fault == clientGone
	gone := w.gone
	due := w.late
	w.late = nil
	w.mu.Unlock()
	if gone || fault == clientLost {
		return nil, errClientWire
	}
	again := func() { _, _ = w.local.Send(context.Background(), r, q) }
	if fault == clientLate {
		w.mu.Lock()
		w.late = append(w.late, again)
		w.mu.Unlock()
		return nil, errClientWire
	}
	answer, err := w.local.Send(ctx, r, q)
	for _, f := range due {
		f()
	}
	switch fault {
	case clientAnswerLost:
		return nil, errClientWire
	case clientTwice:
		again()
	}
	return answer, err
}

// flush brings what is late.
func (w *clientWire) flush() {
	for _, f := range w.late {
		f()
	}
	w.late = nil
}

// clientName shows a request as scripts and failures do.
func clientName(q region.Request) string {
	switch q := q.(type) {
	case *region.GetRequest:
		return fmt.Sprintf("get %q", q.Keys)
	case *region.ScanRequest:
		return fmt.Sprintf("scan %q %q", q.Start, q.End)
	case *region.PrewriteRequest:
		var keys []string
		for _, m := range q.Mutations {
			keys = append(keys, string(m.Key))
		}
		return fmt.Sprintf("prewrite %q", keys)
	case *region.CommitRequest:
		return fmt.Sprintf("commit %q", q.Keys)
	case *region.RollbackRequest:
		return fmt.Sprintf("rollback %q", q.Keys)
	case *region.CheckTxnStatusRequest:
		return fmt.Sprintf("status %q", q.Primary)
	case *region.CheckSecondaryLocksRequest:
		return fmt.Sprintf("secondaries %q", q.Keys)
	case *region.ResolveLockRequest:
		return fmt.Sprintf("resolve %q", q.Keys)
	case *region.LockRequest:
		return fmt.Sprintf("lock %q", q.Keys)
	case *region.PessimisticRollbackRequest:
		return fmt.Sprintf("unlock %q", q.Keys)
	case *region.RefreshRequest:
		return fmt.Sprintf("refresh %q %q", q.Keys, q.Spans)
	}
	return fmt.Sprintf("%T", q)
}

// clientWorld is an engine with regions, and clients that each have their own wire.
type clientWorld struct {
	t      *testing.T
	clock  *clientClock
	engine *Memory
	local  *region.Local
}

func newClientWorld(t *testing.T, o region.Options, splits ...string) *clientWorld {
	w := &clientWorld{t: t, clock: newClientClock(), engine: NewMemory()}
	var keys [][]byte
	for _, s := range splits {
		keys = append(keys, []byte(s))
	}
	o.Now = w.clock.peek
	w.local = region.NewLocal(w.engine, keys, o)
	t.Cleanup(func() { require.NoError(t, w.local.Close()) })
	return w
}

// client opens a DB that does one thing after the other.
func (w *clientWorld) client(change ...func(*Options)) (*DB, *clientWire) {
	wire := &clientWire{local: w.local}
	o := Options{Transport: wire, Clock: w.clock, Serial: true, Sleep: w.clock.sleep}
	for _, f := range change {
		f(&o)
	}
	db, err := Open(&o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, db.Close()) })
	return db, wire
}

func clientTwoPhase(o *Options) { o.NoOnePC, o.NoAsyncCommit = true, true }
func clientAsync(o *Options)    { o.NoOnePC = true }

// put commits values: "a=1", or "a" to delete.
func (w *clientWorld) put(db *DB, pairs ...string) TS {
	w.t.Helper()
	t, err := db.Begin(context.Background(), TxnOptions{})
	require.NoError(w.t, err)
	clientWrite(w.t, t, pairs...)
	require.NoError(w.t, t.Commit(context.Background()))
	return t.CommitTS()
}

func clientWrite(t *testing.T, tx *Txn, pairs ...string) {
	t.Helper()
	for _, p := range pairs {
		k, v, put := clientPair(p)
		if put {
			require.NoError(t, tx.Put(k, v))
		} else {
			require.NoError(t, tx.Delete(k))
		}
	}
}

func clientPair(p string) (k, v []byte, put bool) {
	for i := range len(p) {
		if p[i] == '=' {
			return []byte(p[:i]), []byte(p[i+1:]), true
		}
	}
	return []byte(p), nil, false
}

// state reads all that is visible, as "a=1 b=2".
func (w *clientWorld) state(db *DB) string {
	w.t.Helper()
	t, err := db.Begin(context.Background(), TxnOptions{Mode: ReadOnly})
	require.NoError(w.t, err)
	defer func() { _ = t.Rollback(context.Background()) }()
	return clientScan(w.t, t, "", "", ScanOptions{})
}

func clientScan(t *testing.T, tx *Txn, lo, hi string, o ScanOptions) string {
	t.Helper()
	s := ""
	for kv, err := range tx.Scan(context.Background(), []byte(lo), []byte(hi), o) {
		require.NoError(t, err)
		if s != "" {
			s += " "
		}
		s += string(kv.Key) + "=" + string(kv.Value)
	}
	return s
}

func clientBegin(t *testing.T, db *DB, m Mode) *Txn {
	t.Helper()
	tx, err := db.Begin(context.Background(), TxnOptions{Mode: m})
	require.NoError(t, err)
	return tx
}

func clientGet(t *testing.T, tx *Txn, key string) string {
	t.Helper()
	v, err := tx.Get(context.Background(), []byte(key))
	if errors.Is(err, ErrNotFound) {
		return "-"
	}
	require.NoError(t, err)
	return string(v)
}

// clientSettled fails if any lock is left.
func (w *clientWorld) settled(rule string) {
	w.t.Helper()
	snap, err := w.engine.Snapshot(context.Background())
	require.NoError(w.t, err)
	defer snap.Close()
	it := snap.Iter(LockCF, nil, nil)
	defer it.Close()
	for ok := it.SeekGE(nil); ok; ok = it.Next() {
		key, _, _ := region.DecodeKey(nil, it.Key())
		w.t.Errorf("RULE %s: key %q is locked for ever", rule, key)
	}
}

// indexOf is where a request is in the log.
func (w *clientWire) indexOf(name string) int { return slices.Index(w.log, name) }
