package region

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// gcAll collects everything, some versions a request.
func gcAll(t testing.TB, s *srv, safePoint TS, limit int) (removed int) {
	q := &GCRequest{SafePoint: safePoint, Limit: limit}
	for requests := 0; ; requests++ {
		require.Less(t, requests, 10_000, "RULE V16: collection does not get on")
		a, err := s.do(q)
		require.NoError(t, err)
		removed += a.(*GCResponse).Removed
		if q.Start = a.(*GCResponse).Resume; q.Start == nil {
			return removed
		}
	}
}

func TestCollectionKeepsWhatIsVisibleAtTheSafepoint(t *testing.T) {
	s := newSrv(t)
	s.put(2, 3, "a="+strings.Repeat("x", 300), "b=1", "c=1", "d=1")
	require.NoError(t, s.rollback(5, "a", "b", "c"))
	s.put(6, 7, "a=2", "b-", "c!")
	s.put(10, 12, "a=3", "b=3")
	require.NoError(t, s.rollback(9, "d"))
	gcAll(t, s, 8, 0)
	_, state, _ := strings.Cut(s.state(), "default 00\n") // the safepoint
	require.Equal(t, `a@12 P start 10 "3" overlapped false
a@7 P start 6 "2" overlapped false
b@12 P start 10 "3" overlapped false
c@3 P start 2 "1" overlapped false
d@9 R start 9 "" overlapped false
d@3 P start 2 "1" overlapped false
`, state, "RULE V16: it is not so")
	require.Equal(t, "a=2 c=1 d=1", s.scan(9, false), "RULE V16: it is not so")
	require.Equal(t, "a=3 b=3 c=1 d=1", s.scan(12, false), "RULE V16: it is not so")
}

func TestCollectionChangesNothingAboveTheSafepoint(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		s := newSrv(t)
		ts := TS(1)
		for range 120 {
			key, start, commit := string("abc"[rnd.IntN(3)]), ts, ts+1
			ts += 2
			switch rnd.IntN(5) {
			case 0:
				require.NoError(t, s.rollback(start, key))
			case 1:
				s.put(start, commit, key+"!")
			case 2:
				s.put(start, commit, key+"-")
			default:
				s.put(start, commit, key+"="+strings.Repeat("v", rnd.IntN(2)*300)+fmt.Sprint(commit))
			}
		}
		safe := TS(1 + rnd.IntN(int(ts)))
		before := map[TS]string{}
		for read := safe + 1; read <= ts; read++ {
			before[read] = s.scan(read, false)
		}
		limit := rnd.IntN(6)
		gcAll(t, s, safe, limit)
		for read, want := range before {
			require.Equal(t, want, s.scan(read, false), "RULE V16: seed %d, safepoint %v, limit %d, at %v", seed, safe, limit, read)
		}
		require.Zero(t, gcAll(t, s, safe, 0), "RULE V16: seed %d: something was left", seed)
		inDefault := regexp.MustCompile(`P start \d+ ""`).FindAllString(s.state(), -1)
		require.Equal(t, len(inDefault)+1, strings.Count(s.state(), "default"), "RULE V16: seed %d: values and versions, and the safepoint", seed)
	}
}

func TestALongHistoryIsCollectedInPiecesWithoutShowingIt(t *testing.T) {
	s := newSrv(t)
	for ts := TS(2); ts < 100; ts += 2 {
		s.put(ts, ts+1, fmt.Sprintf("a=%d", ts))
	}
	s.put(100, 101, "a-")
	s.put(102, 103, "b=1")
	q := &GCRequest{SafePoint: 110, Limit: 7}
	for {
		a, err := s.do(q)
		require.NoError(t, err)
		require.Equal(t, "b=1", s.scan(120, false), "RULE V16: a tombstone went before what it hides")
		require.LessOrEqual(t, a.(*GCResponse).Scanned, 8)
		if q.Start = a.(*GCResponse).Resume; q.Start == nil {
			break
		}
	}
	require.NotContains(t, s.state(), "a@", "RULE V16: it is not so")
}

func TestNothingIsCollectedUnderALock(t *testing.T) {
	s := newSrv(t)
	s.put(2, 3, "a=1", "b=1")
	s.put(4, 5, "a=2")
	require.NoError(t, s.prewrite(6, "b=2"))
	state := s.state()
	_, err := s.do(&GCRequest{SafePoint: 8})
	var l *LockedError
	require.ErrorAs(t, err, &l, "RULE V16: a transaction that is not decided may have its primary anywhere")
	require.Equal(t, TS(6), l.Locks[0].StartTS)
	require.Contains(t, s.state(), state)
	a, err := s.do(&ScanLocksRequest{MaxTS: 8})
	require.NoError(t, err)
	require.Len(t, a.(*ScanLocksResponse).Locks, 1)
	require.Equal(t, TxnRolledBack, s.status("b", 6, 0, maxTS, true).State, "RULE V16: what is older than the safepoint can be resolved still")
	gcAll(t, s, 8, 0)
	require.NotContains(t, s.state(), "a@3")
}

