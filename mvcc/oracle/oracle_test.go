package oracle

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// at is a timestamp some milliseconds after noon.
func at(ms int64, logical uint64) timestamp.TS {
	return timestamp.Make(noon.UnixMilli()+ms, logical)
}

func open(t *testing.T, o *Options) *Oracle {
	t.Helper()
	or, err := New(o)
	require.NoError(t, err)
	return or
}

func now(t *testing.T, o *Oracle) timestamp.TS {
	t.Helper()
	ts, err := o.Now(t.Context())
	require.NoError(t, err)
	return ts
}

func TestOracleShowsTheTimeAndCountsWithin(t *testing.T) {
	s := clock.NewManual(noon)
	o := open(t, &Options{Source: s})
	require.Equal(t, at(0, 0), now(t, o))
	require.Equal(t, at(0, 1), now(t, o))
	s.Advance(ms)
	require.Equal(t, at(1, 0), now(t, o))
	first, err := o.Allocate(t.Context(), 5)
	require.NoError(t, err)
	require.Equal(t, at(1, 1), first)
	require.Equal(t, at(1, 6), now(t, o), "RULE C1: given out twice")
	require.Zero(t, o.MaxOffset())
}

func TestOracleWhoseClockIsSetBackCountsOn(t *testing.T) {
	s := clock.NewManual(noon)
	o := open(t, &Options{Source: s})
	require.Equal(t, at(0, 0), now(t, o))
	s.Step(-time.Minute)
	s.Advance(ms)
	require.Equal(t, at(0, 1), now(t, o), "RULE C3: time of day that goes back takes timestamps back")
	require.Equal(t, Metrics{StepsBack: 1}, o.Metrics())
	s.Advance(time.Minute)
	require.Equal(t, at(1, 0), now(t, o))
}

func TestOracleGoesOnWithoutATimeOfDayThatJumps(t *testing.T) {
	var log bytes.Buffer
	s := clock.NewManual(noon)
	o := open(t, &Options{Source: s, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.Step(time.Hour + ms)
	for i := range int64(3) {
		s.Advance(ms)
		require.Equal(t, at(i+1, 0), now(t, o), "RULE C4: a jump is followed")
	}
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("by=1h0m0.001s")), "RULE C4: a jump is told once")
	s.Step(-ms)
	s.Advance(ms)
	require.Equal(t, at(3600_004, 0), now(t, o), "an hour is followed")
	require.Contains(t, log.String(), "as expected again")
}

func TestOracleObservesWhatMayBeItsOwn(t *testing.T) {
	s := clock.NewManual(noon)
	o := open(t, &Options{Source: s})
	ts := now(t, o)
	require.NoError(t, o.Observe(ts))
	require.NoError(t, o.Observe(0))
	require.Equal(t, ts+1, now(t, o))
	require.NoError(t, o.Observe(ts+2), "a CommitTS that a region made")
	require.Equal(t, ts+3, now(t, o), "RULE C1: given out again")
	for _, ts := range []timestamp.TS{at(2, 0), timestamp.Max} {
		require.ErrorIs(t, o.Observe(ts), ErrFuture, "RULE C5: %v is taken in", ts)
	}
	require.Equal(t, ts+4, now(t, o), "RULE C5: a timestamp that was refused has left a trace")
	s.Advance(time.Hour)
	require.NoError(t, o.Observe(at(3600_000, 0)), "RULE C5: an oracle that has rested takes the present for the future")
}

func TestOracleRefusesTooManyAtOnce(t *testing.T) {
	o := open(t, nil)
	for _, n := range []int{-1, 0, MaxBatch + 1} {
		_, err := o.Allocate(t.Context(), n)
		require.ErrorContains(t, err, "ask for 1 to 262144")
	}
	_, err := o.Allocate(t.Context(), MaxBatch)
	require.NoError(t, err)
}

func run(t *testing.T, m *vfs.Mem, s clock.Source) (*Oracle, func()) {
	f, err := clock.OpenFile(m, "oracle")
	require.NoError(t, err)
	o := open(t, &Options{Store: f, Source: s, Window: 100 * ms})
	return o, func() {
		require.NoError(t, o.Close())
		require.NoError(t, f.Close())
	}
}

// Power goes after each operation on the disk, and between them; the next run must
// give out nothing that this one may have, whatever the time of day is by then.
func TestRestartGoesOnAboveWhatWasGivenOut(t *testing.T) {
	m, s, rng := vfs.NewMem(), clock.NewManual(noon), rand.New(rand.NewPCG(3, 4))
	highest, restarts := timestamp.TS(0), 0
	restart := func(m *vfs.Mem) {
		day, _ := s.Read()
		o, done := run(t, m, clock.NewManual(day.Add(time.Duration(rng.IntN(3)-1)*50*ms)))
		defer done()
		ts := now(t, o)
		require.Greater(t, ts, highest, "RULE C2: after a restart")
		require.LessOrEqual(t, ts, timestamp.Of(day.Add(200*ms)), "RULE C2: more than a window is lost")
		restarts++
	}
	var crashed []*vfs.Mem
	m.Observe(func(vfs.Op) {
		for range 4 {
			crashed = append(crashed, m.CrashClone(rng))
		}
	})
	o, done := run(t, m, s)
	for i := range 60 {
		ts, err := o.Allocate(t.Context(), 1+i%3*1000)
		require.NoError(t, err)
		for _, m := range crashed {
			restart(m)
		}
		crashed = crashed[:0]
		highest = ts + timestamp.TS(i%3*1000)
		if i%5 == 0 {
			highest++
			require.NoError(t, o.Observe(highest))
		}
		restart(m.CrashClone(rng))
		restart(m.KillClone())
		s.Advance(7 * ms)
	}
	m.Observe(nil)
	done()
	restart(m)
	require.Greater(t, restarts, 150)
	_, err := o.Now(t.Context())
	require.ErrorIs(t, err, clock.ErrClosed)
}

func TestOracleThatCannotReadItsBoundDoesNotOpen(t *testing.T) {
	m := vfs.NewMem()
	f, err := m.Create("oracle")
	require.NoError(t, err)
	_, err = f.Write([]byte("flagship clock 1 7 00000000\n"))
	require.NoError(t, err)
	store, err := clock.OpenFile(m, "oracle")
	require.NoError(t, err)
	defer store.Close()
	_, err = New(&Options{Store: store})
	require.ErrorIs(t, err, clock.ErrCorrupt, "RULE C2: begins without its bound")
}

func TestManyAskAtOnce(t *testing.T) {
	var store clock.Memory
	o := open(t, &Options{Store: &store, Window: 2 * ms})
	var wg sync.WaitGroup
	all := make([][]timestamp.TS, 8)
	for g := range all {
		wg.Go(func() {
			for range 3000 {
				ts, err := o.Now(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if saved, _ := store.Load(); ts >= saved {
					t.Errorf("RULE C2: %v was given out, and the bound is %v", ts, saved)
					return
				}
				all[g] = append(all[g], ts)
			}
		})
	}
	wg.Wait()
	seen := map[timestamp.TS]bool{}
	for _, list := range all {
		for i, ts := range list {
			require.False(t, seen[ts], "RULE C1: %v was given out twice", ts)
			require.True(t, i == 0 || ts > list[i-1], "RULE C1: given out backwards")
			seen[ts] = true
		}
	}
}

func TestNowAllocatesNothing(t *testing.T) {
	o := open(t, nil)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = o.Now(ctx) }))
}
