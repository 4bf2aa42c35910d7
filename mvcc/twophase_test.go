package mvcc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/oracle"
	"github.com/flagship-go/flagship/mvcc/region"
)

// How each way to commit looks on the wire.
func TestWaysToCommit(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Options)
		writes string
		want   string
	}{
		{"one region", nil, "a=1 b=2", `prewrite ["a" "b"]`},
		{"two regions", nil, "a=1 b=2 m=3", `prewrite ["a" "b"]; prewrite ["m"]; commit ["a" "b"]; commit ["m"]`},
		{"two phases", clientTwoPhase, "a=1 m=3", `prewrite ["a"]; prewrite ["m"]; commit ["a"]; commit ["m"]`},
		{"two phases in one region", clientTwoPhase, "a=1 b=2", `prewrite ["a" "b"]; commit ["a" "b"]`},
		{"nothing to write", nil, "", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newClientWorld(t, region.Options{}, "m")
			change := c.change
			if change == nil {
				change = func(*Options) {}
			}
			db, wire := w.client(change)
			tx := clientBegin(t, db, SnapshotIsolation)
			clientWrite(t, tx, strings.Fields(c.writes)...)
			require.NoError(t, tx.Commit(context.Background()))
			require.Equal(t, c.want, strings.Join(wire.log, "; "))
			require.Equal(t, c.writes, w.state(db))
			require.Equal(t, c.writes == "", tx.CommitTS() == 0)
		})
	}
}

// V5: no secondary is committed before the primary is, whatever gets lost.
func TestPrimaryIsCommittedFirst(t *testing.T) {
	for _, change := range []func(*Options){clientTwoPhase, clientAsync} {
		for lost := range 12 {
			w := newClientWorld(t, region.Options{}, "m", "t")
			db, wire := w.client(change)
			primary := false
			wire.fault = func(n int, q region.Request) clientFault {
				if c, ok := q.(*region.CommitRequest); ok && !primary && string(c.Keys[0]) != "a" {
					t.Errorf("RULE V5: %q are committed, and the primary is not", c.Keys)
				} else if ok && string(c.Keys[0]) == "a" {
					primary = true
				}
				if n == lost {
					return clientLost
				}
				return clientFine
			}
			w.put(db, "a=1", "b=1", "m=1", "z=1")
			require.Equal(t, "a=1 b=1 m=1 z=1", w.state(db))
		}
	}
}

// Pitfall 26: a reader that began before the last prewrite was there must not be
// overtaken by a CommitTS below it.
func TestCommitTSIsTakenAfterTheLastPrewrite(t *testing.T) {
	w := newClientWorld(t, region.Options{}, "m")
	db, wire := w.client(clientTwoPhase)
	w.put(db, "a=1", "m=1")
	reader, _ := w.client()
	var tx *Txn
	wire.fault = func(n int, q region.Request) clientFault {
		if p, ok := q.(*region.PrewriteRequest); ok && string(p.Mutations[0].Key) == "m" {
			tx = clientBegin(t, reader, ReadOnly)
			require.Equal(t, "1", clientGet(t, tx, "m"))
		}
		return clientFine
	}
	at := w.put(db, "a=2", "m=2")
	if at <= tx.ReadTS() {
		t.Errorf("RULE V11: committed at %v; a reader at %v has seen nothing of it", at, tx.ReadTS())
	}
	require.Equal(t, "1", clientGet(t, tx, "a"), "RULE V11: the reader's snapshot changes")
	require.NoError(t, tx.Rollback(context.Background()))
}

