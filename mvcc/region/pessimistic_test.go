package region

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPessimisticLocksAreTakenAllOrNone(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1", "b=1")
	require.NoError(t, s.prewrite(4, "b=2"))
	state := s.state()
	require.ErrorIs(t, s.lock(5, 5, "a", "b", "c"), ErrLocked, "RULE V8: it is not so")
	require.Equal(t, state, s.state(), "RULE V8: some were taken")
	require.NoError(t, s.rollback(4, "b"))
	a, err := s.do(s.lockRequest(5, 5, "a", "b", "c"))
	require.NoError(t, err)
	require.Equal(t, &LockResponse{Values: [][]byte{[]byte("1"), []byte("1"), nil}, ForUpdateTS: 5}, a)
	require.ErrorIs(t, s.prewrite(6, "c=1"), ErrLocked, "RULE V4: a pessimistic lock is a lock")
}

func TestPessimisticLocksAreTakenAtForUpdateTS(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1")
	s.put(10, 12, "a=2")
	var e *ConflictError
	require.ErrorAs(t, s.lock(5, 11, "a"), &e, "RULE V8: committed above ForUpdateTS")
	require.Equal(t, TS(12), e.OtherCommitTS)
	a, err := s.do(s.lockRequest(5, 12, "a"))
	require.NoError(t, err)
	require.Equal(t, "2", string(a.(*LockResponse).Values[0]), "RULE V8: the latest value")

	q := s.lockRequest(6, 6, "b")
	q.CheckAbsent = true
	_, err = s.do(q)
	require.NoError(t, err)
	s.put(20, 21, "c=1")
	q = s.lockRequest(6, 30, "c")
	q.CheckAbsent = true
	_, err = s.do(q)
	require.ErrorIs(t, err, ErrExists)

	q = s.lockRequest(7, 7, "c", "d")
	q.Raise = true
	a, err = s.do(q)
	require.NoError(t, err)
	require.Equal(t, &LockResponse{Values: [][]byte{[]byte("1"), nil}, ForUpdateTS: 21}, a, "RULE V8: raised")
	p := srvPrewrite(7, "*c=2")
	p.ForUpdateTS, p.OnePC = 21, true
	ans, err := s.do(p)
	require.NoError(t, err)
	require.Equal(t, TS(22), ans.(*PrewriteResponse).CommitTS, "RULE V8: above what was read under the lock")
}

// TestPrewriteFindsItsPessimisticLocksOrFails: the lock has expired, or was given back,
// and somebody else has written since.
func TestPrewriteFindsItsPessimisticLocksOrFails(t *testing.T) {
	lose := func(s *srv) {
		_, err := s.do(&PessimisticRollbackRequest{Keys: srvKeys("a"), StartTS: 5, ForUpdateTS: 5})
		require.NoError(s.t, err)
	}
	prewrite := func(s *srv, at TS) error {
		q := srvPrewrite(5, "*a=mine")
		q.ForUpdateTS, q.Mutations[0].ForUpdateTS = 40, at
		_, err := s.do(q)
		return err
	}
	s := newSrv(t)
	require.NoError(t, s.lock(5, 5, "a"))
	lose(s)
	require.NoError(t, prewrite(s, 5), "RULE V8: nobody has written since, so it might as well be there")

	s = newSrv(t)
	require.NoError(t, s.lock(5, 5, "a"))
	lose(s)
	s.put(8, 9, "a=other")
	require.ErrorIs(t, prewrite(s, 5), ErrConflict, "RULE V8: the lock was lost, and another has written")

	// A late copy of a request takes the lock again, above what the client knows of.
	late := s.lockRequest(5, 9, "a")
	_, err := s.do(late)
	require.NoError(t, err)
	require.ErrorIs(t, prewrite(s, 5), ErrConflict, "RULE V8: it is not the lock that the client has")
	require.NoError(t, prewrite(s, 9), "RULE V8: it is not so")

	s = newSrv(t)
	require.NoError(t, s.lock(5, 5, "a"))
	lose(s)
	require.NoError(t, s.prewrite(8, "a=other"))
	require.ErrorIs(t, prewrite(s, 5), ErrLocked, "RULE V8: it is not so")
}

func TestPessimisticRequestsThatComeTwiceOrLate(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.lock(5, 9, "a"))
	state := s.state()
	require.NoError(t, s.lock(5, 6, "a"), "RULE V3: it is not so")
	_, err := s.do(&PessimisticRollbackRequest{Keys: srvKeys("a", "b"), StartTS: 5, ForUpdateTS: 8})
	require.NoError(t, err)
	require.Equal(t, state, s.state(), "RULE V3: a late rollback takes a lock that was taken since")
	_, err = s.do(&PessimisticRollbackRequest{Keys: srvKeys("a"), StartTS: 6, ForUpdateTS: 20})
	require.NoError(t, err)
	require.Equal(t, state, s.state(), "RULE V3: another's lock was given back")
	q := srvPrewrite(5, "*a=1")
	q.ForUpdateTS = 9
	_, err = s.do(q)
	require.NoError(t, err)
	state = s.state()
	require.NoError(t, s.lock(5, 20, "a"), "RULE V3: it is not so")
	_, err = s.do(&PessimisticRollbackRequest{Keys: srvKeys("a"), StartTS: 5, ForUpdateTS: 30})
	require.NoError(t, err)
	require.Equal(t, state, s.state(), "RULE V3: what was prewritten is not only locked any more")
	require.ErrorIs(t, s.commit(7, 8, "a"), ErrRolledBack)

	require.NoError(t, s.lock(11, 11, "b"))
	require.ErrorIs(t, s.commit(11, 12, "b"), ErrRolledBack, "RULE V5: committed what was never prewritten")
}

