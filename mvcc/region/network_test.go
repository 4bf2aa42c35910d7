package region

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// netWorld is clients that keep to the protocol, and a network that does not: each message
// ever sent may be delivered again, at any time, in any order; answers may be lost.
type netWorld struct {
	t     *testing.T
	seed  uint64
	rnd   *rand.Rand
	s     *srv // for its state
	l     *Local
	clock TS
	sent  []netMessage
	txns  map[TS]*netTxn
	reads []netRead
	// what was decided, per transaction and key: the CommitTS, 0 for rolled back
	decided map[TS]map[string]TS
}

type netMessage struct {
	q      Request
	answer func(any, error) // nil once it was answered, or nobody listens
}

type netTxn struct {
	w         *netWorld
	start     TS
	keys      []string
	async     bool
	open      int // prewrites that are not answered
	minCommit TS
	failed    bool
	told      TS   // committed, as far as the client was told
	gone      bool // or rolled back
}

type netRead struct {
	ts    TS
	key   string
	value string
}

func (w *netWorld) now() TS {
	w.clock++
	return w.clock
}

func (w *netWorld) send(q Request, answer func(any, error)) {
	w.sent = append(w.sent, netMessage{q, answer})
}

// deliver has one message done, and perhaps its answer heard.
func (w *netWorld) deliver(i int) {
	m := w.sent[i]
	a, err := w.do(m.q)
	if m.answer != nil && w.rnd.IntN(4) > 0 {
		w.sent[i].answer = nil
		m.answer(a, err)
	}
	w.check(m.q)
}

func (w *netWorld) do(q Request) (any, error) {
	ctx := context.Background()
	for _, r := range w.l.Regions() {
		if info := r.Info(); q.within(&info) {
			return w.l.Send(ctx, info.Ref, q)
		}
	}
	w.t.Fatalf("%+v goes nowhere", q)
	return nil, nil
}

// parts are the keys by region.
func (w *netWorld) parts(keys []string) (all [][]string) {
	for _, r := range w.l.Regions() {
		var part []string
		for _, k := range keys {
			if info := r.Info(); info.Contains([]byte(k)) {
				part = append(part, k)
			}
		}
		if part != nil {
			all = append(all, part)
		}
	}
	return all
}

// begin starts a transaction: it locks some of its keys pessimistically, then prewrites.
func (w *netWorld) begin() {
	x := &netTxn{w: w, start: w.now(), async: w.rnd.IntN(2) == 0}
	w.txns[x.start] = x
	for _, k := range []string{"a", "b", "c", "d"} {
		if w.rnd.IntN(2) == 0 {
			x.keys = append(x.keys, k)
		}
	}
	if x.keys == nil {
		x.keys = []string{"a"}
	}
	if w.rnd.IntN(3) > 0 {
		x.prewrite(0)
		return
	}
	forUpdate := w.now()
	x.open = len(w.parts(x.keys))
	for _, part := range w.parts(x.keys) {
		w.send(&LockRequest{Keys: srvKeys(part...), Primary: []byte(x.keys[0]), StartTS: x.start, ForUpdateTS: forUpdate, TTL: time.Second},
			func(_ any, err error) {
				x.failed = x.failed || err != nil
				if x.open--; x.open == 0 {
					x.prewrite(forUpdate)
				}
			})
	}
}

func (x *netTxn) prewrite(forUpdate TS) {
	w := x.w
	if x.failed {
		x.rollback()
		return
	}
	parts := w.parts(x.keys)
	x.open = len(parts)
	for _, part := range parts {
		q := &PrewriteRequest{Primary: []byte(x.keys[0]), StartTS: x.start, ForUpdateTS: forUpdate, TTL: time.Second,
			TxnSize: len(x.keys), AsyncCommit: x.async, MinCommitTS: x.start + 1}
		for _, k := range part {
			q.Mutations = append(q.Mutations, Mutation{Key: []byte(k), Value: fmt.Append(nil, x.start), Pessimistic: forUpdate != 0, ForUpdateTS: forUpdate})
		}
		if part[0] == x.keys[0] && x.async {
			q.Secondaries = srvKeys(x.keys[1:]...)
		}
		q.OnePC = x.async && len(parts) == 1
		w.send(q, x.prewritten)
	}
}

func (x *netTxn) prewritten(a any, err error) {
	if err != nil {
		x.failed = true
	} else if r := a.(*PrewriteResponse); r.CommitTS != 0 {
		x.told = r.CommitTS
	} else {
		x.minCommit = max(x.minCommit, r.MinCommitTS)
		x.async = x.async && r.Async
	}
	if x.open--; x.open > 0 || x.told != 0 {
		return
	}
	switch {
	case x.failed:
		x.giveUp()
	case x.async: // V10: it is committed
		x.told = x.minCommit
		x.commit(x.keys, x.told)
	default:
		x.commitPrimary(x.w.now())
	}
}