// V11: CommitTS is above what any region answers, also one that the clock does not know of.
func TestCommitTSIsAboveEveryMinCommitTS(t *testing.T) {
	for name, change := range map[string]func(*Options){"two phases": clientTwoPhase, "async": clientAsync, "one phase": func(*Options) {}} {
		w := newClientWorld(t, region.Options{Hybrid: true}, "m")
		w.clock.offset = 100 * time.Millisecond
		db, _ := w.client(change)
		ahead := w.clock.peek().Add(50 * time.Millisecond)
		for _, r := range w.local.Regions() {
			if r.Info().Contains([]byte("z")) {
				r.RaiseReadBound(ahead)
			}
		}
		keys := []string{"a=1", "z=1"}
		if name == "one phase" {
			keys = keys[1:]
		}
		if at := w.put(db, keys...); at <= ahead {
			t.Errorf("RULE V11: %s: committed at %v, read at %v before", name, at, ahead)
		}
		if now, _ := w.clock.Now(context.Background()); now <= ahead {
			t.Errorf("RULE V11: %s: what begins next, at %v, does not see what was committed", name, now)
		}
	}
}

// lockedBy prewrites as a client that vanishes after so many requests.
func clientVanishes(w *clientWorld, after int, change func(*Options), pairs ...string) {
	gone, wire := w.client(change)
	wire.fault = func(n int, q region.Request) clientFault {
		if n >= after {
			return clientGone
		}
		return clientFine
	}
	tx := clientBegin(w.t, gone, SnapshotIsolation)
	clientWrite(w.t, tx, pairs...)
	require.Error(w.t, tx.Commit(context.Background()))
}

// V10: an async commit whose client has gone is committed if all its locks are there,
// and rolled back if one is missing, which then stays missing.
func TestAsyncCommitIsDecidedByItsLocks(t *testing.T) {
	for after, want := range []string{"a=1 m=1 z=1", "a=1 m=1 z=1", "a=1 m=1 z=1", "a=2 m=2 z=2"} {
		for _, key := range []string{"a", "m", "z"} {
			w := newClientWorld(t, region.Options{}, "m", "t")
			db, _ := w.client()
			w.put(db, "a=1", "m=1", "z=1")
			if after < 3 {
				clientVanishes(w, after, clientAsync, "a=2", "m=2", "z=2")
			} else { // gone before the second phase, which is in the background
				gone, wire := w.client(clientAsync)
				wire.fault = func(n int, q region.Request) clientFault {
					if n == 3 {
						return clientGone
					}
					return clientFine
				}
				w.put(gone, "a=2", "m=2", "z=2")
			}
			tx := clientBegin(t, db, SnapshotIsolation)
			if got := clientGet(t, tx, key); got != want[2:3] {
				t.Errorf("RULE V10: gone after %d prewrites: %s is %s, of %s", after, key, got, want)
			}
			require.NoError(t, tx.Rollback(context.Background()))
			require.Equal(t, want, w.state(db), "RULE V10: it is not so")
			w.settled("V10")
		}
	}
}

// An async commit that is told is committed, though its second phase may be late for long:
// who writes the same keys after it finds that out, and need not give way to it.
func TestNobodyGivesWayToAnAsyncCommitThatIsTold(t *testing.T) {
	w := newClientWorld(t, region.Options{}, "m", "t")
	slow, wire := w.client(clientAsync, func(o *Options) { o.LockWait = time.Millisecond })
	wire.fault = func(n int, q region.Request) clientFault {
		if n == 3 {
			return clientGone
		}
		return clientFine
	}
	w.put(slow, "a=1", "m=1", "z=1")
	db, _ := w.client(clientAsync)
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "a=2", "m=2", "z=2")
	before := w.clock.peek()
	if err := tx.Commit(context.Background()); err != nil {
		t.Fatalf("RULE V10: a commit after one that is told: %v", err)
	}
	if took := w.clock.peek().Since(before); took > 10*time.Millisecond {
		t.Errorf("RULE V10: it waited for %v", took)
	}
	require.Equal(t, "a=2 m=2 z=2", w.state(db))
	w.settled("V10")
}

