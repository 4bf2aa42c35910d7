package upstream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSentencesGrowAndAreForgotten(t *testing.T) {
	o := EjectionOptions{Base: 10 * time.Second, Max: time.Minute}
	for _, c := range []struct {
		times  int64
		since  time.Duration
		want   time.Duration
		nTimes int64
	}{
		{0, time.Hour, 10 * time.Second, 1},
		{1, 0, 20 * time.Second, 2},
		{2, 9 * time.Second, 30 * time.Second, 3},
		{2, 10 * time.Second, 20 * time.Second, 2}, // each Base that it was good takes one off
		{3, time.Hour, 10 * time.Second, 1},
		{5, 0, time.Minute, 6},
		{6, 0, time.Minute, 7},
		{7, 0, time.Minute, 7}, // and it is not counted further than it grows
		{3, -time.Hour, 40 * time.Second, 4},
	} {
		got, times := sentence(c.times, c.since, o)
		require.Equal(t, c.want, got, "RULE U10: %+v", c)
		require.Equal(t, c.nTimes, times, "RULE U10: %+v", c)
	}
}

// One of three is broken from the 10th second to the 100th.
func TestEjectionAndReturn(t *testing.T) {
	w := newWorld(t, 21)
	p := w.pool(3, Options{Ejection: EjectionOptions{Failures: 5, Base: 10 * time.Second}})
	broken := false
	serve := func(i int) (time.Duration, Outcome) {
		if broken && i == 1 {
			return time.Millisecond, Failed
		}
		return 10 * time.Millisecond, OK
	}
	got := w.simulate(p, 10*time.Second, 100, serve)
	require.InDelta(t, got[0], got[1], 1)
	broken = true
	got = w.simulate(p, 90*time.Second, 100, serve)
	// Out at 0, 10, 30, 60 s: four times five, and what was under way.
	require.EqualValues(t, 4, p.members[1].ejection.total.Load(), "RULE U10: how often it was ejected")
	require.InDelta(t, 20, got[1], 4, "RULE U10: load that leaks to a broken endpoint")
	broken = false
	w.simulate(p, 11*time.Second, 100, serve) // it is out until 100 s
	got = w.simulate(p, 30*time.Second, 100, serve)
	require.InDelta(t, got[0], got[1], 3, "RULE U10: it does not come back: %v", got)
	require.EqualValues(t, 4, p.members[1].ejection.total.Load(), "RULE U10: how often it was ejected")
}

func TestFailuresInARowOnly(t *testing.T) {
	w := newWorld(t, 22)
	p := w.pool(2, Options{Ejection: EjectionOptions{Failures: 3}})
	e := p.members[0].Endpoint
	say := func(outcomes ...Outcome) {
		for _, o := range outcomes {
			token := p.token(e, w.now)
			e.inFlight.Add(1)
			token.Done(o)
		}
	}
	for range 100 {
		say(Failed, Failed, OK)
	}
	require.False(t, e.ejection.active(w.now), "RULE U10: ejected for failures that were not in a row")
	say(Failed, Failed, Canceled, Canceled, Failed)
	require.True(t, e.ejection.active(w.now), "RULE U3: a client that goes away washes an endpoint clean")
}

func TestWhatNeverReachedTheBackendIsNoFailure(t *testing.T) {
	for _, name := range Algorithms() {
		w := newWorld(t, 23)
		p := w.pool(2, Options{Algorithm: name, Ejection: EjectionOptions{Failures: 1}})
		for range 1000 {
			w.pick(p, 1, nil).Done(Canceled)
		}
		token := w.pick(p, 1, nil)
		token.Answered(Canceled)
		token.Done(Canceled)
		for _, s := range p.Status().Endpoints {
			require.Equal(t, "up", s.State, "RULE U3: %s: rejected by ourselves, and the backend is ejected", name)
			require.Zero(t, s.Failures, "RULE U3: %s: rejected by ourselves, and counted as its failure", name)
			require.Zero(t, s.Latency, "RULE U3: %s: rejected in no time is not a fast answer", name)
		}
	}
}

