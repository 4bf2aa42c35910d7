package mvcctest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// Bugs that TiKV, TiDB and their users have met, told in the requests of which they are made:
// keys below m are in one region, the others in another.

// requests sends them to regions over one engine.
type requests struct {
	t      *testing.T
	engine mvcc.Engine
	local  *region.Local
}

func newRequests(t *testing.T) *requests {
	r := &requests{t: t, engine: mvcc.NewMemory()}
	r.lead()
	return r
}

// lead makes the regions anew, as their new leaders do.
func (r *requests) lead() {
	r.local = region.NewLocal(r.engine, [][]byte{[]byte("m")}, region.Options{})
	local := r.local
	r.t.Cleanup(func() { require.NoError(r.t, local.Close()) })
}

func (r *requests) send(key string, q region.Request) (any, error) {
	r.t.Helper()
	i, err := r.local.Region(context.Background(), []byte(key))
	require.NoError(r.t, err)
	return r.local.Send(context.Background(), i.Ref, q)
}

func (r *requests) must(key string, q region.Request) any {
	r.t.Helper()
	a, err := r.send(key, q)
	require.NoError(r.t, err)
	return a
}

// get is what is read at a time: "-" for nothing, "locked".
func (r *requests) get(key string, at mvcc.TS, past ...mvcc.TS) string {
	r.t.Helper()
	a, err := r.send(key, &region.GetRequest{ReadOptions: region.ReadOptions{ReadTS: at, Past: past}, Keys: keysOf(key)})
	if err != nil {
		require.ErrorIs(r.t, err, mvcc.ErrLocked)
		return "locked"
	}
	if v := a.(*region.GetResponse).Values[0]; v != nil {
		return string(v)
	}
	return "-"
}

// locks are how many are there.
func (r *requests) locks() (n int) {
	for _, key := range []string{"a", "z"} {
		i, err := r.local.Region(context.Background(), []byte(key))
		require.NoError(r.t, err)
		a, err := r.local.Send(context.Background(), i.Ref, &region.ScanLocksRequest{Start: i.Start, End: i.End, MaxTS: at(1000, 0)})
		require.NoError(r.t, err)
		n += len(a.(*region.ScanLocksResponse).Locks)
	}
	return n
}

func (r *requests) expect(rule string, ok bool, what string) {
	r.t.Helper()
	if !ok {
		r.t.Errorf("RULE %s: %s", rule, what)
	}
}

// at is a timestamp of some second.
func at(second int64, count uint64) mvcc.TS { return timestamp.Make(second*1000, count) }

func keysOf(keys ...string) (bs [][]byte) {
	for _, k := range keys {
		bs = append(bs, []byte(k))
	}
	return bs
}

// prewriteOf puts one key; its primary is a.
func prewriteOf(key string, start mvcc.TS) *region.PrewriteRequest {
	return &region.PrewriteRequest{
		Mutations: []region.Mutation{{Key: []byte(key), Value: []byte(key + " of " + start.String())}},
		Primary:   []byte("a"), StartTS: start, TTL: 3 * time.Second, TxnSize: 2,
	}
}

// async makes it that of an async commit of a and z.
func async(q *region.PrewriteRequest) *region.PrewriteRequest {
	q.AsyncCommit, q.MinCommitTS = true, q.StartTS+1
	if string(q.Mutations[0].Key) == "a" {
		q.Secondaries = keysOf("z")
	}
	return q
}

// A prewrite was sent twice, and the transaction was rolled back where its first copy had not
// come yet. Nothing was written there, so the second copy took a lock, for ever.
func TestTikv921RollbackOfNothingIsRemembered(t *testing.T) {
	r := newRequests(t)
	start := at(10, 0)
	r.must("a", &region.RollbackRequest{Keys: keysOf("a"), StartTS: start})
	_, err := r.send("a", prewriteOf("a", start))
	r.expect("V6", err != nil && r.locks() == 0, "a prewrite that comes after its rollback takes a lock")
	// So it is on any of several keys, and where somebody else has been committed since.
	other := at(11, 0)
	r.must("b", prewriteOf("b", other))
	r.must("b", &region.CommitRequest{Keys: keysOf("b"), StartTS: other, CommitTS: at(12, 0)})
	r.must("a", &region.RollbackRequest{Keys: keysOf("b", "c"), StartTS: at(13, 0)})
	_, err = r.send("c", prewriteOf("c", at(13, 0)))
	r.expect("V6", err != nil, "a prewrite that comes after its rollback, of several keys, takes a lock")
}