// To look whether all locks are there changes nothing: one that is missing may come yet.
func TestALookLeavesAnAsyncCommitAlone(t *testing.T) {
	w := newClientWorld(t, region.Options{}, "m", "t")
	slow, wire := w.client(clientAsync)
	db, _ := w.client(func(o *Options) { o.LockWait = 50 * time.Millisecond })
	var read error
	wire.fault = func(n int, q region.Request) clientFault {
		if n == 2 {
			// Two are there, and somebody waits for one of them until it has enough of it.
			wire.fault = nil
			tx := clientBegin(t, db, SnapshotIsolation)
			_, read = tx.Get(context.Background(), []byte("a"))
			require.NoError(t, tx.Rollback(context.Background()))
		}
		return clientFine
	}
	w.put(db, "a=1", "m=1", "z=1")
	tx := clientBegin(t, slow, SnapshotIsolation)
	clientWrite(t, tx, "a=2", "m=2", "z=2")
	if err := tx.Commit(context.Background()); err != nil {
		t.Errorf("RULE V10: it was looked at, and then %v", err)
	}
	require.ErrorIs(t, read, ErrLocked)
	require.Equal(t, "a=2 m=2 z=2", w.state(db))
}

// tidb#24384: the region of the primary would not do an async commit, the others did. Who
// finds one of the others' locks must not take it for one that its secondaries decide,
// nor wait for ever.
func TestAsyncCommitFallsBackAsAWhole(t *testing.T) {
	for _, vanish := range []bool{false, true} {
		for _, key := range []string{"a", "m", "z"} {
			w := newClientWorld(t, region.Options{MaxSecondaries: 1}, "m", "t")
			db, _ := w.client()
			w.put(db, "a=1", "m=1", "z=1")
			want := "1"
			if vanish {
				clientVanishes(w, 3, clientAsync, "a=2", "m=2", "z=2")
			} else {
				other, wire := w.client(clientAsync)
				w.put(other, "a=2", "m=2", "z=2")
				require.Equal(t, []int64{0, 1}, []int64{other.Metrics().Async, other.Metrics().TwoPhase}, "RULE V10: it is not so")
				require.Less(t, wire.indexOf(`prewrite ["z"]`), wire.indexOf(`commit ["a"]`))
				want = "2"
			}
			tx := clientBegin(t, db, SnapshotIsolation)
			if got := clientGet(t, tx, key); got != want {
				t.Errorf("RULE V10: vanished %t: %s is %s, want %s", vanish, key, got, want)
			}
			require.NoError(t, tx.Rollback(context.Background()))
			w.clock.pass(time.Minute)
			w.state(db)
			w.settled("V10")
		}
	}
}

// The other way around: a secondary's region would not, and the primary's did. The
// primary's expiry alone must not make it ask the others and find them all there.
func TestOneOrdinaryLockMakesAnOrdinaryCommit(t *testing.T) {
	w := newClientWorld(t, region.Options{}, "m")
	db, _ := w.client()
	w.put(db, "a=1", "m=1")
	start, err := w.clock.Now(context.Background())
	require.NoError(t, err)
	wire := &clientWire{local: w.local}
	for _, q := range []*region.PrewriteRequest{
		{Mutations: []region.Mutation{{Kind: region.MutPut, Key: []byte("a"), Value: []byte("2")}}, AsyncCommit: true, Secondaries: [][]byte{[]byte("m")}},
		{Mutations: []region.Mutation{{Kind: region.MutPut, Key: []byte("m"), Value: []byte("2")}}},
	} {
		q.Primary, q.StartTS, q.TTL, q.TxnSize = []byte("a"), start, time.Second, 2
		info, err := wire.Region(context.Background(), q.Mutations[0].Key)
		require.NoError(t, err)
		_, err = wire.Send(context.Background(), info.Ref, q)
		require.NoError(t, err)
	}
	require.Equal(t, "a=1 m=1", w.state(db), "RULE V10: a transaction with an ordinary lock was committed by its locks")
	w.clock.pass(time.Minute)
	require.Equal(t, "a=1 m=1", w.state(db), "RULE V10: it is not so")
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "a=3", "m=3")
	require.NoError(t, tx.Commit(context.Background()), "RULE V10: it is not so")
	w.settled("V10")
}

