package mvcctest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
)

// What requests promise beyond what a client can see, by the rules of package mvcc.

func commitOf(key string, start, commit mvcc.TS) *region.CommitRequest {
	return &region.CommitRequest{Keys: keysOf(key), StartTS: start, CommitTS: commit}
}

// put commits a key.
func (r *requests) put(key string, start, commit mvcc.TS) {
	r.t.Helper()
	r.must(key, prewriteOf(key, start))
	r.must(key, commitOf(key, start, commit))
}

func TestReadersPassLocksOfThoseWhoBeganLater(t *testing.T) {
	r := newRequests(t)
	r.put("a", at(10, 0), at(11, 0))
	r.must("a", prewriteOf("a", at(20, 0)))
	r.expect("V1", r.get("a", at(15, 0)) != "locked", "a lock stops who reads below it")
	r.expect("V1", r.get("a", at(20, 1)) == "locked" && r.get("a", at(25, 0)) == "locked", "a lock does not stop who reads above it")
}

func TestReadersPassAnyNumberOfRollbacks(t *testing.T) {
	r := newRequests(t)
	r.put("a", at(10, 0), at(11, 0))
	want := r.get("a", at(12, 0))
	for i := range uint64(20) {
		r.must("a", prewriteOf("a", at(20, i)))
		r.must("a", &region.RollbackRequest{Keys: keysOf("a"), StartTS: at(20, i)})
		r.expect("V1", r.get("a", at(30, 0)) == want, "behind rollback records there is "+r.get("a", at(30, 0)))
	}
}

func TestRequestsMayComeTwice(t *testing.T) {
	r := newRequests(t)
	start, commit := at(10, 0), at(11, 0)
	twice := func(what string, q region.Request) {
		t.Helper()
		_, first := r.send("a", q)
		_, second := r.send("a", q)
		r.expect("V3", first == nil && second == nil, "the same "+what+" comes twice, and has other answers")
	}
	twice("prewrite", prewriteOf("a", start))
	twice("heartbeat", &region.HeartbeatRequest{Primary: []byte("a"), StartTS: start, TTL: 5 * time.Second})
	twice("commit", commitOf("a", start, commit))
	twice("resolve", &region.ResolveLockRequest{Keys: keysOf("a"), StartTS: start, CommitTS: commit})
	twice("rollback", &region.RollbackRequest{Keys: keysOf("a"), StartTS: at(12, 0)})
	twice("lock", &region.LockRequest{Keys: keysOf("a"), Primary: []byte("a"), StartTS: at(13, 0), ForUpdateTS: at(13, 0)})
	twice("unlock", &region.PessimisticRollbackRequest{Keys: keysOf("a"), StartTS: at(13, 0), ForUpdateTS: at(14, 0)})
	r.expect("V3", r.locks() == 0, "something is locked")
}

func TestADecisionIsForGood(t *testing.T) {
	r := newRequests(t)
	r.put("a", at(10, 0), at(11, 0))
	_, err := r.send("a", &region.RollbackRequest{Keys: keysOf("a"), StartTS: at(10, 0)})
	var already *region.AlreadyCommittedError
	r.expect("V5", errors.As(err, &already) && already.CommitTS == at(11, 0), "what is committed is rolled back")
	r.expect("V5", r.get("a", at(20, 0)) != "-", "what was committed is gone")

	r.must("a", prewriteOf("a", at(20, 0)))
	r.must("a", &region.RollbackRequest{Keys: keysOf("a"), StartTS: at(20, 0)})
	_, err = r.send("a", commitOf("a", at(20, 0), at(21, 0)))
	r.expect("V5", errors.Is(err, mvcc.ErrRolledBack), "what is rolled back is committed")
	_, err = r.send("b", commitOf("b", at(22, 0), at(23, 0)))
	r.expect("V5", errors.Is(err, mvcc.ErrRolledBack), "what was never prewritten is committed")
}

