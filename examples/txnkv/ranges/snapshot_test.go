package ranges

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
)

// content is all that a node has of a range, as a digest, and how far it is.
func (n *Node) content(t testing.TB, id uint64) (digest string, applied uint64) {
	require.NoError(t, n.enter())
	defer n.leave()
	r := n.replica(id)
	if r == nil || r.place.Load().Space == 0 {
		return "", 0
	}
	c, err := r.Snapshot()
	require.NoError(t, err)
	var b strings.Builder
	h := &c.(*capture).header
	applied = h.Applied
	h.Applied, h.Size = 0, 0 // the size is about, and each node's own
	_, err = c.WriteTo(&b)
	require.NoError(t, err)
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String()))), applied
}

// agree waits until all nodes have the same of all ranges.
func (w *world) agree(ctx context.Context) {
	w.t.Helper()
	var last string
	for {
		last = ""
		ids := map[uint64]bool{}
		for _, n := range w.nodes() {
			for _, r := range n.all() {
				ids[r.id] = true
			}
		}
		for id := range ids {
			seen := map[string][]raft.NodeID{}
			for _, n := range w.nodes() {
				d, applied := n.content(w.t, id)
				d = fmt.Sprintf("%.8s at %d", d, applied)
				seen[d] = append(seen[d], n.id)
			}
			if len(seen) > 1 {
				last += fmt.Sprintf("range %d: %v; ", id, seen)
			}
		}
		if last == "" {
			return
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			rule(w.t, "T5", false, "nodes do not come to the same: %s", last)
		}
	}
}

// A node was away while ranges were split, and the logs cut behind it: what it gets as
// snapshots meets what it had, and is the same as the others' in the end.
func TestANodeThatWasAwayForLongComesToTheSame(t *testing.T) {
	forClocks(t, func(t *testing.T, o Options) {
		o.SnapshotEvery, o.KeepEntries = 20, 2
		w := start(t, o)
		ctx := within(t, time.Minute)
		write := func(round int) {
			for i := range 12 {
				w.run(func(_ context.Context, t *mvcc.Txn) error {
					for k := range 8 {
						if err := t.Put(fmt.Appendf(nil, "%c%d", 'a'+2*k, i), fmt.Appendf(nil, "%d", round)); err != nil {
							return err
						}
					}
					return t.Delete(fmt.Appendf(nil, "%c%d", 'a'+2*(i%8), i))
				})
			}
		}
		write(0)
		require.NoError(t, w.Split(ctx, []byte("e")))
		for round := range 3 {
			away := raft.NodeID(1 + round)
			require.NoError(t, w.Stop(away))
			write(2*round + 1)
			require.NoError(t, w.Split(ctx, fmt.Appendf(nil, "%c", 'c'+4*round)))
			require.NoError(t, w.Split(ctx, fmt.Appendf(nil, "%c", 'd'+4*round)))
			write(2*round + 2)
			require.NoError(t, w.Cluster.Start(away))
			w.agree(ctx)
		}
		installed := uint64(0)
		for _, n := range w.nodes() {
			installed += n.host.Metrics().Installed
		}
		require.NotZero(t, installed, "no snapshot was needed: this shows nothing")
		// And once more, after a restart of all.
		w.close()
		w.open()
		w.agree(ctx)
	})
}

// Timestamps go on above, whichever node is down, and after a restart.
func TestTimestampsGoOnAbove(t *testing.T) {
	forClocks(t, func(t *testing.T, o Options) {
		w := start(t, o)
		ctx := within(t, time.Minute)
		last := mvcc.TS(0)
		for round := range 4 {
			for range 10 {
				ts, err := w.Clock().Now(ctx)
				require.NoError(t, err)
				rule(t, "T7", ts > last, "round %d: %v after %v", round, ts, last)
				last = ts
			}
			if round == 1 {
				require.NoError(t, w.Stop(1))
			}
			if round >= 2 {
				// What they begin with is what was written down.
				w.db.Close()
				w.Cluster.Close()
				w.open()
			}
		}
	})
}

// A lease that was taken anew makes what the old one decided void, whenever it comes.
func TestWhatWasDecidedUnderAnOldLeaseDoesNotCount(t *testing.T) {
	w := start(t, Options{})
	w.put("a", "1")
	ctx := within(t, time.Minute)
	id, n := w.holder("a")
	r := n.replica(id)
	old := &engine{r, r.place.Load().Lease.Seq}
	_, err := n.propose(ctx, id, encodeLease(n.id))
	require.NoError(t, err)
	var b mvcc.Batch
	b.Put(mvcc.Default, append(region.EncodeKey(nil, []byte("ghost")), make([]byte, 8)...), []byte("boo"))
	err = old.Write(ctx, &b)
	rule(t, "T3", err != nil, "a write under lease %d was taken", old.lease)
	_, err = old.Snapshot(ctx)
	rule(t, "T3", err != nil, "a snapshot under lease %d was given", old.lease)
	s := r.view(n.db.Snapshot(), r.place.Load())
	defer s.Close()
	_, found, err := s.Get(mvcc.Default, b.Ops[0].Key)
	require.NoError(t, err)
	rule(t, "T3", !found, "what was decided under lease %d is there", old.lease)
	require.Equal(t, "1", w.get("a"))
}

// Who holds a lease next commits above all that was read under the one before.
func TestANewLeaseCommitsAboveWhatWasRead(t *testing.T) {
	forClocks(t, func(t *testing.T, o Options) {
		w := start(t, o)
		w.put("a", "1")
		ctx := within(t, time.Minute)
		for _, to := range []raft.NodeID{2, 3, 1, 2} {
			reader, err := w.db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly})
			require.NoError(t, err)
			before, err := reader.Get(ctx, []byte("a"))
			require.NoError(t, err)
			id, _ := w.holder("a")
			require.NoError(t, w.Move(ctx, id, to))
			_, n := w.holder("a")
			bound := n.replica(id).region().ReadBound()
			rule(t, "T3", bound >= reader.ReadTS(), "the new lease commits from %v on, and %v was read", bound, reader.ReadTS())
			w.put("a", string(before)+"+")
			again, err := reader.Get(ctx, []byte("a"))
			require.NoError(t, err)
			rule(t, "T3", string(again) == string(before), "a snapshot read %q, and then %q", before, again)
			require.NoError(t, reader.Rollback(ctx))
		}
	})
}
