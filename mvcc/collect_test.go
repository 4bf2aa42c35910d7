package mvcc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/region"
)

// V16: what an active transaction of this DB reads is not collected, whatever safepoint
// is asked for; one that is too old is not waited for.
func TestCollectionSparesActiveTransactions(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{}, "m")
	db, _ := w.client(func(o *Options) { o.MaxLifetime, o.GCKeep = time.Minute, time.Second })
	w.put(db, "a=1", "z=1")
	old := clientBegin(t, db, ReadOnly)
	for i := 2; i < 6; i++ {
		w.put(db, fmt.Sprintf("a=%d", i), fmt.Sprintf("z=%d", i))
	}
	w.clock.pass(30 * time.Second)
	for _, at := range []TS{0, w.clock.peek()} {
		c, err := db.Collect(ctx, at)
		require.NoError(t, err)
		require.Less(t, c.SafePoint, old.ReadTS(), "RULE V16: it is not so")
		require.Equal(t, "a=1 z=1", clientScan(t, old, "", "", ScanOptions{}), "RULE V16: it is not so")
	}
	past, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: old.ReadTS() + 5})
	require.NoError(t, err)
	require.NoError(t, old.Rollback(ctx))
	c, err := db.Collect(ctx, w.clock.peek())
	require.NoError(t, err)
	require.Less(t, c.SafePoint, past.ReadTS(), "RULE V16: a snapshot of the past counts by what it reads")
	before := clientScan(t, past, "", "", ScanOptions{})
	require.NotEmpty(t, before)

	w.clock.pass(time.Minute)
	c, err = db.Collect(ctx, 0)
	require.NoError(t, err)
	require.Greater(t, c.SafePoint, past.ReadTS(), "RULE V16: MaxLifetime")
	require.Positive(t, c.Removed)
	_, err = past.Get(ctx, []byte("a"))
	require.ErrorIs(t, err, ErrTooOld, "RULE V16: it is not so")
	require.NoError(t, past.Rollback(ctx))
	require.Equal(t, "a=5 z=5", w.state(db), "RULE V16: it is not so")

	_, err = db.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: c.SafePoint})
	require.NoError(t, err)
	tx, err := db.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: c.SafePoint + 1})
	require.NoError(t, err)
	require.Equal(t, "a=5 z=5", clientScan(t, tx, "", "", ScanOptions{}), "RULE V16: it is not so")
}

// V16: a transaction that is about to begin is not missed between its timestamp and
// its place among the active ones.
func TestCollectionSparesWhoIsAboutToBegin(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	var db *DB
	slow := &clientSlowClock{clientClock: w.clock}
	db, _ = w.client(func(o *Options) { o.Clock = slow })
	w.put(db, "a=1")
	var c Collected
	slow.after = func() {
		slow.after = nil
		w.put(db, "a=2")
		var err error
		c, err = db.Collect(ctx, w.clock.peek())
		require.NoError(t, err)
	}
	tx := clientBegin(t, db, ReadOnly)
	require.Less(t, c.SafePoint, tx.ReadTS(), "RULE V16: it is not so")
	require.Equal(t, "1", clientGet(t, tx, "a"), "RULE V16: it is not so")
	require.NoError(t, tx.Rollback(ctx))
}

// clientSlowClock calls after between taking a timestamp and returning it.
type clientSlowClock struct {
	*clientClock
	after func()
}

func (c *clientSlowClock) Now(ctx context.Context) (TS, error) {
	ts, err := c.clientClock.Now(ctx)
	if c.after != nil {
		c.after()
	}
	return ts, err
}

// V16: locks below the safepoint are decided before anything is removed: those whose
// primary is committed are committed.
func TestCollectionResolvesLocks(t *testing.T) {
	ctx := context.Background()
	for _, change := range []func(*Options){clientTwoPhase, clientAsync} {
		for after := range 5 {
			w := newClientWorld(t, region.Options{}, "m", "t")
			db, _ := w.client()
			w.put(db, "a=1", "m=1", "z=1")
			gone, wire := w.client(change)
			wire.fault = func(n int, q region.Request) clientFault {
				if n == after {
					return clientGone
				}
				return clientFine
			}
			tx := clientBegin(t, gone, SnapshotIsolation)
			clientWrite(t, tx, "a=2", "m=2", "z=2")
			err := tx.Commit(ctx)
			w.clock.pass(time.Minute)
			c, cerr := db.Collect(ctx, w.clock.peek())
			require.NoError(t, cerr)
			w.settled("V16")
			got := w.state(db)
			if got != "a=1 m=1 z=1" && got != "a=2 m=2 z=2" || err == nil && got != "a=2 m=2 z=2" {
				t.Errorf("RULE V16: gone after %d: there is %s; Commit said %v", after, got, err)
			}
			if after > 0 {
				require.Positive(t, c.Locks)
			}
			// A prewrite that was late is refused.
			for _, q := range wire.sent {
				if p, ok := q.(*region.PrewriteRequest); ok {
					info, err := w.local.Region(ctx, p.Mutations[0].Key)
					require.NoError(t, err)
					_, err = w.local.Send(ctx, info.Ref, p)
					require.ErrorIs(t, err, ErrTooOld, "RULE V3: it is not so")
				}
			}
			w.settled("V3")
		}
	}
}