func (x *netTxn) commitPrimary(at TS) {
	x.w.send(&CommitRequest{Keys: srvKeys(x.keys[0]), StartTS: x.start, CommitTS: at}, func(_ any, err error) {
		if e := (*CommitTooEarlyError)(nil); errors.As(err, &e) {
			x.commitPrimary(x.w.now())
		} else if err == nil {
			x.told = at
			x.commit(x.keys[1:], at)
		}
	})
}

func (x *netTxn) commit(keys []string, at TS) {
	for _, part := range x.w.parts(keys) {
		x.w.send(&CommitRequest{Keys: srvKeys(part...), StartTS: x.start, CommitTS: at}, nil)
	}
}

// giveUp is for a client of which a prewrite was refused. If prewrites decide, that is not
// the end: a copy of the one that was refused may come yet, and succeed. So it is asked,
// and prevented, as others do (V10).
func (x *netTxn) giveUp() {
	if x.async {
		x.w.askLocks(x.start, x.keys, 0, func(commit TS) {
			if commit == 0 {
				x.rollback()
				return
			}
			x.told = commit
			x.commit(x.keys, commit)
		}, x.rollback)
		return
	}
	x.rollback()
}

func (x *netTxn) rollback() {
	x.gone = true
	for _, part := range x.w.parts(x.keys) {
		x.w.send(&RollbackRequest{Keys: srvKeys(part...), StartTS: x.start}, nil)
	}
}

// resolve is somebody who met a lock, when it has expired or not.
func (w *netWorld) resolve(l LockInfo, expired bool) {
	q := &CheckTxnStatusRequest{Primary: l.Primary, StartTS: l.StartTS, CallerTS: w.now(), CurrentTS: w.clock}
	if expired {
		q.CurrentTS, q.RollbackIfMissing = timestamp.Make(10_000, 0), true
	}
	w.send(q, func(a any, err error) {
		require.NoError(w.t, err)
		switch s := a.(*TxnStatus); s.State {
		case TxnCommitted, TxnRolledBack:
			w.settle(l.StartTS, s.CommitTS)
		case TxnAsync:
			w.askSecondaries(q, s.Lock)
		}
	})
}

func (w *netWorld) settle(start, commit TS) {
	for _, part := range w.parts(w.txns[start].keys) {
		w.send(&ResolveLockRequest{StartTS: start, CommitTS: commit, Keys: srvKeys(part...)}, func(_ any, err error) { require.NoError(w.t, err) })
	}
}

func (w *netWorld) askSecondaries(status *CheckTxnStatusRequest, primary *LockInfo) {
	var keys []string
	for _, k := range primary.Secondaries {
		keys = append(keys, string(k))
	}
	w.askLocks(primary.StartTS, keys, primary.MinCommitTS, func(commit TS) { w.settle(primary.StartTS, commit) }, func() {
		sync := *status
		sync.ForceSync = true
		w.send(&sync, nil)
	})
}

// askLocks looks for the locks of an async commit. It ends with the CommitTS, 0 for rolled
// back; or with sync, if a lock is not one of an async commit, so that none is (V10).
func (w *netWorld) askLocks(start TS, keys []string, commit TS, decided func(commit TS), sync func()) {
	parts := w.parts(keys)
	open, over := len(parts), false
	if open == 0 {
		decided(commit)
	}
	for _, part := range parts {
		w.send(&CheckSecondaryLocksRequest{Keys: srvKeys(part...), StartTS: start}, func(a any, err error) {
			require.NoError(w.t, err)
			s := a.(*SecondaryStatus)
			if open--; over {
				return
			}
			for _, l := range s.Locks {
				if !l.AsyncCommit {
					over = true
					sync()
					return
				}
				commit = max(commit, l.MinCommitTS)
			}
			if len(s.Locks) < len(part) {
				over = true
				decided(s.CommitTS)
			} else if open == 0 {
				decided(commit)
			}
		})
	}
}

// read reads a key now, and all that was read before once more.
func (w *netWorld) read(key string) {
	ts := w.now()
	a, err := w.do(&GetRequest{ReadOptions{ReadTS: ts}, srvKeys(key)})
	if err == nil {
		w.reads = append(w.reads, netRead{ts, key, srvShow(a, nil)})
	} else if e := (*LockedError)(nil); errors.As(err, &e) {
		w.resolve(e.Locks[0], w.rnd.IntN(3) == 0)
	} else {
		require.NoError(w.t, err)
	}
}

