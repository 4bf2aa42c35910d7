package mvcc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/region"
)

// V13: what each kind of read protects. The other transaction is committed between the
// read and the commit; snapshot isolation lets it pass.
func TestSerializableTransactionConflictsWithWhatItRead(t *testing.T) {
	ctx := context.Background()
	scan := func(lo, hi string, o ScanOptions) func(*testing.T, *Txn) {
		return func(t *testing.T, tx *Txn) { clientScan(t, tx, lo, hi, o) }
	}
	for _, c := range []struct {
		name     string
		read     func(t *testing.T, tx *Txn)
		other    string
		conflict bool
	}{
		{"key", func(t *testing.T, tx *Txn) { clientGet(t, tx, "b") }, "b=2", true},
		{"key deleted", func(t *testing.T, tx *Txn) { clientGet(t, tx, "b") }, "b", true},
		{"another key", func(t *testing.T, tx *Txn) { clientGet(t, tx, "b") }, "c=2", false},
		{"absent key", func(t *testing.T, tx *Txn) { clientGet(t, tx, "bb") }, "bb=2", true},
		{"batch", func(t *testing.T, tx *Txn) { _, _ = tx.BatchGet(ctx, []byte("p"), []byte("bb")) }, "bb=2", true},
		{"range", scan("b", "f", ScanOptions{}), "d=2", true},
		{"phantom in a range", scan("b", "f", ScanOptions{}), "cc=2", true},
		{"phantom in an empty range", scan("x", "", ScanOptions{}), "y=2", true},
		{"phantom in the next region", scan("b", "z", ScanOptions{}), "q=2", true},
		{"beside a range", scan("b", "d", ScanOptions{}), "d=2", false},
		{"range backwards", scan("b", "f", ScanOptions{Reverse: true}), "cc=2", true},
		{"what a limit left out", scan("a", "", ScanOptions{Limit: 2}), "c=2", false},
		{"phantom within a limit", scan("a", "", ScanOptions{Limit: 2}), "aa=2", true},
		{"what a limit left out, backwards", scan("a", "f", ScanOptions{Limit: 1, Reverse: true}), "b=2", false},
		{"phantom within a limit, backwards", scan("a", "f", ScanOptions{Limit: 1, Reverse: true}), "ee=2", true},
		{"what a loop did not come to", func(t *testing.T, tx *Txn) {
			for kv := range tx.Scan(ctx, nil, nil, ScanOptions{}) {
				if string(kv.Key) == "b" {
					break
				}
			}
		}, "d=2", false},
		{"keys only", scan("b", "f", ScanOptions{KeysOnly: true}), "cc=2", true},
		{"locked", func(t *testing.T, tx *Txn) { _, _ = tx.GetForUpdate(ctx, []byte("b")) }, "b=2", true},
		{"nothing", func(t *testing.T, tx *Txn) {}, "b=2", false},
	} {
		for name, change := range map[string]func(*Options){"1pc": func(*Options) {}, "2pc": clientTwoPhase} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				w := newClientWorld(t, region.Options{}, "m")
				db, _ := w.client(change)
				w.put(db, "a=1", "b=1", "c=1", "d=1", "e=1", "p=1")
				tx := clientBegin(t, db, Serializable)
				c.read(t, tx)
				w.put(db, c.other)
				clientWrite(t, tx, "w=1")
				err := tx.Commit(ctx)
				if got := errors.Is(err, ErrConflict); got != c.conflict || err != nil && !got {
					t.Errorf("RULE V13: conflict is %t, want %t: %v", got, c.conflict, err)
				}
				w.settled("V13")

				si := clientBegin(t, db, SnapshotIsolation)
				if c.name != "locked" {
					c.read(t, si)
				}
				w.put(db, c.other)
				clientWrite(t, si, "w=2")
				require.NoError(t, si.Commit(ctx), "snapshot isolation looks at writes alone")
			})
		}
	}
}

// Write skew: each reads what the other writes. One of them has to go.
func TestWriteSkew(t *testing.T) {
	ctx := context.Background()
	for _, m := range []Mode{SnapshotIsolation, Serializable} {
		w := newClientWorld(t, region.Options{}, "m")
		db, _ := w.client()
		w.put(db, "a=1", "z=1")
		one, two := clientBegin(t, db, m), clientBegin(t, db, m)
		clientGet(t, one, "z")
		clientGet(t, two, "a")
		clientWrite(t, one, "a=0")
		clientWrite(t, two, "z=0")
		require.NoError(t, one.Commit(ctx))
		err := two.Commit(ctx)
		if m == Serializable && !errors.Is(err, ErrConflict) {
			t.Errorf("RULE V13: both are committed: %v", err)
		}
		if m == SnapshotIsolation {
			require.NoError(t, err)
		}
	}
}

