package store_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/model"
)

func (l *log) watch(r store.WatchRequest) *store.Watcher {
	l.t.Helper()
	w, err := l.Watch(&r)
	require.NoError(l.t, err)
	l.t.Cleanup(w.Close)
	return w
}

// follower is a client of a watch that remembers what it was told.
type follower struct {
	*store.Watcher
	request  store.WatchRequest
	position int64 // the first revision it has not been told all of
	events   []store.Event
	fragment bool // the last response was one
	canceled bool
}

// take fetches one response and checks what can be said of it alone.
func (f *follower) take(t *testing.T, m *model.State, maxBytes int) bool {
	t.Helper()
	r, ok := f.Next(maxBytes)
	if !ok {
		rule(t, "watch-exactly-once", !f.fragment, "the second half of revision %d does not come", f.position)
		return false
	}
	if r.Canceled {
		rule(t, "watch-compacted", r.CompactRevision == m.Compacted && f.position < m.Compacted,
			"canceled at %d for compaction at %d, while it is %d", f.position, r.CompactRevision, m.Compacted)
		f.canceled = true
		return false
	}
	rule(t, "watch-fragment", f.request.Fragment || !r.Fragment, "a watch that does not take fragments gets one")
	rule(t, "watch-exactly-once", r.Revision <= m.Revision, "told up to %d, of %d", r.Revision, m.Revision)
	for _, e := range r.Events {
		f.events = append(f.events, *e)
		rule(t, "watch-exactly-once", e.KV.ModRevision >= f.position && e.KV.ModRevision <= r.Revision,
			"an event of revision %d, after %d, in a response up to %d", e.KV.ModRevision, f.position, r.Revision)
	}
	f.position, f.fragment = r.Revision+1, r.Fragment
	if r.Fragment {
		f.position--
	}
	return true
}

// check compares all that was told with the model's events, up to position.
func (f *follower) check(t *testing.T, m *model.State) {
	t.Helper()
	n := 0
	for _, want := range m.EventsFrom(f.request.StartRevision) {
		last := f.fragment && n == len(f.events)
		if !f.wants(want) || want.KV.ModRevision >= f.position && (!f.fragment || want.KV.ModRevision > f.position || last) {
			continue
		}
		rule(t, "watch-exactly-once", n < len(f.events), "%+v: event of revision %d is missing", f.request, want.KV.ModRevision)
		got := f.events[n]
		n++
		switch {
		case !f.request.PrevKV:
			want.PrevKV = nil
		case got.PrevKV == nil && want.PrevKV != nil && want.PrevKV.ModRevision < m.Compacted:
			want.PrevKV = nil // what compaction took cannot be told
		}
		same(t, "watch-exactly-once", []store.Event{want}, []store.Event{got}, "%+v: event %d", f.request, n)
	}
	rule(t, "watch-exactly-once", n == len(f.events), "%+v: %d events, want %d", f.request, len(f.events), n)
}

func (f *follower) wants(e store.Event) bool {
	if e.Type == store.EventPut && f.request.NoPut || e.Type == store.EventDelete && f.request.NoDelete {
		return false
	}
	k := e.KV.Key
	switch {
	case len(f.request.End) == 0:
		return bytes.Equal(k, f.request.Key)
	case string(f.request.End) == "\x00":
		return bytes.Compare(k, f.request.Key) >= 0
	}
	return bytes.Compare(k, f.request.Key) >= 0 && bytes.Compare(k, f.request.End) < 0
}

// TestWatchersAreToldEveryEventOnceInOrder lets watchers of all kinds fetch at
// random, now in step and now far behind, across compactions and restores.
func TestWatchersAreToldEveryEventOnceInOrder(t *testing.T) {
	caughtUp, fellBehind := 0, 0
	for seed := range uint64(*runs)/4 + 1 {
		g, l, m := newGenerator(seed), newLog(t), model.New()
		do := func(cmd store.Command) {
			m, _, _ = m.Step(cmd)
			l.try(cmd)
		}
		var followers []*follower
		big := bytes.Repeat([]byte("x"), 300<<10)
		for range 200 {
			g.revision, g.compacted = m.Revision, m.Compacted
			switch n := g.IntN(100); {
			case n < 8 && len(followers) < 20:
				f := &follower{request: store.WatchRequest{StartRevision: 1 + g.Int64N(m.Revision+3), PrevKV: g.chance(50),
					Fragment: g.chance(30), NoPut: g.chance(10), NoDelete: g.chance(10)}}
				for len(f.request.Key) == 0 {
					f.request.Key, f.request.End = g.span()
				}
				f.Watcher, f.position = l.watch(f.request), f.request.StartRevision
				followers = append(followers, f)
			case n < 10: // more than is kept for a watcher
				for range 5 {
					do(&store.PutRequest{Key: g.key(), Value: big})
				}
			case n < 11:
				do(&store.CompactionRequest{Revision: m.Revision - g.Int64N(6)})
			case n < 12:
				snapshot := l.snapshot()
				require.NoError(t, l.Restore(bytes.NewReader(snapshot)))
			default:
				if cmd := g.command(); !isAlarm(cmd) {
					do(cmd)
				}
			}
			for _, f := range followers {
				if !f.canceled && g.chance(15) {
					before := l.Status().SlowWatchers
					for n := g.IntN(4); n > 0 && f.take(t, m, 1+g.IntN(40)); n-- {
					}
					if l.Status().SlowWatchers < before {
						caughtUp++
					}
				}
			}
			fellBehind = max(fellBehind, l.Status().SlowWatchers)
		}
		for _, f := range followers {
			for !f.canceled && f.take(t, m, 1+g.IntN(100)) {
			}
			if !f.canceled {
				p, ok := f.Progress()
				begun := f.request.StartRevision <= m.Revision+1
				rule(t, "watch-progress", ok == begun && p.Revision == m.Revision && len(p.Events) == 0, "nothing to come, but progress is %+v, %v", p, ok)
				f.position = m.Revision + 1
			}
			f.check(t, m)
		}
	}
	require.Positive(t, caughtUp, "no watcher went from the history back into step")
	require.Positive(t, fellBehind)
}

