package region

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// hookEngine tells when it is used.
type hookEngine struct {
	Engine
	snapshot func()
	write    func(*Batch) error
}

func (e *hookEngine) Snapshot(ctx context.Context) (Snapshot, error) {
	if e.snapshot != nil {
		e.snapshot()
	}
	return e.Engine.Snapshot(ctx)
}

func (e *hookEngine) Write(ctx context.Context, b *Batch) error {
	if e.write != nil {
		if err := e.write(b); err != nil {
			return err
		}
	}
	return e.Engine.Write(ctx, b)
}

// stopFirst has the first write wait until what it returns is closed.
func (e *hookEngine) stopFirst(t *testing.T) chan struct{} {
	open := make(chan struct{})
	var writes atomic.Int64
	e.write = func(*Batch) error {
		if writes.Add(1) == 1 {
			select {
			case <-open:
			case <-t.Context().Done(): // the test has failed
			}
		}
		return nil
	}
	return open
}

func newHookSrv(t testing.TB, o Options) (*srv, *hookEngine) {
	e := &hookEngine{Engine: newSlow()}
	s := &srv{t: t, e: e, r: New(Info{Ref: Ref{ID: 1, Epoch: 1}}, e, o)}
	t.Cleanup(s.r.Close)
	return s, e
}

// TestCommitsComeAboveWhatWasRead: tikv#10570. All who take their CommitTS from
// the region, and with hybrid clocks all.
func TestCommitsComeAboveWhatWasRead(t *testing.T) {
	for name, read := range map[string]func(s *srv){
		"get":  func(s *srv) { s.get(50, "other") },
		"scan": func(s *srv) { s.scan(50, false) },
		"refresh": func(s *srv) {
			_, err := s.do(&RefreshRequest{Keys: srvKeys("other"), From: 1, To: 50})
			require.NoError(s.t, err)
		},
		"lock": func(s *srv) { require.NoError(s.t, s.lock(50, 50, "other")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSrv(t, Options{Hybrid: true})
			read(s)
			a, err := s.async(5, "a=1", "b=1")
			require.NoError(t, err)
			require.Equal(t, TS(51), a.MinCommitTS, "RULE V11: an async commit below a read (tikv#10570)")
			a, err = s.onePC(5, "c=1")
			require.NoError(t, err)
			require.Equal(t, TS(51), a.CommitTS, "RULE V11: a commit in one phase below a read")
			ans, err := s.do(srvPrewrite(5, "d=1"))
			require.NoError(t, err)
			require.Equal(t, TS(51), ans.(*PrewriteResponse).MinCommitTS, "RULE V11: hybrid clocks always need it")
			require.ErrorAs(t, s.commit(5, 50, "d"), new(*CommitTooEarlyError), "RULE V11: it is not so")
		})
	}
	s := newSrv(t)
	s.get(50, "a")
	a, err := s.do(srvPrewrite(5, "d=1"))
	require.NoError(t, err)
	require.Zero(t, a.(*PrewriteResponse).MinCommitTS)
	q := srvPrewrite(7, "e=1")
	q.OnePC, q.MinCommitTS = true, 60
	a, err = s.do(q)
	require.NoError(t, err)
	require.Equal(t, TS(60), a.(*PrewriteResponse).CommitTS, "the client's own bound")
}

// TestNoReadSlipsUnderAPrewrite: the bound was read, the locks are not yet written.
func TestNoReadSlipsUnderAPrewrite(t *testing.T) {
	for name, send := range map[string]func(s *srv) (*PrewriteResponse, error){
		"async":     func(s *srv) (*PrewriteResponse, error) { return s.async(5, "a=2", "b=2") },
		"one phase": func(s *srv) (*PrewriteResponse, error) { return s.onePC(5, "a=2", "b=2") },
		"hybrid": func(s *srv) (*PrewriteResponse, error) {
			a, err := s.do(srvPrewrite(5, "a=2", "b=2"))
			return a.(*PrewriteResponse), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, e := newHookSrv(t, Options{Hybrid: name == "hybrid"})
			s.put(1, 2, "a=1", "b=1")
			s.get(20, "a")
			writes := 0
			e.write = func(*Batch) error {
				writes++
				require.Equal(t, "1", s.get(20, "a"))
				require.Equal(t, "locked by 5", s.get(21, "a"), "RULE V11: a read under the prewrite's MinCommitTS (tikv#10570)")
				require.Equal(t, "locked by 5", s.scan(21, false), "RULE V11: it is not so")
				require.Equal(t, "locked by 5", srvShow(s.do(&RefreshRequest{Spans: []Span{{}}, From: 3, To: 30})), "RULE V11: it is not so")
				require.Equal(t, "-", s.get(40, "c"), "others' keys are in nobody's way")
				return nil
			}
			a, err := send(s)
			require.NoError(t, err)
			require.Equal(t, 1, writes)
			require.Equal(t, TS(21), a.MinCommitTS)
			e.write = nil
			if a.CommitTS == 0 {
				require.NoError(t, s.commit(5, 21, "a", "b"))
			}
			require.Equal(t, "2", s.get(21, "a"))
			require.Zero(t, s.r.state.pending.n.Load())
		})
	}
}