// check looks at all records after each message.
func (w *netWorld) check(q Request) {
	what := fmt.Sprintf("seed %d, after %T %+v", w.seed, q, q)
	for key, versions := range w.versions() {
		for at, rec := range versions {
			if rec.kind == recRollback || rec.overlapped() {
				w.note(at, key, 0, what)
			}
			if rec.kind != recRollback {
				w.note(rec.startTS, key, at, what)
			}
		}
	}
	for start, keys := range w.decided {
		var commit TS
		for _, at := range keys {
			commit = max(commit, at)
		}
		told := w.txns[start].told
		require.False(w.t, w.txns[start].gone && commit != 0, "RULE V5: %v was told that it is rolled back, and is committed at %v: %s", start, commit, what)
		require.True(w.t, told == 0 || commit == 0 || told == commit, "RULE V5: %v was told %v, and is committed at %v: %s", start, told, commit, what)
		for key, at := range keys {
			require.Equal(w.t, cmp.Or(told, commit), at, "RULE V5: %v is committed at %v, but not on %s: %s", start, cmp.Or(told, commit), key, what)
		}
	}
	if w.rnd.IntN(4) > 0 {
		return
	}
	for _, r := range w.reads {
		a, err := w.do(&GetRequest{ReadOptions{ReadTS: r.ts}, srvKeys(r.key)})
		if errors.Is(err, ErrLocked) {
			continue // and will be resolved
		}
		require.Equal(w.t, r.value, srvShow(a, err), "RULE V11: %s read at %v differs now: %s", r.key, r.ts, what)
	}
}

// note has what was decided, and fails if it was decided otherwise.
func (w *netWorld) note(start TS, key string, at TS, what string) {
	if w.decided[start] == nil {
		w.decided[start] = map[string]TS{}
	}
	old, known := w.decided[start][key]
	require.True(w.t, !known || old == at, "RULE V3: %v on %s was decided as %v, now it is %v: %s", start, key, old, at, what)
	w.decided[start][key] = at
}

func (w *netWorld) versions() map[string]map[TS]writeRecord {
	all := map[string]map[TS]writeRecord{}
	snap, _ := w.s.e.Snapshot(context.Background())
	defer snap.Close()
	it := snap.Iter(WriteCF, nil, nil)
	for ok := it.SeekGE(nil); ok; ok = it.Next() {
		enc, at, _ := splitTS(it.Key())
		rec, ok := parseWrite(it.Value())
		require.True(w.t, ok)
		if all[string(plain(enc))] == nil {
			all[string(plain(enc))] = map[TS]writeRecord{}
		}
		all[string(plain(enc))][at] = rec
	}
	return all
}

func (w *netWorld) locks() (all []LockInfo) {
	for _, r := range w.l.Regions() {
		a, err := w.do(&ScanLocksRequest{Start: r.Info().Start, End: r.Info().End, MaxTS: w.clock})
		require.NoError(w.t, err)
		all = append(all, a.(*ScanLocksResponse).Locks...)
	}
	return all
}

// clearUp is who comes when all clients are gone: whoever meets a lock finds out what
// became of its transaction.
func (w *netWorld) clearUp() {
	for round := 0; len(w.locks()) > 0; round++ {
		require.Less(w.t, round, 300, "RULE V10: seed %d: locked for ever: %+v", w.seed, w.locks())
		for _, l := range w.locks() {
			w.resolve(l, true)
		}
		for i := range w.sent {
			if w.sent[i].answer != nil {
				w.deliver(i)
			}
		}
	}
}

func runNetwork(t *testing.T, seed uint64) {
	w := &netWorld{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 3)), s: newSrv(t), clock: 1, txns: map[TS]*netTxn{}, decided: map[TS]map[string]TS{}}
	w.l = NewLocal(w.s.e, srvKeys("c"), Options{MaxSecondaries: 1 + w.rnd.IntN(3)})
	for range 120 {
		switch n := w.rnd.IntN(10); {
		case n < 1 && len(w.txns) < 6:
			w.begin()
		case n < 3:
			w.read(string("abcd"[w.rnd.IntN(4)]))
		case n < 4:
			if all := w.locks(); len(all) > 0 {
				w.resolve(all[w.rnd.IntN(len(all))], w.rnd.IntN(4) == 0)
			}
		case len(w.sent) > 0:
			w.deliver(w.rnd.IntN(len(w.sent)))
		}
	}
	w.clearUp()
	for _, i := range w.rnd.Perm(len(w.sent)) { // all comes once more, or for the first time
		w.deliver(i)
	}
	w.clearUp()
	for start, x := range w.txns {
		if x.told == 0 {
			continue
		}
		for _, k := range x.keys {
			require.Equal(t, x.told, w.decided[start][k], "RULE V5: seed %d: %v was told that it is committed, key %s", seed, start, k)
		}
	}
}

// TestWhatIsDecidedStaysDecided is the protocol under a network that repeats, delays and
// loses: V3, V5, V10, V11.
func TestWhatIsDecidedStaysDecided(t *testing.T) {
	for seed := range uint64(50) {
		runNetwork(t, seed)
	}
}
