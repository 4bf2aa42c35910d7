package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/hlc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

func TestOptionsThatCannotWork(t *testing.T) {
	for _, c := range []struct {
		o    Options
		says string
	}{
		{Options{LockTTL: -1}, "Options.LockTTL is -1ns"},
		{Options{LockTTL: time.Millisecond}, "Options.LockTTL is 1ms"},
		{Options{MaxLifetime: time.Second}, "Options.MaxLifetime is 1s, less than LockTTL 3s"},
		{Options{GCKeep: -time.Second}, "Options.GCKeep is -1s"},
		{Options{Concurrency: -1}, "Options.Concurrency is -1"},
		{Options{SplitKeys: [][]byte{[]byte("b"), []byte("a")}}, `Options.SplitKeys[1] is "a"`},
		{Options{SplitKeys: [][]byte{{}}}, `Options.SplitKeys[0] is ""`},
		{Options{Engine: NewMemory(), Transport: region.NewLocal(NewMemory(), nil, region.Options{})}, "not both"},
	} {
		_, err := Open(&c.o)
		require.ErrorContains(t, err, c.says)
	}
}

func TestBadInput(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	at := w.put(db, "a=1")
	for _, mode := range []Mode{SnapshotIsolation, Serializable, Pessimistic} {
		tx := clientBegin(t, db, mode)
		long := bytes.Repeat([]byte("k"), region.MaxKeySize+1)
		for _, c := range []struct {
			key  []byte
			want error
		}{{nil, ErrKey}, {[]byte{}, ErrKey}, {long, ErrTooLarge}} {
			_, err := tx.Get(ctx, c.key)
			require.ErrorIs(t, err, c.want)
			_, err = tx.BatchGet(ctx, []byte("a"), c.key)
			require.ErrorIs(t, err, c.want)
			_, err = tx.GetForUpdate(ctx, []byte("a"), c.key)
			require.ErrorIs(t, err, c.want)
			require.ErrorIs(t, tx.Put(c.key, nil), c.want)
			require.ErrorIs(t, tx.Insert(c.key, nil), c.want)
			require.ErrorIs(t, tx.Delete(c.key), c.want)
		}
		require.ErrorIs(t, tx.Put([]byte("a"), make([]byte, region.MaxValueSize+1)), ErrTooLarge)
		require.Empty(t, clientScan(t, tx, "b", "a", ScanOptions{}))
		require.NoError(t, tx.Commit(ctx))
	}
	longest := bytes.Repeat([]byte("k"), region.MaxKeySize)
	require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error { return tx.Put(longest, make([]byte, region.MaxValueSize)) }))
	tx := clientBegin(t, db, ReadOnly)
	v, err := tx.Get(ctx, longest)
	require.NoError(t, err)
	require.Len(t, v, region.MaxValueSize)
	for kv, err := range tx.Scan(ctx, []byte("b"), nil, ScanOptions{Reverse: true}) {
		require.NoError(t, err)
		require.Equal(t, longest, kv.Key)
	}
	require.NoError(t, tx.Rollback(ctx))

	for _, c := range []struct {
		o    TxnOptions
		want error
		says string
	}{
		{TxnOptions{Mode: ReadOnly, ReadTS: timestamp.Max}, ErrFuture, "max"},
		{TxnOptions{Mode: ReadOnly, ReadTS: w.clock.peek() + 1000}, ErrFuture, "reading at"},
		{TxnOptions{Mode: SnapshotIsolation, ReadTS: at}, nil, "only a read-only one reads in the past"},
		{TxnOptions{Mode: 17}, nil, "there is no mode 17"},
	} {
		_, err := db.Begin(ctx, c.o)
		require.ErrorContains(t, err, c.says)
		if c.want != nil {
			require.ErrorIs(t, err, c.want)
		}
	}
	require.Zero(t, db.Metrics().Active)
}

