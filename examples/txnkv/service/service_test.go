package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
	"github.com/flagship-go/flagship/mvcc/oracle"
	"github.com/flagship-go/flagship/mvcc/region"
)

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

var ctx = context.Background()

// open returns a service over a store in memory, of regions that begin at the keys.
func open(t *testing.T, o Options, splits ...string) *Service {
	clock, err := oracle.New(nil)
	require.NoError(t, err)
	var keys [][]byte
	for _, s := range splits {
		keys = append(keys, []byte(s))
	}
	local := region.NewLocal(mvcc.NewMemory(), keys, region.Options{})
	db, err := mvcc.Open(&mvcc.Options{Transport: local, Clock: clock})
	require.NoError(t, err)
	o.DB, o.Transport, o.Clock = db, local, clock
	s := New(o)
	t.Cleanup(func() {
		require.NoError(t, s.Close(ctx))
		require.NoError(t, db.Close())
		require.NoError(t, local.Close())
	})
	return s
}

func (s *Service) begin(t *testing.T, m mvcc.Mode) string {
	b, err := s.Begin(ctx, mvcc.TxnOptions{Mode: m})
	require.NoError(t, err)
	return b.Txn
}

func TestIdleTransactionsAreRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{IdleTimeout: time.Minute, MaxOpen: 2})
		idle, busy := s.begin(t, mvcc.Pessimistic), s.begin(t, mvcc.SnapshotIsolation)
		_, err := s.Begin(ctx, mvcc.TxnOptions{})
		require.ErrorIs(t, err, ErrBusy)
		_, err = s.Lock(ctx, idle, [][]byte{[]byte("k")})
		require.NoError(t, err)
		locks, err := s.LocksIn(ctx, 10)
		require.NoError(t, err)
		require.Len(t, locks, 1)
		for range 3 {
			time.Sleep(30 * time.Second)
			_, err = s.Get(ctx, busy, []byte("x"))
			rule(t, "S1", errors.Is(err, mvcc.ErrNotFound), "a transaction that is used was given up: %v", err)
		}
		_, err = s.Commit(ctx, idle)
		rule(t, "S1", errors.Is(err, ErrNoTxn), "a transaction that was idle for a minute and a half was committed: %v", err)
		locks, err = s.LocksIn(ctx, 10)
		require.NoError(t, err)
		rule(t, "S1", len(locks) == 0, "its locks are there: %v", locks)
		require.Equal(t, Metrics{Open: 1, Expired: 1}, s.Metrics())
		require.Len(t, s.Running(), 1)
		require.NoError(t, s.Rollback(ctx, busy))
		require.ErrorIs(t, s.Rollback(ctx, busy), ErrNoTxn)
	})
}

// slowClock is a clock that takes its time.
type slowClock struct {
	mvcc.Clock
	ask func()
}

func (c slowClock) Now(ctx context.Context) (mvcc.TS, error) {
	c.ask()
	return c.Clock.Now(ctx)
}

func TestABurstDoesNotPassTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, err := oracle.New(nil)
		require.NoError(t, err)
		db, err := mvcc.Open(&mvcc.Options{Clock: slowClock{clock, func() { time.Sleep(time.Second) }}})
		require.NoError(t, err)
		s := New(Options{DB: db, Clock: clock, MaxOpen: 2})
		var opened, busy atomic.Int32
		var clients sync.WaitGroup
		for range 10 {
			clients.Go(func() {
				if _, err := s.Begin(ctx, mvcc.TxnOptions{}); err == nil {
					opened.Add(1)
				} else if errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
			})
		}
		clients.Wait()
		defer func() {
			require.NoError(t, s.Close(ctx))
			require.NoError(t, db.Close())
		}()
		rule(t, "S1", opened.Load() == 2 && busy.Load() == 8, "of ten that begin at once %d may, and %d are told that there are too many: the limit is 2", opened.Load(), busy.Load())
		// Whoever could not begin takes no place.
		for name := range s.sessions {
			require.NoError(t, s.Rollback(ctx, name))
		}
		for range 5 {
			_, err = s.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly, ReadTS: 1 << 63})
			rule(t, "S1", errors.Is(err, mvcc.ErrFuture), "one that reads in the future is told %v", err)
		}
		_, err = s.Begin(ctx, mvcc.TxnOptions{})
		rule(t, "S1", err == nil, "nothing is open, and one that begins is told %v", err)
	})
}