// TestAReaderRaisesTheBoundBeforeItLooks: a whole transaction runs between the reader's
// beginning and its snapshot.
func TestAReaderRaisesTheBoundBeforeItLooks(t *testing.T) {
	s, e := newHookSrv(t, Options{})
	s.put(1, 2, "a=1")
	e.snapshot = func() {
		e.snapshot = nil
		a, err := s.onePC(5, "a=2")
		require.NoError(t, err)
		require.Equal(t, TS(31), a.CommitTS, "RULE V11: below a read under way")
	}
	require.Equal(t, "1", s.get(30, "a"), "RULE V11: two reads at 30 would differ")
	require.Equal(t, "2", s.get(31, "a"))
}

// TestAWriteOfUnknownOutcomeChangesNothingBehindAReader: the engine has not answered, and
// does it later.
func TestAWriteOfUnknownOutcomeChangesNothingBehindAReader(t *testing.T) {
	s, e := newHookSrv(t, Options{})
	s.put(1, 2, "a=1")
	var late *Batch
	e.write = func(b *Batch) error {
		if late == nil {
			late = &Batch{}
			for _, op := range b.Ops {
				late.Ops = append(late.Ops, Op{op.Kind, op.CF, bytes.Clone(op.Key), bytes.Clone(op.Value)})
			}
			return errors.New("no answer")
		}
		if err := e.Engine.Write(t.Context(), late); err != nil {
			return err
		}
		late = &Batch{}
		return nil
	}
	_, err := s.onePC(5, "a=2")
	require.ErrorIs(t, err, ErrUndetermined, "RULE V15: it is not so")
	require.ErrorContains(t, err, "no answer")
	require.Equal(t, "2", s.get(30, "a"), "RULE V11: it reads what will be overwritten below it")
	require.NoError(t, s.commit(5, 6, "a"), "RULE V3: it is not so")
}

func TestRequestsThatShareAKeyRunOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := newHookSrv(t, Options{})
		open := e.stopFirst(t)
		run := func(f func() error) chan error {
			done := make(chan error, 1)
			go func() { done <- f() }()
			synctest.Wait()
			return done
		}
		first := run(func() error { return s.prewrite(5, "a=1", "b=1") })
		second := run(func() error { return s.prewrite(6, "b=2", "c=2") })
		third := run(func() error { return s.prewrite(7, "d=3") })
		require.NoError(t, s.must(third, "V2"), "RULE V2: it shares nothing with them")
		_, ok := srvDone(second)
		require.False(t, ok, "RULE V2: both have seen that b is free")
		close(open)
		require.NoError(t, s.must(first, "V2"))
		require.ErrorIs(t, s.must(second, "V2"), ErrLocked, "RULE V2: it is not so")
	})
}

// TestLatchesAreTakenInOrder: one holds x; the next wants x and y, and one more wants
// them the other way round.
func TestLatchesAreTakenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := newHookSrv(t, Options{})
		open := e.stopFirst(t)
		x, y := "x", "y"
		w := new(run)
		w.latchAll(srvKeys(x, y))
		if w.slots[0] > w.slots[1] {
			x, y = y, x
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		send := func(start TS, keys ...string) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := s.r.Do(ctx, s.r.Info().Ref, &RollbackRequest{Keys: srvKeys(keys...), StartTS: start})
				done <- err
			}()
			synctest.Wait()
			return done
		}
		all := []chan error{send(5, x), send(6, x, y), send(7, y, x)}
		close(open)
		time.Sleep(2 * time.Minute)
		for _, done := range all {
			require.NoError(t, s.must(done, "V2"), "RULE V2: they wait for each other")
		}
	})
}

func TestWhoGivesUpOnALatchLeavesItToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l latches
		require.NoError(t, l.acquire(t.Context(), []uint16{3}))
		ctx, cancel := context.WithCancel(t.Context())
		second, third := make(chan error, 1), make(chan error, 1)
		go func() { second <- l.acquire(ctx, []uint16{1, 3, 5}) }()
		synctest.Wait()
		go func() { third <- l.acquire(t.Context(), []uint16{1, 3, 5}) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-second, context.Canceled)
		l.release([]uint16{3})
		require.NoError(t, <-third, "RULE V2: it is not so")
		l.release([]uint16{1, 3, 5})
		for i := range l.slots {
			require.False(t, l.slots[i].held, "RULE V2: it is not so")
		}
	})
}

