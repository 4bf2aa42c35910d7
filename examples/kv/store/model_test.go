package store_test

import (
	"bytes"
	"flag"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/model"
)

var runs = flag.Int("runs", 60, "random runs of the model test, of 300 commands each")

// TestStoreIsTheModel runs random commands on the store and on the model, and
// asks both everything. At random, the store is replaced by one restored from
// its snapshot. Beside it twins on other storages come to the same bytes.
func TestStoreIsTheModel(t *testing.T) {
	for seed := range uint64(*runs) {
		g, l, m := newGenerator(seed), newLog(t), model.New()
		twins := []*log{{t: t, Store: store.New(store.Options{NewStorage: newNaive})}}
		if seed%4 == 0 {
			twins[0] = &log{t: t, Store: store.New(store.Options{NewStorage: func() store.Storage { return store.NewOverlay(newNaiveEngine()) }})}
		}
		for range 300 {
			g.revision, g.compacted = m.Revision, m.Compacted
			cmd := g.command()
			want, wantResp, wantErr := m.Step(cmd)
			resp, err := l.try(cmd)
			for _, twin := range twins {
				require.NotPanics(t, func() { twin.try(cmd) })
			}
			rule(t, "answers", err == wantErr, "seed %d: %T%+v: error %v, want %v", seed, cmd, cmd, err, wantErr)
			same(t, "answers", any(wantResp), any(resp), "seed %d: %T%+v", seed, cmd, cmd)
			m = want
			compareReads(t, g, l, m)
			if g.chance(2) {
				snapshot := l.snapshot()
				for _, twin := range twins {
					rule(t, "deterministic", bytes.Equal(snapshot, twin.snapshot()), "seed %d: two stores differ after the same commands", seed)
				}
				l = newLog(t)
				require.NoError(t, l.Restore(bytes.NewReader(snapshot)))
				rule(t, "snapshot-exact", bytes.Equal(snapshot, l.snapshot()), "seed %d: a snapshot of the restored differs", seed)
			}
		}
		compareHistory(t, l, m)
	}
}

// compareReads asks for some ranges, and for everything else there is.
func compareReads(t *testing.T, g *generator, l *log, m *model.State) {
	t.Helper()
	g.revision, g.compacted = m.Revision, m.Compacted
	for range 3 {
		r := g.rangeRequest()
		want, wantErr := m.Range(r)
		got, err := l.Range(r)
		rule(t, "history", err == wantErr, "%+v: error %v, want %v", r, err, wantErr)
		same(t, "history", want, got, "%+v at revision %d", r, m.Revision)
	}
	st := l.Status()
	rule(t, "revision", st.Revision == m.Revision && st.CompactRevision == m.Compacted, "%+v, want %d, %d", st, m.Revision, m.Compacted)
	rule(t, "size", st.Size == m.Size && st.SizeInUse == m.SizeInUse(), "%+v, want %d, %d in use", st, m.Size, m.SizeInUse())
	require.Equal(t, len(m.Leases), st.Leases)
	for id, want := range m.Leases {
		got, keys, err := l.Lease(id, true)
		rule(t, "leases", err == nil && got == want, "%+v, %v, want %+v", got, err, want)
		var attached []string
		for _, k := range keys {
			attached = append(attached, string(k))
		}
		rule(t, "leases", slices.Equal(attached, m.Attached(id)), "lease %d: %q, want %q", id, attached, m.Attached(id))
	}
	alarms := map[store.Alarm]bool{}
	for _, a := range l.Alarms() {
		alarms[a] = true
	}
	rule(t, "alarms", maps.Equal(alarms, m.Alarms), "%v, want %v", alarms, m.Alarms)
	members := map[uint64]store.Member{}
	for _, m := range l.Members() {
		members[m.ID] = m
	}
	same(t, "members", m.Members, members, "")
}

// compareHistory watches all keys from the first revision there is.
func compareHistory(t *testing.T, l *log, m *model.State) {
	t.Helper()
	from := max(m.Compacted, 2)
	w, err := l.Watch(&store.WatchRequest{Key: []byte{0}, End: []byte{0}, StartRevision: from})
	require.NoError(t, err)
	defer w.Close()
	var got, want []store.Event
	for r, ok := w.Next(0); ok; r, ok = w.Next(0) {
		require.False(t, r.Canceled)
		for _, e := range r.Events {
			got = append(got, *e)
		}
	}
	for _, e := range m.EventsFrom(from) {
		e.PrevKV = nil
		want = append(want, e)
	}
	same(t, "watch-exactly-once", want, got, "the history from %d", from)
}

// TestEveryRevisionStaysReadable reads each revision in full at the end.
func TestEveryRevisionStaysReadable(t *testing.T) {
	g, l, m := newGenerator(1), newLog(t), model.New()
	for m.Revision < 200 {
		cmd := store.Command(g.put())
		if g.chance(30) {
			cmd = g.txn(1)
		}
		m, _, _ = m.Step(cmd)
		l.try(cmd)
	}
	for rev := int64(1); rev <= m.Revision; rev++ {
		r := &store.RangeRequest{Key: []byte{0}, End: []byte{0}, Revision: rev}
		want, _ := m.Range(r)
		got, err := l.Range(r)
		require.NoError(t, err)
		same(t, "history", want, got, "revision %d", rev)
	}
}