// A transaction's CommitTS may be another's StartTS: async commit and hybrid clocks do not
// ask an oracle for it.
func TestTwoTransactionsAtOneTimestamp(t *testing.T) {
	same := at(20, 0)
	t.Run("commit-then-rollback", func(t *testing.T) {
		r := newRequests(t)
		r.put("a", at(10, 0), same)
		want := r.get("a", at(30, 0))
		r.must("a", &region.RollbackRequest{Keys: keysOf("a"), StartTS: same})
		r.expect("V6", r.get("a", at(30, 0)) == want, "a rollback has taken the place of another's commit")
		_, err := r.send("a", prewriteOf("a", same))
		r.expect("V6", err != nil, "a rollback beside another's commit is forgotten")
	})
	t.Run("rollback-then-commit", func(t *testing.T) {
		r := newRequests(t)
		r.must("a", prewriteOf("a", at(10, 0)))
		r.must("a", &region.CheckSecondaryLocksRequest{Keys: keysOf("b"), StartTS: same})
		r.must("b", prewriteOf("b", at(10, 0)))
		r.must("b", commitOf("b", at(10, 0), same))
		_, err := r.send("b", prewriteOf("b", same))
		r.expect("V6", err != nil, "a commit has taken the place of another's rollback")
	})
	t.Run("commit-is-not-a-rollback", func(t *testing.T) {
		r := newRequests(t)
		r.put("a", at(10, 0), same)
		_, err := r.send("a", prewriteOf("a", same))
		r.expect("V6", err == nil, "another's commit is taken for one's own rollback")
	})
	t.Run("rollback-is-not-mine", func(t *testing.T) {
		r := newRequests(t)
		r.must("a", prewriteOf("a", at(10, 0)))
		r.must("a", &region.RollbackRequest{Keys: keysOf("a"), StartTS: same})
		r.must("a", commitOf("a", at(10, 0), same))
		r.expect("V6", r.get("a", at(30, 0)) != "-", "another's rollback hides a commit")
	})
}

func TestAPessimisticLockThatIsGoneIsMissed(t *testing.T) {
	r := newRequests(t)
	start := at(10, 0)
	r.must("a", &region.LockRequest{Keys: keysOf("a"), Primary: []byte("a"), StartTS: start, ForUpdateTS: start})
	r.must("a", &region.PessimisticRollbackRequest{Keys: keysOf("a"), StartTS: start, ForUpdateTS: start})
	r.put("a", at(12, 0), at(13, 0))
	q := prewriteOf("a", start)
	q.Mutations[0].Pessimistic, q.ForUpdateTS = true, start
	_, err := r.send("a", q)
	r.expect("V8", errors.Is(err, mvcc.ErrConflict), "a pessimistic lock was lost, another has written, and prewrite does not notice")
}

func TestAMissingSecondaryIsPrevented(t *testing.T) {
	r := newRequests(t)
	start := at(10, 0)
	r.must("a", async(prewriteOf("a", start)))
	s := r.must("z", &region.CheckSecondaryLocksRequest{Keys: keysOf("z"), StartTS: start}).(*region.SecondaryStatus)
	require.Empty(t, s.Locks)
	_, err := r.send("z", async(prewriteOf("z", start)))
	r.expect("V10", err != nil, "a secondary that was found missing, by which the transaction is rolled back, comes to be")
}

func TestOldTransactionsAreRefused(t *testing.T) {
	r := newRequests(t)
	r.put("a", at(10, 0), at(11, 0))
	r.must("a", &region.GCRequest{End: []byte("m"), SafePoint: at(20, 0), Limit: 100})
	for _, q := range []region.Request{
		prewriteOf("a", at(15, 0)), commitOf("a", at(15, 0), at(30, 0)),
		&region.LockRequest{Keys: keysOf("a"), Primary: []byte("a"), StartTS: at(15, 0), ForUpdateTS: at(30, 0)},
		&region.GetRequest{ReadOptions: region.ReadOptions{ReadTS: at(15, 0)}, Keys: keysOf("a")},
	} {
		_, err := r.send("a", q)
		r.expect("V3", errors.Is(err, mvcc.ErrTooOld), "below the safepoint it is not refused: "+describeRequest(q))
	}
	r.expect("V16", r.get("a", at(21, 0)) != "-", "what is visible at the safepoint is gone")
	r.must("a", prewriteOf("a", at(25, 0)))
	_, err := r.send("a", &region.GCRequest{End: []byte("m"), SafePoint: at(30, 0), Limit: 100})
	r.expect("V16", errors.Is(err, mvcc.ErrLocked), "what a lock is about is collected")
}

// What was validated at a CommitTS stays so: who commits later does so above it.
func TestWhatWasRefreshedStaysSo(t *testing.T) {
	r := newRequests(t)
	r.must("a", &region.RefreshRequest{Keys: keysOf("a"), Spans: []region.Span{{Start: []byte("b"), End: []byte("c")}}, StartTS: at(9, 0), From: at(9, 0), To: at(20, 0)})
	for _, key := range []string{"a", "b"} {
		q := prewriteOf(key, at(10, 0))
		q.Primary, q.OnePC, q.MinCommitTS = []byte(key), true, at(11, 0)
		a := r.must(key, q).(*region.PrewriteResponse)
		r.expect("V13", a.CommitTS > at(20, 0), "what somebody has validated at 20 s is changed before that: "+key)
	}
}