func TestOldEpochsAreRefused(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1", "m=1", "z=1")
	s.get(50, "a")
	old := s.r.Info()
	right, err := s.r.Split([]byte("m"), 2)
	require.NoError(t, err)
	require.Equal(t, Info{Ref{1, 2}, nil, []byte("m")}, s.r.Info())
	require.Equal(t, Info{Ref{2, 2}, []byte("m"), nil}, right.Info())
	_, err = s.r.Do(t.Context(), old.Ref, &GetRequest{ReadOptions{ReadTS: 60}, srvKeys("a")})
	var e *Error
	require.ErrorAs(t, err, &e, "RULE V17: it is not so")
	require.Equal(t, []Info{s.r.Info()}, e.Current)
	for _, q := range []Request{
		&GetRequest{ReadOptions{ReadTS: 60}, srvKeys("a", "m")},
		&ScanRequest{ReadOptions: ReadOptions{ReadTS: 60}},
		&ScanRequest{ReadOptions: ReadOptions{ReadTS: 60}, End: []byte("n")},
		srvPrewrite(60, "a=1", "z=1"),
		&CommitRequest{Keys: srvKeys("z"), StartTS: 60, CommitTS: 61},
		&RollbackRequest{Keys: srvKeys("z"), StartTS: 60},
		&CheckTxnStatusRequest{Primary: []byte("z"), StartTS: 60},
		&CheckSecondaryLocksRequest{Keys: srvKeys("z"), StartTS: 60},
		&ResolveLockRequest{StartTS: 60},
		&ResolveLockRequest{StartTS: 60, Keys: srvKeys("z")},
		s.lockRequest(60, 60, "z"),
		&PessimisticRollbackRequest{Keys: srvKeys("z"), StartTS: 60},
		&HeartbeatRequest{Primary: []byte("z"), StartTS: 60},
		&RefreshRequest{Keys: srvKeys("z"), From: 60, To: 61},
		&RefreshRequest{Spans: []Span{{}}, From: 60, To: 61},
		&ScanLocksRequest{MaxTS: 60},
		&GCRequest{SafePoint: 60},
	} {
		_, err := s.do(q)
		require.ErrorIs(t, err, ErrKey, "RULE V17: %T is not wholly its own", q)
	}
	two := &srv{t: t, e: s.e, r: right}
	require.Equal(t, "m=1 z=1", srvShow(two.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 20}, Start: []byte("m")})))
	a, err := two.onePC(5, "z=2")
	require.NoError(t, err)
	require.Equal(t, TS(51), a.CommitTS, "RULE V11: a split forgets what was read")
	a, err = s.onePC(6, "b=2")
	require.NoError(t, err)
	require.Equal(t, TS(51), a.CommitTS, "RULE V11: a split forgets what was read")
	for _, key := range []string{"", "m", "z"} {
		_, err = s.r.Split([]byte(key), 3)
		require.ErrorIs(t, err, ErrKey, "%q", key)
	}
	right.Close()
	right.Close()
	_, err = two.do(&GetRequest{ReadOptions{ReadTS: 60}, srvKeys("z")})
	require.ErrorAs(t, err, &e)
	require.Equal(t, "1", s.get(60, "a"), "the other half is open")
}

func TestANewLeaderStartsAboveTheOldLease(t *testing.T) {
	s := newSrv(t)
	s.get(50, "a")
	next := &srv{t: t, e: s.e, r: New(s.r.Info(), s.e, Options{})}
	next.r.RaiseReadBound(70)
	next.r.RaiseReadBound(60)
	require.Equal(t, TS(70), next.r.ReadBound(), "RULE V11: it does not know what the old one has served")
	a, err := next.onePC(5, "a=1")
	require.NoError(t, err)
	require.Equal(t, TS(71), a.CommitTS, "RULE V11: it is not so")
}

func TestWhoWaitedThroughASplitLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSrv(t, Options{MaxWait: time.Hour})
		require.NoError(t, s.lock(5, 5, "k"))
		first, second := s.wait(6, time.Hour, "k"), s.wait(7, time.Hour, "k")
		_, err := s.r.Split([]byte("m"), 2)
		require.NoError(t, err)
		third := s.wait(8, time.Hour, "k")
		require.NoError(t, s.rollback(5, "k"))
		for _, done := range []chan error{first, second} {
			require.ErrorAs(t, s.must(done, "V17"), new(*Error), "RULE V17: it was sent to what is now two")
		}
		require.NoError(t, s.must(third, "V17"), "RULE V17: it is not so")
	})
}