// Write skew with the two commits interleaved at each of their requests: a lock in the
// read set is pushed above the reader's CommitTS, and the other has to commit later, or is found there.
func TestWriteSkewAtEveryStep(t *testing.T) {
	ctx := context.Background()
	for at := range 6 {
		w := newClientWorld(t, region.Options{}, "m")
		db, wire := w.client(clientTwoPhase)
		other, _ := w.client(clientTwoPhase)
		w.put(db, "a=1", "z=1")
		one, two := clientBegin(t, db, Serializable), clientBegin(t, other, Serializable)
		clientGet(t, one, "z")
		clientGet(t, two, "a")
		clientWrite(t, one, "a=0")
		clientWrite(t, two, "z=0")
		var second error
		ran := false
		base := wire.n
		wire.fault = func(n int, q region.Request) clientFault {
			if n-base == at && !ran {
				ran = true
				second = two.Commit(ctx)
			}
			return clientFine
		}
		first := one.Commit(ctx)
		if !ran {
			second = two.Commit(ctx)
		}
		if first == nil && second == nil {
			t.Errorf("RULE V13: step %d: both are committed", at)
		}
		for _, err := range []error{first, second} {
			if err != nil && !errors.Is(err, ErrConflict) {
				t.Errorf("RULE V13: step %d: %v", at, err)
			}
		}
		if first != nil && second != nil {
			t.Errorf("RULE V13: step %d: neither is committed: %v; %v", at, first, second)
		}
		w.state(db)
	}
}

// Pitfall 20, after Fekete, O'Neil and O'Neil (2004): a reader sees the deposit but not the
// withdrawal that came, in the serial order, before it. Under snapshot isolation it
// can be seen; where both writers are serializable it cannot.
func TestReadOnlyAnomaly(t *testing.T) {
	ctx := context.Background()
	for _, m := range []Mode{SnapshotIsolation, Serializable} {
		w := newClientWorld(t, region.Options{}, "m")
		db, _ := w.client()
		w.put(db, "checking=0", "savings=0")
		withdrawal := clientBegin(t, db, m)
		total := clientGet(t, withdrawal, "checking") + clientGet(t, withdrawal, "savings")
		require.Equal(t, "00", total)
		deposit := clientBegin(t, db, m)
		clientGet(t, deposit, "savings")
		clientWrite(t, deposit, "savings=20")
		require.NoError(t, deposit.Commit(ctx))
		report := clientBegin(t, db, ReadOnly)
		require.Equal(t, "0", clientGet(t, report, "checking"))
		require.Equal(t, "20", clientGet(t, report, "savings"))
		clientWrite(t, withdrawal, "checking=-11") // with a fine, as the total was too low
		err := withdrawal.Commit(ctx)
		if m == Serializable && !errors.Is(err, ErrConflict) {
			t.Errorf("RULE V13: the report saw a deposit that was not there yet for whom it comes after: %v", err)
		}
		if m == SnapshotIsolation {
			require.NoError(t, err)
		}
		require.NoError(t, report.Rollback(ctx))
	}
}

