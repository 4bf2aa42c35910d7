package upstream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRamp(t *testing.T) {
	for _, c := range []struct {
		age      time.Duration
		exponent float64
		want     float64
	}{
		{-1, 1, 0}, {0, 1, 0}, {time.Second, 1, 0.1}, {5 * time.Second, 1, 0.5}, {10 * time.Second, 1, 1}, {time.Hour, 1, 1},
		{5 * time.Second, 2, 0.25}, {5 * time.Second, 0.5, 0.7071},
	} {
		require.InDelta(t, c.want, ramp(c.age, 10*time.Second, c.exponent), 1e-4, "RULE U6: %+v", c)
	}
	require.EqualValues(t, 1, ramp(0, 0, 1), "RULE U6: without a time there is no ramp")
}

// A fourth endpoint joins three old ones, by a reload.
func TestANewEndpointFadesIn(t *testing.T) {
	const n = 1200
	for _, name := range Algorithms() {
		w := newWorld(t, 17)
		o := Options{Algorithm: name, FadeIn: 10 * time.Second}
		old := w.pool(3, o)
		require.InDelta(t, n/3, w.shares(old, n)[0], 85, "RULE U6: %s: all are new, and wait for each other", name)
		w.now += time.Hour
		p := w.pool(4, o)
		last := -1
		for _, age := range []time.Duration{0, 2500 * time.Millisecond, 5 * time.Second, 7500 * time.Millisecond, 10 * time.Second} {
			start := w.now
			w.now += age
			got := w.shares(p, n)
			w.now = start
			require.Greater(t, got[3], last, "RULE U6: %s: at %v: %v", name, age, got)
			last = got[3]
			ramp := float64(age) / float64(10*time.Second)
			switch {
			case age == 0:
				require.Zero(t, got[3], "RULE U6: %s: %v", name, got)
			case name == "roundRobin" || name == "random": // its share among others with 1 each
				require.InDelta(t, n*ramp/(3+ramp), got[3], 65, "RULE U6: %s: at %v: %v", name, age, got)
			}
			if name == "consistentHash" { // its keys come home with that probability
				require.InDelta(t, n*ramp/4, got[3], 65, "RULE U6: %s: at %v: %v", name, age, got)
			}
			require.InDelta(t, got[0], got[1], 100, "RULE U6: %s: the old ones share equally: %v", name, got)
			require.InDelta(t, got[0], got[2], 100, "RULE U6: %s: the old ones share equally: %v", name, got)
		}
		require.InDelta(t, n/4, last, 70, "RULE U6: %s: it has its full share", name)
	}
}

func TestWhoComesBackFadesInAgain(t *testing.T) {
	w := newWorld(t, 18)
	p := w.pool(3, Options{FadeIn: 10 * time.Second, Ejection: EjectionOptions{Base: 20 * time.Second}})
	w.now += time.Hour
	w.eject(p, 1)
	require.Zero(t, w.shares(p, 300)[1], "RULE U10: it is ejected")
	w.now += 20 * time.Second
	require.Zero(t, w.shares(p, 300)[1], "RULE U6: it comes back cold")
	w.now += 5 * time.Second
	require.InDelta(t, 3000*0.5/2.5, w.shares(p, 3000)[1], 120, "RULE U6: half of the ramp")
	w.now += 5 * time.Second
	require.Equal(t, []int{1000, 1000, 1000}, w.shares(p, 3000))
}

// At the start of a gateway all are new: keys have their homes all the same.
func TestWhenAllAreNewNobodyFadesIn(t *testing.T) {
	w := newWorld(t, 20)
	p := w.pool(5, Options{Algorithm: "consistentHash", FadeIn: 10 * time.Second})
	homes := w.placed(p)
	w.now += 5 * time.Second
	require.Equal(t, homes, w.placed(p), "RULE U6: all are new, and wait for each other")
}

// Fading is a preference: when only a fading one has room, it is taken.
func TestFadingDoesNotTurnRequestsAway(t *testing.T) {
	w := newWorld(t, 19)
	o := Options{FadeIn: time.Hour, MaxConcurrent: 1}
	w.pool(1, o)
	w.now += 2 * time.Hour
	p := w.pool(2, o)
	first := w.pick(p, 0, nil)
	second, err := p.Pick(0, nil)
	require.NoError(t, err, "RULE U6: a request is refused for a fade-in")
	require.Equal(t, 0, position(p, first.Endpoint()))
	require.Equal(t, 1, position(p, second.Endpoint()))
	first.Done(OK)
	second.Done(OK)
}
