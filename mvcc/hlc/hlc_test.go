package hlc

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a timestamp some milliseconds after noon.
func at(ms int64, logical uint64) timestamp.TS {
	return timestamp.Make(noon.UnixMilli()+ms, logical)
}

const ms = time.Millisecond

func now(t *testing.T, c *Clock) timestamp.TS {
	t.Helper()
	ts, err := c.Now(t.Context())
	require.NoError(t, err)
	return ts
}

// The picture in doc.go.
func TestMessageMovesAClockThatIsLate(t *testing.T) {
	sa, sb := clock.NewManual(noon.Add(100*ms)), clock.NewManual(noon.Add(70*ms))
	a, b := New(&Options{Source: sa}), New(&Options{Source: sb})
	require.Equal(t, at(100, 0), now(t, a))
	require.Equal(t, at(70, 0), now(t, b))
	sa.Advance(10 * ms)
	sb.Advance(10 * ms)
	commit := now(t, a)
	require.Equal(t, at(110, 0), commit)
	require.NoError(t, b.Observe(commit))
	require.Equal(t, at(110, 8), now(t, b), "RULE C1: the effect is not after its cause")
	require.Equal(t, 30*ms, b.Metrics().Ahead)
	sb.Advance(5 * ms)
	require.Equal(t, at(110, 9), now(t, b))
	sb.Advance(26 * ms)
	require.Equal(t, at(111, 0), now(t, b), "time of day has caught up")
	require.NoError(t, b.Observe(commit))
	require.Equal(t, at(111, 1), now(t, b), "RULE C1: a message that is late takes something back")
}

func TestClockThatIsSetBackCountsOn(t *testing.T) {
	s := clock.NewManual(noon)
	c := New(&Options{Source: s})
	require.Equal(t, at(0, 0), now(t, c))
	s.Step(-time.Hour)
	s.Advance(10 * ms)
	require.Equal(t, at(0, 1), now(t, c), "RULE C3: time of day that goes back takes timestamps back")
	require.Equal(t, at(0, 2), now(t, c), "RULE C3: time of day that goes back takes timestamps back")
	require.Equal(t, Metrics{StepsBack: 1, Ahead: time.Hour - 10*ms}, c.Metrics())
	s.Advance(time.Hour)
	require.Equal(t, at(10, 0), now(t, c))
}

func TestClockThatJumpsAheadFailsUntilItIsSetRight(t *testing.T) {
	s := clock.NewManual(noon)
	c := New(&Options{Source: s, MaxOffset: 100 * ms})
	s.Step(50 * ms)
	s.Advance(ms)
	require.Equal(t, at(51, 0), now(t, c))
	s.Step(51 * ms)
	s.Advance(ms)
	for range 3 {
		_, err := c.Now(t.Context())
		var jump *JumpError
		require.ErrorAs(t, err, &jump, "RULE C4: a jump is followed")
		require.Equal(t, 51*ms, jump.By)
		require.ErrorContains(t, err, "has jumped ahead by 51ms; set it right")
	}
	require.Error(t, c.Observe(at(500, 0)), "RULE C5: a clock that is wrong judges others")
	s.Step(-51 * ms)
	require.Equal(t, at(52, 0), now(t, c), "RULE C4: a jump has left a trace")

	c = New(&Options{Source: s, MaxJump: -1})
	s.Step(time.Hour)
	s.Advance(ms)
	require.Equal(t, at(time.Hour.Milliseconds()+53, 0), now(t, c))
}

func TestIdleClockHasNotJumped(t *testing.T) {
	s := clock.NewManual(noon)
	c := New(&Options{Source: s})
	s.Advance(24 * time.Hour)
	require.Equal(t, at(24*3600_000, 0), now(t, c))
}