// Pitfall 12: a secondary's lock that has expired says nothing; its primary lives.
func TestSecondaryIsNotExpiredWithoutThePrimary(t *testing.T) {
	w := newClientWorld(t, region.Options{}, "m")
	db, wire := w.client(clientTwoPhase)
	w.put(db, "a=1", "m=1")
	other, otherWire := w.client()
	otherWire.fault = func(n int, q region.Request) clientFault {
		if _, ok := q.(*region.RollbackRequest); ok {
			t.Error("RULE V7: somebody else's transaction is rolled back")
		}
		return clientFine
	}
	wire.fault = func(n int, q region.Request) clientFault {
		if c, ok := q.(*region.CommitRequest); ok && string(c.Keys[0]) == "a" {
			wire.fault = nil // the commit comes again: the reader has pushed it
			// Both locks would have expired, but the primary is prolonged.
			w.clock.pass(2500 * time.Millisecond)
			db.heartbeat(context.Background())
			w.clock.pass(2500 * time.Millisecond)
			tx := clientBegin(t, other, SnapshotIsolation)
			require.Equal(t, "1", clientGet(t, tx, "m"), "RULE V7: it is not so")
			require.NoError(t, tx.Rollback(context.Background()))
		}
		return clientFine
	}
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "a=2", "m=2")
	require.NoError(t, tx.Commit(context.Background()), "RULE V7: a transaction that was kept alive is rolled back")
	require.Equal(t, "a=2 m=2", w.state(db), "RULE V7: it is not so")
}

// V7: what is older than MaxLifetime is not prolonged.
func TestHeartbeatsEndAtMaxLifetime(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, wire := w.client(func(o *Options) { o.MaxLifetime = 10 * time.Second })
	tx := clientBegin(t, db, Pessimistic)
	_, err := tx.GetForUpdate(context.Background(), []byte("a"))
	require.NoError(t, err)
	beats := func() int {
		n := len(wire.log)
		db.heartbeat(context.Background())
		return len(wire.log) - n
	}
	require.Equal(t, 1, beats(), "RULE V7: it is not so")
	w.clock.pass(9 * time.Second)
	require.Equal(t, 1, beats(), "RULE V7: it is not so")
	w.clock.pass(time.Second)
	require.Zero(t, beats(), "RULE V7: it is not so")
	require.NoError(t, tx.Rollback(context.Background()))
	require.Zero(t, beats())
}

// V15: a commit whose decisive request has no answer is undetermined, whether it was
// done or not; and nothing of it is rolled back, or run again.
func TestUndeterminedCommit(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*Options)
		decisive func(q region.Request) bool
	}{
		{"two phases", clientTwoPhase, func(q region.Request) bool { c, ok := q.(*region.CommitRequest); return ok && string(c.Keys[0]) == "a" }},
		{"one phase", func(*Options) {}, func(q region.Request) bool { _, ok := q.(*region.PrewriteRequest); return ok }},
		{"async", clientAsync, func(q region.Request) bool {
			p, ok := q.(*region.PrewriteRequest)
			return ok && string(p.Mutations[0].Key) == "m"
		}},
	} {
		for _, done := range []bool{true, false} {
			for _, ending := range []string{"patience", "context"} {
				t.Run(fmt.Sprintf("%s/done=%t/%s", c.name, done, ending), func(t *testing.T) {
					w := newClientWorld(t, region.Options{}, "m")
					db, wire := w.client(c.change)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					decided := false
					wire.fault = func(n int, q region.Request) clientFault {
						_, rollback := q.(*region.RollbackRequest)
						if rollback {
							t.Errorf("RULE V15: %s, though it may be committed", clientName(q))
						}
						if decided || c.decisive(q) {
							decided = true
							if ending == "context" {
								cancel()
							}
							if done && c.decisive(q) {
								return clientAnswerLost
							}
							return clientLost
						}
						return clientFine
					}
					runs := 0
					err := db.Run(ctx, TxnOptions{}, func(tx *Txn) error {
						runs++
						clientWrite(t, tx, "a=1", "b=1")
						if c.name != "one phase" {
							clientWrite(t, tx, "m=1")
						}
						return nil
					})
					if !errors.Is(err, ErrUndetermined) || errors.Is(err, ErrConflict) || errors.Is(err, ErrRolledBack) {
						t.Errorf("RULE V15: the answer is %v", err)
					}
					if runs != 1 {
						t.Errorf("RULE V15: run %d times", runs)
					}
					require.EqualValues(t, 1, db.Metrics().Undetermined)
					other, _ := w.client()
					w.clock.pass(time.Minute)
					got := w.state(other)
					if want := "a=1 b=1"; done && !strings.HasPrefix(got, want) || !done && got != "" {
						t.Errorf("RULE V15: done is %t, and there is %q", done, got)
					}
					w.settled("V15")
				})
			}
		}
	}
}