// Who met a secondary asked for the primary, and found neither lock nor record: "rolled
// back". But nothing was written down, and the primary's prewrite, which was on its way, came to be.
func TestTikv5673AskingForAMissingPrimaryRollsItBack(t *testing.T) {
	r := newRequests(t)
	start := at(10, 0)
	r.must("z", prewriteOf("z", start))
	ask := func(now mvcc.TS, missing bool) *region.TxnStatus {
		return r.must("a", &region.CheckTxnStatusRequest{Primary: []byte("a"), StartTS: start, CurrentTS: now, RollbackIfMissing: missing}).(*region.TxnStatus)
	}
	r.expect("V6", ask(at(11, 0), false).State == region.TxnUnknown, "what leaves no trace is not decided")
	r.expect("V6", ask(at(14, 0), true).State == region.TxnRolledBack, "a primary that is missing is not rolled back")
	r.must("z", &region.ResolveLockRequest{Keys: keysOf("z"), StartTS: start})
	_, err := r.send("a", prewriteOf("a", start))
	r.expect("V6", err != nil && r.locks() == 0, "the primary's prewrite comes after it was said to be rolled back")
}

// Jepsen's append test found a read that missed what was committed before it. An async or
// one-phase commit takes its CommitTS from how far the region was read, which the new leader
// of a region did not know; and a reader could come between that and the lock.
func TestTikv10570CommitIsAboveWhatWasRead(t *testing.T) {
	t.Run("leader", func(t *testing.T) {
		r := newRequests(t)
		require.Equal(t, "-", r.get("a", at(20, 0)))
		r.lead()
		r.local.RaiseReadBound(at(20, 5)) // all that the old one can have served is below
		q := prewriteOf("a", at(10, 0))
		q.OnePC, q.MinCommitTS = true, at(11, 0)
		a := r.must("a", q).(*region.PrewriteResponse)
		r.expect("V11", a.CommitTS > at(20, 0), "a one-phase commit is below what was read of the old leader: "+a.CommitTS.String())
		r.expect("V11", r.get("a", at(20, 0)) == "-", "a snapshot has changed")
	})
	t.Run("split", func(t *testing.T) {
		r := newRequests(t)
		require.Equal(t, "-", r.get("b", at(20, 0)))
		require.NoError(t, r.local.Split([]byte("b")))
		q := async(prewriteOf("b", at(10, 0)))
		a := r.must("b", q).(*region.PrewriteResponse)
		r.expect("V11", a.MinCommitTS > at(20, 0), "an async commit after a split is below what was read before it: "+a.MinCommitTS.String())
	})
	t.Run("between", func(t *testing.T) {
		r := newRequests(t)
		slow := &waitingEngine{Engine: r.engine, writes: make(chan func())}
		r.engine = slow
		r.lead()
		done := make(chan *region.PrewriteResponse)
		go func() {
			q := prewriteOf("a", at(10, 0))
			q.OnePC = true
			a, _ := r.send("a", q)
			done <- a.(*region.PrewriteResponse)
		}()
		goOn := <-slow.writes // it knows its CommitTS, and has not written yet
		before := r.get("a", at(20, 0))
		goOn()
		a := <-done
		r.expect("V11", before == "locked" || a.CommitTS > at(20, 0), "a reader came between bound and lock: it read "+before+", and then it was committed below")
	})
}

// waitingEngine says when it is about to write, and waits.
type waitingEngine struct {
	mvcc.Engine
	writes chan func()
}

func (e *waitingEngine) Write(ctx context.Context, b *mvcc.Batch) error {
	goOn := make(chan struct{})
	e.writes <- func() { close(goOn) }
	<-goOn
	return e.Engine.Write(ctx, b)
}