func TestFarFutureIsRefusedAndLeavesNoTrace(t *testing.T) {
	s := clock.NewManual(noon)
	c := New(&Options{Source: s, MaxOffset: 100 * ms})
	require.Equal(t, 100*ms, c.MaxOffset())
	for _, ts := range []timestamp.TS{at(100, 1), at(101, 0), at(1<<40, 0), timestamp.Max} {
		err := c.Observe(ts)
		var future *FutureError
		require.ErrorAs(t, err, &future, "RULE C5: %v is taken in", ts)
		require.Equal(t, FutureError{TS: ts, Now: at(0, 0), MaxOffset: 100 * ms}, *future)
	}
	require.EqualError(t, c.Observe(at(1000, 0)), "hlc: timestamp 2026-03-01T12:00:01.000Z+0 is 1s ahead of the clock, and clocks may differ by 100ms: look at both nodes' time", "RULE C5: a timestamp that was refused has left a trace")
	require.Equal(t, at(0, 0), now(t, c), "RULE C5: a timestamp that was refused has left a trace")
	require.NoError(t, c.Observe(at(100, 0)))
	require.Equal(t, at(100, stride), now(t, c))
	require.NoError(t, c.Observe(0))

	// What was too far is not, later; also if nobody asks for the time in between.
	s.Advance(ms)
	require.NoError(t, c.Observe(at(101, 0)), "RULE C5: judged by the time of day at some other call")

	c = New(&Options{Source: s, MaxOffset: 100 * ms}) // at 1
	s.Step(-50 * ms)
	s.Advance(ms)
	now(t, c)
	require.Error(t, c.Observe(at(60, 0)), "RULE C5: judged by the time of day before it was set back")
}

func TestFullCounterCarriesIntoTheMilliseconds(t *testing.T) {
	s := clock.NewManual(noon)
	c := New(&Options{Source: s})
	require.NoError(t, c.Observe(at(0, timestamp.MaxLogical)))
	require.Equal(t, at(1, 0), now(t, c), "RULE C6: the counter has wrapped around")
	s.Advance(ms)
	require.Equal(t, at(1, 1), now(t, c), "RULE C1: given out twice")
}

func TestManyAskAtOnceAndMessagesCross(t *testing.T) {
	clocks := []*Clock{
		New(&Options{MaxOffset: time.Hour}),
		New(&Options{MaxOffset: time.Hour, Source: clock.Func(func() time.Time { return time.Now().Add(-time.Second) })}),
	}
	var wg sync.WaitGroup
	all := make([][]timestamp.TS, 8)
	for g := range all {
		wg.Go(func() {
			mine, other := clocks[g%2], clocks[(g+1)%2]
			last := timestamp.TS(0)
			for range 2000 {
				ts, err := mine.Now(t.Context())
				if err != nil || ts <= last {
					t.Errorf("RULE C1: %v after %v: %v", ts, last, err)
					return
				}
				all[g] = append(all[g], ts)
				if err := other.Observe(ts); err != nil {
					t.Errorf("RULE C5: %v", err)
					return
				}
				later, _ := other.Now(t.Context())
				if later <= ts {
					t.Errorf("RULE C1: %v was observed, and %v given out after it", ts, later)
					return
				}
				last = ts
			}
		})
	}
	wg.Wait()
	for i := range clocks {
		seen := map[timestamp.TS]bool{}
		for g := i; g < len(all); g += 2 {
			for _, ts := range all[g] {
				require.False(t, seen[ts], "RULE C1: %v was given out twice", ts)
				seen[ts] = true
			}
		}
	}
}

// run is a clock over a file, in a bubble: a clock that waits does so in virtual time.
func run(t *testing.T, m *vfs.Mem) (*Clock, func()) {
	f, err := clock.OpenFile(m, "hlc")
	require.NoError(t, err)
	c := New(&Options{Store: f, Window: 200 * ms})
	return c, func() {
		require.NoError(t, c.Close())
		require.NoError(t, f.Close())
	}
}