// An async commit is decided when its locks are there, and its client may have said so. A
// reader who begins then, with a clock that is 2 s behind, may not pass them.
func TestAReaderBehindSeesWhatWasCommittedBefore(t *testing.T) {
	r := newRequests(t)
	for _, key := range []string{"a", "z"} {
		q := async(prewriteOf(key, at(10, 0)))
		q.MinCommitTS = at(14, 0)
		r.must(key, q)
	}
	clock := &fixedClock{now: at(12, 0), offset: 5 * time.Second}
	db, err := mvcc.Open(&mvcc.Options{Transport: r.local, Clock: clock, Serial: true, Sleep: clock.sleep})
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.Begin(t.Context(), mvcc.TxnOptions{})
	require.NoError(t, err)
	for _, key := range []string{"a", "z"} {
		v, err := tx.Get(t.Context(), []byte(key))
		r.expect("V12", err == nil && string(v) == string(prewriteOf(key, at(10, 0)).Mutations[0].Value), fmt.Sprintf("a reader with a slow clock finds %q, %v, and not what was committed before it began", v, err))
	}
	require.NoError(t, tx.Rollback(t.Context()))
}

// The other way about: what is not decided yet, the reader pushes above its own time, and not
// above its uncertainty, which no clock has reached: the writer could not commit there.
func TestAReaderPushesIntoNobodysFuture(t *testing.T) {
	r := newRequests(t)
	for _, key := range []string{"a", "z"} {
		r.must(key, prewriteOf(key, at(10, 0)))
	}
	clock := &fixedClock{now: at(12, 0), offset: 5 * time.Second}
	db, err := mvcc.Open(&mvcc.Options{Transport: r.local, Clock: clock, Serial: true, Sleep: clock.sleep})
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.Begin(t.Context(), mvcc.TxnOptions{})
	require.NoError(t, err)
	_, err = tx.Get(t.Context(), []byte("z"))
	require.ErrorIs(t, err, mvcc.ErrNotFound)
	require.NoError(t, tx.Rollback(t.Context()))
	_, err = r.send("a", &region.CommitRequest{Keys: keysOf("a"), StartTS: at(10, 0), CommitTS: at(12, 9)})
	r.expect("V12", err == nil, fmt.Sprintf("who was read at 12 s cannot commit just after: %v", err))
}

// A transaction that locks and writes nothing has its locks until it is over, or is told that
// they have expired: else what it read was never there together.
func TestWhoOnlyLocksHearsThatItsLocksAreGone(t *testing.T) {
	r := newRequests(t)
	r.put("a", at(1, 0), at(2, 0))
	clock := &fixedClock{now: at(10, 0)}
	db, err := mvcc.Open(&mvcc.Options{Transport: r.local, Clock: clock, Serial: true, Sleep: clock.sleep})
	require.NoError(t, err)
	defer db.Close()
	for _, late := range []bool{false, true} {
		tx, err := db.Begin(t.Context(), mvcc.TxnOptions{Mode: mvcc.Pessimistic})
		require.NoError(t, err)
		_, err = tx.GetForUpdate(t.Context(), []byte("a"), []byte("z"))
		require.NoError(t, err)
		if late {
			clock.now = clock.now.Add(time.Minute) // and nobody has prolonged them
			require.NoError(t, db.Run(t.Context(), mvcc.TxnOptions{}, func(t *mvcc.Txn) error { return t.Put([]byte("a"), []byte("other")) }))
		}
		err = tx.Commit(t.Context())
		r.expect("V8", (err != nil) == late, fmt.Sprintf("who only locks commits with %v; its locks have expired: %v", err, late))
	}
}

// What the dead have locked is decided before the records are collected that tell how.
func TestCollectionDecidesAboutOldLocks(t *testing.T) {
	r := newRequests(t)
	for _, key := range []string{"a", "z"} {
		r.put(key, at(1, 0), at(2, 0))
		r.must(key, prewriteOf(key, at(10, 0)))
	}
	r.must("a", commitOf("a", at(10, 0), at(11, 0))) // and then it died
	clock := &fixedClock{now: at(20, 0)}
	db, err := mvcc.Open(&mvcc.Options{Transport: r.local, Clock: clock, Serial: true, Sleep: clock.sleep})
	require.NoError(t, err)
	defer db.Close()
	c, err := db.Collect(t.Context(), at(15, 0))
	r.expect("V16", err == nil && c.Locks == 1 && r.locks() == 0, fmt.Sprintf("collection leaves %d locks, and says %v", r.locks(), err))
	r.expect("V16", r.get("z", at(30, 0)) == string(prewriteOf("z", at(10, 0)).Mutations[0].Value), "what was committed is gone with its lock")
}
