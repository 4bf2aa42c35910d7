package region

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAKeyIsLockedOnlyIfNothingCameBetween(t *testing.T) {
	s := newSrv(t)
	s.put(5, 8, "a=1")
	var e *ConflictError
	require.ErrorAs(t, s.prewrite(7, "a=2"), &e, "RULE V4: committed at 8, which is after 7, though it began before")
	require.Equal(t, []any{WriteConflict, "a", TS(7), TS(5), TS(8)}, []any{e.Reason, string(e.Key), e.StartTS, e.OtherStartTS, e.OtherCommitTS})
	require.Positive(t, e.Age)
	require.NoError(t, s.prewrite(9, "a=2"))
	var l *LockedError
	require.ErrorAs(t, s.prewrite(10, "a=3", "b=3"), &l, "RULE V4: it is not so")
	require.Equal(t, TS(9), l.Locks[0].StartTS)
	require.Equal(t, 3*time.Second, l.Locks[0].TTL)
	require.NoError(t, s.rollback(9, "a"))
	require.NoError(t, s.prewrite(8, "a=4"), "RULE V4: a rollback above is no conflict, nor a commit at StartTS")
	s.put(20, 21, "c!")
	require.ErrorIs(t, s.prewrite(19, "c=1"), ErrConflict, "RULE V4: what only locks conflicts as a write does")
}

func TestPrewriteLocksAllOrNothing(t *testing.T) {
	s := newSrv(t)
	s.put(5, 8, "b=1")
	before := s.state()
	require.ErrorIs(t, s.prewrite(7, "a=1", "b=2", "c=3"), ErrConflict)
	require.Equal(t, before, s.state(), "RULE V2: half of a request was done")
}

func TestInsertFailsWhereAValueIs(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1", "b=1")
	s.put(3, 4, "b-")
	require.ErrorIs(t, s.prewrite(5, "a+2"), ErrExists, "RULE V4: it is not so")
	require.ErrorContains(t, s.prewrite(5, "a+2"), `"a"`)
	require.ErrorIs(t, s.prewrite(5, "a?"), ErrExists, "RULE V4: it is not so")
	require.NoError(t, s.prewrite(5, "b+2", "c?", "d+2"))
	require.Equal(t, "-", s.get(9, "c"), "a check leaves no lock")
	require.NoError(t, s.commit(5, 6, "b", "d"))
	require.NoError(t, s.prewrite(5, "b+2", "c?", "d+2"), "RULE V3: what is there now is its own")
}

func TestCommitMakesVisible(t *testing.T) {
	s := newSrv(t)
	long := strings.Repeat("x", 1000)
	require.NoError(t, s.prewrite(5, "a=1", "b="+long))
	require.NoError(t, s.commit(5, 8, "a"))
	require.Equal(t, "1", s.get(8, "a"))
	require.Equal(t, "locked by 5", s.get(8, "b"), "RULE V5: the secondary follows")
	require.NoError(t, s.commit(5, 8, "b"))
	require.Equal(t, long, s.get(8, "b"))
	require.Equal(t, "-", s.get(7, "b"))
}

func TestWhatComesTwiceOrLateChangesNothing(t *testing.T) {
	s := newSrv(t)
	s.put(5, 8, "a=1", "b=1")
	state := s.state()
	same := func(what string) {
		t.Helper()
		require.Equal(t, state, s.state(), "RULE V3: %s", what)
	}
	require.NoError(t, s.commit(5, 8, "a", "b"), "RULE V3: committed twice")
	same("committed twice")
	require.NoError(t, s.prewrite(5, "a=1", "b=1"), "RULE V3: it is not so")
	same("prewritten after the commit (tikv#11187)")
	var already *AlreadyCommittedError
	require.ErrorAs(t, s.rollback(5, "a"), &already, "RULE V5: rolled back after the commit")
	require.Equal(t, TS(8), already.CommitTS)
	same("rolled back after the commit")
	require.ErrorAs(t, s.commit(5, 9, "a"), &already, "RULE V5: committed at another time")
	require.ErrorAs(t, s.lock(5, 5, "a"), &already, "RULE V3: locked after the commit")
	same("locked after the commit")

	require.NoError(t, s.prewrite(11, "a=2"))
	require.NoError(t, s.rollback(11, "a", "b"))
	state = s.state()
	require.NoError(t, s.rollback(11, "a", "b"), "RULE V3: it is not so")
	require.ErrorIs(t, s.commit(11, 12, "a"), ErrRolledBack, "RULE V5: committed after the rollback")
	require.ErrorIs(t, s.prewrite(11, "a=2"), ErrRolledBack, "RULE V6: it is not so")
	require.ErrorIs(t, s.lock(11, 11, "b"), ErrRolledBack, "RULE V6: it is not so")
	same("after the rollback")
	require.ErrorIs(t, s.commit(50, 51, "a"), ErrRolledBack, "a transaction that nobody knows")
	same("a transaction that nobody knows")
}

// TestPrewriteAfterCommitAnswersAsBefore: tikv#11187. The client of a commit in one phase,
// or an async one, has lost the answer and asks again, when others have written since.
func TestPrewriteAfterCommitAnswersAsBefore(t *testing.T) {
	s := newSrv(t)
	first, err := s.onePC(5, "a=1", "b+1")
	require.NoError(t, err)
	require.NotZero(t, first.CommitTS)
	s.put(20, 21, "a=2")
	require.NoError(t, s.prewrite(23, "b=3"))
	state := s.state()
	again, err := s.onePC(5, "a=1", "b+1")
	require.NoError(t, err, "RULE V3: it is committed, whatever came since (tikv#11187)")
	require.Equal(t, first, again, "RULE V3: tikv#11187")
	require.Equal(t, state, s.state(), "RULE V3: it is locked for ever (tikv#11187)")
	s.put(30, 31, "0=1")
	again, err = s.onePC(5, "0?", "a=1", "b+1")
	require.NoError(t, err, "RULE V3: one key knows it for all")
	require.Equal(t, first.CommitTS, again.CommitTS, "RULE V3: one key knows it for all")
}