func TestScanLocksGoesOnWhereItEnded(t *testing.T) {
	s := newSrv(t)
	require.NoError(t, s.prewrite(5, "a=1", "b=1", "c=1"))
	require.NoError(t, s.prewrite(9, "d=1"))
	a, err := s.do(&ScanLocksRequest{MaxTS: 8, Limit: 2})
	require.NoError(t, err)
	require.Len(t, a.(*ScanLocksResponse).Locks, 2)
	a, err = s.do(&ScanLocksRequest{MaxTS: 8, Limit: 2, Start: a.(*ScanLocksResponse).Resume})
	require.NoError(t, err)
	require.Len(t, a.(*ScanLocksResponse).Locks, 1)
	require.Nil(t, a.(*ScanLocksResponse).Resume)
	require.GreaterOrEqual(t, s.r.ReadBound(), TS(8), "RULE V16: nothing may commit below it after that")
}

func TestWhatIsAsOldAsTheSafepointIsRefused(t *testing.T) {
	s := newSrv(t)
	s.put(2, 3, "a=1")
	require.NoError(t, s.prewrite(7, "z=1"))
	require.NoError(t, s.r.SetSafePoint(t.Context(), 8))
	require.NoError(t, s.r.SetSafePoint(t.Context(), 4), "a lower one changes nothing")
	state := s.state()
	require.Equal(t, TS(8), s.r.SafePoint())
	for what, err := range map[string]error{
		"read":     func() error { _, err := s.do(&GetRequest{ReadOptions{ReadTS: 8}, srvKeys("a")}); return err }(),
		"scan":     func() error { _, err := s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 8}}); return err }(),
		"prewrite": s.prewrite(8, "a=2"),
		"commit":   s.commit(7, 9, "z"),
		"rollback": s.rollback(7, "z"),
		"lock":     s.lock(8, 9, "a"),
		"heartbeat": func() error {
			_, err := s.do(&HeartbeatRequest{Primary: []byte("z"), StartTS: 7, TTL: 1})
			return err
		}(),
		"pessimistic rollback": func() error {
			_, err := s.do(&PessimisticRollbackRequest{Keys: srvKeys("z"), StartTS: 7, ForUpdateTS: 7})
			return err
		}(),
	} {
		require.ErrorIs(t, err, ErrTooOld, "RULE V3: %s", what)
	}
	require.Equal(t, TxnRolledBack, s.status("unknown", 5, 0, 9, true).State)
	require.Equal(t, state, s.state(), "RULE V3: it is not so")
	require.NoError(t, s.prewrite(9, "a=2"))

	// It is durable: the region made anew knows it.
	again := &srv{t: t, e: s.e, r: New(s.r.Info(), s.e, Options{})}
	require.ErrorIs(t, again.prewrite(8, "b=2"), ErrTooOld, "RULE V3: a restart forgets the safepoint")
	require.NoError(t, again.r.SetSafePoint(t.Context(), 6))
	third := &srv{t: t, e: s.e, r: New(s.r.Info(), s.e, Options{})}
	require.ErrorIs(t, third.prewrite(8, "b=2"), ErrTooOld, "RULE V3: a lower safepoint overwrites it")
}

// TestAReaderIsRefusedOrSeesAll: collection runs between the reader's coming and its
// snapshot.
func TestAReaderIsRefusedOrSeesAll(t *testing.T) {
	s, e := newHookSrv(t, Options{})
	s.put(2, 3, "a=1")
	s.put(7, 8, "a=2")
	e.snapshot = func() {
		e.snapshot = nil
		gcAll(t, s, 9, 0)
	}
	require.Contains(t, s.get(5, "a"), ErrTooOld.Error(), "RULE V16: a reader below the safepoint")
}

// TestASafepointWaitsForWhatIsUnderWay: a prewrite was admitted before, and is not
// written yet.
func TestASafepointWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := newHookSrv(t, Options{})
		open := e.stopFirst(t)
		run := func(f func() error) chan error {
			done := make(chan error, 1)
			go func() { done <- f() }()
			synctest.Wait()
			return done
		}
		prewrite := run(func() error { return s.prewrite(5, "a=1") })
		collect := run(func() error { _, err := s.do(&GCRequest{SafePoint: 8}); return err })
		locks := run(func() error { _, err := s.do(&ScanLocksRequest{MaxTS: 8}); return err })
		_, ok := srvDone(collect)
		require.False(t, ok, "RULE V16: it has not seen what is under way")
		_, ok = srvDone(locks)
		require.False(t, ok, "RULE V16: it has not seen what is under way")
		close(open)
		require.NoError(t, s.must(prewrite, "V16"))
		require.ErrorIs(t, s.must(collect, "V16"), ErrLocked, "RULE V16: it is not so")
		require.NoError(t, s.must(locks, "V16"))
	})
}