// V15: before the decisive request is sent the outcome is known, whatever is lost.
func TestCommitThatDidNotComeToItsDecisionHasFailed(t *testing.T) {
	t.Run("prewrite lost", func(t *testing.T) {
		w := newClientWorld(t, region.Options{}, "m")
		db, wire := w.client(clientTwoPhase)
		wire.fault = func(n int, q region.Request) clientFault {
			if p, ok := q.(*region.PrewriteRequest); ok && string(p.Mutations[0].Key) == "m" {
				return clientAnswerLost
			}
			return clientFine
		}
		tx := clientBegin(t, db, SnapshotIsolation)
		clientWrite(t, tx, "a=1", "m=1")
		err := tx.Commit(context.Background())
		require.ErrorIs(t, err, errClientWire)
		if errors.Is(err, ErrUndetermined) {
			t.Errorf("RULE V15: nobody can have committed it: %v", err)
		}
		wire.fault = nil
		require.Empty(t, w.state(db))
		w.settled("V15")
	})
	t.Run("context over before the decision", func(t *testing.T) {
		w := newClientWorld(t, region.Options{}, "m")
		db, wire := w.client(clientTwoPhase)
		ctx, cancel := context.WithCancel(context.Background())
		wire.fault = func(n int, q region.Request) clientFault {
			if p, ok := q.(*region.PrewriteRequest); ok && string(p.Mutations[0].Key) == "m" {
				cancel()
			}
			return clientFine
		}
		tx := clientBegin(t, db, SnapshotIsolation)
		clientWrite(t, tx, "a=1", "m=1")
		err := tx.Commit(ctx)
		require.ErrorIs(t, err, context.Canceled)
		if errors.Is(err, ErrUndetermined) {
			t.Errorf("RULE V15: nothing was sent that decides: %v", err)
		}
		require.Empty(t, w.state(db))
		w.settled("V15")
	})
	t.Run("only refusals", func(t *testing.T) {
		w := newClientWorld(t, region.Options{}, "m")
		refuse := &clientRefuser{Transport: w.local, from: 1}
		db, err := Open(&Options{Transport: refuse, Clock: w.clock, Serial: true, Sleep: w.clock.sleep, NoOnePC: true, NoAsyncCommit: true})
		require.NoError(t, err)
		tx := clientBegin(t, db, SnapshotIsolation)
		clientWrite(t, tx, "a=1")
		err = tx.Commit(context.Background())
		require.Error(t, err)
		if errors.Is(err, ErrUndetermined) {
			t.Errorf("RULE V15: the region has refused each time: %v", err)
		}
		require.NoError(t, db.Close())
	})
}

// clientRefuser answers with a region.Error from some request on.
type clientRefuser struct {
	Transport
	n, from int
}

func (r *clientRefuser) Send(ctx context.Context, ref region.Ref, q region.Request) (any, error) {
	if r.n++; r.n > r.from {
		return nil, &region.Error{Region: ref, Reason: "not here"}
	}
	return r.Transport.Send(ctx, ref, q)
}

