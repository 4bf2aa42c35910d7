package oracle

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// far is an oracle at the end of a wire: half of the way takes half a millisecond.
type far struct {
	o     *Oracle
	asked []int
	fail  error
}

func (f *far) allocate(ctx context.Context, n int) (timestamp.TS, error) {
	f.asked = append(f.asked, n)
	time.Sleep(ms / 2)
	if f.fail != nil {
		return 0, f.fail
	}
	ts, err := f.o.Allocate(ctx, n)
	time.Sleep(ms / 2)
	return ts, err
}

func newFar(t *testing.T) (*far, *Batch) {
	f := &far{o: open(t, nil)}
	b := NewBatch(f.allocate)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return f, b
}

// callers wait for timestamps.
type callers struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	got []timestamp.TS
}

// ask asks n times at once.
func (c *callers) ask(t *testing.T, b *Batch, n int) {
	for range n {
		c.wg.Go(func() {
			ts, err := b.Now(t.Context())
			if err != nil {
				t.Error(err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.got = append(c.got, ts)
		})
	}
	synctest.Wait()
}

func TestThoseWhoComeMeanwhileShareTheNextRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, b := newFar(t)
		var c callers
		begin := time.Now()
		c.ask(t, b, 1)
		c.ask(t, b, 100)
		c.wg.Wait()
		require.Equal(t, []int{1, 100}, f.asked)
		require.Equal(t, 2*ms, time.Since(begin))
		seen := map[timestamp.TS]bool{}
		for _, ts := range c.got {
			require.False(t, seen[ts], "RULE C1: %v was given out twice", ts)
			seen[ts] = true
		}
	})
}

// Pitfall: while a request is under way, with its timestamps taken, a commit returns;
// who reads after that must see it.
func TestNobodyGetsATimestampFromBeforeHeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, b := newFar(t)
		var early, late, idle callers
		early.ask(t, b, 1)
		time.Sleep(ms * 3 / 4) // the answer is on its way
		commit := now(t, f.o)
		late.ask(t, b, 2)
		late.wg.Wait()
		early.wg.Wait()
		require.Less(t, early.got[0], commit)
		for _, ts := range late.got {
			require.Greater(t, ts, commit, "RULE C1: a commit has returned, and who asks after it is given %v", ts)
		}
		commit = now(t, f.o)
		idle.ask(t, b, 1)
		idle.wg.Wait()
		require.Greater(t, idle.got[0], commit, "RULE C1: given from a stock")
	})
}

func TestBatchIsAboveWhatItObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, b := newFar(t)
		f.o = open(t, &Options{Source: clock.NewManual(noon)}) // time does not help
		ts, err := b.Now(t.Context())
		require.NoError(t, err)
		for _, seen := range []timestamp.TS{ts, ts + 1, ts + timestamp.MaxLogical/4} {
			require.NoError(t, b.Observe(seen))
			got, err := b.Now(t.Context())
			require.NoError(t, err)
			require.Greater(t, got, seen, "RULE C1: observed, and given out again")
			ts = max(ts, got)
		}
		require.NoError(t, b.Observe(timestamp.Max))
		for range 2 {
			got, err := b.Now(t.Context())
			require.NoError(t, err, "RULE C5: a timestamp of nobody's stops the clock")
			require.Greater(t, got, ts)
			require.Less(t, got.Since(ts), time.Second, "RULE C5: a timestamp of nobody's is followed")
			ts = got
		}
		require.Zero(t, b.MaxOffset())
	})
}

func TestOracleThatHasLostItsBoundIsFound(t *testing.T) {
	answers := []timestamp.TS{100, 90, 101}
	b := NewBatch(func(context.Context, int) (timestamp.TS, error) {
		ts := answers[0]
		answers = answers[1:]
		return ts, nil
	})
	defer b.Close()
	_, err := b.Now(t.Context())
	require.NoError(t, err)
	_, err = b.Now(t.Context())
	require.ErrorContains(t, err, "it gave out 90 after 100: it has lost its bound", "RULE C1: an oracle goes back")
	ts, err := b.Now(t.Context())
	require.NoError(t, err)
	require.Equal(t, timestamp.TS(101), ts)
}

func TestFailedRequestFailsThoseWhoShareIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, b := newFar(t)
		f.fail = errors.New("no way")
		_, err := b.Now(t.Context())
		require.ErrorIs(t, err, f.fail)
		f.fail = nil
		_, err = b.Now(t.Context())
		require.NoError(t, err)
	})
}

func TestWhoGivesUpDoesNotTakeTheOthersAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := newFar(t)
		ctx, cancel := context.WithTimeout(t.Context(), ms/4)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Now(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		var c callers
		c.ask(t, b, 3)
		c.wg.Wait()
		wg.Wait()
		require.Len(t, c.got, 3)
	})
}

func TestClosedBatchFailsThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBatch(func(ctx context.Context, n int) (timestamp.TS, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := b.Now(t.Context()); !errors.Is(err, clock.ErrClosed) {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		require.NoError(t, b.Close())
		wg.Wait()
		require.NoError(t, b.Close())
		_, err := b.Now(t.Context())
		require.ErrorIs(t, err, clock.ErrClosed)
	})
}
