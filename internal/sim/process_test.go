package sim_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/sim"
)

func TestTimersFireOnceAtTheirTime(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	p := spawnPeers(w, 1)[1]
	var fired []time.Duration
	record := func() { fired = append(fired, w.Now()) }
	p.After(20*ms, record)
	p.After(10*ms, record)
	p.After(0, record)
	p.After(-ms, record)
	stopped := p.After(15*ms, record)
	require.True(t, stopped.Stop())
	require.False(t, stopped.Stop())
	run(t, w, time.Second)
	require.Equal(t, []time.Duration{0, 0, 10 * ms, 20 * ms}, fired)
	require.False(t, sim.Timer{}.Stop())
}

func TestATimerHandleDoesNotStopALaterTimer(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	p := spawnPeers(w, 1)[1]
	old := p.After(ms, func() {})
	run(t, w, 2*ms)
	fired := false
	p.After(ms, func() { fired = true }) // in the slot of the old one
	require.False(t, old.Stop())
	run(t, w, 4*ms)
	require.True(t, fired)
}

func TestCrashCancelsTimersForGood(t *testing.T) {
	for _, how := range []sim.CrashMode{sim.PowerCut, sim.Kill} {
		w, tape := newWorld(sim.Options{})
		var fired []int
		var lives []*sim.Process
		w.Spawn(1, func(p *sim.Process) sim.Handler {
			lives = append(lives, p)
			life := p.Life()
			p.After(10*ms, func() { fired = append(fired, life) })
			return sim.HandlerFunc(func(sim.ID, any) {})
		})
		w.At(5*ms, func() { w.Crash(1, how); w.Crash(1, how) })
		w.At(6*ms, func() { w.Restart(1); w.Restart(1) })
		run(t, w, time.Second)
		require.Equal(t, []int{2}, fired)
		require.Len(t, lives, 2)
		require.Equal(t, 1, tape.count(sim.Crashed, string(how)))
		require.Len(t, tape.of(sim.Started), 2)
	}
}

func TestAGhostCanDoNothing(t *testing.T) {
	w, tape := newWorld(sim.Options{})
	spawnPeers(w, 1)
	var ghost *sim.Process
	w.Spawn(2, func(p *sim.Process) sim.Handler {
		if ghost == nil {
			ghost = p
		}
		return sim.HandlerFunc(func(sim.ID, any) {})
	})
	w.Crash(2, sim.Kill)
	w.Restart(2)
	require.Equal(t, 1, ghost.Life())
	before := len(tape.events)
	ghost.Send(1, "boo")
	ghost.After(0, func() { t.Error("a ghost's timer fired") })
	ghost.Note("boo", nil)
	ghost.Exit("boo")
	_, err := ghost.Disk().Create("boo")
	require.NoError(t, err)
	run(t, w, time.Second)
	require.Len(t, tape.events, before)
	require.True(t, w.Running(2))
	require.Empty(t, w.Disk(2).Dump())
}

func TestMessagesToACrashedProcessAreDropped(t *testing.T) {
	w, tape := newWorld(sim.Options{Chaos: sim.Chaos{LatencyMin: 10 * ms, LatencyMax: 10 * ms}})
	p := spawnPeers(w, 2)
	w.At(0, func() { p[1].Send(2, "arrives while down") })
	w.At(5*ms, func() { w.Crash(2, sim.PowerCut); p[1].Send(2, "arrives after the restart") })
	w.At(12*ms, func() { w.Restart(2) })
	run(t, w, time.Second)
	require.Equal(t, []any{"arrives after the restart"}, p[2].got)
	require.Equal(t, 1, tape.count(sim.Dropped, "down"))
}

func TestMessagesOfACrashedProcessStillArrive(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	p := spawnPeers(w, 2)
	p[1].Send(2, "last words")
	w.Crash(1, sim.PowerCut)
	run(t, w, time.Second)
	require.Equal(t, []any{"last words"}, p[2].got)
}

func TestPauseDelaysAndLosesNothing(t *testing.T) {
	w, tape := newWorld(sim.Options{})
	p := spawnPeers(w, 2)
	p[2].After(20*ms, func() { p[2].got = append(p[2].got, "timer") })
	w.At(10*ms, func() { w.Pause(2, 90*ms) })
	w.At(15*ms, func() { w.Pause(2, 10*ms) }) // within the other: no change
	w.At(10*ms, func() { p[1].Send(2, "before") })
	w.At(30*ms, func() { p[1].Send(2, "after"); p[2].Send(1, "leaves when it goes on") })
	w.At(99*ms, func() { p[1].Send(2, "at the very end") })
	run(t, w, time.Second)
	require.Equal(t, []any{"before", "timer", "after", "at the very end"}, p[2].got)
	require.Equal(t, []time.Duration{100 * ms, 100 * ms, 100 * ms}, p[2].at)
	require.Equal(t, []time.Duration{101 * ms}, p[1].at)
	require.Len(t, tape.of(sim.Paused), 2)
}

