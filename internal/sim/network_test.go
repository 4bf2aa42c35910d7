package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/sim"
)

func TestMessagesOfALinkArriveInOrder(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Chaos: sim.Chaos{LatencyMin: ms, LatencyMax: 50 * ms}})
	p := spawnPeers(w, 2)
	var want []any
	for i := range 200 {
		want = append(want, i)
		w.At(time.Duration(i)*ms, func() { p[1].Send(2, i) })
	}
	run(t, w, time.Second)
	require.Equal(t, want, p[2].got)
}

func TestReorderLetsMessagesOvertakeAndLosesNone(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1, Chaos: sim.Chaos{Reorder: 0.3, LatencyMin: ms, LatencyMax: 5 * ms}})
	p := spawnPeers(w, 2)
	var want []any
	for i := range 200 {
		want = append(want, i)
		w.At(time.Duration(i)*ms, func() { p[1].Send(2, i) })
	}
	run(t, w, time.Second)
	require.ElementsMatch(t, want, p[2].got)
	require.NotEqual(t, want, p[2].got)
}

// The bounds are more than five standard deviations wide, and the seed is fixed.
func TestChaosHappensAsOftenAsItSays(t *testing.T) {
	const n = 20_000
	chaos := sim.Chaos{Loss: 0.1, Duplicate: 0.2, LatencyMin: 2 * ms, LatencyMax: 10 * ms}
	w, tape := newWorld(sim.Options{Seed: 7, Chaos: chaos})
	p := spawnPeers(w, 2)
	for i := range n {
		// Far apart, so that the order of the link does not delay any.
		w.At(time.Duration(i)*20*ms, func() { p[1].Send(2, i) })
	}
	run(t, w, n*20*ms)
	require.InDelta(t, 0.1*n, tape.count(sim.Dropped, "loss"), 250)
	require.InDelta(t, 0.9*0.2*n, len(tape.of(sim.Duplicated)), 300)
	require.Len(t, p[2].got, n-tape.count(sim.Dropped, "loss")+len(tape.of(sim.Duplicated)))

	var sum, lo, hi time.Duration
	lo = time.Hour
	for i, payload := range p[2].got {
		d := p[2].at[i] - time.Duration(payload.(int))*20*ms
		sum, lo, hi = sum+d, min(lo, d), max(hi, d)
	}
	require.InDelta(t, 6*ms, sum/time.Duration(len(p[2].got)), float64(100*time.Microsecond))
	require.GreaterOrEqual(t, lo, 2*ms)
	require.Less(t, lo, 2*ms+100*time.Microsecond)
	require.LessOrEqual(t, hi, 10*ms)
	require.Greater(t, hi, 10*ms-100*time.Microsecond)
}

func TestPartition(t *testing.T) {
	ids := func(ids ...sim.ID) []sim.ID { return ids }
	for name, c := range map[string]struct {
		cut  func(*sim.World)
		want []string // of the four processes, who reaches whom
	}{
		"none":             {func(*sim.World) {}, []string{"234", "134", "124", "123"}},
		"two groups":       {func(w *sim.World) { w.Partition(ids(1, 2), ids(3, 4)) }, []string{"2", "1", "4", "3"}},
		"one, the rest":    {func(w *sim.World) { w.Partition(ids(1)) }, []string{"", "34", "24", "23"}},
		"a bridge":         {func(w *sim.World) { w.Partition(ids(1, 2), ids(2, 3)) }, []string{"2", "13", "2", ""}},
		"one way":          {func(w *sim.World) { w.Cut(1, 2) }, []string{"34", "134", "124", "123"}},
		"deaf":             {func(w *sim.World) { w.Cut(0, 2) }, []string{"34", "134", "14", "13"}},
		"mute":             {func(w *sim.World) { w.Cut(2, 0) }, []string{"234", "", "124", "123"}},
		"both add up":      {func(w *sim.World) { w.Partition(ids(1, 2)); w.Cut(1, 2) }, []string{"", "1", "4", "3"}},
		"healed":           {func(w *sim.World) { w.Partition(ids(1)); w.Cut(2, 3); w.Heal() }, []string{"234", "134", "124", "123"}},
		"group unfinished": {func(w *sim.World) { w.Partition(ids(1, 9), ids(2, 8)) }, []string{"", "", "4", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, tape := newWorld(sim.Options{})
			p := spawnPeers(w, 4)
			c.cut(w)
			for from := 1; from <= 4; from++ {
				for to := 1; to <= 4; to++ {
					if from != to {
						p[from].Send(sim.ID(to), from)
					}
				}
			}
			run(t, w, time.Second)
			reached := make([]string, 4)
			for _, e := range tape.of(sim.Delivered) {
				reached[e.Peer-1] += string(rune('0' + e.Process))
			}
			require.Equal(t, c.want, reached)
			require.Equal(t, 12-len(tape.of(sim.Delivered)), tape.count(sim.Dropped, "partition"))
		})
	}
}