// Serializable transactions of random reads and writes: running the committed ones one
// by one in the order of CommitTS gives every read the value that it had.
func TestCommitTSIsTheSerialOrder(t *testing.T) {
	ctx := context.Background()
	type did struct {
		commitTS TS
		reads    map[string]string
		writes   map[string]string
	}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 13))
		w := newClientWorld(t, region.Options{}, "c", "e")
		var dbs []*DB
		for _, change := range []func(*Options){func(*Options) {}, clientTwoPhase, clientAsync} {
			db, _ := w.client(change)
			dbs = append(dbs, db)
		}
		var history []did
		type open struct {
			*Txn
			did
		}
		var live []*open
		for step := range 200 {
			if len(live) < 4 {
				live = append(live, &open{clientBegin(t, dbs[r.IntN(len(dbs))], Serializable), did{0, map[string]string{}, map[string]string{}}})
			}
			i := r.IntN(len(live))
			tx := live[i]
			k := string(rune('a' + r.IntN(7)))
			switch r.IntN(4) {
			case 0:
				if _, wrote := tx.writes[k]; !wrote {
					tx.did.reads[k] = clientGet(t, tx.Txn, k)
				}
			case 1:
				if len(tx.writes) == 0 {
					got := map[string]string{}
					for kv, err := range tx.Scan(ctx, []byte(k), nil, ScanOptions{}) {
						require.NoError(t, err)
						got[string(kv.Key)] = string(kv.Value)
					}
					for k := []byte(k)[0]; k < 'h'; k++ {
						tx.did.reads[string(rune(k))] = clientOr(got, string(rune(k)))
					}
				}
			case 2:
				tx.writes[k] = fmt.Sprint(step)
				clientWrite(t, tx.Txn, k+"="+tx.writes[k])
			default:
				live = slices.Delete(live, i, i+1)
				err := tx.Commit(ctx)
				if err != nil {
					require.ErrorIs(t, err, ErrConflict)
					continue
				}
				tx.did.commitTS = max(tx.CommitTS(), 0)
				if tx.CommitTS() == 0 {
					tx.did.commitTS = tx.ReadTS()
				}
				history = append(history, tx.did)
			}
		}
		slices.SortFunc(history, func(a, b did) int {
			switch {
			case a.commitTS < b.commitTS || a.commitTS == b.commitTS && len(a.writes) > 0 && len(b.writes) == 0:
				return -1
			case a.commitTS > b.commitTS:
				return 1
			}
			return 0
		})
		state := map[string]string{}
		for _, h := range history {
			for k, v := range h.reads {
				if clientOr(state, k) != v {
					t.Fatalf("RULE V13: seed %d: who committed at %v has read %s=%s, and %s was there", seed, h.commitTS, k, v, clientOr(state, k))
				}
			}
			for k, v := range h.writes {
				state[k] = v
			}
		}
		for _, tx := range live {
			require.NoError(t, tx.Rollback(ctx))
		}
	}
}

// V13: after CommitTooEarly everything is validated again, up to the new CommitTS.
func TestPushedCommitIsValidatedAgain(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{}, "m")
	db, wire := w.client()
	other, _ := w.client()
	w.put(db, "a=1", "r=1")
	tx := clientBegin(t, db, Serializable)
	clientGet(t, tx, "r")
	clientWrite(t, tx, "a=2")
	wire.fault = func(n int, q region.Request) clientFault {
		if _, ok := q.(*region.CommitRequest); ok {
			wire.fault = nil
			// r changes above our CommitTS, and a reader pushes us above that.
			w.put(other, "r=2")
			reader := clientBegin(t, other, SnapshotIsolation)
			require.Equal(t, "1", clientGet(t, reader, "a"))
			require.NoError(t, reader.Rollback(ctx))
		}
		return clientFine
	}
	if err := tx.Commit(ctx); !errors.Is(err, ErrConflict) {
		t.Errorf("RULE V13: committed after r was changed, having read it before: %v", err)
	}
	require.EqualValues(t, 1, db.Metrics().TooEarly)
	require.Equal(t, "a=1 r=2", w.state(db), "RULE V13: it is not so")
	w.settled("V13")
}

// A reader is not held up by a lock that lives: it pushes it.
func TestReaderPassesAPushedLock(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{}, "m")
	db, wire := w.client(clientTwoPhase)
	other, otherWire := w.client()
	w.put(db, "a=1", "m=1")
	var reader *Txn
	wire.fault = func(n int, q region.Request) clientFault {
		if _, ok := q.(*region.CommitRequest); ok {
			wire.fault = nil
			reader = clientBegin(t, other, SnapshotIsolation)
			before := w.clock.peek()
			require.Equal(t, "a=1 m=1", clientScan(t, reader, "", "", ScanOptions{}), "RULE V1: it is not so")
			require.Zero(t, w.clock.peek().Since(before), "RULE V1: the reader waits")
			otherWire.log = nil
			clientGet(t, reader, "m")
			require.Equal(t, []string{`get ["m"]`}, otherWire.log, "it remembers whom it has pushed")
		}
		return clientFine
	}
	at := w.put(db, "a=2", "m=2")
	require.Greater(t, at, reader.ReadTS(), "RULE V1: committed below a reader who has seen nothing of it")
	require.Equal(t, "a=1 m=1", clientScan(t, reader, "", "", ScanOptions{}), "RULE V1: it is not so")
	require.NoError(t, reader.Rollback(ctx))
	require.EqualValues(t, 1, db.Metrics().TooEarly)
}

