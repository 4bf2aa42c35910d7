package ranges

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// alone is a cluster of one node, for what needs no others.
func alone(t *testing.T) (*world, *Node) {
	w := start(t, Options{Nodes: 1})
	w.put("a", "1", "m", "2", "z", "3")
	return w, w.node(1)
}

func TestEachCommandIsAppliedOnce(t *testing.T) {
	w, _ := alone(t)
	ctx := within(t, time.Minute)
	first, err := w.propose(ctx, 1, []byte{cmdNumber})
	require.NoError(t, err)
	w.close()
	w.open()
	second, err := w.propose(ctx, 1, []byte{cmdNumber})
	require.NoError(t, err)
	rule(t, "T2", second == first+1, "number %d, a restart, and number %d: commands were applied again, or not at all", first, second)
}

func TestASplitCutsTheKeysInTwoAndEndsTheLease(t *testing.T) {
	w, n := alone(t)
	ctx := within(t, time.Minute)
	r := n.replica(1)
	before := r.place.Load()
	old := &engine{r, before.Lease.Seq}
	for _, bad := range []string{"", "\xff"} {
		a := splitArgument{Key: []byte(bad), Right: 9}
		err := r.CanSplit(a.encode())
		rule(t, "T4", bad != "" || errors.Is(err, ErrSplit), "a split at %q may be: %v", bad, err)
	}
	require.NoError(t, w.Split(ctx, []byte("m")))
	for id, key := range map[uint64]string{1: "m", 2: "m"} {
		a := splitArgument{Key: []byte(key), Right: 9}
		err := n.replica(id).CanSplit(a.encode())
		rule(t, "T4", errors.Is(err, ErrSplit), "range %d may be split at %q, where it ends or begins: %v", id, key, err)
	}
	left, right := n.replica(1).place.Load(), n.replica(2).place.Load()
	rule(t, "T4", bytes.Equal(left.End, right.Start) && string(right.Start) == "m" && len(left.Start) == 0 && right.End == nil,
		"%v and %v are not what was one", left, right)
	rule(t, "T4", left.Epoch > before.Epoch && right.Epoch == left.Epoch, "epochs %d and %d after %d", left.Epoch, right.Epoch, before.Epoch)
	var b mvcc.Batch
	b.Put(mvcc.LockCF, region.EncodeKey(nil, []byte("y")), []byte("late"))
	err := old.Write(ctx, &b)
	rule(t, "T3", err != nil, "a write of before the split was taken behind it")
	require.Equal(t, "3", w.get("z"))
}

func TestARestoredRangeIsThatAndNothingElse(t *testing.T) {
	w, n := alone(t)
	require.NoError(t, w.Split(within(t, time.Minute), []byte("m")))
	w.put("b", "x") // each in one phase: nothing goes on in the background
	w.put("n", "y")
	right, _ := n.content(t, 2)
	r := n.replica(1)
	c, err := r.Snapshot()
	require.NoError(t, err)
	var stream bytes.Buffer
	_, err = c.WriteTo(&stream)
	require.NoError(t, err)
	want, _ := n.content(t, 1)
	w.put("a", "other", "c", "new")
	w.run(func(_ context.Context, t *mvcc.Txn) error { return t.Delete([]byte("b")) })
	require.NoError(t, r.Restore(bytes.NewReader(stream.Bytes())))
	got, _ := n.content(t, 1)
	rule(t, "T5", got == want, "a range is not what its snapshot was")
	got, _ = n.content(t, 2)
	rule(t, "T5", got == right, "its neighbour, in the same space, has changed")
	// Half a stream is none, and the node says so.
	err = r.Restore(bytes.NewReader(stream.Bytes()[:stream.Len()/2]))
	require.Error(t, err)
	require.Error(t, n.failure())
}

func TestWhatIsInNoRangesSpaceIsRemovedAtTheStart(t *testing.T) {
	w, n := alone(t)
	dir := n.dir
	w.close()
	db, err := lsm.Open(filepath.Join(dir, "store"), nil)
	require.NoError(t, err)
	require.NoError(t, db.Put(append(dataPrefix(77), "wstray"...), nil))
	require.NoError(t, db.Close())
	w.open()
	_, err = w.node(1).db.Get(append(dataPrefix(77), "wstray"...))
	rule(t, "T5", errors.Is(err, lsm.ErrNotFound), "half a snapshot of an earlier life is there: %v", err)
	require.Equal(t, "1", w.get("a"))
}

func TestAHoleIsSeen(t *testing.T) {
	p := func(start, end string) *place {
		p := &place{Space: 1}
		p.Start = []byte(start)
		if end != "" {
			p.End = []byte(end)
		}
		return p
	}
	for _, c := range []struct {
		name   string
		places []*place
		hole   bool
	}{
		{"nothing", nil, false},
		{"all", []*place{p("", "")}, false},
		{"two", []*place{p("", "m"), p("m", "")}, false},
		{"overlap", []*place{p("", "m"), p("c", "")}, false},
		{"middle", []*place{p("", "c"), p("m", "")}, true},
		{"end", []*place{p("", "c"), p("c", "m")}, true},
		{"begin", []*place{p("c", "")}, true},
	} {
		n := &Node{replicas: map[uint64]*replica{}}
		for i, p := range c.places {
			p.ID = uint64(i + 1)
			r := &replica{node: n, id: p.ID}
			r.place.Store(p)
			n.add(r)
		}
		rule(t, "T5", n.hole() == c.hole, "%s: hole is %v", c.name, n.hole())
	}
}

