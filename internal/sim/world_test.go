package sim_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/sim"
)

var update = flag.Bool("update", false, "write testdata/golden.txt anew")

// gossip is a program with a bit of everything: random timers, disk, messages.
type gossip struct {
	*writer
	peers int
}

func (g *gossip) tick() {
	to := sim.ID(1 + g.Rand().IntN(g.peers))
	g.Send(to, fmt.Sprint("rumour at ", g.Now()))
	g.Note("told", to)
	g.After(time.Duration(50+g.Rand().IntN(100))*ms, g.tick)
}

func (g *gossip) boot(p *sim.Process) sim.Handler {
	if g.writer.boot(p) == nil {
		return nil
	}
	g.After(0, g.tick)
	return g
}

// Receive does not acknowledge, as its writer would: that would never end.
func (g *gossip) Receive(_ sim.ID, payload any) {
	if _, err := g.file.Write([]byte(payload.(string)[:1])); err == nil && g.sync {
		_ = g.file.Sync()
	}
}

var everything = sim.Profile{
	Processes: []sim.ID{1, 2, 3, 4, 5}, Length: 20 * time.Second,
	PowerCuts: 3, Kills: 3, PowerCutsDuring: 5, KillsDuring: 5, Pauses: 5, Partitions: 5, Cuts: 5, Drifts: 5,
	Chaoses: 5, Chaos: sim.Chaos{Loss: 0.3, Duplicate: 0.3, Reorder: 0.3, LatencyMin: ms, LatencyMax: 200 * ms},
	DiskErrors: 5, DiskStalls: 5,
	Ops: 20, Op: func(r *rand.Rand, i int) string { return fmt.Sprint("op ", i, " ", r.IntN(100)) },
}

// gossipRun returns the events of a run under that schedule.
func gossipRun(t *testing.T, seed uint64, s sim.Schedule, length time.Duration) *tape {
	w, tape := newWorld(sim.Options{Seed: seed, Chaos: sim.Chaos{LatencyMin: ms, LatencyMax: 20 * ms}})
	for id := sim.ID(1); id <= 5; id++ {
		w.Spawn(id, (&gossip{writer: &writer{sync: id%2 == 0}, peers: 5}).boot)
	}
	s.Apply(w, func(a sim.Action) { w.Inject(1, a.Text) })
	require.NoError(t, w.Run(length))
	return tape
}

func TestOneSeedIsOneRun(t *testing.T) {
	runs := map[string]uint64{}
	for seed := range uint64(10) {
		s := sim.Generate(seed, everything)
		first := gossipRun(t, seed, s, 20*time.Second).String()
		require.Equal(t, first, gossipRun(t, seed, s, 20*time.Second).String())
		other, same := runs[first]
		require.False(t, same, "seeds %d and %d give the same run", seed, other)
		runs[first] = seed
	}
}

// The golden file pins the streams across processors, Go versions and changes
// of this package: whoever changes it makes all recorded seeds worthless.
func TestTheRunOfASeedIsTheGoldenOne(t *testing.T) {
	s, err := sim.ParseSchedule(`
		100ms partition groups=1,2|3,4,5 for 200ms
		150ms powercut 3 for 100ms
		200ms powercut-during 2 count=1 for 50ms
		200ms disk-stall 4 for 30ms
		250ms pause 5 for 50ms
		300ms chaos loss=0.3 duplicate=0.5 reorder=0.2 for 100ms
		310ms drift 1 count=-200
		350ms op "hello"`)
	require.NoError(t, err)
	got := gossipRun(t, 1, s, 500*ms).String() + "\n"
	const file = "testdata/golden.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
}

func TestListeningDoesNotChangeTheRun(t *testing.T) {
	final := func(sink func(sim.Event)) (at []time.Duration, got []any) {
		w := sim.New(sim.Options{Seed: 9, Sink: sink, Chaos: sim.Chaos{Loss: 0.2, Duplicate: 0.2, Reorder: 0.2}})
		p := spawnPeers(w, 3)
		for i := range 500 {
			w.At(time.Duration(w.Rand("load").IntN(1000))*ms, func() { p[1+i%3].Send(sim.ID(1+(i+1)%3), i) })
		}
		require.NoError(t, w.Run(time.Minute))
		return p[1].at, p[1].got
	}
	at, got := final(nil)
	atHeard, gotHeard := final(func(sim.Event) {})
	require.Equal(t, at, atHeard)
	require.Equal(t, got, gotHeard)
}

func TestSimultaneousEventsHappenInTheOrderTheyWerePutOff(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	p := spawnPeers(w, 2)
	var order []string
	say := func(s string) func() { return func() { order = append(order, s) } }
	w.At(ms, say("call"))
	p[2].After(ms, say("timer of 2"))
	p[1].After(ms, say("timer of 1"))
	w.At(ms, func() { w.At(0, say("put off last, to the past")) })
	w.At(ms, say("second call"))
	run(t, w, ms)
	require.Equal(t, []string{"call", "timer of 2", "timer of 1", "second call", "put off last, to the past"}, order)
}

