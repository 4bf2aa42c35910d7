package region

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// brokenEngine fails at one call: of a snapshot, a read, a step of an iterator, or a write.
type brokenEngine struct {
	Engine
	calls, failAt int
}

var errBroken = errors.New("broken")

func (e *brokenEngine) fails() bool {
	e.calls++
	return e.calls == e.failAt
}

func (e *brokenEngine) Snapshot(ctx context.Context) (Snapshot, error) {
	if e.fails() {
		return nil, errBroken
	}
	s, err := e.Engine.Snapshot(ctx)
	return &brokenSnapshot{s, e}, err
}

func (e *brokenEngine) Write(ctx context.Context, b *Batch) error {
	if e.fails() {
		return errBroken
	}
	return e.Engine.Write(ctx, b)
}

type brokenSnapshot struct {
	Snapshot
	e *brokenEngine
}

func (s *brokenSnapshot) Get(cf CF, key []byte) ([]byte, bool, error) {
	if s.e.fails() {
		return nil, false, errBroken
	}
	return s.Snapshot.Get(cf, key)
}

func (s *brokenSnapshot) Iter(cf CF, lo, hi []byte) Iterator {
	return &brokenIterator{Iterator: s.Snapshot.Iter(cf, lo, hi), e: s.e}
}

type brokenIterator struct {
	Iterator
	e   *brokenEngine
	err error
}

func (it *brokenIterator) move(f func() bool) bool {
	if it.err != nil || it.e.fails() {
		it.err = errBroken
		return false
	}
	return f()
}

func (it *brokenIterator) SeekGE(k []byte) bool {
	return it.move(func() bool { return it.Iterator.SeekGE(k) })
}
func (it *brokenIterator) SeekLT(k []byte) bool {
	return it.move(func() bool { return it.Iterator.SeekLT(k) })
}
func (it *brokenIterator) Next() bool { return it.move(it.Iterator.Next) }
func (it *brokenIterator) Prev() bool { return it.move(it.Iterator.Prev) }
func (it *brokenIterator) Err() error { return it.err }

// TestAnEngineThatFailsIsReported has every request meet a failure at each of its steps:
// it says so, changes nothing by halves, and can be sent again.
func TestAnEngineThatFailsIsReported(t *testing.T) {
	prepare := func() (*srv, *brokenEngine) {
		e := &brokenEngine{Engine: newSlow()}
		s := &srv{t: t, e: e, r: New(Info{Ref: Ref{ID: 1, Epoch: 1}}, e, Options{})}
		t.Cleanup(s.r.Close)
		for ts := TS(2); ts < 30; ts += 2 { // more than a scan steps over
			s.put(ts, ts+1, "a=1", "b="+strings.Repeat("x", 300))
		}
		s.put(32, 33, "a-", "m=1")
		require.NoError(t, s.rollback(34, "a", "m"))
		require.NoError(t, s.lock(50, 50, "p"))
		require.NoError(t, s.prewrite(51, "q="+strings.Repeat("y", 300)))
		_, err := s.async(52, "r=1", "s=1")
		require.NoError(t, err)
		return s, e
	}
	scan := func(ts TS, reverse bool) *ScanRequest {
		return &ScanRequest{ReadOptions: ReadOptions{ReadTS: ts}, Reverse: reverse}
	}
	onePC := srvPrewrite(60, "a=1", "m+1", "n?", "o=1")
	onePC.OnePC = true
	lock := &LockRequest{Keys: srvKeys("a", "b", "p2"), Primary: []byte("a"), StartTS: 60, ForUpdateTS: 60, TTL: time.Second, Values: true}
	onePC.Mutations[1].Kind = MutPut
	for _, q := range []Request{
		&GetRequest{ReadOptions{ReadTS: 40}, srvKeys("a", "b", "m")},
		scan(40, false), scan(40, true), scan(4, false), scan(4, true), scan(99, false), scan(99, true),
		&ScanRequest{ReadOptions: ReadOptions{ReadTS: 40}, Limit: 1},
		&RefreshRequest{Keys: srvKeys("a", "b"), Spans: []Span{{}}, StartTS: 39, From: 39, To: 49},
		srvPrewrite(60, "a=1", "m=1"), onePC, lock,
		srvPrewrite(20, "a=1", "b=1"),
		&CommitRequest{Keys: srvKeys("q"), StartTS: 51, CommitTS: 61},
		&CommitRequest{Keys: srvKeys("a"), StartTS: 4, CommitTS: 5},
		&RollbackRequest{Keys: srvKeys("q", "a"), StartTS: 51},
		&CheckTxnStatusRequest{Primary: []byte("q"), StartTS: 51, CallerTS: 70, CurrentTS: 70},
		&CheckTxnStatusRequest{Primary: []byte("q"), StartTS: 51, CurrentTS: maxTS},
		&CheckTxnStatusRequest{Primary: []byte("a"), StartTS: 9, CurrentTS: 70, RollbackIfMissing: true},
		&CheckSecondaryLocksRequest{Keys: srvKeys("s", "a"), StartTS: 52},
		&ResolveLockRequest{StartTS: 52, CommitTS: 80}, &ResolveLockRequest{StartTS: 51, Keys: srvKeys("q")},
		&PessimisticRollbackRequest{Keys: srvKeys("p"), StartTS: 50, ForUpdateTS: 50},
		&HeartbeatRequest{Primary: []byte("q"), StartTS: 51, TTL: time.Minute},
		&HeartbeatRequest{Primary: []byte("a"), StartTS: 51, TTL: time.Minute},
		&ScanLocksRequest{MaxTS: 60}, &GCRequest{SafePoint: 40}, &GCRequest{SafePoint: 60},
	} {
		s, _ := prepare()
		want, wantErr := s.do(q)
		state := s.state()
		for n := 1; ; n++ {
			s, e := prepare()
			before := s.state()
			e.calls, e.failAt = 0, n
			a, err := s.do(q)
			if e.calls < n {
				break
			}
			e.failAt = 0
			if _, prewrite := q.(*PrewriteRequest); err == nil && prewrite { // another key knew the answer
				require.Equal(t, want, a, "RULE engine-error: call %d of %T %+v: it is not told", n, q, q)
			} else if !errors.Is(err, errBroken) {
				require.ErrorIs(t, err, ErrLocked, "RULE engine-error: call %d of %T %+v: it is not told", n, q, q)
			}
			if _, resolve := q.(*ResolveLockRequest); !resolve { // which is done in pieces
				require.Contains(t, s.state(), before, "RULE engine-error: call %d of %T: half of it was done", n, q)
			}
			again, err := s.do(q)
			if wantErr != nil {
				require.EqualError(t, err, wantErr.Error())
			} else {
				require.NoError(t, err, "RULE engine-error: call %d of %T: it is not done the next time", n, q)
				require.Equal(t, want, again)
			}
			require.Equal(t, state, s.state(), "RULE engine-error: call %d of %T: it is not done the next time", n, q)
		}
	}
}
