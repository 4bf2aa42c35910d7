package region

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

func TestALockExpiresByTheTimeOfDay(t *testing.T) {
	s := newSrv(t)
	start := timestamp.Make(1000, 9)
	require.NoError(t, s.prewrite(start, "a=1", "b=1"))
	require.Equal(t, TxnAlive, s.status("a", start, 0, timestamp.Make(1000, timestamp.MaxLogical), true).State, "RULE V7: the counter is no time")
	require.Equal(t, TxnAlive, s.status("a", start, 0, timestamp.Make(4000, 0), true).State, "RULE V7: it is not so")
	a, err := s.do(&HeartbeatRequest{Primary: []byte("a"), StartTS: start, TTL: 5 * time.Second})
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, a.(*HeartbeatResponse).TTL)
	a, err = s.do(&HeartbeatRequest{Primary: []byte("a"), StartTS: start, TTL: time.Second})
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, a.(*HeartbeatResponse).TTL, "RULE V3: a late heartbeat shortens nothing")
	require.Equal(t, TxnAlive, s.status("a", start, 0, timestamp.Make(6000, 0), true).State, "RULE V7: it was prolonged")
	require.Equal(t, TxnRolledBack, s.status("a", start, 0, timestamp.Make(6001, 0), true).State, "RULE V7: it is not so")
	require.ErrorIs(t, s.commit(start, start+9, "a"), ErrRolledBack)
	require.ErrorIs(t, s.prewrite(start, "a=1", "b=1"), ErrRolledBack, "RULE V6: it is not so")
	_, err = s.do(&HeartbeatRequest{Primary: []byte("a"), StartTS: start, TTL: 9 * time.Second})
	require.ErrorIs(t, err, ErrRolledBack)
	s.put(start+20, start+21, "a=2")
	_, err = s.do(&HeartbeatRequest{Primary: []byte("a"), StartTS: start + 20, TTL: 9 * time.Second})
	require.ErrorAs(t, err, new(*AlreadyCommittedError))
}

// TestWhoAsksForAMissingTransactionPreventsIt: tikv#5673.
func TestWhoAsksForAMissingTransactionPreventsIt(t *testing.T) {
	s := newSrv(t)
	require.Equal(t, TxnUnknown, s.status("a", 5, 0, 9, false).State)
	require.NoError(t, s.prewrite(4, "a=1"))
	require.Equal(t, TxnRolledBack, s.status("a", 5, 0, 9, true).State)
	require.Equal(t, TxnRolledBack, s.status("a", 5, 0, 9, false).State, "RULE V6: it left no record (tikv#5673)")
	require.NoError(t, s.commit(4, 6, "a"))
	require.ErrorIs(t, s.prewrite(5, "a=1"), ErrRolledBack, "RULE V6: tikv#5673")
	require.Equal(t, &TxnStatus{State: TxnCommitted, CommitTS: 6}, s.status("a", 4, 0, 9, true))
}

func TestReadersPushWhatTheyMeet(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.prewrite(5, "a=1"))
	a := s.status("a", 5, 20, 9, true)
	require.True(t, a.Pushed)
	require.Equal(t, TS(21), a.Lock.MinCommitTS)
	require.Equal(t, "-", s.get(20, "a"), "RULE V1: it cannot commit by then")
	require.Equal(t, "locked by 5", s.get(21, "a"))
	require.True(t, s.status("a", 5, 7, 9, true).Pushed, "it was pushed farther before")
	var early *CommitTooEarlyError
	require.ErrorAs(t, s.commit(5, 20, "a"), &early, "RULE V1: somebody has read past it")
	require.Equal(t, TS(21), early.MinCommitTS)
	require.NoError(t, s.prewrite(5, "a=1"))
	require.ErrorAs(t, s.commit(5, 20, "a"), &early, "RULE V3: a second prewrite forgets it")
	require.NoError(t, s.commit(5, 21, "a"))
}