func TestBadRequestsAreRefused(t *testing.T) {
	s := newSrv(t, Options{Now: func() TS { return timestamp.Make(1_000_000, 0) }, MaxAhead: time.Second})
	s.put(1, 2, "a=1")
	state := s.state()
	future := timestamp.Make(1_001_001, 0)
	huge := strings.Repeat("k", MaxKeySize+1)
	mut := func(change func(*PrewriteRequest)) *PrewriteRequest {
		q := srvPrewrite(5, "a=1", "b=1")
		change(q)
		return q
	}
	for _, test := range []struct {
		q    Request
		want error
		text string
	}{
		{&GetRequest{ReadOptions{ReadTS: 9}, srvKeys("")}, ErrKey, "empty"},
		{&GetRequest{ReadOptions{ReadTS: 9}, nil}, ErrKey, "none"},
		{&GetRequest{ReadOptions{ReadTS: 9}, srvKeys(huge)}, ErrTooLarge, "4097 bytes"},
		{&GetRequest{ReadOptions{ReadTS: 0}, srvKeys("a")}, ErrFuture, "ReadTS is 0"},
		{&GetRequest{ReadOptions{ReadTS: timestamp.Max}, srvKeys("a")}, ErrFuture, "ReadTS is max"},
		{&GetRequest{ReadOptions{ReadTS: future}, srvKeys("a")}, ErrFuture, "ReadTS is"},
		{&ScanRequest{ReadOptions: ReadOptions{ReadTS: future}}, ErrFuture, "ReadTS"},
		{&RefreshRequest{From: 5, To: future}, ErrFuture, "To"},
		{&RefreshRequest{From: 0, To: 6}, ErrFuture, "From"},
		{srvPrewrite(0, "a=1"), ErrFuture, "StartTS"},
		{srvPrewrite(future, "a=1"), ErrFuture, "StartTS"},
		{mut(func(q *PrewriteRequest) { q.MinCommitTS = future }), ErrFuture, "MinCommitTS"},
		{mut(func(q *PrewriteRequest) { q.ForUpdateTS = timestamp.Max }), ErrFuture, "ForUpdateTS"},
		{mut(func(q *PrewriteRequest) { q.Primary = nil }), ErrKey, "empty"},
		{mut(func(q *PrewriteRequest) { q.Mutations = nil }), ErrKey, "without mutations"},
		{mut(func(q *PrewriteRequest) { q.Mutations[1].Key = nil }), ErrKey, "empty"},
		{mut(func(q *PrewriteRequest) { q.Mutations[1].Kind = 99 }), ErrKey, "kind 99"},
		{mut(func(q *PrewriteRequest) { q.Mutations[1].Key = []byte("a") }), ErrKey, "order"},
		{mut(func(q *PrewriteRequest) { q.Mutations[1].Value = make([]byte, MaxValueSize+1) }), ErrTooLarge, `"b"`},
		{&CommitRequest{Keys: srvKeys("a"), StartTS: 5, CommitTS: 5}, &CommitTooEarlyError{5, 5, 6}, "the least is 6"},
		{&CommitRequest{Keys: srvKeys("a"), StartTS: 5, CommitTS: future}, ErrFuture, "CommitTS"},
		{&CommitRequest{StartTS: 5, CommitTS: 6}, ErrKey, "none"},
		{&CommitRequest{Keys: srvKeys("a"), StartTS: 5, CommitTS: 6}, ErrRolledBack, "on key \"a\""},
		{&RollbackRequest{Keys: srvKeys("a"), StartTS: timestamp.Max}, ErrFuture, "StartTS"},
		{&CheckTxnStatusRequest{Primary: []byte("a"), StartTS: 5, CallerTS: timestamp.Max}, ErrFuture, "CallerTS"},
		{&CheckSecondaryLocksRequest{StartTS: 5}, ErrKey, "none"},
		{&ResolveLockRequest{StartTS: 5, CommitTS: 4}, &CommitTooEarlyError{5, 4, 6}, ""},
		{&ResolveLockRequest{StartTS: 0}, ErrFuture, "StartTS"},
		{s.lockRequest(5, 4, "a"), ErrFuture, "below StartTS"},
		{s.lockRequest(5, future, "a"), ErrFuture, "ForUpdateTS"},
		{&PessimisticRollbackRequest{StartTS: 5}, ErrKey, "none"},
		{&HeartbeatRequest{StartTS: 5}, ErrKey, "empty"},
		{&ScanLocksRequest{MaxTS: future}, ErrFuture, "MaxTS"},
		{&GCRequest{SafePoint: future}, ErrFuture, "SafePoint"},
	} {
		_, err := s.do(test.q)
		require.Error(t, err, "RULE bad-input: %T is served", test.q)
		if early, ok := test.want.(*CommitTooEarlyError); ok {
			require.Equal(t, early, err)
		} else {
			require.ErrorIs(t, err, test.want, "RULE bad-input: %T %+v", test.q, test.q)
		}
		require.ErrorContains(t, err, test.text)
	}
	require.ErrorIs(t, s.r.SetSafePoint(t.Context(), future), ErrFuture)
	require.Equal(t, state, s.state(), "RULE bad-input: it has left something")
	require.Less(t, s.r.ReadBound(), TS(100), "RULE bad-input: it drives all later commits into the future")
	require.NoError(t, s.prewrite(5, strings.Repeat("k", MaxKeySize)+"=1"), "the longest key")
	require.NoError(t, s.commit(5, 6, strings.Repeat("k", MaxKeySize)))
	last := strings.Repeat("\xff", MaxKeySize)
	s.put(7, 8, last+"=1")
	require.Contains(t, s.scan(9, true), last, "the last key that can be")
	_, err := s.do(nil)
	require.Error(t, err)
}