func TestAtMostHalfAreEjected(t *testing.T) {
	for n := 1; n <= 7; n++ {
		w := newWorld(t, 24)
		p := w.pool(n, Options{Ejection: EjectionOptions{Failures: 2}})
		w.simulate(p, 5*time.Second, 200, func(int) (time.Duration, Outcome) { return time.Millisecond, Failed })
		out := 0
		for _, s := range p.Status().Endpoints {
			if s.State == "ejected" {
				out++
			}
		}
		require.Equal(t, n/2, out, "RULE U2: of %d", n)
		require.False(t, p.Status().Panic)
	}
}

// What was under way when an endpoint was ejected ends while it is away, or after: that is old news.
func TestLateFailuresDoNotEjectAgain(t *testing.T) {
	w := newWorld(t, 25)
	p := w.pool(2, Options{Ejection: EjectionOptions{Failures: 2, Base: 10 * time.Second}})
	e := p.members[0].Endpoint
	var late []Token
	for range 20 {
		e.inFlight.Add(1)
		late = append(late, p.token(e, w.now))
	}
	w.now += time.Second
	w.eject(p, 0)
	for _, token := range late[:10] {
		token.Done(Failed)
	}
	w.now += 10 * time.Second
	for _, token := range late[10:] {
		token.Done(Failed)
	}
	require.False(t, e.ejection.active(w.now), "RULE U10: ejected again for what was before")
	require.EqualValues(t, 1, e.ejection.total.Load(), "RULE U10: ejected again for what was before")
	require.EqualValues(t, 22, e.failures.Load(), "but counted they are")
}

// It works for four seconds and fails for four, for five minutes. Each time it is away for longer at first, but what
// it does well while it is in is to its credit.
func TestFlappingEndpoint(t *testing.T) {
	w := newWorld(t, 26)
	p := w.pool(3, Options{Ejection: EjectionOptions{Failures: 3, Base: 5 * time.Second, Max: time.Minute}})
	start := w.now
	failed := 0
	got := w.simulate(p, 5*time.Minute, 60, func(i int) (time.Duration, Outcome) {
		if i == 2 && (w.now-start)/(4*time.Second)%2 == 1 {
			failed++
			return time.Millisecond, Failed
		}
		return 5 * time.Millisecond, OK
	})
	require.Less(t, failed, 80, "RULE U10: of %v, 3000 would fail without ejection", got)
	require.Greater(t, got[2], 150, "RULE U10: it is not given up either")
	require.InDelta(t, got[0], got[1], 5, "RULE U6: the others share: %v", got)
}

func TestPanicThreshold(t *testing.T) {
	for _, c := range []struct {
		down      int
		threshold float64
		want      []int // each endpoint's part of 1200
	}{
		{0, 0, []int{300, 300, 300, 300}},
		{1, 0, []int{0, 400, 400, 400}},
		{2, 0, []int{0, 0, 600, 600}},     // half are left: that is enough
		{3, 0, []int{300, 300, 300, 300}}, // too few: all are asked
		{4, 0, []int{300, 300, 300, 300}}, // nobody
		{3, 0.25, []int{0, 0, 0, 1200}},
		{1, 1, []int{300, 300, 300, 300}},
	} {
		w := newWorld(t, 27)
		p := w.pool(4, Options{PanicThreshold: c.threshold})
		for i := range c.down {
			p.members[i].ejection.until.Store(int64(w.now + time.Minute))
		}
		w.version.Add(1)
		require.Equal(t, c.want, w.shares(p, 1200), "RULE U2: %d of 4 down, threshold %v", c.down, c.threshold)
		require.Equal(t, c.want[0] == 300 && c.down > 0, p.Status().Panic, "RULE U2: %+v", c)
		w.now += time.Minute
		require.Equal(t, []int{300, 300, 300, 300}, w.shares(p, 1200), "RULE U10: they do not come back by themselves")
	}
}