// Power goes after each operation on the disk, and between them; the next run must
// give out nothing that this one may have.
func TestRestartGoesOnAboveWhatWasGivenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rng := vfs.NewMem(), rand.New(rand.NewPCG(3, 4))
		highest, restarts := timestamp.TS(0), 0
		restart := func(m *vfs.Mem) {
			c, done := run(t, m)
			defer done()
			begin := time.Now()
			ts := now(t, c)
			require.Greater(t, ts, highest, "RULE C2: after a restart")
			require.LessOrEqual(t, time.Since(begin), 200*ms+slack, "the wait is a window")
			require.LessOrEqual(t, ts, timestamp.Of(time.Now()), "RULE C2: begins ahead of the time of day")
			restarts++
		}
		var crashed []*vfs.Mem
		m.Observe(func(vfs.Op) {
			for range 4 {
				crashed = append(crashed, m.CrashClone(rng))
			}
		})
		c, done := run(t, m)
		for i := range 60 {
			ts := now(t, c)
			require.Greater(t, ts, highest)
			// What the disk may be was drawn before ts was given out: by now it must
			// not be in the way of nothing, but highest holds for all of them.
			for _, m := range crashed {
				restart(m)
			}
			crashed = crashed[:0]
			highest = ts
			if i%5 == 0 {
				ahead := timestamp.Of(time.Now().Add(300 * ms))
				require.NoError(t, c.Observe(ahead))
				highest = max(highest, ahead)
			}
			restart(m.CrashClone(rng))
			restart(m.KillClone())
			time.Sleep(7 * ms)
		}
		m.Observe(nil)
		done()
		restart(m)
		require.Greater(t, restarts, 150)
	})
}

// slack is what is observed ahead, in the test above.
const slack = 302 * ms

func TestRestartAfterCloseDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		c, done := run(t, m)
		first := now(t, c)
		done()
		_, err := c.Now(t.Context())
		require.ErrorIs(t, err, clock.ErrClosed)
		time.Sleep(ms)
		begin := time.Now()
		c, done = run(t, m)
		defer done()
		require.Greater(t, now(t, c), first)
		require.Zero(t, time.Since(begin))
	})
}

func TestManyWaitForTheFirstTimestampOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store clock.Memory
		bound := timestamp.Of(time.Now().Add(100 * ms))
		require.NoError(t, store.Save(bound))
		c := New(&Options{Store: &store})
		require.NoError(t, c.Observe(timestamp.Of(time.Now())), "observing does not wait")
		short, cancel := context.WithTimeout(t.Context(), 10*ms)
		defer cancel()
		_, err := c.Now(short)
		require.ErrorIs(t, err, context.DeadlineExceeded, "RULE C2: it begins below what an earlier run has given out")
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				ts, err := c.Now(t.Context())
				if err != nil || ts <= bound {
					t.Errorf("RULE C2: %v is given out, and up to %v were by an earlier run: %v", ts, bound, err)
				}
			})
		}
		wg.Wait()
		saved, _ := store.Load()
		require.Greater(t, saved, bound)
	})
}

func TestClockThatWasSetBackWhileTheProcessWasDownIsRefused(t *testing.T) {
	var store clock.Memory
	require.NoError(t, store.Save(at(3600_000, 0)))
	s := clock.NewManual(noon)
	c := New(&Options{Store: &store, Source: s})
	_, err := c.Now(t.Context())
	require.ErrorContains(t, err, "the clock was set back since; set it right", "RULE C2: waits for an hour, or does not")
	s.Step(time.Hour)
	_, err = c.Now(t.Context())
	require.Error(t, err)
	s.Advance(time.Hour)
	s.Step(-time.Hour)
	require.Greater(t, now(t, c), at(3600_000, 0))
}

func TestNowAllocatesNothing(t *testing.T) {
	c := New(nil)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		ts, _ := c.Now(ctx)
		_ = c.Observe(ts + 1)
	}))
}

// Two clocks that show the same time, and hear of each other, never give out the same
// timestamp: package mvcc tells transactions apart by it.
func TestClocksOfTwoNodesGiveOutDifferentTimestamps(t *testing.T) {
	const nodes = 3
	seen := map[timestamp.TS]int{}
	source := clock.NewManual(time.UnixMilli(1_000_000))
	var clocks []*Clock
	for i := range nodes {
		clocks = append(clocks, New(&Options{Source: source, Node: i, Nodes: nodes}))
	}
	last := make([]timestamp.TS, nodes)
	for n := range 1000 {
		i := n * n % 7 % nodes
		ts, err := clocks[i].Now(context.Background())
		require.NoError(t, err)
		require.Greater(t, ts, last[i])
		last[i] = ts
		if other, again := seen[ts]; again {
			t.Fatalf("RULE C1: clock %d gives out %v, as clock %d has", i, ts, other)
		}
		seen[ts] = i
		if n%5 == 0 {
			require.NoError(t, clocks[(i+1)%nodes].Observe(ts))
		}
		if n%50 == 0 {
			source.Advance(time.Millisecond)
		}
	}
}