func TestQueueKeepsOrderUnderLoadAndCancellation(t *testing.T) {
	w, _ := newWorld(sim.Options{MaxEvents: 10_000})
	p := spawnPeers(w, 1)[1]
	r := rand.New(rand.NewPCG(1, 2))
	type due struct {
		at time.Duration
		n  int
	}
	var fired []due
	live := 0
	for n := range 5000 {
		at := time.Duration(r.IntN(200)) * ms
		timer := p.After(at, func() { fired = append(fired, due{w.Now(), n}) })
		if r.IntN(10) > 0 {
			require.True(t, timer.Stop())
		} else {
			live++
		}
	}
	run(t, w, time.Second)
	require.Len(t, fired, live)
	for i := 1; i < len(fired); i++ {
		a, b := fired[i-1], fired[i]
		require.True(t, a.at < b.at || a.at == b.at && a.n < b.n, "%v before %v", a, b)
	}
}

func TestRunStopsAtItsTimeAndLeavesTheClockThere(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	happened := 0
	w.At(10*ms, func() { happened++ })
	w.At(11*ms, func() { happened++ })
	run(t, w, 10*ms)
	require.Equal(t, 1, happened)
	require.Equal(t, 10*ms, w.Now())
	run(t, w, 5*ms)
	require.Equal(t, 10*ms, w.Now(), "time does not go back")
	require.True(t, w.Step())
	require.False(t, w.Step())
	require.Equal(t, 2, happened)
}

func TestRunUntilStopsWhenTheConditionHolds(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	n := 0
	for i := range 10 {
		w.At(time.Duration(i)*ms, func() { n++ })
	}
	require.True(t, w.RunUntil(func() bool { return n == 3 }, time.Second))
	require.Equal(t, 2*ms, w.Now())
	require.False(t, w.RunUntil(func() bool { return n == 99 }, time.Second))
	require.Equal(t, time.Second, w.Now())
	require.NoError(t, w.Err())
}

func TestARunThatNeverEndsIsEnded(t *testing.T) {
	w, _ := newWorld(sim.Options{MaxEvents: 1000})
	p := spawnPeers(w, 1)[1]
	var again func()
	again = func() { p.After(0, again) }
	again()
	require.ErrorIs(t, w.Run(time.Second), sim.ErrTooManyEvents)
	require.Equal(t, time.Duration(0), w.Now())
}

func TestWrongIDsStopTheWorld(t *testing.T) {
	for name, f := range map[string]func(*sim.World){
		"crash":   func(w *sim.World) { w.Crash(7, sim.Kill) },
		"during":  func(w *sim.World) { w.CrashDuring(7, 1, sim.Kill) },
		"restart": func(w *sim.World) { w.Restart(-1) },
		"pause":   func(w *sim.World) { w.Pause(0, ms) },
		"drift":   func(w *sim.World) { w.SetDrift(7, 1) },
		"disk":    func(w *sim.World) { w.Disk(7).Dump() },
		"action":  func(w *sim.World) { sim.Schedule{{Fault: sim.FaultKill, Process: 7}}.Apply(w, nil) },
	} {
		w, _ := newWorld(sim.Options{})
		spawnPeers(w, 1)
		f(w)
		require.ErrorIs(t, w.Run(ms), sim.ErrUnknownProcess, name)
	}
	for _, id := range []sim.ID{0, -1, 1, 10_000} {
		w, _ := newWorld(sim.Options{})
		spawnPeers(w, 1)
		w.Spawn(id, func(*sim.Process) sim.Handler { t.Error("booted"); return nil })
		require.ErrorIs(t, w.Run(ms), sim.ErrBadID)
	}
}

func TestRandContinuesTheSourceOfItsName(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 1})
	a, b := w.Rand("a").Uint64(), w.Rand("a").Uint64()
	require.NotEqual(t, a, b)
	require.NotEqual(t, a, w.Rand("b").Uint64())
	again, _ := newWorld(sim.Options{Seed: 1})
	require.Equal(t, a, again.Rand("a").Uint64())
}

func TestEventsAreOneLineAndJSON(t *testing.T) {
	e := sim.Event{At: 1204311 * time.Microsecond, Kind: sim.Sent, Process: 1, Peer: 3, Message: 17, Payload: struct{ Term int }{4}}
	require.Equal(t, "1.204311 p1 sent p3 #17 {Term:4}", e.String())
	data, err := json.Marshal(e)
	require.NoError(t, err)
	require.JSONEq(t, `{"at":1204311000,"kind":"sent","process":1,"peer":3,"message":17,"payload":{"Term":4}}`, string(data))
	require.Equal(t, "0.000000 heal (all)", sim.Event{Kind: sim.Healed, Detail: "all"}.String())
	require.Equal(t, "2.000000001 timer", sim.Event{At: 2*time.Second + 1, Kind: sim.TimerFired}.String())
}