// TestAPessimisticPrimaryIsPushedToo: tikv#7291. A secondary is prewritten, the primary is
// not yet; readers of the secondary ask the primary, and must get past.
func TestAPessimisticPrimaryIsPushedToo(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.lock(5, 5, "a", "b"))
	q := srvPrewrite(5, "*b=1")
	q.Primary, q.ForUpdateTS = []byte("a"), 5
	_, err := s.do(q)
	require.NoError(t, err)
	require.Equal(t, "locked by 5", s.get(9, "b"))
	a := s.status("a", 5, 9, 9, true)
	require.Equal(t, TxnAlive, a.State)
	require.True(t, a.Pushed, "RULE V8: tikv#7291")
	require.True(t, a.Lock.Pessimistic)
	q = srvPrewrite(5, "*a=1")
	q.ForUpdateTS = 5
	_, err = s.do(q)
	require.NoError(t, err)
	require.ErrorAs(t, s.commit(5, 9, "a"), new(*CommitTooEarlyError), "RULE V8: the prewrite forgot that a reader has passed")
	require.NoError(t, s.commit(5, 10, "a"))
}

func TestAnAsyncCommitIsDecidedByAllItsLocks(t *testing.T) {
	s := newSrv(t)
	s.r.RaiseReadBound(40)
	first, err := s.async(5, "a=1", "b=1", "c=1")
	require.NoError(t, err)
	require.Equal(t, &PrewriteResponse{MinCommitTS: 41, Async: true}, first)
	late := timestamp.Make(10_000, 0)
	a := s.status("a", 5, 0, late, true)
	require.Equal(t, TxnAsync, a.State, "RULE V10: an expired primary alone says nothing")
	require.Equal(t, srvKeys("b", "c"), a.Lock.Secondaries)
	check := func(keys ...string) *SecondaryStatus {
		a, err := s.do(&CheckSecondaryLocksRequest{Keys: srvKeys(keys...), StartTS: 5})
		require.NoError(t, err)
		return a.(*SecondaryStatus)
	}
	require.Len(t, check("b", "c").Locks, 2)
	require.Equal(t, TS(41), check("b").Locks[0].MinCommitTS)
	require.True(t, check("b").Locks[0].AsyncCommit)
	s.r.RaiseReadBound(60)
	again, err := s.async(5, "a=1", "b=1", "c=1")
	require.NoError(t, err)
	require.Equal(t, first, again, "RULE V10: whoever has looked at the locks has found another CommitTS")
	_, err = s.do(&ResolveLockRequest{StartTS: 5, CommitTS: 41, Keys: srvKeys("b")})
	require.NoError(t, err)
	require.Equal(t, TS(41), check("b", "c").CommitTS)
	require.NoError(t, s.commit(5, 41, "a", "b", "c"))
	require.Equal(t, "a=1 b=1 c=1", s.scan(41, false))
}

func TestAKeyThatIsMissingPreventsAnAsyncCommit(t *testing.T) {
	for name, prepare := range map[string]func(s *srv){
		"not there":   func(*srv) {},
		"pessimistic": func(s *srv) { require.NoError(s.t, s.lock(5, 5, "c")) },
		"another's":   func(s *srv) { require.NoError(s.t, s.prewrite(4, "c=other")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSrv(t)
			prepare(s)
			_, err := s.async(5, "a=1", "b=1")
			require.NoError(t, err)
			a, err := s.do(&CheckSecondaryLocksRequest{Keys: srvKeys("b", "c"), StartTS: 5})
			require.NoError(t, err)
			require.Len(t, a.(*SecondaryStatus).Locks, 1, "RULE V10: only b is prewritten")
			require.Zero(t, a.(*SecondaryStatus).CommitTS)
			_ = s.rollback(4, "c")
			require.ErrorIs(t, s.prewrite(5, "c=1"), ErrRolledBack, "RULE V10: whoever finds one missing prevents it there first")
		})
	}
}