// A read set that grows too large becomes ranges: it may say too much, never too little.
func TestReadSetIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 13))
	set := readSet{limit: 4096}
	var keys []string
	var spans [][2]string
	for range 3000 {
		k := fmt.Sprintf("%06d", r.IntN(1e6))
		if r.IntN(4) > 0 {
			set.addKey([]byte(k))
			keys = append(keys, k)
			continue
		}
		end := fmt.Sprintf("%06d5", r.IntN(2000)+int(r.IntN(1e6)))
		if end < k {
			k, end = end, k+"5"
		}
		if r.IntN(20) > 0 {
			end = k + "5" // most are short
		}
		if r.IntN(500) == 0 {
			end = ""
		}
		set.addSpan([]byte(k), []byte(end)[:len(end):len(end)])
		if end == "" {
			set.spans[len(set.spans)-1].End = nil
		}
		spans = append(spans, [2]string{k, end})
	}
	require.LessOrEqual(t, set.bytes, set.limit)
	set.normalize()
	covers := func(k string) bool {
		_, found := slices.BinarySearchFunc(set.keys, []byte(k), func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
		return found || slices.ContainsFunc(set.spans, func(s region.Span) bool { return s.Contains([]byte(k)) })
	}
	for _, k := range keys {
		if !covers(k) {
			t.Fatalf("RULE V13: %s was read, and is not in the set", k)
		}
	}
	for _, s := range spans {
		inside := []string{s[0], s[0] + "4"}
		if s[1] != "" {
			inside = append(inside, s[1][:len(s[1])-1]+"4")
		}
		for _, k := range inside {
			if !covers(k) {
				t.Fatalf("RULE V13: %s was read, in %q, and is not in the set", k, s)
			}
		}
	}
	for i := 1; i < len(set.spans); i++ {
		require.Less(t, string(set.spans[i-1].End), string(set.spans[i].Start))
	}
}

// clientSkewed is a clock that goes ahead of another by a fixed time.
type clientSkewed struct {
	*clientClock
	ahead time.Duration
}

func (c clientSkewed) Now(ctx context.Context) (TS, error) {
	ts, err := c.clientClock.Now(ctx)
	return ts.Add(c.ahead), err
}

func (c clientSkewed) Observe(ts TS) error { return c.clientClock.Observe(ts.Add(-c.ahead)) }

// V12: who begins after another's commit has returned sees it, though its own clock is
// behind; unless what it has read before has changed in between.
func TestUncertainRead(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		before string // what is read before the uncertain value
		change string // what the one with the clock ahead changes besides
		fails  bool
	}{
		{"nothing read before", "", "", false},
		{"read before, and the same", "a", "", false},
		{"read before, and changed", "a", "a=2", true},
		{"range read before, and changed", "a..c", "bb=2", true},
	} {
		for _, m := range []Mode{SnapshotIsolation, Serializable, ReadOnly, Pessimistic} {
			t.Run(fmt.Sprintf("%s/%v", c.name, m), func(t *testing.T) {
				w := newClientWorld(t, region.Options{Hybrid: true}, "m")
				w.clock.offset = 100 * time.Millisecond
				db, _ := w.client()
				ahead, _ := w.client(func(o *Options) { o.Clock = clientSkewed{w.clock, 80 * time.Millisecond} })
				w.put(db, "a=1", "b=1", "z=1")
				w.clock.pass(time.Second)
				tx := clientBegin(t, db, m)
				start := tx.ReadTS()
				switch c.before {
				case "a":
					require.Equal(t, "1", clientGet(t, tx, "a"))
				case "a..c":
					require.Equal(t, "a=1 b=1", clientScan(t, tx, "a", "c", ScanOptions{}))
				}
				writes := []string{"z=2"}
				if c.change != "" {
					writes = append(writes, c.change)
				}
				at := w.put(ahead, writes...)
				require.Greater(t, at, start)
				v, err := tx.Get(ctx, []byte("z"))
				if c.fails {
					conflict, ok := errors.AsType[*ConflictError](err)
					if !ok || conflict.Reason != UncertainRead {
						t.Fatalf("RULE V12: what was read before has changed: %q, %v", v, err)
					}
					require.NoError(t, tx.Rollback(ctx))
					return
				}
				if err != nil || string(v) != "2" {
					t.Fatalf("RULE V12: a value that may be older than the reader is passed over: %q, %v", v, err)
				}
				require.GreaterOrEqual(t, tx.ReadTS(), at, "RULE V12: it is not so")
				require.Equal(t, m != Pessimistic || tx.primary == nil, tx.ReadTS() == tx.StartTS(), "RULE V12: it has no lock, and keeps its StartTS")
				if m == SnapshotIsolation || m == Serializable {
					clientWrite(t, tx, "z=3")
					require.NoError(t, tx.Commit(ctx), "RULE V12: having moved up it may write what it has read")
					require.Equal(t, "3", clientGet(t, clientBegin(t, db, SnapshotIsolation), "z"))
					return
				}
				require.NoError(t, tx.Rollback(ctx))
			})
		}
	}
}