// An answer that was lost is asked for again, and is an answer: V3, V15.
func TestLostAnswersAreAskedForAgain(t *testing.T) {
	for name, change := range map[string]func(*Options){"two phases": clientTwoPhase, "async": clientAsync, "one phase": func(*Options) {}} {
		for _, fault := range []clientFault{clientLost, clientAnswerLost, clientTwice, clientLate} {
			for at := range 6 {
				w := newClientWorld(t, region.Options{}, "m", "t")
				db, wire := w.client(change)
				wire.fault = func(n int, q region.Request) clientFault {
					if n == at {
						return fault
					}
					return clientFine
				}
				tx := clientBegin(t, db, SnapshotIsolation)
				clientWrite(t, tx, "a=1", "b=1")
				if name != "one phase" {
					clientWrite(t, tx, "m=1", "z=1")
				}
				if err := tx.Commit(context.Background()); err != nil {
					t.Fatalf("RULE V3: %s, request %d %v: %v", name, at, fault, err)
				}
				wire.flush()
				if got := w.state(db); !strings.HasPrefix(got, "a=1 b=1") {
					t.Fatalf("RULE V3: %s, request %d %v: there is %q", name, at, fault, got)
				}
				w.settled("V3")
			}
		}
	}
}

// Jepsen's finding about TiDB 2.1.7: a conflict is reported, not retried behind the back
// of whoever has read.
func TestTransactionIsNotRunAgainBlindly(t *testing.T) {
	for name, change := range map[string]func(*Options){"two phases": clientTwoPhase, "async": clientAsync, "one phase": func(*Options) {}} {
		w := newClientWorld(t, region.Options{}, "m")
		db, _ := w.client(change)
		w.put(db, "a=1", "m=1")
		tx := clientBegin(t, db, SnapshotIsolation)
		require.Equal(t, "1", clientGet(t, tx, "a"))
		other := w.put(db, "a=2")
		clientWrite(t, tx, "a=1+1", "m=9")
		err := tx.Commit(context.Background())
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			t.Fatalf("RULE V15: %s: a lost update: %v", name, err)
		}
		require.Equal(t, "a", string(conflict.Key))
		require.Equal(t, other, conflict.OtherCommitTS)
		require.Equal(t, tx.StartTS(), conflict.StartTS)
		require.Equal(t, "a=2 m=1", w.state(db), "RULE V15: it is not so")
		require.ErrorIs(t, tx.Commit(context.Background()), ErrDone)
		w.settled("V15")
	}
}

// Two transactions that hold what the other wants do not wait until one times out.
func TestOptimisticCommitsDoNotWaitInACircle(t *testing.T) {
	for _, change := range []func(*Options){clientTwoPhase, clientAsync} {
		w := newClientWorld(t, region.Options{}, "m")
		db, wire := w.client(change)
		other, _ := w.client(change)
		w.put(db, "a=1", "m=1")
		first := clientBegin(t, db, SnapshotIsolation)
		var inner error
		wire.fault = func(n int, q region.Request) clientFault {
			if p, ok := q.(*region.PrewriteRequest); ok && string(p.Mutations[0].Key) == "m" {
				wire.fault = nil
				second := clientBegin(t, other, SnapshotIsolation)
				// Its first prewrite, of "m", would come first in another order.
				clientWrite(t, second, "a=3", "m=3")
				inner = second.Commit(context.Background())
			}
			return clientFine
		}
		clientWrite(t, first, "a=2", "m=2")
		before := w.clock.peek()
		if err := first.Commit(context.Background()); err != nil || !errors.Is(inner, ErrConflict) {
			t.Fatalf("RULE V9: the older one says %v, and the younger one %v", err, inner)
		}
		if took := w.clock.peek().Since(before); took > 100*time.Millisecond {
			t.Errorf("RULE V9: it took %v", took)
		}
		require.Equal(t, "a=2 m=2", w.state(db))
	}
}