// Close rolls back all that nobody is busy with, whatever is late.
func TestCloseLeavesNothingIdleOpen(t *testing.T) {
	s := open(t, Options{})
	for range 40 {
		s.begin(t, mvcc.SnapshotIsolation)
	}
	busy, err := s.open(ctx, s.begin(t, mvcc.SnapshotIsolation))
	require.NoError(t, err)
	late, end := context.WithCancel(ctx)
	end()
	require.ErrorIs(t, s.Close(late), context.Canceled)
	active := s.o.DB.Metrics().Active
	rule(t, "S1", active == 1, "one of 41 is in the midst of a call, and %d are open after Close", active)
	require.NoError(t, busy.txn.Rollback(ctx))
	busy.give()
}

// A time of day that is set ahead, or back, makes nobody idle, or busy.
func TestIdlenessIsNotByTheTimeOfDay(t *testing.T) {
	s := open(t, Options{IdleTimeout: time.Hour})
	name := s.begin(t, mvcc.SnapshotIsolation)
	x, err := s.session(name)
	require.NoError(t, err)
	require.ErrorIs(t, second(s.Get(ctx, name, []byte("k"))), mvcc.ErrNotFound)
	rule(t, "S1", time.Duration(x.used.Load()) < time.Minute, "a transaction that was just begun was used at %v", x.used.Load())
}

func TestEveryErrorHasACode(t *testing.T) {
	s := open(t, Options{})
	require.NoError(t, s.Put(ctx, "", []byte("k"), []byte("v"), false))
	stale := s.begin(t, mvcc.SnapshotIsolation)
	require.NoError(t, s.Put(ctx, stale, []byte("k"), []byte("w"), false))
	require.NoError(t, s.Put(ctx, "", []byte("k"), []byte("x"), false))
	reader := s.begin(t, mvcc.ReadOnly)
	for want, err := range map[Code]error{
		CodeNotFound:   second(s.Get(ctx, "", []byte("none"))),
		CodeExists:     s.Put(ctx, "", []byte("k"), nil, true),
		CodeConflict:   second(s.Commit(ctx, stale)),
		CodeNoTxn:      s.Put(ctx, "nobody", []byte("k"), nil, false),
		CodeReadOnly:   s.Put(ctx, reader, []byte("k"), nil, false),
		CodeBadKey:     s.Put(ctx, "", nil, nil, false),
		CodeTooLarge:   s.Put(ctx, "", bytes.Repeat([]byte("k"), 5000), nil, false),
		CodeFuture:     second(s.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly, ReadTS: 1 << 63})),
		CodeBadRequest: third(s.Scan(ctx, "", ScanRange{Limit: -1})),
		CodeBadQuery:   s.Select(ctx, "", Query{Text: "SELECT"}, nil, nil),
		CodeNoTable:    s.Select(ctx, "", Query{Text: "SELECT a FROM nowhere"}, nil, nil),
		CodeInternal:   errors.New("something else"),
		CodeTimeout:    fmt.Errorf("waiting: %w", context.DeadlineExceeded),
		// Whatever it wraps, nobody knows what became of the commit.
		CodeUndetermined: fmt.Errorf("%w: %w", mvcc.ErrUndetermined, context.DeadlineExceeded),
		CodeUnavailable:  fmt.Errorf("no answer: %w", &region.Error{}),
	} {
		rule(t, "S4", CodeOf(err) == want, "%v has code %s, not %s", err, CodeOf(err), want)
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }
func (s *Service) rows(t *testing.T, txn string, q Query) (rows []string, err error) {
	err = s.Select(ctx, txn, q, func([]string) error { return nil }, func(vs []coprocessor.Value) error {
		rows = append(rows, fmt.Sprint(vs))
		return nil
	})
	return rows, err
}

var lines = Table{Name: "lines", Key: []string{"file", "line"}, Columns: []Column{{Name: "file", Type: "string"}, {Name: "line", Type: "int"}, {Name: "words", Type: "int"}, {Name: "share", Type: "float"}}}

