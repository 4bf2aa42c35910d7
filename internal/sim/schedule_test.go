package sim_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/sim"
)

func TestScheduleRoundTripsThroughItsTextAndJSON(t *testing.T) {
	for seed := range uint64(50) {
		s := sim.Generate(seed, everything)
		require.Len(t, s, 71)
		again, err := sim.ParseSchedule(s.String())
		require.NoError(t, err)
		require.Equal(t, s, again)

		data, err := json.Marshal(s)
		require.NoError(t, err)
		var decoded sim.Schedule
		require.NoError(t, json.Unmarshal(data, &decoded))
		require.Equal(t, s, decoded)
	}
	awkward := sim.Schedule{
		{At: 1, Fault: sim.FaultOp, Text: "a \"quoted\" 世界\nfor 3s", Process: 2},
		{At: time.Hour, Fault: sim.FaultCut, Process: 0, Peer: 3, For: time.Nanosecond},
		{At: 2, Fault: sim.FaultCut, Process: 3},
		{At: 3, Fault: sim.FaultChaos, Chaos: sim.Chaos{Loss: 1e-9, LatencyMin: 1}},
		{At: 4, Fault: sim.FaultDrift, Process: 1, Count: -12},
		{At: 5, Fault: sim.FaultHeal},
	}
	again, err := sim.ParseSchedule(awkward.String())
	require.NoError(t, err)
	require.Equal(t, awkward, again)
}

func TestParseScheduleNamesTheBadLine(t *testing.T) {
	for _, line := range []string{
		"1s", "soon kill 1", "1s explode 1", "1s kill one", "1s kill -1", "1s kill 10000", "1s cut 1-x", "1s kill 1 for", "1s kill 1 for ever",
		"1s drift 1 count=x", "1s partition groups=1,|2", "1s chaos loss=much", "1s chaos latency=1ms..", "1s op \"open", "1s kill 1 x=1",
	} {
		_, err := sim.ParseSchedule("# a comment\n\n" + line)
		require.ErrorIs(t, err, sim.ErrBadSchedule, line)
		require.ErrorContains(t, err, "line 3", line)
	}
}

func TestGenerateGivesWhatTheProfileSays(t *testing.T) {
	s := sim.Generate(1, everything)
	counts := map[sim.Fault]int{}
	for i, a := range s {
		counts[a.Fault]++
		require.LessOrEqual(t, a.At+a.For, everything.Length)
		if i > 0 {
			require.LessOrEqual(t, s[i-1].At, a.At)
		}
		if a.Fault == sim.FaultPartition {
			require.Len(t, a.Groups, 2)
			require.ElementsMatch(t, everything.Processes, append(append([]sim.ID{}, a.Groups[0]...), a.Groups[1]...))
			require.NotEmpty(t, a.Groups[0])
			require.NotEmpty(t, a.Groups[1])
		}
	}
	require.Equal(t, map[sim.Fault]int{
		sim.FaultPowerCut: 3, sim.FaultKill: 3, sim.FaultPowerCutDuring: 5, sim.FaultKillDuring: 5, sim.FaultPause: 5, sim.FaultPartition: 5, sim.FaultCut: 5,
		sim.FaultDrift: 5, sim.FaultChaos: 5, sim.FaultDiskError: 5, sim.FaultDiskStall: 5, sim.FaultOp: 20,
	}, counts)
	require.NotEqual(t, s, sim.Generate(2, everything))
	require.Empty(t, sim.Generate(1, sim.Profile{}))
	require.Empty(t, sim.Generate(1, sim.Profile{Kills: 3, Cuts: 3, Partitions: 3}), "nobody to hit")
}

func TestMoreOfOneFaultDoesNotMoveTheOthers(t *testing.T) {
	without := func(s sim.Schedule, f sim.Fault) (rest sim.Schedule) {
		for _, a := range s {
			if a.Fault != f {
				rest = append(rest, a)
			}
		}
		return rest
	}
	more := everything
	more.Pauses += 3
	require.Equal(t, without(sim.Generate(1, everything), sim.FaultPause), without(sim.Generate(1, more), sim.FaultPause))
}