// A prewrite that had no answer, however often, has not waited for a lock: the older
// transaction that it meets then is given the same time as by anybody else.
func TestWhatWasSentAgainHasNotWaitedForALock(t *testing.T) {
	w := newClientWorld(t, region.Options{}, "m")
	db, wire := w.client(clientTwoPhase)
	older := clientBegin(t, db, SnapshotIsolation)
	prewrite := &region.PrewriteRequest{
		Mutations: []region.Mutation{{Kind: region.MutPut, Key: []byte("z"), Value: []byte("1")}},
		Primary:   []byte("z"), StartTS: older.StartTS(), TTL: time.Hour, TxnSize: 1,
	}
	info, err := w.local.Region(context.Background(), []byte("z"))
	require.NoError(t, err)
	_, err = w.local.Send(context.Background(), info.Ref, prewrite)
	require.NoError(t, err)
	lost, asked := 0, 0
	wire.fault = func(n int, q region.Request) clientFault {
		switch q := q.(type) {
		case *region.PrewriteRequest:
			if string(q.Mutations[0].Key) == "z" && lost < 2*yieldAfter {
				lost++
				return clientLost
			}
		case *region.CheckTxnStatusRequest:
			if asked++; asked == 2 { // it was only slow
				_, err := w.local.Send(context.Background(), info.Ref, &region.RollbackRequest{Keys: [][]byte{[]byte("z")}, StartTS: older.StartTS()})
				require.NoError(t, err)
			}
		}
		return clientFine
	}
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "a=2", "z=2")
	if err := tx.Commit(context.Background()); err != nil {
		t.Errorf("RULE V9: after %d prewrites without an answer it gave way at once: %v", lost, err)
	}
	require.NoError(t, older.Rollback(context.Background()))
	require.Equal(t, "a=2 z=2", w.state(db))
}

// A transaction of several MiB goes in parts, and is as atomic.
func TestLargeTransaction(t *testing.T) {
	w := newClientWorld(t, region.Options{}, "k05000")
	db, wire := w.client()
	tx := clientBegin(t, db, SnapshotIsolation)
	value := make([]byte, 300)
	for i := range 10000 {
		require.NoError(t, tx.Put(fmt.Appendf(nil, "k%05d", i), value))
	}
	require.NoError(t, tx.Commit(context.Background()))
	prewrites := 0
	for _, q := range wire.sent {
		if p, ok := q.(*region.PrewriteRequest); ok {
			prewrites++
			size := 0
			for _, m := range p.Mutations {
				size += len(m.Key) + len(m.Value)
			}
			require.LessOrEqual(t, size, batchBytes+1024)
			require.Greater(t, p.TTL, db.opts.LockTTL)
		}
	}
	require.Greater(t, prewrites, 2)
	n := 0
	check := clientBegin(t, db, ReadOnly)
	for _, err := range check.Scan(context.Background(), nil, nil, ScanOptions{KeysOnly: true}) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 10000, n)
	require.NoError(t, check.Rollback(context.Background()))
	w.settled("V5")
}

// V17: regions split between any two requests of a transaction, also one that was to be
// committed in one phase.
func TestRegionsSplitUnderATransaction(t *testing.T) {
	for name, change := range map[string]func(*Options){"two phases": clientTwoPhase, "async": clientAsync, "one phase": func(*Options) {}} {
		for at := range 8 {
			w := newClientWorld(t, region.Options{})
			db, wire := w.client(change)
			wire.fault = func(n int, q region.Request) clientFault {
				if n == at {
					for _, k := range []string{"c", "b", "d"} {
						require.NoError(t, w.local.Split([]byte(k)))
					}
				}
				return clientFine
			}
			tx := clientBegin(t, db, Serializable)
			require.Empty(t, clientScan(t, tx, "", "", ScanOptions{Reverse: at%2 == 0}))
			clientWrite(t, tx, "a=1", "b=1", "c=1", "d=1")
			if err := tx.Commit(context.Background()); err != nil {
				t.Fatalf("RULE V17: %s, split at request %d: %v", name, at, err)
			}
			if got := w.state(db); got != "a=1 b=1 c=1 d=1" {
				t.Fatalf("RULE V17: %s, split at request %d: there is %q", name, at, got)
			}
			w.settled("V17")
		}
	}
}