// TestAnAsyncCommitFallsBackAsAWhole: tidb#24384. The primary would not do it, the
// secondary did. Whoever meets the secondary must get both out of the way, as of a
// transaction in two phases.
func TestAnAsyncCommitFallsBackAsAWhole(t *testing.T) {
	s := newSrv(t, Options{MaxSecondaries: 1})
	late := timestamp.Make(10_000, 0)
	q := srvPrewrite(5, "a=1")
	q.AsyncCommit, q.Secondaries = true, srvKeys("b", "c")
	a, err := s.do(q)
	require.NoError(t, err)
	require.False(t, a.(*PrewriteResponse).Async, "RULE V10: the primary's lock cannot list them all")
	b := srvPrewrite(5, "b=1", "c=1")
	b.Primary, b.AsyncCommit = []byte("a"), true
	ans, err := s.do(b)
	require.NoError(t, err)
	require.True(t, ans.(*PrewriteResponse).Async)
	require.Equal(t, TxnRolledBack, s.status("a", 5, 0, late, true).State, "RULE V10: tidb#24384")
	_, err = s.do(&ResolveLockRequest{StartTS: 5})
	require.NoError(t, err)
	require.NotContains(t, s.state(), "lock", "RULE V10: a secondary is locked for ever (tidb#24384)")

	// The other way round: the primary did it, a secondary did not.
	_, err = s.async(7, "d=1", "e=1")
	require.NoError(t, err)
	e := srvPrewrite(7, "f=1")
	e.Primary = []byte("d")
	_, err = s.do(e)
	require.NoError(t, err)
	a, err = s.do(&CheckSecondaryLocksRequest{Keys: srvKeys("e", "f"), StartTS: 7})
	require.NoError(t, err)
	require.False(t, a.(*SecondaryStatus).Locks[1].AsyncCommit)
	a, err = s.do(&CheckTxnStatusRequest{Primary: []byte("d"), StartTS: 7, CurrentTS: late, ForceSync: true})
	require.NoError(t, err)
	require.Equal(t, TxnRolledBack, a.(*TxnStatus).State, "RULE V10: tidb#24384")

	// And a request that comes again, as another kind than its locks are.
	require.NoError(t, s.prewrite(9, "g=1"))
	p, err := s.async(9, "g=1", "h=1")
	require.NoError(t, err)
	require.False(t, p.Async, "RULE V10: one of its locks is not of an async commit")
	require.NotContains(t, s.state(), "lock h P start 9 min 10 async true", "RULE V10: it is not so")
}

func TestOnlyThePrimaryAnswersForATransaction(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.prewrite(5, "a=1", "b=1"))
	_, err := s.do(&CheckTxnStatusRequest{Primary: []byte("b"), StartTS: 5, CurrentTS: timestamp.Make(10_000, 0), RollbackIfMissing: true})
	require.ErrorIs(t, err, ErrKey, "RULE V5: a secondary was asked, and decided")
	require.ErrorContains(t, err, `"a"`)
}

func TestResolveGoesThroughARange(t *testing.T) {
	s := newSrv(t)
	var muts []string
	for i := range 600 {
		muts = append(muts, fmt.Sprintf("k%03d=1", i))
	}
	require.NoError(t, s.prewrite(5, muts...))
	require.NoError(t, s.prewrite(6, "other=1"))
	require.NoError(t, s.lock(5, 5, "pessimistic"))
	_, err := s.do(&ResolveLockRequest{StartTS: 5, CommitTS: 8})
	require.NoError(t, err)
	state := s.state()
	require.NotContains(t, state, "start 5 min")
	require.Contains(t, state, "lock other")
	require.NoError(t, s.rollback(6, "other"))
	require.Len(t, srvPages(t, s, 9, 0, false, true), 600, "what was only locked was not written")
	_, err = s.do(&ResolveLockRequest{StartTS: 5, CommitTS: 8})
	require.NoError(t, err, "RULE V3: it is not so")
}