// A transaction that is over says so, whatever is asked.
func TestTransactionThatIsOver(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	w.put(db, "a=1")
	for _, end := range []func(tx *Txn) error{
		func(tx *Txn) error { return tx.Commit(ctx) },
		func(tx *Txn) error { return tx.Rollback(ctx) },
	} {
		for _, mode := range []Mode{SnapshotIsolation, Serializable, Pessimistic, ReadOnly} {
			tx := clientBegin(t, db, mode)
			s := tx.Savepoint()
			require.NoError(t, end(tx))
			_, err := tx.Get(ctx, []byte("a"))
			require.ErrorIs(t, err, ErrDone)
			_, err = tx.BatchGet(ctx)
			require.ErrorIs(t, err, ErrDone)
			_, err = tx.GetForUpdate(ctx)
			require.ErrorIs(t, err, ErrDone)
			n := 0
			for _, err := range tx.Scan(ctx, nil, nil, ScanOptions{}) {
				require.ErrorIs(t, err, ErrDone)
				n++
			}
			require.Equal(t, 1, n)
			require.ErrorIs(t, tx.Put([]byte("a"), nil), ErrDone)
			require.ErrorIs(t, tx.RollbackTo(s), ErrDone)
			require.ErrorIs(t, tx.Commit(ctx), ErrDone)
			require.ErrorIs(t, tx.Rollback(ctx), ErrDone)
		}
	}
	// Also in the middle of a scan.
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "b=1")
	var last error
	for _, err := range tx.Scan(ctx, nil, nil, ScanOptions{}) {
		last = err
		if err == nil {
			require.NoError(t, tx.Rollback(ctx))
		}
	}
	require.ErrorIs(t, last, ErrDone)
}

func TestReadOnly(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	var at []TS
	for i := range 4 {
		at = append(at, w.put(db, fmt.Sprintf("a=%d", i)))
	}
	for i, ts := range at {
		tx, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: ts})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), clientGet(t, tx, "a"), "RULE V1: it is not so")
		require.ErrorIs(t, tx.Put([]byte("a"), nil), ErrReadOnly)
		_, err = tx.GetForUpdate(ctx, []byte("a"))
		require.ErrorIs(t, err, ErrReadOnly)
		require.NoError(t, tx.Commit(ctx))
		require.Zero(t, tx.CommitTS())
	}
}

// The fix for write skew under snapshot isolation: read for update.
func TestGetForUpdateConflictsLikeAWrite(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{}, "m")
	db, _ := w.client()
	w.put(db, "a=1", "z=1")
	one, two := clientBegin(t, db, SnapshotIsolation), clientBegin(t, db, SnapshotIsolation)
	for _, tx := range []*Txn{one, two} {
		v, err := tx.GetForUpdate(ctx, []byte("z"), []byte("a"), []byte("none"))
		require.NoError(t, err)
		require.Equal(t, [][]byte{[]byte("1"), []byte("1"), nil}, v)
	}
	clientWrite(t, one, "a=0")
	clientWrite(t, two, "z=0")
	require.NoError(t, one.Commit(ctx))
	require.ErrorIs(t, two.Commit(ctx), ErrConflict)
	w.settled("V4")
}

// Pessimistic transactions of many goroutines wait for each other, and none fails.
func TestPessimisticTransactionsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db, err := Open(&Options{SplitKeys: [][]byte{[]byte("b")}})
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
			return errors.Join(tx.Put([]byte("a"), []byte{0}), tx.Put([]byte("c"), []byte{0}))
		}))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				tx, err := db.Begin(ctx, TxnOptions{Mode: Pessimistic})
				if err != nil {
					t.Error(err)
					return
				}
				v, err := tx.GetForUpdate(ctx, []byte("c"), []byte("a"))
				if err == nil {
					time.Sleep(time.Millisecond)
					err = errors.Join(tx.Put([]byte("a"), []byte{v[1][0] + 1}), tx.Put([]byte("c"), []byte{v[0][0] + 1}))
				}
				if err == nil {
					err = tx.Commit(ctx)
				}
				if err != nil {
					t.Errorf("RULE V8: %v", err)
				}
			})
		}
		wg.Wait()
		tx := clientBegin(t, db, ReadOnly)
		require.Equal(t, string([]byte{20}), clientGet(t, tx, "a"), "RULE V8: it is not so")
		require.Equal(t, string([]byte{20}), clientGet(t, tx, "c"), "RULE V8: it is not so")
		require.NoError(t, tx.Rollback(ctx))
	})
}