// Retries find regions that were split after an unknown outcome: a commit in one phase is
// not done a second time in two.
func TestOnePhaseCommitAndASplit(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, wire := w.client()
	wire.fault = func(n int, q region.Request) clientFault {
		if n == 0 {
			return clientAnswerLost
		}
		if n == 1 {
			require.NoError(t, w.local.Split([]byte("b")))
		}
		return clientFine
	}
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "a=1", "b=1")
	require.NoError(t, tx.Commit(context.Background()), "RULE V3: it is not so")
	require.NotZero(t, tx.CommitTS())
	require.Equal(t, "a=1 b=1", w.state(db))
	w.settled("V3")
	require.True(t, slices.Contains(wire.log, `prewrite ["a" "b"]`))
}

// A prewrite that decides was refused for a reason that passes, and the client gave up. A
// copy of it that comes later must not commit what was said to have failed.
func TestRefusedPrewriteDoesNotCommitLater(t *testing.T) {
	for name, change := range map[string]func(*Options){"one phase": func(*Options) {}, "async": clientAsync} {
		w := newClientWorld(t, region.Options{}, "m")
		clientVanishes(w, 1, func(o *Options) { clientTwoPhase(o); o.LockTTL = time.Minute }, "a=1")
		db, wire := w.client(change, func(o *Options) { o.LockWait = time.Second })
		tx := clientBegin(t, db, SnapshotIsolation)
		clientWrite(t, tx, "a=2", "b=2")
		require.ErrorIs(t, tx.Commit(context.Background()), ErrLocked)
		other, _ := w.client()
		w.clock.pass(time.Minute)
		require.Empty(t, w.state(other))
		for _, q := range wire.sent {
			if p, ok := q.(*region.PrewriteRequest); ok {
				info, err := w.local.Region(context.Background(), p.Mutations[0].Key)
				require.NoError(t, err)
				_, _ = w.local.Send(context.Background(), info.Ref, p)
			}
		}
		if got := w.state(other); got != "" {
			t.Errorf("RULE V15: %s: Commit has failed, and there is %s", name, got)
		}
		w.clock.pass(time.Minute)
		require.Empty(t, w.state(other), "RULE V15: %s", name)
	}
}

// V17: a commit in one phase is of the whole transaction, also when its region turns out
// to be two, and the client is gone after the first.
func TestOnePhaseCommitIsOfTheWhole(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, wire := w.client()
	wire.fault = func(n int, q region.Request) clientFault {
		switch {
		case n == 0:
			require.NoError(t, w.local.Split([]byte("b")))
		case n > 1:
			return clientGone
		}
		return clientFine
	}
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "a=1", "b=1")
	err := tx.Commit(context.Background())
	other, _ := w.client()
	w.clock.pass(time.Minute)
	if got := w.state(other); got != "" {
		t.Errorf("RULE V17: half of it is committed: %s; Commit said %v", got, err)
	}
	w.settled("V17")
}

// V7: a region that does not answer holds up the heartbeats of its own transactions, and
// of no others.
func TestHeartbeatsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		local := region.NewLocal(NewMemory(), [][]byte{[]byte("m")}, region.Options{})
		defer local.Close()
		wire := &clientWire{local: local, fault: func(_ int, q region.Request) clientFault {
			if h, ok := q.(*region.HeartbeatRequest); ok && string(h.Primary) == "a" {
				return clientLost
			}
			return clientFine
		}}
		clock, err := oracle.New(nil)
		require.NoError(t, err)
		defer clock.Close()
		db, err := Open(&Options{Transport: wire, Clock: clock})
		require.NoError(t, err)
		defer db.Close()
		for _, key := range []string{"a", "z"} {
			tx := clientBegin(t, db, Pessimistic)
			defer tx.Rollback(ctx)
			_, err := tx.GetForUpdate(ctx, []byte(key))
			require.NoError(t, err)
		}
		time.Sleep(20 * time.Second)
		other, err := Open(&Options{Transport: local, Clock: clock, LockWait: time.Second})
		require.NoError(t, err)
		defer other.Close()
		tx := clientBegin(t, other, Pessimistic)
		defer tx.Rollback(ctx)
		_, err = tx.GetForUpdate(ctx, []byte("z"))
		require.ErrorIs(t, err, ErrLocked, "RULE V7: its client is alive, and its region answers")
	})
}