func TestMessagesUnderWayAreLostIfThePartitionStandsWhenTheyArrive(t *testing.T) {
	w, _ := newWorld(sim.Options{Chaos: sim.Chaos{LatencyMin: 10 * ms, LatencyMax: 10 * ms}})
	p := spawnPeers(w, 2)
	w.At(0, func() { p[1].Send(2, "arrives while cut") })
	w.At(5*ms, func() { w.Partition([]sim.ID{1}) })
	w.At(5*ms, func() { p[1].Send(2, "leaves while cut") })
	w.At(14*ms, func() { w.Heal(); p[1].Send(2, "after") })
	run(t, w, time.Second)
	require.Equal(t, []any{"after"}, p[2].got)

	w, _ = newWorld(sim.Options{Chaos: sim.Chaos{LatencyMin: 10 * ms, LatencyMax: 10 * ms}})
	p = spawnPeers(w, 2)
	w.At(0, func() { p[1].Send(2, "slips through") })
	w.At(5*ms, func() { w.Partition([]sim.ID{1}); w.Heal() })
	run(t, w, time.Second)
	require.Equal(t, []any{"slips through"}, p[2].got)
}

func TestLinkChaosHoldsForOneDirectionOnly(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	p := spawnPeers(w, 2)
	w.SetLinkChaos(1, 2, sim.Chaos{LatencyMin: 80 * ms})
	p[1].Send(2, "slow")
	p[2].Send(1, "fast")
	run(t, w, time.Second)
	require.Equal(t, []time.Duration{80 * ms}, p[2].at)
	require.Equal(t, []time.Duration{ms}, p[1].at)

	w.SetChaos(sim.Chaos{Loss: 1})
	p[1].Send(2, "lost")
	run(t, w, 2*time.Second)
	require.Len(t, p[2].got, 1)

	w.SetChaos(sim.Chaos{})
	p[1].Send(2, "the latency of the whole network again")
	run(t, w, 3*time.Second)
	require.Equal(t, 2*time.Second+ms, p[2].at[1])
}

func TestCloneIsolatesReceiversFromTheSenderAndFromEachOther(t *testing.T) {
	for _, isolated := range []bool{true, false} {
		o := sim.Options{Chaos: sim.Chaos{Duplicate: 1, LatencyMin: ms, LatencyMax: ms}}
		if isolated {
			o.Clone = func(payload any) any { return append([]byte(nil), payload.([]byte)...) }
		}
		w, _ := newWorld(o)
		p := spawnPeers(w, 2)
		message := []byte("abc")
		p[1].Send(2, message)
		message[0] = 'X'
		run(t, w, time.Second)
		require.Len(t, p[2].got, 2)
		p[2].got[0].([]byte)[1] = 'Y'
		if isolated {
			require.Equal(t, "abc", string(p[2].got[1].([]byte)))
		} else {
			require.Equal(t, "XYc", string(p[2].got[1].([]byte)))
		}
	}
}

func TestSendToSelfIsImmediateAndSafeFromTheNetwork(t *testing.T) {
	w, _ := newWorld(sim.Options{Chaos: sim.Chaos{Loss: 1}})
	p := spawnPeers(w, 1)
	w.At(3*ms, func() { p[1].Send(1, "me") })
	run(t, w, time.Second)
	require.Equal(t, []any{"me"}, p[1].got)
	require.Equal(t, []time.Duration{3 * ms}, p[1].at)
}

func TestMessagesToNobodyAreDropped(t *testing.T) {
	w, tape := newWorld(sim.Options{})
	p := spawnPeers(w, 1)
	p[1].Send(7, "x")
	p[1].Send(-1, "x")
	p[1].Send(1<<30, "x")
	run(t, w, time.Second)
	require.Equal(t, 3, tape.count(sim.Dropped, "no such process"))
}

// A fault must change what it touches and nothing else, or a run without it
// would be another run.
func TestTrafficOnOneLinkDoesNotChangeTheLuckOfAnother(t *testing.T) {
	arrivals := func(extra int) []time.Duration {
		w, _ := newWorld(sim.Options{Seed: 3, Chaos: sim.Chaos{Loss: 0.2, LatencyMin: ms, LatencyMax: 9 * ms}})
		p := spawnPeers(w, 3)
		for i := range 100 {
			w.At(time.Duration(i)*20*ms, func() {
				for range extra {
					p[1].Send(3, "extra")
				}
				p[1].Send(2, "x")
			})
		}
		require.NoError(t, w.Run(time.Minute))
		return p[2].at
	}
	require.Equal(t, arrivals(0), arrivals(5))
}

func TestAWindowOfLossDoesNotChangeLaterLatencies(t *testing.T) {
	arrivals := func(loss float64) []time.Duration {
		w, _ := newWorld(sim.Options{Seed: 3, Chaos: sim.Chaos{LatencyMin: ms, LatencyMax: 9 * ms}})
		p := spawnPeers(w, 2)
		w.SetChaos(sim.Chaos{Loss: loss, Duplicate: loss, Reorder: loss})
		w.At(time.Second, func() { w.SetChaos(sim.Chaos{}) })
		for i := range 100 {
			w.At(time.Duration(i)*20*ms, func() { p[1].Send(2, i) })
		}
		require.NoError(t, w.Run(time.Minute))
		var late []time.Duration
		for k, i := range p[2].got {
			if i.(int) > 50 {
				late = append(late, p[2].at[k])
			}
		}
		return late
	}
	require.Equal(t, arrivals(0), arrivals(0.5))
}