// The background collects by itself.
func TestCollectionInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(&Options{GCEvery: time.Minute, GCKeep: time.Minute})
		require.NoError(t, err)
		w := &clientWorld{t: t}
		for i := range 10 {
			w.put(db, fmt.Sprintf("a=%d", i))
		}
		time.Sleep(3 * time.Minute)
		require.EqualValues(t, 9, db.Metrics().Collected)
		require.Equal(t, "a=9", w.state(db))
		require.NoError(t, db.Close())
	})
}

func TestCollectionEndsWithItsContext(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	w.put(db, "a=1")
	c, err := db.Collect(context.Background(), 0)
	require.NoError(t, err)
	require.Zero(t, c, "nothing is older than GCKeep")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = db.Collect(ctx, w.clock.peek())
	require.ErrorIs(t, err, context.Canceled)
}

// An export is one snapshot, whatever goes on meanwhile, and Import brings it back.
func TestExportAndImport(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(7, 7))
	w := newClientWorld(t, region.Options{}, "k3", "k6")
	db, _ := w.client()
	tx := clientBegin(t, db, SnapshotIsolation)
	for i := range 3000 {
		v := make([]byte, r.IntN(300))
		for j := range v {
			v[j] = byte(r.Uint32())
		}
		require.NoError(t, tx.Put(fmt.Appendf(nil, "k%d%05d", r.IntN(10), i), v))
	}
	require.NoError(t, tx.Put([]byte("large"), make([]byte, 3<<20)))
	require.NoError(t, tx.Put([]byte("empty"), nil))
	require.NoError(t, tx.Commit(ctx))
	at := tx.CommitTS()
	want := w.state(db)
	w.put(db, "k9=later", "large")

	var out bytes.Buffer
	got, n, err := db.Export(ctx, &out, at)
	require.NoError(t, err)
	require.Equal(t, at, got)
	require.EqualValues(t, 3002, n)

	other := newClientWorld(t, region.Options{}, "k5")
	to, _ := other.client()
	m, err := to.Import(ctx, bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	require.EqualValues(t, n, m)
	require.Equal(t, want, other.state(to))
	m, err = to.Import(ctx, bytes.NewReader(out.Bytes()))
	require.NoError(t, err, "it may be done again")
	require.EqualValues(t, n, m)

	var again bytes.Buffer
	_, _, err = to.Export(ctx, &again, 0)
	require.NoError(t, err)
	require.Equal(t, out.Bytes()[16:], again.Bytes()[16:], "the same content is the same bytes")
	require.Zero(t, db.Metrics().Active)
}

// Whatever is wrong with an export is noticed, and said where.
func TestImportOfDamagedBytes(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	for i := range 40 {
		w.put(db, fmt.Sprintf("k%02d=value", i))
	}
	var out bytes.Buffer
	_, _, err := db.Export(ctx, &out, 0)
	require.NoError(t, err)
	good := out.Bytes()
	attempt := func(b []byte) error {
		other := newClientWorld(t, region.Options{})
		to, _ := other.client()
		_, err := to.Import(ctx, bytes.NewReader(b))
		return err
	}
	require.NoError(t, attempt(good))
	for i := range good {
		require.Error(t, attempt(good[:i]), "cut at %d", i)
	}
	for i := range good {
		if i >= 8 && i < 16 {
			continue // the timestamp, which Import does not use
		}
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		require.ErrorIs(t, attempt(bad), ErrCorrupt, "byte %d", i)
	}
	require.ErrorContains(t, attempt([]byte("something else entirely")), "it begins with")
	require.ErrorContains(t, attempt(good[:len(good)-3]), fmt.Sprintf("at byte %d", len(good)-16))
	for _, top := range []byte{0x7f, 0xff} { // which as an int of 32 bits is negative
		huge := append(bytes.Clone(good[:16]), 0xff, 0xff, 0xff, top, 0, 0, 0, 0)
		require.ErrorIs(t, attempt(huge), ErrCorrupt)
	}
	miscounted := bytes.Clone(good)
	binary.LittleEndian.PutUint64(miscounted[len(good)-8:], 41)
	require.ErrorIs(t, attempt(miscounted), ErrCorrupt)
	failing := errors.New("disk full")
	_, _, err = db.Export(ctx, clientBadWriter{failing}, 0)
	require.ErrorIs(t, err, failing)
	require.Zero(t, db.Metrics().Active)
	_, err = db.Import(ctx, io.MultiReader(bytes.NewReader(good[:20]), clientBadReader{failing}))
	require.ErrorIs(t, err, failing)
}