func TestAQuerySeesWhatItsTransactionSees(t *testing.T) {
	s := open(t, Options{}, "\x00rlines\x00b", "\x00rlines\x00d")
	require.NoError(t, s.CreateTable(ctx, lines))
	require.ErrorIs(t, s.CreateTable(ctx, lines), mvcc.ErrExists)
	for i := range 40 {
		require.NoError(t, s.Insert(ctx, "", "lines", [][]any{{string(rune('a' + i%5)), int64(i), int64(i % 7), float64(i) / 8}}))
	}
	queries := []string{
		"SELECT count(*), sum(words), avg(share) FROM lines",
		"SELECT file, count(*), max(line) FROM lines WHERE words > 2 GROUP BY file ORDER BY file",
		"SELECT file, line FROM lines ORDER BY share DESC LIMIT 3",
		"SELECT line FROM lines WHERE file = 'c' LIMIT 4",
	}
	old := s.begin(t, mvcc.Serializable)
	own := s.begin(t, mvcc.SnapshotIsolation)
	before := map[string][]string{}
	for _, q := range queries {
		pushed, err := s.rows(t, old, Query{Text: q})
		require.NoError(t, err)
		shipped, err := s.rows(t, old, Query{Text: q, Ship: true})
		require.NoError(t, err)
		rule(t, "S5", fmt.Sprint(pushed) == fmt.Sprint(shipped), "%s: pushed down it is %v, and shipped %v", q, pushed, shipped)
		before[q] = pushed
	}
	require.NoError(t, s.Insert(ctx, own, "lines", [][]any{{"c", int64(100), int64(50), 99.0}}))
	require.NoError(t, s.Insert(ctx, "", "lines", [][]any{{"a", int64(200), int64(60), 98.0}}))
	for _, q := range queries {
		now, err := s.rows(t, old, Query{Text: q})
		require.NoError(t, err)
		rule(t, "S5", fmt.Sprint(now) == fmt.Sprint(before[q]), "%s: a snapshot has changed from %v to %v", q, before[q], now)
	}
	got, err := s.rows(t, own, Query{Text: "SELECT max(words), count(*) FROM lines"})
	require.NoError(t, err)
	rule(t, "S5", fmt.Sprint(got) == "[[50 41]]", "its own row is not seen: %v", got)
	// Serializable: what was queried has changed.
	require.NoError(t, s.Put(ctx, old, []byte("k"), nil, false))
	_, err = s.Commit(ctx, old)
	rule(t, "S5", CodeOf(err) == CodeConflict, "a range that was queried has changed, and the commit says %v", err)
}

func TestRowsAreOfTheirTable(t *testing.T) {
	s := open(t, Options{})
	require.NoError(t, s.CreateTable(ctx, lines))
	for _, row := range [][]any{{"a"}, {"a", int64(1), "many", 1.0}, {int64(1), int64(1), int64(1), 1.0}, {nil, int64(1), int64(1), 1.0}, {"a", 1.5, int64(1), 1.0}} {
		err := s.Insert(ctx, "", "lines", [][]any{row})
		rule(t, "S3", CodeOf(err) == CodeBadRow, "row %v: %v", row, err)
	}
	require.NoError(t, s.Insert(ctx, "", "lines", [][]any{{"a", int64(1), nil, int64(2)}}))
	err := s.Insert(ctx, "", "lines", [][]any{{"a", int64(1), nil, nil}})
	rule(t, "S3", CodeOf(err) == CodeExists, "a row is there twice: %v", err)
	// Of several rows all are put there, or none: the transaction may go on with something else.
	txn := s.begin(t, mvcc.SnapshotIsolation)
	require.NoError(t, s.Insert(ctx, txn, "lines", [][]any{{"b", int64(1), nil, nil}}))
	err = s.Insert(ctx, txn, "lines", [][]any{{"c", int64(1), nil, nil}, {"b", int64(1), nil, nil}, {"d", int64(1), nil, nil}})
	rule(t, "S3", CodeOf(err) == CodeExists, "a row is there twice: %v", err)
	got, err := s.rows(t, txn, Query{Text: "SELECT file FROM lines WHERE file > 'a'"})
	require.NoError(t, err)
	rule(t, "S3", fmt.Sprint(got) == "[['b']]", "an insert of three rows has failed, and some are there: %v", got)
	require.NoError(t, s.Rollback(ctx, txn))
	for _, bad := range []Table{{Name: "No"}, {Name: "t", Key: []string{"x"}}, {Name: "t", Key: []string{"x"}, Columns: []Column{{Name: "x", Type: "blob"}}}, {Name: "t", Columns: []Column{{Name: "x", Type: "int"}}}} {
		require.Error(t, s.CreateTable(ctx, bad))
	}
	all, err := s.Tables(ctx)
	require.NoError(t, err)
	require.Equal(t, []Table{lines}, all)
}

func TestACallWithoutATransactionIsOneOfItsOwn(t *testing.T) {
	s := open(t, Options{})
	old := s.begin(t, mvcc.SnapshotIsolation)
	err := s.Put(ctx, "", []byte("k"), []byte("v"), false)
	rule(t, "S2", err == nil, "a call of its own: %v", err)
	v, err := s.Get(ctx, "", []byte("k"))
	rule(t, "S2", err == nil && string(v) == "v", "what a call of its own wrote: %q, %v", v, err)
	_, err = s.Get(ctx, old, []byte("k"))
	rule(t, "S2", errors.Is(err, mvcc.ErrNotFound), "it is in a snapshot from before: %v", err)
	require.NoError(t, s.Delete(ctx, "", []byte("k")))
	require.Zero(t, s.o.DB.Metrics().Active-1, "transactions of calls are over")
}