// V12: the interval ends where it began to: what comes later is not older than we are.
func TestUncertaintyIntervalDoesNotMove(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{Hybrid: true})
	w.clock.offset = 100 * time.Millisecond
	db, _ := w.client()
	ahead, _ := w.client(func(o *Options) { o.Clock = clientSkewed{w.clock, 90 * time.Millisecond} })
	w.put(db, "a=1", "b=1")
	w.clock.pass(time.Second)
	tx := clientBegin(t, db, SnapshotIsolation)
	until := tx.uncertainUntil
	w.put(ahead, "a=2")
	require.Equal(t, "2", clientGet(t, tx, "a"))
	w.clock.pass(20 * time.Millisecond)
	w.put(ahead, "b=2") // beyond the interval: begun after us, by any clock
	require.Equal(t, "1", clientGet(t, tx, "b"), "RULE V12: it is not so")
	require.Equal(t, max(until, tx.ReadTS()), tx.uncertainUntil, "RULE V12: it is not so")
	require.NoError(t, tx.Rollback(ctx))
}

// A snapshot of the past is exactly that.
func TestReadTSIsNotUncertain(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{Hybrid: true})
	w.clock.offset = 100 * time.Millisecond
	db, _ := w.client()
	at := w.put(db, "a=1")
	w.put(db, "a=2")
	tx, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: at})
	require.NoError(t, err)
	require.Equal(t, "1", clientGet(t, tx, "a"), "RULE V12: it is not so")
	require.Equal(t, at, tx.ReadTS())
	require.NoError(t, tx.Rollback(ctx))
}

// V12: a lock that is met is pushed above the reader, and not above what it is uncertain
// about: that would have it commit in the future, unseen by whoever begins after.
func TestPushDoesNotReachIntoTheFuture(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{Hybrid: true}, "m")
	w.clock.offset = time.Second
	db, wire := w.client(clientTwoPhase)
	other, _ := w.client()
	w.put(db, "a=1", "m=1")
	w.clock.pass(time.Minute)
	wire.fault = func(n int, q region.Request) clientFault {
		if _, ok := q.(*region.CommitRequest); ok {
			wire.fault = nil
			reader := clientBegin(t, other, ReadOnly)
			require.Equal(t, "a=1 m=1", clientScan(t, reader, "", "", ScanOptions{}))
			require.NoError(t, reader.Rollback(ctx))
		}
		return clientFine
	}
	before := w.clock.peek()
	at := w.put(db, "a=2", "m=2")
	if ahead := at.Since(before); ahead > 100*time.Millisecond {
		t.Errorf("RULE V12: committed %v from now, since somebody has read", ahead)
	}
	require.Equal(t, "a=2 m=2", w.state(other))
}

// V13: an async commit in the midst of its prewrites cannot be pushed. A refresh waits for
// it, also where the machine is busy, instead of calling a conflict what is none.
func TestRefreshWaitsForAnAsyncCommit(t *testing.T) {
	ctx := context.Background()
	for _, who := range []string{"younger", "older"} {
		w := newClientWorld(t, region.Options{}, "m", "t")
		slow, wire := w.client(clientAsync)
		prewriting, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		wire.fault = func(n int, _ region.Request) clientFault {
			if n == 1 { // m is locked, and z is not
				close(prewriting)
				<-goOn
			}
			return clientFine
		}
		var waited time.Duration
		reader, _ := w.client()
		db, _ := w.client(func(o *Options) {
			o.Sleep = func(ctx context.Context, d time.Duration) error {
				if before := waited; before < 20*time.Millisecond && before+d >= 20*time.Millisecond {
					// A read of z has them commit after us.
					clientGet(t, clientBegin(t, reader, ReadOnly), "z")
					close(goOn)
					require.NoError(t, <-over)
				}
				waited += d
				return w.clock.sleep(ctx, d)
			}
		})
		var ours, theirs *Txn
		if who == "older" {
			theirs = clientBegin(t, slow, SnapshotIsolation)
		}
		ours = clientBegin(t, db, Serializable)
		if who == "younger" {
			theirs = clientBegin(t, slow, SnapshotIsolation)
		}
		require.Equal(t, "-", clientGet(t, ours, "m"))
		clientWrite(t, ours, "b=2")
		clientWrite(t, theirs, "m=2", "z=2")
		go func() { over <- theirs.Commit(ctx) }()
		<-prewriting
		err := ours.Commit(ctx)
		if waited < 20*time.Millisecond {
			close(goOn)
			<-over
		}
		require.NoError(t, err, "RULE V13: a refresh that met an async commit, which is %s, waited for %v", who, waited)
		require.Equal(t, "b=2 m=2 z=2", w.state(db))
	}
}