type clientBadWriter struct{ err error }

func (w clientBadWriter) Write([]byte) (int, error) { return 0, w.err }

type clientBadReader struct{ err error }

func (r clientBadReader) Read([]byte) (int, error) { return 0, r.err }

// The grid of doc.go, drawn of the states that it shows.
func TestGrid(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{}, "c")
	w.clock.last = 0
	draw := func() string {
		var s strings.Builder
		require.NoError(t, Grid(ctx, &s, w.engine, nil))
		return s.String()
	}
	require.Equal(t, "(empty)\n", draw())
	db, wire := w.client(clientTwoPhase)
	w.put(db, "bob=10", "joe=2")
	var steps []string
	wire.fault = func(n int, q region.Request) clientFault {
		switch q.(type) {
		case *region.CommitRequest, *region.PrewriteRequest:
			steps = append(steps, clientName(q)+"\n"+draw())
		}
		return clientFine
	}
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "bob=3", "joe=9")
	require.NoError(t, tx.Commit(ctx))
	steps = append(steps, "end\n"+draw())
	require.Equal(t, `prewrite ["bob"]
     3
bob  W@1=10
joe  W@1=2

prewrite ["joe"]
     3       4
bob  W@1=10  L
joe  W@1=2

commit ["bob"]
     3       4
bob  W@1=10  L
joe  W@1=2   L(bob)

commit ["joe"]
     3       4       6
bob  W@1=10          W@4=3
joe  W@1=2   L(bob)

end
     3       6
bob  W@1=10  W@4=3
joe  W@1=2   W@4=9
`, strings.Join(steps, "\n"))
	wire.fault = nil

	w.put(db, "joe", "long="+strings.Repeat("x", 300), "odd key=a b")
	locker := clientBegin(t, db, Pessimistic)
	_, err := locker.GetForUpdate(ctx, []byte("bob"), []byte("joe"))
	require.NoError(t, err)
	async, awire := w.client(clientAsync)
	awire.fault = func(n int, q region.Request) clientFault {
		if n == 1 {
			return clientGone
		}
		return clientFine
	}
	tx = clientBegin(t, async, SnapshotIsolation)
	clientWrite(t, tx, "ann=1", "zoe=1")
	require.Error(t, tx.Commit(ctx))
	got := draw()
	for _, part := range []string{"X@", "D=xxxxxx…300", "P(bob)", "LA\n", `"odd key"`, `="a b"`} {
		require.Contains(t, got, part)
	}
	require.Equal(t, got, draw(), "the same state is the same picture")
	var named strings.Builder
	require.NoError(t, Grid(ctx, &named, w.engine, func(ts TS) string { return fmt.Sprintf("t%d", ts) }))
	require.Contains(t, named.String(), "W@t1=10")
	w.clock.pass(time.Minute)
	w.put(db, "ann=2")
	require.Contains(t, draw(), "  R", "the client that has gone is rolled back")
}

// A region that nobody serves ends a collection after LockWait, as it ends all else; it is
// asked now and then till then, and not as fast as it goes.
func TestCollectionDoesNotWaitForEver(t *testing.T) {
	for name, answer := range map[string]error{"refused": &region.Error{Reason: "an election is under way"}, "lost": errClientWire} {
		w := newClientWorld(t, region.Options{})
		ctx, cancel := context.WithCancel(context.Background())
		unserved := &clientUnserved{Transport: w.local, err: answer, enough: cancel}
		db, err := Open(&Options{Transport: unserved, Clock: w.clock, Serial: true, Sleep: w.clock.sleep})
		require.NoError(t, err)
		w.clock.pass(time.Hour)
		before := w.clock.peek()
		_, err = db.Collect(ctx, 0)
		require.Error(t, err)
		require.NoError(t, ctx.Err(), "RULE V17: %s: it was asked %d times, and would be still", name, unserved.n)
		require.InDelta(t, 10, w.clock.peek().Since(before).Seconds(), 0.2, "RULE V17: %s: LockWait", name)
		require.NoError(t, db.Close())
		cancel()
	}
}

// clientUnserved answers all requests with an error, and says when it has had enough.
type clientUnserved struct {
	Transport
	err    error
	enough func()
	n      int
}

func (u *clientUnserved) Send(context.Context, region.Ref, region.Request) (any, error) {
	if u.n++; u.n > 1000 {
		u.enough()
	}
	return nil, u.err
}