// V9: a circle over two regions is found at once, and Run runs its victim again.
func TestDeadlockIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db, err := Open(&Options{SplitKeys: [][]byte{[]byte("b")}})
		require.NoError(t, err)
		defer db.Close()
		start := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		deadlocks := 0
		for _, order := range [][2]string{{"a", "c"}, {"c", "a"}} {
			wg.Go(func() {
				err := db.Run(ctx, TxnOptions{Mode: Pessimistic}, func(tx *Txn) error {
					for _, k := range order {
						if _, err := tx.GetForUpdate(ctx, []byte(k)); err != nil {
							if errors.Is(err, ErrDeadlock) {
								mu.Lock()
								deadlocks++
								mu.Unlock()
							}
							return fmt.Errorf("lock %s: %w", k, err)
						}
						time.Sleep(10 * time.Millisecond)
					}
					return tx.Put([]byte("a"), []byte(order[0]))
				})
				if err != nil {
					t.Errorf("RULE V9: %v", err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, deadlocks, "RULE V9: it is not so")
		require.Less(t, time.Since(start), time.Second, "RULE V9: it is not so")
		require.EqualValues(t, 1, db.Metrics().Retries)
	})
}

// A client that vanished with pessimistic locks keeps others waiting until they
// expire, and no longer; one that is alive keeps them for as long as it takes, by
// heartbeats in the background.
func TestLocksOfTheDeadAndTheLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e := NewMemory()
		local := region.NewLocal(e, nil, region.Options{})
		defer local.Close()
		wire := &clientWire{local: local}
		clock := hlc.New(&hlc.Options{MaxOffset: time.Millisecond})
		open := func(tr Transport) *DB {
			db, err := Open(&Options{Transport: tr, Clock: clock})
			require.NoError(t, err)
			return db
		}
		owner, db := open(wire), open(local)
		defer db.Close()
		defer owner.Close()
		tx := clientBegin(t, owner, Pessimistic)
		_, err := tx.GetForUpdate(ctx, []byte("a"))
		require.NoError(t, err)

		start := time.Now()
		other := clientBegin(t, db, Pessimistic)
		_, err = other.GetForUpdate(ctx, []byte("a"))
		require.ErrorIs(t, err, ErrLocked, "RULE V7: the owner lives")
		locked, _ := errors.AsType[*LockedError](err)
		require.Equal(t, tx.StartTS(), locked.Locks[0].StartTS)
		require.InDelta(t, 10, time.Since(start).Seconds(), 1.5, "RULE V7: LockWait")

		wire.fault = func(int, region.Request) clientFault { return clientGone }
		start = time.Now()
		_, err = other.GetForUpdate(ctx, []byte("a"))
		require.NoError(t, err, "RULE V7: it is not so")
		require.Less(t, time.Since(start), 4*time.Second+200*time.Millisecond, "RULE V7: it is not so")
		clientWrite(t, other, "a=1")
		require.NoError(t, other.Commit(ctx))

		wire.mu.Lock()
		wire.fault, wire.gone = nil, false
		wire.mu.Unlock()
		clientWrite(t, tx, "a=2")
		err = tx.Commit(ctx)
		if !errors.Is(err, ErrRolledBack) && !errors.Is(err, ErrConflict) {
			t.Errorf("RULE V8: it lost its lock, and committed: %v", err)
		}
	})
}