func isAlarm(c store.Command) bool { _, ok := c.(*store.AlarmRequest); return ok }

// TestWatchStartsWhereItIsToldTo lists the starts.
func TestWatchStartsWhereItIsToldTo(t *testing.T) {
	for _, c := range []struct {
		start int64
		want  string
	}{
		{0, "4 5"}, {-1, "4 5"}, {1, "2 3 4 5"}, {2, "2 3 4 5"}, {3, "3 4 5"}, {4, "4 5"}, {5, "5"}, {6, ""},
	} {
		l := newLog(t)
		l.put("a", "2")
		l.put("a", "3")
		w := l.watch(store.WatchRequest{Key: []byte("a"), StartRevision: c.start})
		l.put("a", "4")
		l.put("a", "5")
		var got []byte
		for r, ok := w.Next(1); ok; r, ok = w.Next(1) {
			for _, e := range r.Events {
				got = fmt.Appendf(got, " %d", e.KV.ModRevision)
			}
		}
		rule(t, "watch-exactly-once", string(bytes.TrimSpace(got)) == c.want, "from %d: revisions%s, want %s", c.start, got, c.want)
	}
}

func TestWatchOfACompactedRevisionIsCanceled(t *testing.T) {
	l := newLog(t)
	for range 5 {
		l.put("a", "x")
	}
	l.compact(4)
	w := l.watch(store.WatchRequest{Key: []byte("a"), StartRevision: 3})
	r, ok := w.Next(0)
	rule(t, "watch-compacted", ok && r.Canceled && r.CompactRevision == 4 && r.CancelReason == store.ErrCompacted.Message, "%+v", r)
	_, ok = w.Next(0)
	require.False(t, ok, "a canceled watch goes on")
	require.Zero(t, l.Status().Watchers)

	w = l.watch(store.WatchRequest{Key: []byte("a"), StartRevision: 4})
	r, _ = w.Next(0)
	rule(t, "watch-compacted", !r.Canceled && len(r.Events) == 3, "the compacted revision itself is readable: %+v", r)
}

// TestTheDeletionAtTheCompactedRevisionIsStillTold: a read there does not need
// it, but a watch from there does.
func TestTheDeletionAtTheCompactedRevisionIsStillTold(t *testing.T) {
	l := newLog(t)
	l.put("b", "x")
	l.put("a", "x")
	rev := l.delete("a")
	l.compact(rev)
	w := l.watch(store.WatchRequest{Key: []byte("a"), StartRevision: rev})
	r, ok := w.Next(0)
	rule(t, "watch-exactly-once", ok && len(r.Events) == 1 && r.Events[0].Type == store.EventDelete, "%+v", r)
}

// TestAWatcherInStepSurvivesCompaction: what it was told it need not read
// again, so idleness does not make it old.
func TestAWatcherInStepSurvivesCompaction(t *testing.T) {
	l := newLog(t)
	w := l.watch(store.WatchRequest{Key: []byte("a")})
	for range 10 {
		l.put("b", "x")
	}
	l.put("a", "1")
	l.put("b", "x")
	l.compact(13)
	require.NoError(t, l.Restore(bytes.NewReader(l.ahead())))
	r, ok := w.Next(0)
	rule(t, "watch-compacted", ok && r.Canceled, "event 12 was lost with the old state, and compacted: %+v", r)

	w = l.watch(store.WatchRequest{Key: []byte("a")})
	for range 10 {
		l.put("b", "x")
	}
	l.compact(l.Status().Revision)
	require.NoError(t, l.Restore(bytes.NewReader(l.ahead())))
	l.put("a", "2")
	r, ok = w.Next(0)
	rule(t, "watch-exactly-once", ok && len(r.Events) == 1, "an idle watcher is canceled by a restore: %+v", r)
}