// A prewrite had no answer and was sent again, while somebody else had found all locks of the
// async commit, and committed it. The copy locked the keys once more, and nobody resolved that.
func TestTikv11187PrewriteAfterCommitLocksNothing(t *testing.T) {
	for _, way := range []string{"two-phase", "async", "one-phase"} {
		t.Run(way, func(t *testing.T) {
			r := newRequests(t)
			start, commit := at(10, 0), at(11, 0)
			q := prewriteOf("a", start)
			switch way {
			case "async":
				async(q)
			case "one-phase":
				q.OnePC = true
			}
			a := r.must("a", q).(*region.PrewriteResponse)
			if way == "one-phase" {
				commit = a.CommitTS
			} else {
				r.must("a", &region.ResolveLockRequest{Keys: keysOf("a"), StartTS: start, CommitTS: commit})
			}
			// Others have been there since.
			other := prewriteOf("a", at(12, 0))
			r.must("a", other)
			r.must("a", &region.CommitRequest{Keys: keysOf("a"), StartTS: at(12, 0), CommitTS: at(13, 0)})
			got, err := r.send("a", q)
			r.expect("V3", r.locks() == 0, "a prewrite that comes after its commit takes a lock")
			r.expect("V3", err == nil && got.(*region.PrewriteResponse).CommitTS == commit, "a prewrite that comes after its commit does not say that it is committed")
			r.expect("V3", r.get("a", at(20, 0)) == string(other.Mutations[0].Value), "what others have written since is gone: "+r.get("a", at(20, 0)))
		})
	}
}

// The primary of a large pessimistic transaction was still a pessimistic lock when its
// secondaries were prewritten. A reader who met one could not push it, and waited.
func TestTikv7291ReadersPassAPessimisticPrimary(t *testing.T) {
	r := newRequests(t)
	start := at(10, 0)
	r.must("a", &region.LockRequest{Keys: keysOf("a"), Primary: []byte("a"), StartTS: start, ForUpdateTS: start, TTL: 3 * time.Second})
	r.must("z", prewriteOf("z", start))
	r.expect("V8", r.get("a", at(11, 0)) == "-", "a pessimistic lock stops a reader")
	require.Equal(t, "locked", r.get("z", at(11, 0)))
	s := r.must("a", &region.CheckTxnStatusRequest{Primary: []byte("a"), StartTS: start, CallerTS: at(11, 0), CurrentTS: at(11, 0)}).(*region.TxnStatus)
	r.expect("V8", s.State == region.TxnAlive && s.Pushed, "a pessimistic primary is not pushed")
	require.Equal(t, "-", r.get("z", at(11, 0), start))
	// And it keeps the promise when it is prewritten.
	q := prewriteOf("a", start)
	q.Mutations[0].Pessimistic, q.ForUpdateTS = true, start
	r.must("a", q)
	_, err := r.send("a", &region.CommitRequest{Keys: keysOf("a"), StartTS: start, CommitTS: at(10, 9)})
	r.expect("V8", err != nil, "who was promised that nothing is committed below is betrayed")
}

// The primary's prewrite was too large for an async commit, and went back to two phases; its
// secondary's did not. Who met the secondary asked the primary, an ordinary lock that has
// expired, as one of an async commit, and neither was ever resolved.
func TestTidb24384AsyncCommitFallsBackAsAWhole(t *testing.T) {
	for _, fallen := range []string{"a", "z"} {
		t.Run(fallen, func(t *testing.T) {
			r := newRequests(t)
			start := at(10, 0)
			for _, key := range []string{"a", "z"} {
				q := prewriteOf(key, start)
				if key != fallen {
					async(q)
				}
				r.must(key, q)
			}
			now := at(20, 0)
			clock := &fixedClock{now: now}
			db, err := mvcc.Open(&mvcc.Options{Transport: r.local, Clock: clock, Serial: true, LockWait: time.Second, Sleep: clock.sleep})
			require.NoError(t, err)
			defer db.Close()
			err = db.Run(context.Background(), mvcc.TxnOptions{}, func(t *mvcc.Txn) error {
				for _, key := range []string{"z", "a"} {
					if _, err := t.Get(context.Background(), []byte(key)); err == nil {
						r.expect("V10", false, "a transaction that is not decided, and has expired, is visible")
					}
					if err := t.Put([]byte(key), []byte("new")); err != nil {
						return err
					}
				}
				return nil
			})
			r.expect("V10", err == nil && r.locks() == 0, "an async commit of which a part fell back is locked for ever")
			r.expect("V10", r.get("a", at(100, 0)) == "new" && r.get("z", at(100, 0)) == "new", "it was committed")
		})
	}
}

// fixedClock counts from some time on, which goes by in sleep only.
type fixedClock struct {
	now    mvcc.TS
	offset time.Duration
}

func (c *fixedClock) Now(context.Context) (mvcc.TS, error) { c.now++; return c.now, nil }
func (c *fixedClock) Observe(ts mvcc.TS) error             { c.now = max(c.now, ts); return nil }
func (c *fixedClock) MaxOffset() time.Duration             { return c.offset }
func (c *fixedClock) sleep(_ context.Context, d time.Duration) error {
	c.now = c.now.Add(d + time.Millisecond)
	return nil
}