// Rollback gives pessimistic locks back at once, those too of a call that failed.
func TestRollbackGivesLocksBack(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{}, "m")
	for _, fault := range []clientFault{clientFine, clientAnswerLost} {
		db, wire := w.client(func(o *Options) { o.LockWait = time.Second })
		tx := clientBegin(t, db, Pessimistic)
		_, err := tx.GetForUpdate(ctx, []byte("a"), []byte("z"))
		require.NoError(t, err)
		wire.fault = func(n int, q region.Request) clientFault {
			if _, ok := q.(*region.LockRequest); ok {
				return fault
			}
			return clientFine
		}
		_, err = tx.GetForUpdate(ctx, []byte("b"))
		require.Equal(t, fault != clientFine, err != nil)
		require.NoError(t, tx.Rollback(ctx))
		w.settled("V8")

		// The first lock of all is in doubt: nothing must point to it.
		tx = clientBegin(t, db, Pessimistic)
		_, err = tx.GetForUpdate(ctx, []byte("c"))
		if fault != clientFine {
			require.Error(t, err)
			require.Error(t, tx.Put([]byte("d"), nil))
			require.Error(t, tx.Commit(ctx))
			require.ErrorIs(t, tx.Rollback(ctx), ErrDone)
		} else {
			require.NoError(t, err)
			require.NoError(t, tx.Commit(ctx), "locks alone leave nothing")
		}
		w.settled("V8")
		require.Empty(t, w.state(db))
	}
}

// Locked keys show what was read with the lock, and commit does not lose what was only locked.
func TestPessimisticValues(t *testing.T) {
	ctx := context.Background()
	for _, change := range []func(*Options){func(*Options) {}, clientAsync, clientTwoPhase} {
		w := newClientWorld(t, region.Options{}, "m")
		db, _ := w.client(change)
		w.put(db, "a=1", "b=1", "z=1")
		tx := clientBegin(t, db, Pessimistic)
		w.put(db, "a=2", "z")
		v, err := tx.GetForUpdate(ctx, []byte("z"), []byte("a"))
		require.NoError(t, err)
		require.Equal(t, [][]byte{nil, []byte("2")}, v, "RULE V8: the latest")
		require.Equal(t, "a=2 b=1", clientScan(t, tx, "", "", ScanOptions{}))
		s := tx.Savepoint()
		clientWrite(t, tx, "a=3")
		require.ErrorIs(t, tx.Insert([]byte("a"), nil), ErrExists)
		require.NoError(t, tx.Insert([]byte("z"), []byte("4")))
		require.NoError(t, tx.RollbackTo(s))
		require.Equal(t, "a=2 b=1", clientScan(t, tx, "", "", ScanOptions{Reverse: false}))
		require.ErrorIs(t, tx.Insert([]byte("a"), nil), ErrExists)
		require.NoError(t, tx.Insert([]byte("z"), []byte("5")))
		require.NoError(t, tx.Commit(ctx))
		require.Equal(t, "a=2 b=1 z=5", w.state(db))
		w.settled("V8")
	}
}

// Run begins anew after a conflict, and returns what else went wrong.
func TestRun(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	w.put(db, "n=0")
	runs := 0
	require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
		v := clientGet(t, tx, "n")
		if runs++; runs < 4 {
			w.put(db, fmt.Sprintf("n=%d", 10*runs))
		}
		return tx.Put([]byte("n"), []byte(v+"!"))
	}))
	require.Equal(t, 4, runs)
	require.Equal(t, "n=30!", w.state(db), "RULE V15: each run reads anew")

	mine := errors.New("mine")
	require.ErrorIs(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
		clientWrite(t, tx, "n=lost")
		return mine
	}), mine)
	require.Equal(t, "n=30!", w.state(db))
	require.Panics(t, func() {
		_ = db.Run(ctx, TxnOptions{}, func(*Txn) error { panic("f") })
	})
	require.Zero(t, db.Metrics().Active, "a panic leaves no transaction behind")

	ended, cancel := context.WithCancel(ctx)
	runs = 0
	err := db.Run(ended, TxnOptions{}, func(tx *Txn) error {
		clientGet(t, tx, "n")
		if runs++; runs == 3 {
			cancel()
		}
		w.put(db, fmt.Sprintf("n=%d", runs))
		return tx.Put([]byte("n"), nil)
	})
	require.Error(t, err)
	require.Equal(t, 3, runs)
	require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error { return tx.Rollback(ctx) }), "it may roll back itself")
}

