package clock

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const back, forward = 50 * time.Millisecond, 250 * time.Millisecond

// shows asserts what a wall shows, after noon.
func shows(t *testing.T, w *Wall, want time.Duration, wantJump time.Duration, rule string) {
	t.Helper()
	now, jump := w.Now()
	require.Equal(t, timestamp.Of(noon.Add(want)), now, rule)
	require.Equal(t, wantJump, jump, rule)
}

func TestWallFollowsTimeThatPasses(t *testing.T) {
	m := NewManual(noon)
	w := NewWall(m, back, forward, nil)
	shows(t, w, 0, 0, "at the start")
	for _, d := range []time.Duration{time.Microsecond, 999 * time.Microsecond, time.Millisecond, 24 * time.Hour} {
		m.Advance(d)
		now, jump := w.Now()
		wall, _ := m.Read()
		require.Equal(t, timestamp.Of(wall), now, "RULE C4: %v have passed, and are taken for a jump", d)
		require.Zero(t, jump, "RULE C4: %v have passed, and are taken for a jump", d)
	}
	require.Zero(t, w.Steps(), "RULE C3: time that has passed is taken for a step back")
}

func TestWallFollowsSmallCorrections(t *testing.T) {
	m := NewManual(noon)
	w := NewWall(m, back, forward, nil)
	at := time.Duration(0)
	for _, d := range []time.Duration{forward, -back, 3 * time.Millisecond, -7 * time.Millisecond} {
		m.Step(d)
		m.Advance(time.Millisecond)
		at += d + time.Millisecond
		shows(t, w, at, 0, "RULE C4: a correction is not followed")
	}
	require.Zero(t, w.Steps(), "RULE C3: a correction is told as a step back")
}

func TestWallTellsOfAStepBackAndFollowsIt(t *testing.T) {
	var log bytes.Buffer
	m := NewManual(noon)
	w := NewWall(m, back, forward, slog.New(slog.NewTextHandler(&log, nil)))
	m.Step(-time.Minute)
	m.Advance(time.Millisecond)
	shows(t, w, -time.Minute+time.Millisecond, 0, "RULE C3: a step back is not followed")
	require.Equal(t, uint64(1), w.Steps(), "RULE C3: a step back is not counted")
	require.Contains(t, log.String(), "by=1m0s", "RULE C3: a step back is not told")
	m.Advance(time.Millisecond)
	shows(t, w, -time.Minute+2*time.Millisecond, 0, "RULE C3: a step back is not followed")
	require.Equal(t, uint64(1), w.Steps(), "RULE C3: one step back is counted twice")
}

func TestWallDoesNotFollowAJump(t *testing.T) {
	m := NewManual(noon)
	w := NewWall(m, back, forward, nil)
	m.Step(time.Hour)
	shows(t, w, 0, 0, "it is looked at once a millisecond")
	m.Advance(time.Millisecond)
	for range 3 { // every caller is told
		shows(t, w, time.Millisecond, time.Hour, "RULE C4: a jump is followed")
	}
	m.Advance(time.Minute)
	shows(t, w, time.Minute+time.Millisecond, time.Hour, "RULE C4: a jump is followed after a while")
	m.Step(-time.Hour)
	shows(t, w, time.Minute+time.Millisecond, 0, "RULE C4: a jump that was set right is remembered")
	require.Zero(t, w.Steps(), "RULE C3: setting a jump right is no step back")

	w = NewWall(m, back, -1, nil)
	m.Step(time.Hour)
	m.Advance(time.Millisecond)
	shows(t, w, time.Hour+time.Minute+2*time.Millisecond, 0, "a jump is to be followed")
}

func TestWallBefore1970ShowsZero(t *testing.T) {
	now, _ := NewWall(NewManual(time.Unix(-5, 0)), back, forward, nil).Now()
	require.Zero(t, now)
}

func TestSources(t *testing.T) {
	for name, make := range map[string]func() Source{
		"System":       System,
		"Func of time": func() Source { return Func(time.Now) },
		"Func without stopwatch": func() Source {
			return Func(func() time.Time { return time.Now().Round(0) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := make()
				require.Zero(t, s.Elapsed())
				time.Sleep(1500 * time.Microsecond)
				require.Equal(t, 1500*time.Microsecond, s.Elapsed())
				now, elapsed := s.Read()
				require.Equal(t, 1500*time.Microsecond, elapsed)
				require.True(t, now.Equal(start.Add(elapsed)))
			})
		})
	}
}