// Whatever subset is left, the run must go through, every fault must end, and
// in the end all processes are up and reach each other.
func TestAnyPartOfAScheduleIsASchedule(t *testing.T) {
	profile := everything
	profile.DiskErrors, profile.PowerCutsDuring, profile.KillsDuring = 0, 0, 0 // these may hit a boot after the end
	r := rand.New(rand.NewPCG(1, 1))
	for seed := range uint64(30) {
		var part sim.Schedule
		for _, a := range sim.Generate(seed, profile) {
			if r.IntN(3) > 0 {
				part = append(part, a)
			}
		}
		w, tape := newWorld(sim.Options{Seed: seed})
		p := spawnPeers(w, 5)
		part.Apply(w, nil)
		run(t, w, 21*time.Second)
		tape.events = nil
		for id := sim.ID(1); id <= 5; id++ {
			require.True(t, w.Running(id))
			p[id].Send(id%5+1, "hello")
		}
		run(t, w, 22*time.Second)
		require.Len(t, tape.of(sim.Delivered), 5)
		for _, e := range tape.of(sim.Delivered) {
			require.Equal(t, 21*time.Second+ms, e.At, "the network is calm again")
		}
	}
}

func TestActionsDoWhatTheySay(t *testing.T) {
	for text, want := range map[string][]string{
		"1ms kill 1 for 1ms": {"0.001000 p1 crash (kill)", "0.002000 p1 start"},
		// Of two crashes the first counts, to its end.
		"1ms powercut 1 for 5ms\n2ms kill 1 for 1ms": {"0.001000 p1 crash (power cut)", "0.006000 p1 start"},
		// An explicit restart makes the end of the crash void.
		"1ms kill 1 for 5ms\n2ms restart 1\n3ms kill 1": {
			"0.001000 p1 crash (kill)", "0.002000 p1 start", "0.003000 p1 crash (kill)"},
		"1ms restart 1":      {},
		"1ms pause 2 for 3s": {"0.001000 p2 pause (3s)"},
		"1ms partition groups=1|2 for 2ms": {
			"0.001000 partition (1|2)", "0.003000 heal (1|2)"},
		"1ms cut 1-2 for 9ms\n2ms heal": {"0.001000 p1 cut p2", "0.002000 heal (all)"},
		"1ms chaos loss=0.5 for 1ms":    {"0.001000 chaos (loss=0.5)", "0.002000 chaos (over: loss=0.5)"},
		"1ms drift 1 count=7 for 1ms":   {"0.001000 p1 drift (7ppm)", "0.002000 p1 drift (0ppm)"},
		"1ms drift 1 count=7 for 2ms\n2ms drift 1 count=8": {
			"0.001000 p1 drift (7ppm)", "0.002000 p1 drift (8ppm)"},
		"1ms disk-error 1 count=3":   {"0.001000 p1 disk-fault (an error after 3 operations)"},
		"1ms disk-stall 1 for 30ms":  {"0.001000 p1 disk-fault (a stall of 30ms)"},
		"1ms op \"x\"\n2ms op \"y\"": {},
	} {
		s, err := sim.ParseSchedule(text)
		require.NoError(t, err)
		w, tape := newWorld(sim.Options{})
		spawnPeers(w, 2)
		tape.events = nil
		ops := 0
		s.Apply(w, func(sim.Action) { ops++ })
		run(t, w, time.Second)
		require.Equal(t, want, tape.lines(), text)
		if s[0].Fault == sim.FaultOp {
			require.Equal(t, 2, ops)
		}
	}
	w, _ := newWorld(sim.Options{})
	sim.Schedule{{Fault: "explode"}}.Apply(w, nil)
	require.ErrorIs(t, w.Run(0), sim.ErrBadSchedule)
}

func TestCrashesDuringRestartAfterTheCrash(t *testing.T) {
	for fault, detail := range map[sim.Fault]string{sim.FaultPowerCutDuring: "power cut", sim.FaultKillDuring: "kill"} {
		w, tape, _, _ := spawnWriter(sim.Options{}, true)
		s, err := sim.ParseSchedule("0s " + string(fault) + " 2 count=1 for 10ms")
		require.NoError(t, err)
		s.Apply(w, nil)
		w.At(500*ms, func() { w.Inject(2, "a") })
		run(t, w, time.Second)
		require.Equal(t, []string{
			"0.500000 p2 crash (" + detail + " in disk operation 4)", "0.510000 p2 start",
		}, append(tape.lines(sim.Crashed), tape.lines(sim.Started)[2:]...))
	}
}