// Close waits for secondaries, ends what runs in the background, and leaves nothing.
func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e := NewMemory()
		w := &clientWorld{t: t, engine: e}
		db, err := Open(&Options{Engine: e, SplitKeys: [][]byte{[]byte("m")}, GCEvery: time.Second, NoAsyncCommit: true})
		require.NoError(t, err)
		tx := clientBegin(t, db, SnapshotIsolation)
		clientWrite(t, tx, "a=1", "z=1")
		require.NoError(t, tx.Commit(ctx))
		open := clientBegin(t, db, Pessimistic)
		_, err = open.GetForUpdate(ctx, []byte("q"))
		require.NoError(t, err)
		waiting := make(chan error)
		go func() {
			tx := clientBegin(t, db, Pessimistic)
			_, err := tx.GetForUpdate(ctx, []byte("q"))
			waiting <- err
		}()
		synctest.Wait()
		require.NoError(t, db.Close())
		require.Error(t, <-waiting)
		require.NoError(t, db.Close(), "a second time")
		_, err = open.Get(ctx, []byte("a"))
		require.ErrorIs(t, err, ErrClosed)
		require.Error(t, open.Commit(ctx))
		_, err = db.Begin(ctx, TxnOptions{})
		require.ErrorIs(t, err, ErrClosed)
		_, err = db.Collect(ctx, 0)
		require.ErrorIs(t, err, ErrClosed)

		// What was committed has its secondaries; the open one's lock expires.
		time.Sleep(time.Minute)
		db, err = Open(&Options{Engine: e})
		require.NoError(t, err)
		require.Equal(t, "a=1 z=1", w.state(db))
		_, err = db.Collect(ctx, timestamp.Of(time.Now()))
		require.NoError(t, err)
		w.settled("V16")
		require.NoError(t, db.Close())
	})
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

// Regions are asked at the same time, by no more goroutines than Concurrency.
func TestRegionsAreAskedAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		local := region.NewLocal(NewMemory(), [][]byte{[]byte("b"), []byte("c"), []byte("d"), []byte("e"), []byte("f")}, region.Options{})
		slow := &clientSlow{Transport: local}
		db, err := Open(&Options{Transport: slow, Concurrency: 3})
		require.NoError(t, err)
		keys := [][]byte{[]byte("f"), []byte("a"), []byte("e"), []byte("b"), []byte("d"), []byte("c")}
		start := time.Now()
		require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
			for _, k := range keys {
				if err := tx.Put(k, k); err != nil {
					return err
				}
			}
			return nil
		}))
		require.Equal(t, 2*time.Second, time.Since(start), "6 prewrites of 1 s, 3 at a time")
		time.Sleep(time.Minute) // for the second phase
		slow.mu.Lock()
		slow.most = 0
		slow.mu.Unlock()
		start = time.Now()
		tx := clientBegin(t, db, ReadOnly)
		values, err := tx.BatchGet(ctx, keys...)
		require.NoError(t, err)
		require.Equal(t, keys, values)
		require.Equal(t, 2*time.Second, time.Since(start), "6 reads of 1 s, 3 at a time")
		require.NoError(t, tx.Rollback(ctx))
		require.Equal(t, 3, slow.most)
		require.NoError(t, db.Close())
		require.NoError(t, local.Close())
	})
}

// clientSlow takes a second for each request.
type clientSlow struct {
	Transport
	mu        sync.Mutex
	now, most int
}