// TestWatcherKeepsLittle: what nobody fetches is not kept, but comes.
func TestWatcherKeepsLittle(t *testing.T) {
	l := newLog(t)
	w := l.watch(store.WatchRequest{Key: []byte("a")})
	for i := range 1024 {
		l.put("a", fmt.Sprint(i))
	}
	require.Zero(t, l.Status().SlowWatchers)
	l.put("a", "1024")
	rule(t, "watch-bounded", l.Status().SlowWatchers == 1, "1025 events are kept for a watcher that does not fetch them")
	n := 0
	for r, ok := w.Next(100); ok; r, ok = w.Next(100) {
		for _, e := range r.Events {
			rule(t, "watch-exactly-once", string(e.KV.Value) == fmt.Sprint(n), "event %d is %s", n, e.KV.Value)
			n++
		}
	}
	rule(t, "watch-exactly-once", n == 1025, "%d events", n)
	require.Zero(t, l.Status().SlowWatchers)

	w = l.watch(store.WatchRequest{Key: []byte("b")})
	l.put("b", string(make([]byte, 2<<20)))
	rule(t, "watch-bounded", l.Status().SlowWatchers == 1, "2 MiB are kept")
	r, ok := w.Next(0)
	require.True(t, ok && len(r.Events) == 1, "one event comes, however large")
}

// TestFragmentsCutARevisionOnlyWhereAllowed checks the pieces of one large
// transaction.
func TestFragmentsCutARevisionOnlyWhereAllowed(t *testing.T) {
	for _, behind := range []bool{false, true} {
		l := newLog(t)
		whole := l.watch(store.WatchRequest{Key: []byte{0}, End: []byte{0}})
		cut := l.watch(store.WatchRequest{Key: []byte{0}, End: []byte{0}, Fragment: true})
		var txn store.TxnRequest
		for i := range 10 {
			txn.Success = append(txn.Success, store.Op{Put: &store.PutRequest{Key: fmt.Appendf(nil, "%02d", i), Value: make([]byte, 98)}})
		}
		l.do(&txn)
		l.do(&txn)
		if behind {
			require.NoError(t, l.Restore(bytes.NewReader(l.ahead())))
		}
		for _, rev := range []int64{2, 3} {
			r, _ := whole.Next(250)
			rule(t, "watch-fragment", len(r.Events) == 10 && r.Revision == rev && !r.Fragment, "%d events of revision %d", len(r.Events), r.Revision)
			for i, want := range []int{2, 2, 2, 2, 2} {
				r, _ := cut.Next(250)
				rule(t, "watch-fragment", len(r.Events) == want && r.Revision == rev && r.Fragment == (i < 4),
					"piece %d of revision %d: %d events of %d, fragment %v", i, rev, len(r.Events), r.Revision, r.Fragment)
			}
		}
	}
}

// TestProgressIsNotTheRevisionOfWhatIsToCome: a client resumes behind it.
func TestProgressIsNotTheRevisionOfWhatIsToCome(t *testing.T) {
	l := newLog(t)
	w := l.watch(store.WatchRequest{Key: []byte("a")})
	r, ok := w.Progress()
	require.True(t, ok && r.Revision == 1)
	l.put("b", "x")
	r, ok = w.Progress()
	rule(t, "watch-progress", ok && r.Revision == 2, "%+v", r)
	l.put("a", "x")
	r, ok = w.Progress()
	rule(t, "watch-progress", !ok, "progress to %d while the event of 3 waits", r.Revision)
	w.Next(0)
	r, ok = w.Progress()
	require.True(t, ok && r.Revision == 3)
	w.Close()
	_, ok = w.Progress()
	require.False(t, ok)

	w = l.watch(store.WatchRequest{Key: []byte("a"), StartRevision: 5})
	r, ok = w.Progress()
	rule(t, "watch-progress", !ok, "progress to %d of a watch from 5", r.Revision)
	l.put("b", "x")
	r, ok = w.Progress()
	require.True(t, ok && r.Revision == 4)
}

// TestWatchersFollowAWriterConcurrently has real goroutines wait for tokens: a lost
// wake-up would hang it.
func TestWatchersFollowAWriterConcurrently(t *testing.T) {
	l := newLog(t)
	const revisions = 2000
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for i := range 8 {
		w := l.watch(store.WatchRequest{Key: []byte("k"), StartRevision: int64(1 + i%2)})
		wg.Go(func() {
			next := int64(2)
			for next < revisions+2 {
				<-w.Ready()
				for r, ok := w.Next(1 + i*200); ok; r, ok = w.Next(1 + i*200) {
					for n, e := range r.Events {
						if e.KV.ModRevision != next {
							errs <- fmt.Errorf("RULE watch-exactly-once: event %d of revision %d, want %d", n, e.KV.ModRevision, next)
							return
						}
						next++
					}
				}
			}
		})
	}
	wg.Go(func() {
		for range 200 {
			st := l.Status()
			if r, err := l.Range(&store.RangeRequest{Key: []byte("k")}); err != nil || r.Revision < st.Revision {
				errs <- fmt.Errorf("a read at %d after one at %d: %w", r.Revision, st.Revision, err)
			}
		}
	})
	for range revisions {
		l.put("k", "v")
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}