func TestLocalFindsRegions(t *testing.T) {
	l := NewLocal(newSlow(), srvKeys("g", "p"), Options{})
	ctx := t.Context()
	find := func(key string) string {
		i, err := l.Region(ctx, []byte(key))
		require.NoError(t, err)
		require.True(t, i.Contains([]byte(key)))
		return fmt.Sprintf("%d/%d %s-%s", i.ID, i.Epoch, i.Start, i.End)
	}
	require.Equal(t, "1/1 -g", find("a"))
	require.Equal(t, "2/1 g-p", find("g"))
	require.Equal(t, "3/1 p-", find("zz"))
	require.NoError(t, l.Split([]byte("k")))
	require.Equal(t, "2/2 g-k", find("j"))
	require.Equal(t, "4/2 k-p", find("k"))
	require.ErrorIs(t, l.Split([]byte("k")), ErrKey)
	require.Len(t, l.Regions(), 4)
	_, err := l.Send(ctx, Ref{2, 2}, srvPrewrite(5, "h=1"))
	require.NoError(t, err)
	_, err = l.Send(ctx, Ref{2, 1}, srvPrewrite(6, "h=1"))
	require.ErrorAs(t, err, new(*Error), "RULE V17: it is not so")
	_, err = l.Send(ctx, Ref{9, 1}, srvPrewrite(6, "h=1"))
	require.ErrorAs(t, err, new(*Error), "RULE V17: it is not so")
	l.RaiseReadBound(30)
	require.NoError(t, l.SetSafePoint(ctx, 4))
	for _, r := range l.Regions() {
		require.Equal(t, []TS{30, 4}, []TS{r.ReadBound(), r.SafePoint()})
	}
	require.Equal(t, uint64(1), l.Regions()[1].Metrics().Prewrites)
	require.Equal(t, uint64(1), l.Regions()[1].Metrics().Refused)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err = l.Region(ctx, []byte("a"))
	require.ErrorIs(t, err, ErrClosed)
	_, err = l.Send(ctx, Ref{2, 2}, srvPrewrite(6, "h=1"))
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, l.Split([]byte("b")), ErrClosed)
}

// TestSplitsUnderLoad moves money between keys while regions split: nobody is told a
// key is not where Region said, and the total stays.
func TestSplitsUnderLoad(t *testing.T) {
	l := NewLocal(newSlow(), nil, Options{})
	ctx := t.Context()
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				start := TS(1000 + i*16 + g*4)
				key := fmt.Sprintf("k%02d", (i*7+g*13)%50)
				for {
					info, err := l.Region(ctx, []byte(key))
					if err != nil {
						errs <- err
						return
					}
					q := srvPrewrite(start, key+"=1")
					q.OnePC = true
					_, err = l.Send(ctx, info.Ref, q)
					if errors.As(err, new(*Error)) {
						continue
					}
					if err != nil && !errors.Is(err, ErrConflict) {
						errs <- err
						return
					}
					break
				}
			}
		})
	}
	for i := range 25 {
		require.NoError(t, l.Split(fmt.Appendf(nil, "k%02d", i*2+1)))
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err, "RULE V17: it is not so")
	}
	require.Len(t, l.Regions(), 26)
}