func (s *clientSlow) Send(ctx context.Context, r region.Ref, q region.Request) (any, error) {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	time.Sleep(time.Second)
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	return s.Transport.Send(ctx, r, q)
}

func TestSplit(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	require.NoError(t, db.Split(ctx, []byte("m")))
	require.ErrorIs(t, db.Split(ctx, nil), ErrKey)
	w.put(db, "a=1", "z=1")
	require.Equal(t, "a=1 z=1", w.state(db))
	require.EqualValues(t, 1, db.Metrics().Async)
	other, err := Open(&Options{Transport: &clientSlow{Transport: w.local}, Clock: w.clock, Serial: true})
	require.NoError(t, err)
	require.ErrorContains(t, other.Split(ctx, []byte("q")), "clientSlow")
	require.NoError(t, other.Close())
}

// Writes and scans from many goroutines, under the race detector.
func TestManyClients(t *testing.T) {
	ctx := context.Background()
	db, err := Open(&Options{SplitKeys: [][]byte{[]byte("k3"), []byte("k6")}})
	require.NoError(t, err)
	const keys, clients, rounds = 9, 8, 30
	key := func(i int) []byte { return fmt.Appendf(nil, "k%d", i) }
	require.NoError(t, db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
		for i := range keys {
			if err := tx.Put(key(i), []byte("5")); err != nil {
				return err
			}
		}
		return nil
	}))
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range rounds {
				mode := Mode((c + i) % 3)
				err := db.Run(ctx, TxnOptions{Mode: mode}, func(tx *Txn) error {
					a, b := key((c*7+i)%keys), key((c+i*5+1)%keys)
					if bytes.Equal(a, b) {
						return nil
					}
					get := tx.BatchGet
					if mode == Pessimistic {
						get = tx.GetForUpdate
					}
					v, err := get(ctx, a, b)
					if err != nil {
						return err
					}
					return errors.Join(tx.Put(a, v[1]), tx.Put(b, v[0]))
				})
				if err != nil {
					t.Error(err)
				}
				tx, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly})
				if err != nil {
					t.Error(err)
					return
				}
				n := 0
				for kv, err := range tx.Scan(ctx, nil, nil, ScanOptions{Reverse: i%2 == 0}) {
					if err != nil || string(kv.Value) != "5" {
						t.Error(err, kv)
					}
					n++
				}
				if n != keys {
					t.Errorf("RULE V5: %d keys", n)
				}
				_ = tx.Rollback(ctx)
			}
		})
	}
	wg.Wait()
	m := db.Metrics()
	require.Zero(t, m.Active)
	require.Equal(t, m.Committed, m.OnePhase+m.Async+m.TwoPhase)
	require.NoError(t, db.Close())
}