// TestLatePrewriteFindsTheRollback: tikv#921. The rollback came first, where there was
// no lock; the prewrite is late.
func TestLatePrewriteFindsTheRollback(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.rollback(5, "a", "b"))
	require.ErrorIs(t, s.prewrite(5, "a=1", "b=1"), ErrRolledBack, "RULE V6: tikv#921")
	require.NoError(t, s.prewrite(6, "c=1"))
	require.NoError(t, s.rollback(6, "c"))
	require.ErrorIs(t, s.prewrite(6, "c=1"), ErrRolledBack, "RULE V6: also where a lock was (tikv#921)")
	require.NoError(t, s.rollback(7, "c"))
	require.ErrorIs(t, s.prewrite(6, "c=1"), ErrRolledBack, "RULE V6: a later rollback has taken this one's record")
	require.NotContains(t, s.state(), "lock", "RULE V6: it is not so")
}

// TestACommitAtAnothersStartTSIsNotTakenForIt: one key, one timestamp, two transactions:
// with CommitTS that no oracle gave out that may be.
func TestACommitAtAnothersStartTSIsNotTakenForIt(t *testing.T) {
	for name, test := range map[string]func(s *srv){
		"committed first": func(s *srv) {
			s.put(5, 8, "a=1")
			require.NoError(s.t, s.rollback(8, "a"), "RULE V6: what is committed there is another's")
			require.NoError(s.t, s.rollback(8, "a"))
		},
		"rolled back first": func(s *srv) {
			require.NoError(s.t, s.rollback(8, "a"))
			s.put(5, 8, "a=1")
		},
		"rolled back first, one phase": func(s *srv) {
			require.NoError(s.t, s.rollback(8, "a"))
			s.r.RaiseReadBound(7)
			a, err := s.onePC(5, "a=1")
			require.NoError(s.t, err)
			require.Equal(s.t, TS(8), a.CommitTS)
		},
		"asked for": func(s *srv) {
			s.put(5, 8, "a=1")
			require.Equal(s.t, TxnUnknown, s.status("a", 8, 0, 9, false).State, "RULE V6: what is committed there is another's")
			require.Equal(s.t, TxnRolledBack, s.status("a", 8, 0, 9, true).State)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSrv(t)
			test(s)
			require.Equal(t, "1", s.get(8, "a"), "RULE V6: the commit is gone")
			require.ErrorIs(t, s.prewrite(8, "a=2"), ErrRolledBack, "RULE V6: the rollback is gone")
			require.Equal(t, TxnRolledBack, s.status("a", 8, 0, 9, false).State, "RULE V6: the rollback is gone")
			require.Equal(t, TxnCommitted, s.status("a", 5, 0, 9, false).State, "RULE V6: the commit is gone")
			require.NoError(t, s.commit(5, 8, "a"))
		})
	}
	s := newSrv(t)
	s.put(5, 8, "a=1")
	require.NoError(t, s.prewrite(8, "a=2"), "RULE V6: a commit at StartTS is another's, and not after it")
}

func TestRollbackTakesTheValueAlong(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.prewrite(5, "a="+strings.Repeat("x", 1000)))
	require.Contains(t, s.state(), "default a")
	require.NoError(t, s.rollback(5, "a"))
	require.NotContains(t, s.state(), "default a")
	require.NotContains(t, s.state(), "lock")
}

func TestOnePhaseIsAsGoodAsTwo(t *testing.T) {
	two, one := newSrv(t), newSrv(t)
	long := strings.Repeat("x", 300)
	muts := []string{"a=1", "b=" + long, "c-", "d!", "e+1"}
	two.put(1, 2, "c=1")
	one.put(1, 2, "c=1")
	two.put(5, 6, muts...)
	a, err := one.onePC(5, muts...)
	require.NoError(t, err)
	require.Equal(t, &PrewriteResponse{MinCommitTS: 6, CommitTS: 6}, a)
	require.Equal(t, two.state(), one.state(), "RULE V11: it is not so")
}

func TestOnePhaseTakesPessimisticLocksAlong(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.lock(5, 7, "a", "b"))
	q := srvPrewrite(5, "*a=1", "*b=1", "c=1")
	q.OnePC, q.ForUpdateTS = true, 7
	a, err := s.do(q)
	require.NoError(t, err)
	require.Equal(t, TS(8), a.(*PrewriteResponse).CommitTS, "RULE V8: above ForUpdateTS")
	require.NotContains(t, s.state(), "lock", "RULE V8: it is not so")
}

func TestOnePhaseIsGivenUpWhereLocksAre(t *testing.T) {
	s := newSrv(t)
	_, err := s.async(5, "a=1", "b=1")
	require.NoError(t, err)
	q := srvPrewrite(5, "a=1", "b=1")
	q.OnePC, q.AsyncCommit, q.Secondaries = true, true, srvKeys("b")
	a, err := s.do(q)
	require.NoError(t, err)
	require.Zero(t, a.(*PrewriteResponse).CommitTS, "RULE V3: it was locked before, and others may have acted upon that")
	require.True(t, a.(*PrewriteResponse).Async)
}