// wait sends a LockRequest that waits, and returns where its end will be told.
func (s *srv) wait(start TS, wait time.Duration, keys ...string) chan error {
	done := make(chan error, 1)
	go func() {
		q := s.lockRequest(start, start, keys...)
		q.Wait, q.Raise = wait, true
		_, err := s.do(q)
		done <- err
	}()
	synctest.Wait()
	return done
}

func srvDone(done chan error) (err error, ok bool) {
	synctest.Wait()
	select {
	case err = <-done:
		return err, true
	default:
		return nil, false
	}
}

// must reports how something ended, which must have.
func (s *srv) must(done chan error, rule string) error {
	s.t.Helper()
	err, ok := srvDone(done)
	require.True(s.t, ok, "RULE %s: it still waits", rule)
	return err
}

func TestWhoWaitsIsWokenWhenTheLockGoes(t *testing.T) {
	for name, release := range map[string]func(s *srv) error{
		"commit": func(s *srv) error {
			q := srvPrewrite(5, "*a=1")
			q.ForUpdateTS = 5
			if _, err := s.do(q); err != nil {
				return err
			}
			return s.commit(5, 6, "a")
		},
		"rollback": func(s *srv) error { return s.rollback(5, "a") },
		"pessimistic rollback": func(s *srv) error {
			_, err := s.do(&PessimisticRollbackRequest{Keys: srvKeys("a"), StartTS: 5, ForUpdateTS: 5})
			return err
		},
		"resolved": func(s *srv) error { _, err := s.do(&ResolveLockRequest{StartTS: 5}); return err },
		"expired": func(s *srv) error {
			s.status("a", 5, 0, maxTS, true)
			return nil
		},
		"one phase": func(s *srv) error {
			q := srvPrewrite(5, "*a=1")
			q.ForUpdateTS, q.OnePC = 5, true
			_, err := s.do(q)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSrv(t, Options{MaxWait: time.Hour})
				require.NoError(t, s.lock(5, 5, "a"))
				begun := time.Now()
				done := s.wait(7, time.Minute, "a", "b")
				_, ok := srvDone(done)
				require.False(t, ok, "RULE V8: it does not wait")
				require.NoError(t, release(s))
				require.NoError(t, s.must(done, "V8"))
				require.Zero(t, time.Since(begun), "RULE V8: it slept on")
				require.Contains(t, s.state(), "lock a S start 7")
				require.Empty(t, s.r.state.o.Detector.Edges(), "RULE V9: a stale edge")
			})
		})
	}
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSrv(t)
		require.NoError(t, s.lock(5, 5, "a"))
		begun := time.Now()
		done := s.wait(7, 300*time.Millisecond, "a")
		time.Sleep(time.Second)
		require.ErrorIs(t, s.must(done, "V8"), ErrLocked)
		done = s.wait(7, time.Hour, "a")
		time.Sleep(time.Second)
		require.ErrorIs(t, s.must(done, "V8"), ErrLocked, "RULE V8: the sender must look whether the other is alive")
		require.Equal(t, 2*time.Second, time.Since(begun))
		require.ErrorIs(t, s.lock(7, 7, "a"), ErrLocked, "no wait was asked for")

		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			q := s.lockRequest(8, 8, "a")
			q.Wait = time.Hour
			_, err := s.r.Do(ctx, s.r.Info().Ref, q)
			gone <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, s.must(gone, "V8"), context.Canceled)

		done = s.wait(9, time.Hour, "a")
		s.r.Close()
		require.ErrorAs(t, s.must(done, "V8"), new(*Error), "RULE V17: a region that is closed wakes who waits")
		require.Empty(t, s.r.state.o.Detector.Edges(), "RULE V9: a stale edge")
		require.Empty(t, s.r.state.waits.queues)
		require.Zero(t, s.r.state.waits.n.Load())
	})
}

// TestTheOldestIsServedFirst also sees that everybody is served: a turn that is not taken
// is passed on.
func TestTheOldestIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSrv(t, Options{MaxWait: time.Hour})
		require.NoError(t, s.lock(5, 5, "a"))
		waits := map[TS]chan error{}
		for _, start := range []TS{9, 7, 8, 6} {
			waits[start] = s.wait(start, time.Hour, "a")
		}
		// 6 was rolled back while it waited, so it will not take the lock.
		require.NoError(t, s.rollback(6, "a"))
		require.NoError(t, s.rollback(5, "a"))
		require.ErrorIs(t, s.must(waits[6], "V8"), ErrRolledBack)
		for _, start := range []TS{7, 8, 9} {
			require.NoError(t, s.must(waits[start], "V8"), "RULE V8: %v", start)
			for _, e := range s.r.state.o.Detector.Edges() {
				require.Equal(t, start, e.Holder, "RULE V9: an edge to who has gone")
			}
			require.NoError(t, s.rollback(start, "a"))
		}
	})
}

func TestATurnThatIsNotTakenIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSrv(t, Options{MaxWait: time.Hour})
		require.NoError(t, s.lock(5, 5, "a"))
		require.NoError(t, s.lock(50, 50, "b"))
		first := s.wait(7, time.Hour, "a", "b") // when it has its turn for a, it waits for b
		second := s.wait(8, time.Hour, "a")
		require.NoError(t, s.rollback(5, "a"))
		require.NoError(t, s.must(second, "V8"), "RULE V8: nobody has the lock, and nobody is woken")
		require.NoError(t, s.rollback(50, "b"))
		_, ok := srvDone(first)
		require.False(t, ok)
		require.NoError(t, s.rollback(8, "a"))
		require.NoError(t, s.must(first, "V8"))
	})
}

func TestWhoWaitsInACircleIsTold(t *testing.T) {
	for n := 2; n <= 6; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := new(Detector)
				// Each key in a region of its own, of one store.
				var all []*srv
				for i := range n {
					s := newSrv(t, Options{MaxWait: time.Hour, Detector: d})
					require.NoError(t, s.lock(TS(10+i), TS(10+i), "k"))
					all = append(all, s)
				}
				var waits []chan error
				for i := range n - 1 {
					waits = append(waits, all[i+1].wait(TS(10+i), time.Hour, "k"))
				}
				last := TS(10 + n - 1)
				err := srvEnd(all[0].wait(last, time.Hour, "k"))
				var e *DeadlockError
				require.ErrorAs(t, err, &e, "RULE V9: a circle of %d", n)
				require.Equal(t, last, e.Victim, "RULE V9: it is not so")
				require.Len(t, e.Circle, n, "RULE V9: it is not so")
				require.Equal(t, []TS{last, 10}, e.Circle[:2], "RULE V9: each waits for the next")
				require.Equal(t, "k", string(e.Key))
				for i := n - 2; i >= 0; i-- { // the victim gives way, and all others get on
					require.NoError(t, all[i+1].rollback(TS(10+i+1), "k"))
					require.NoError(t, srvEnd(waits[i]), "RULE V9: it is not so")
				}
				require.Empty(t, d.Edges(), "RULE V9: a stale edge")
			})
		})
	}
}

func srvEnd(done chan error) error {
	err, ok := srvDone(done)
	if !ok {
		return fmt.Errorf("it still waits")
	}
	return err
}

// TestANewHolderClosesACircle: nobody begins to wait when the circle closes; the lock
// that one waits for has got another holder.
func TestANewHolderClosesACircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSrv(t, Options{MaxWait: time.Hour})
		require.NoError(t, s.lock(5, 5, "a"))
		require.NoError(t, s.lock(7, 7, "b"))
		seven := s.wait(7, time.Hour, "a")
		six := s.wait(6, time.Hour, "a")
		sixB := s.wait(6, time.Hour, "b")
		require.NoError(t, s.rollback(5, "a")) // to 6, which waits for 7 already
		require.NoError(t, s.must(six, "V9"))
		var e *DeadlockError
		require.ErrorAs(t, s.must(seven, "V9"), &e, "RULE V9: it is not so")
		require.Equal(t, []TS{7, 6}, e.Circle, "RULE V9: it is not so")
		require.NoError(t, s.rollback(7, "b"))
		require.NoError(t, s.must(sixB, "V9"))
		require.Empty(t, s.r.state.o.Detector.Edges(), "RULE V9: a stale edge")
	})
}

func TestDetectorForgetsOneWaitAtATime(t *testing.T) {
	var d Detector
	require.NoError(t, d.Wait(1, 2, []byte("a")))
	require.NoError(t, d.Wait(1, 2, []byte("a")))
	require.NoError(t, d.Wait(1, 3, []byte("b")))
	d.Done(1, 2, []byte("a"))
	require.ErrorIs(t, d.Wait(2, 1, []byte("c")), ErrDeadlock, "RULE V9: it waits still, in another request")
	d.Done(1, 2, []byte("a"))
	require.NoError(t, d.Turn(1, 3, 4, []byte("b")))
	require.ErrorIs(t, d.Wait(4, 1, []byte("d")), ErrDeadlock, "RULE V9: it waits for who holds the lock now")
	require.NoError(t, d.Turn(1, 4, 3, []byte("b")))
	d.Done(1, 9, []byte("x"))
	require.NoError(t, d.Wait(2, 1, []byte("c")), "RULE V9: a stale edge")
	require.Equal(t, []Edge{{1, 3, []byte("b")}, {2, 1, []byte("c")}}, d.Edges())
}