func TestAnOlderPictureDoesNotReplaceANewerOne(t *testing.T) {
	var rs routes
	whole := region.Info{Ref: region.Ref{ID: 1, Epoch: 1}}
	left := region.Info{Ref: region.Ref{ID: 1, Epoch: 2}, End: []byte("m")}
	right := region.Info{Ref: region.Ref{ID: 2, Epoch: 2}, Start: []byte("m")}
	rs.learn(whole)
	rs.learn(left)
	_, ok := rs.find([]byte("z"))
	rule(t, "T6", !ok, "what was split off is still thought to be there")
	rs.learn(whole)
	got, ok := rs.find([]byte("a"))
	rule(t, "T6", ok && got.Ref == left.Ref, "a request goes to %v, as it was before the split", got)
	rs.learn(right)
	got, _ = rs.find([]byte("z"))
	require.Equal(t, right, got)
	rs.forget(right.Ref)
	_, ok = rs.find([]byte("z"))
	rule(t, "T6", !ok, "what is stale is still known")
}

func TestTheClocksBoundIsInTheLogAndNeverFalls(t *testing.T) {
	w := start(t, Options{})
	_, err := w.Clock().Now(within(t, time.Minute))
	require.NoError(t, err)
	s := clockStore{w.Cluster}
	before, err := s.Load()
	require.NoError(t, err)
	rule(t, "T7", before != 0, "the oracle has given out timestamps, and no bound is in the log")
	high := timestamp.Of(time.Now().Add(time.Hour))
	require.NoError(t, s.Save(high))
	require.NoError(t, s.Save(high-1000))
	require.NoError(t, w.Stop(1))
	got, err := s.Load()
	require.NoError(t, err)
	rule(t, "T7", got == high, "the bound is %v, and %v was promised", got, high)
}

// behind is a clock, the one of two that is behind.
type behind struct{ offset time.Duration }

func (c behind) Now(context.Context) (mvcc.TS, error) {
	return timestamp.Of(time.Now().Add(-c.offset)), nil
}
func (c behind) Observe(mvcc.TS) error    { return nil }
func (c behind) MaxOffset() time.Duration { return c.offset }

func TestTheFloorIsAboveAllClocksAndBelowItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := behind{500 * time.Millisecond}
		ahead := timestamp.Of(time.Now())
		bound, err := floor(context.Background(), c)
		require.NoError(t, err)
		rule(t, "T3", bound >= ahead, "a lease begins at %v, and a clock that is ahead showed %v", bound, ahead)
		now, err := c.Now(context.Background())
		require.NoError(t, err)
		rule(t, "T3", now > bound, "a lease begins at %v, and it is %v", bound, now)
	})
}

func TestANewerFormatIsRefusedByName(t *testing.T) {
	w, _ := alone(t)
	_, err := Open(within(t, time.Minute), w.o)
	rule(t, "T8", err != nil && strings.Contains(err.Error(), "in use by another process"), "a second one opened the directory: %v", err)
	w.close()
	name := filepath.Join(w.o.Dir, formatName)
	right, err := os.ReadFile(name)
	require.NoError(t, err)
	for text, says := range map[string]string{"txnkv 9: 3 nodes, clock tso\n": "format 9, and this program knows 1", "something\n": "not of this program"} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		_, err := Open(within(t, time.Minute), w.o)
		rule(t, "T8", err != nil && strings.Contains(err.Error(), says), "a directory of %q: %v", text, err)
	}
	require.NoError(t, os.WriteFile(name, right, 0o644))
	require.NoError(t, os.Rename(filepath.Join(w.o.Dir, "node1", "store"), filepath.Join(w.o.Dir, "away")))
	_, err = Open(within(t, time.Minute), w.o)
	rule(t, "T8", err != nil && strings.Contains(err.Error(), "forgot its votes"), "a node without its store takes part: %v", err)
	require.NoError(t, os.RemoveAll(filepath.Join(w.o.Dir, "node1", "store")))
	require.NoError(t, os.Rename(filepath.Join(w.o.Dir, "away"), filepath.Join(w.o.Dir, "node1", "store")))
	w.open()
	require.Equal(t, "1", w.get("a"))
}

func TestAWriteThatNobodyAnsweredIsNotAcknowledged(t *testing.T) {
	w := start(t, Options{})
	w.put("a", "1")
	id, n := w.holder("a")
	r := n.replica(id)
	e := &engine{r, r.place.Load().Lease.Seq}
	for _, other := range w.nodes() {
		if other != n {
			require.NoError(t, w.Stop(other.id))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var b mvcc.Batch
	b.Put(mvcc.Default, safePointKey, make([]byte, 8))
	err := e.Write(ctx, &b)
	rule(t, "T1", err != nil, "one node of three has acknowledged a write")
	// Nor does anybody hear what may be old by now.
	ctx, cancel = context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for err == nil || ctx.Err() == nil {
		if _, err = e.Snapshot(ctx); err != nil {
			break
		}
	}
	rule(t, "T1", err != nil, "one node of three serves for ever")
}