func TestATimerThatWaitsForAPausedProcessCanBeStopped(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	fired := false
	w.Spawn(1, func(p *sim.Process) sim.Handler {
		timeout := p.After(20*ms, func() { fired = true })
		return sim.HandlerFunc(func(sim.ID, any) { require.True(t, timeout.Stop()) })
	})
	w.At(5*ms, func() { w.Pause(1, 100*ms) })
	w.At(10*ms, func() { w.Inject(1, "heartbeat") })
	run(t, w, time.Second)
	require.False(t, fired)
}

func TestCrashDropsWhatAPausedProcessHadWaiting(t *testing.T) {
	w, tape := newWorld(sim.Options{})
	p := spawnPeers(w, 2)
	w.Pause(2, time.Second)
	p[1].Send(2, "waits")
	w.At(500*ms, func() { w.Crash(2, sim.Kill); w.Restart(2) })
	w.At(500*ms, func() { p[1].Send(2, "the new life is not paused") })
	run(t, w, 2*time.Second)
	require.Equal(t, []any{"the new life is not paused"}, p[2].got)
	require.Equal(t, []time.Duration{501 * ms}, p[2].at)
	require.Equal(t, 1, tape.count(sim.Dropped, "down"))
}

func TestDriftBendsTimersAndTheClock(t *testing.T) {
	for _, c := range []struct {
		ppm         int
		fires, read time.Duration // of a timer of 1 s; the clock after 2 s
	}{
		{0, time.Second, 2 * time.Second},
		{1_000_000, 500 * ms, 4 * time.Second},
		{-500_000, 2 * time.Second, time.Second},
		{250, 999_750_063, 2_000_500_000},
		{-1_000_000_000, 1_000_000 * time.Second, 2_000},
	} {
		w, _ := newWorld(sim.Options{})
		p := spawnPeers(w, 1)[1]
		w.SetDrift(1, c.ppm)
		var fired, local time.Duration
		p.After(time.Second, func() { fired, local = w.Now(), p.Now() })
		run(t, w, 2*time.Second)
		require.Equal(t, c.read, p.Now(), "ppm %d", c.ppm)
		run(t, w, 2_000_000*time.Second)
		require.Equal(t, c.fires, fired, "ppm %d", c.ppm)
		require.GreaterOrEqual(t, local, time.Second, "a timer is never early by its own clock")
	}
}

func TestAClockNeitherJumpsWhenItsRateChangesNorAtARestart(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	p := spawnPeers(w, 1)
	run(t, w, time.Second)
	w.SetDrift(1, 1_000_000)
	require.Equal(t, time.Second, p[1].Now())
	run(t, w, 2*time.Second)
	require.Equal(t, 3*time.Second, p[1].Now())
	w.Crash(1, sim.PowerCut)
	w.Restart(1)
	w.SetDrift(1, 0)
	run(t, w, 3*time.Second)
	require.Equal(t, 4*time.Second, p[1].Now())
}

func TestExitEndsTheLife(t *testing.T) {
	w, tape := newWorld(sim.Options{})
	peers := spawnPeers(w, 1)
	w.Spawn(2, func(p *sim.Process) sim.Handler {
		return sim.HandlerFunc(func(sim.ID, any) {
			p.Send(1, "before")
			p.Exit("disk failed")
			p.Send(1, "after")
			panic("a ghost may panic")
		})
	})
	w.Inject(2, "go")
	w.At(0, func() { w.Inject(2, "too late") })
	run(t, w, time.Second)
	require.Equal(t, []any{"before"}, peers[1].got)
	require.False(t, w.Running(2))
	require.Equal(t, 1, tape.count(sim.Crashed, "exit: disk failed"))
}

func TestABootThatReturnsNilIsAFailedStart(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	boots := 0
	w.Spawn(1, func(*sim.Process) sim.Handler { boots++; return nil })
	require.False(t, w.Running(1))
	w.Restart(1)
	run(t, w, time.Second)
	require.False(t, w.Running(1))
	require.Equal(t, 2, boots)
}

func TestACrashFromWithinAHandlerIsNoticedInIt(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	peers := spawnPeers(w, 1)
	w.Spawn(2, func(p *sim.Process) sim.Handler {
		return sim.HandlerFunc(func(sim.ID, any) {
			w.Crash(2, sim.Kill)
			w.Restart(2)
			p.Send(1, "from the old life")
		})
	})
	w.Inject(2, nil)
	run(t, w, time.Second)
	require.Empty(t, peers[1].got)
	require.True(t, w.Running(2))
}

func TestAPanicStopsTheWorldAndNamesSeedTimeAndProcess(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 42})
	p := spawnPeers(w, 2)
	p[2].After(7*ms, func() { panic("boom") })
	err := w.Run(time.Second)
	var panicked *sim.PanicError
	require.True(t, errors.As(err, &panicked))
	require.Equal(t, uint64(42), panicked.Seed)
	require.Equal(t, 7*ms, panicked.At)
	require.Equal(t, sim.ID(2), panicked.Process)
	require.ErrorContains(t, err, "sim: seed 42 at 7ms: process 2 panicked: boom")
	require.ErrorContains(t, err, "process_test.go")
	require.False(t, w.Step())
	require.Equal(t, 7*ms, w.Now(), "the clock stands where it happened")

	w, _ = newWorld(sim.Options{})
	w.Spawn(1, func(*sim.Process) sim.Handler { panic("in boot") })
	require.ErrorContains(t, w.Run(0), "in boot")
}