func TestErrorsSayWhatWhereAndWhatToDo(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	tx := clientBegin(t, db, SnapshotIsolation)
	w.clock.pass(3 * time.Second)
	at := w.put(db, "bob=1")
	w.clock.pass(2 * time.Second)
	clientWrite(t, tx, "bob=2")
	err := tx.Commit(ctx)
	for _, part := range []string{tx.StartTS().String(), `"bob"`, "was written since", at.String(), "2s ago", "run it again"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// A snapshot of the future would drive every later commit there.
func TestReadTSThatNoClockGaveOut(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	for _, at := range []TS{timestamp.Max, timestamp.Max - 1, w.clock.peek() + 1000} {
		tx, err := db.Begin(context.Background(), TxnOptions{Mode: ReadOnly, ReadTS: at})
		if !errors.Is(err, ErrFuture) {
			t.Errorf("RULE V11: a snapshot of %v: %v", at, err)
			require.NoError(t, tx.Rollback(context.Background()))
		}
	}
}

// V7: TTLs count from StartTS; who has only read for an hour still gets the whole of it.
func TestSlowTransactionHasItsWholeTTL(t *testing.T) {
	ctx := context.Background()
	for _, mode := range []Mode{SnapshotIsolation, Pessimistic} {
		w := newClientWorld(t, region.Options{}, "m")
		db, wire := w.client(clientTwoPhase)
		other, _ := w.client()
		w.put(db, "a=1", "z=1")
		tx := clientBegin(t, db, mode)
		w.clock.pass(30 * time.Minute)
		meet := func() {
			w.clock.pass(2 * time.Second)
			reader := clientBegin(t, other, SnapshotIsolation)
			require.Equal(t, "1", clientGet(t, reader, "z"))
			require.NoError(t, reader.Rollback(ctx))
			if mode == Pessimistic {
				blocked, _ := w.client(func(o *Options) { o.LockWait = time.Millisecond })
				writer := clientBegin(t, blocked, SnapshotIsolation)
				clientWrite(t, writer, "z=9")
				require.ErrorIs(t, writer.Commit(ctx), ErrLocked, "RULE V7: it is not so")
			}
		}
		if mode == Pessimistic {
			_, err := tx.GetForUpdate(ctx, []byte("z"), []byte("a"))
			require.NoError(t, err)
			meet()
		}
		clientWrite(t, tx, "a=2", "z=2")
		wire.fault = func(n int, q region.Request) clientFault {
			if _, ok := q.(*region.CommitRequest); ok {
				wire.fault = nil
				meet()
			}
			return clientFine
		}
		if err := tx.Commit(ctx); err != nil {
			t.Errorf("RULE V7: a %v is rolled back 2 s after it has locked: %v", tx, err)
		}
	}
}

// LockWait is how long one request is sent again, and not how long a scan may take whose
// regions stumble now and then.
func TestScanIsPatientWithEachPage(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, wire := w.client(func(o *Options) { o.LockWait = 10 * time.Millisecond })
	const rows = 3000
	pairs := make([]string, rows)
	for i := range pairs {
		pairs[i] = fmt.Sprintf("%04d=x", i)
	}
	w.put(db, pairs...)
	scans := 0
	wire.fault = func(_ int, q region.Request) clientFault {
		if _, ok := q.(*region.ScanRequest); ok {
			if scans++; scans%6 != 0 { // five tries that take 3 ms at most, and one that succeeds
				return clientLost
			}
		}
		return clientFine
	}
	tx := clientBegin(t, db, ReadOnly)
	n := 0
	for _, err := range tx.Scan(context.Background(), nil, nil, ScanOptions{}) {
		require.NoError(t, err, "RULE V17: after %d rows and %d requests", n, scans)
		n++
	}
	require.Equal(t, rows, n)
	require.NoError(t, tx.Rollback(context.Background()))
}

// LockWait is of a request: a region that is silent for a while, twice, has answered in
// between.
func TestEachRequestOfABatchHasItsOwnPatience(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	const wait = 5 * time.Second
	db, wire := w.client(func(o *Options) { o.LockWait = wait })
	keys := make([][]byte, batchKeys+10)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "k%05d", i)
	}
	var silent time.Duration
	asked := map[string]TS{}
	wire.fault = func(n int, q region.Request) clientFault {
		get, ok := q.(*region.GetRequest)
		if !ok {
			return clientFine
		}
		first := string(get.Keys[0])
		if _, ok := asked[first]; !ok {
			asked[first] = w.clock.peek()
		}
		if since := w.clock.peek().Since(asked[first]); since < wait*6/10 {
			return clientLost
		}
		silent += w.clock.peek().Since(asked[first])
		return clientFine
	}
	tx := clientBegin(t, db, SnapshotIsolation)
	_, err := tx.BatchGet(context.Background(), keys...)
	if err != nil || silent < wait {
		t.Errorf("RULE V17: two requests without an answer for %v in all, of which each may take %v: %v", silent, wait, err)
	}
	require.Len(t, asked, 2)
	require.NoError(t, tx.Rollback(context.Background()))
}
