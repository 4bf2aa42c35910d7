package bfttest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/sim"
)

// The simulator: a network of validators in one goroutine and virtual time (internal/sim), of whom
// less than a third in power lie, in a world that loses, delays, reorders, splits and crashes. One seed
// decides it all.
//
//	    correct                       liar                      world
//	+-----------------------+    +-------------------+    loss, delay, order,
//	| log --> Core          |    | says what it      |    partitions, one-way cuts,
//	|   ^     (under test)  |    | likes, to whom it |    crashes, pauses, drift
//	|   +-- inputs, before  |    | likes, as itself  |
//	|       they take effect|    +-------------------+
//	+-----------------------+
//	        |
//	        v   what each says and decides
//	judge: agreement, validity, once, lock, polka; and after the faults: liveness, bound
//
// What is out of the model: signatures, unless they are asked for (nobody can speak as somebody else), blocks (a value is its name),
// and a log that forgets what was synced. A crash takes what was not synced, or a part of it.
//
// Read simulate.go, simulate_message.go, simulate_node.go, simulate_liar.go, simulate_sign.go, simulate_judge.go, simulate_failure.go.

// Aliases of what the simulator is made of, for programs that cannot import the internal packages.
type (
	// Schedule is a scenario as data: the faults of the world.
	Schedule = sim.Schedule
	// Event is one thing that happened in the simulated world.
	Event = sim.Event
)

// ParseSchedule reads what Schedule.String writes, one action a line.
func ParseSchedule(text string) (Schedule, error) { return sim.ParseSchedule(text) }

// Options say what to simulate. Of the zero value, each field is either a fixed default or
// drawn from the seed, so that many seeds see many networks.
type Options struct {
	// NewCore makes the core under test. Default: [bft.NewCore].
	NewCore NewCore
	// Powers of the validators n1, n2, ... Default: 4 to 7, of power 1 each, or of 1 to 10.
	Powers []int64
	// Liars says what n1, n2, ... lie; shorter than Powers: the rest is correct. Default: some, of less than a third of the power.
	Liars []Lie
	// Duration is the virtual time of hostility. Default: 10 s.
	Duration time.Duration
	// Pace is the unit of timeouts: three for a proposal, one for votes, and one more in each round. Default: 20 to
	// 150 ms; messages travel for 1 to 5 ms, and up to 400 where the schedule says so.
	Pace time.Duration
	// CalmLimit is how long after the last fault four more heights may take. Default: 20 s.
	CalmLimit time.Duration
	// Schedule is what happens. Default: generated from the seed.
	Schedule Schedule
	// CrashAt makes correct validator n1, or the first that is correct, crash at that operation of its log; 0: not.
	CrashAt int
	// Attempts bounds the runs that minimising a failed one may take. Default: 60.
	Attempts int
	// Signed has real signatures made and verified, and liars that forge some. It takes some ten times as long.
	Signed bool
	// Sink receives the events of the run. It must not call into the simulation.
	Sink func(Event)
}

func (o Options) withDefaults(seed uint64) Options {
	r := rand.New(rand.NewPCG(seed, 0x62667474657374))
	if o.NewCore == nil {
		o.NewCore = func(self types.Address) Core { return bft.NewCore(self) }
	}
	if o.Powers == nil {
		o.Powers = make([]int64, 4+r.IntN(4))
		equal := r.IntN(2) == 0
		for i := range o.Powers {
			o.Powers[i] = 1
			if !equal {
				o.Powers[i] = 1 + r.Int64N(10)
			}
		}
	}
	if o.Liars == nil {
		o.Liars = drawLiars(r, o.Powers)
	}
	if o.Duration == 0 {
		o.Duration = 10 * time.Second
	}
	if pace := time.Duration(20+r.IntN(130)) * time.Millisecond; o.Pace == 0 {
		o.Pace = pace
	}
	if o.CalmLimit == 0 {
		o.CalmLimit = 20 * time.Second
	}
	if o.Schedule == nil {
		o.Schedule = generate(seed, r, &o)
	}
	if o.Attempts == 0 {
		o.Attempts = 60
	}
	return o
}

// drawLiars makes as many lie as may: less than a third in power.
func drawLiars(r *rand.Rand, powers []int64) []Lie {
	liars := make([]Lie, len(powers))
	var total, lying int64
	for _, p := range powers {
		total += p
	}
	for _, i := range r.Perm(len(powers)) {
		if lie := Lie(1 + r.IntN(int(lies)-1)); 3*(lying+powers[i]) < total {
			liars[i] = lie
			lying += powers[i]
		}
	}
	return liars
}

// generate makes the schedule of a seed.
func generate(seed uint64, r *rand.Rand, o *Options) Schedule {
	p := sim.Profile{
		Length: o.Duration, FaultMin: 50 * time.Millisecond, FaultMax: o.Duration / 2,
		PowerCuts: r.IntN(4), Kills: r.IntN(3), Pauses: r.IntN(3), Drifts: r.IntN(3), MaxDrift: 300_000,
		Partitions: r.IntN(6), Cuts: r.IntN(12), Chaoses: r.IntN(8),
		Chaos: sim.Chaos{Loss: 0.4, Duplicate: 0.3, Reorder: 0.5, LatencyMin: time.Millisecond, LatencyMax: 400 * time.Millisecond},
	}
	for i := range o.Powers {
		p.Processes = append(p.Processes, sim.ID(i+1))
	}
	s := sim.Generate(seed, p)
	if s == nil {
		s = Schedule{}
	}
	return s
}

// Report is what happened in a run.
type Report struct {
	Seed       uint64
	Validators int
	Liars      int
	// Virtual is the time that the run covered.
	Virtual time.Duration
	Stats
}

// Stats count what a run went through: a world in which nothing happens tests nothing.
type Stats struct {
	Heights  int // decided by all who are correct
	MaxRound types.Round
	Inputs   int // of correct cores
	Crashes  int // of correct ones
	Replayed int // inputs
	Evidence int // double votes noticed
	Forged   int // messages of which the signature was not their sender's, with Options.Signed
	Locks    int // prevotes for something else than what was precommitted before, in the same height
}

// Add returns the report of both runs together.
func (r Report) Add(other Report) Report {
	r.Virtual += other.Virtual
	r.Validators += other.Validators
	r.Liars += other.Liars
	r.Heights += other.Heights
	r.MaxRound = max(r.MaxRound, other.MaxRound)
	r.Inputs += other.Inputs
	r.Crashes += other.Crashes
	r.Replayed += other.Replayed
	r.Evidence += other.Evidence
	r.Forged += other.Forged
	r.Locks += other.Locks
	return r
}

// Simulate runs one seed and fails the test on what it finds.
func Simulate(t testing.TB, seed uint64, o Options) Report {
	t.Helper()
	report, err := Explore(seed, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Explore runs one seed. The error is a [*Failure], minimised; the report is of the first run.
func Explore(seed uint64, o Options) (Report, error) {
	o = o.withDefaults(seed)
	first, err := newSimulation(seed, o, o.Sink)
	if err != nil {
		return Report{}, err
	}
	violation := first.run(o.Schedule)
	report := Report{Seed: seed, Validators: len(o.Powers), Virtual: first.world.Now(), Stats: first.stats}
	for _, l := range o.Liars {
		if l != Honest {
			report.Liars++
		}
	}
	if violation == nil {
		return report, nil
	}
	f := &Failure{Seed: seed, Violation: violation, At: first.failedAt, Schedule: o.Schedule, Minimal: o.Schedule, Liars: o.Liars}
	f.minimise(o)
	return report, f
}

// simulation is one run.
type simulation struct {
	seed  uint64
	opts  Options
	world *sim.World
	loud  bool // somebody listens to events

	keys  *keyring // nil: nothing is signed
	set   *types.ValidatorSet
	ids   []types.Address // of n1, n2, ...
	hosts []*host
	judge judge
	low   types.Height // the lowest; 0: it is to be looked for

	stats     Stats
	violation error
	failedAt  time.Duration
}

func newSimulation(seed uint64, o Options, sink func(Event)) (*simulation, error) {
	s := &simulation{seed: seed, opts: o, loud: sink != nil}
	if o.Signed {
		s.keys = newKeyring(len(o.Powers))
	}
	var vs []types.Validator
	for i, p := range o.Powers {
		v := types.Validator{Power: p}
		if s.keys != nil {
			v.Address = types.AddressOf(s.keys.guards[i].PubKey())
		} else {
			copy(v.Address[:], fmt.Sprintf("n%d", i+1))
		}
		vs = append(vs, v)
		s.ids = append(s.ids, v.Address)
	}
	var err error
	if s.set, err = types.NewValidatorSet(vs); err != nil {
		return nil, fmt.Errorf("bfttest: Options.Powers: %w", err)
	}
	s.world = sim.New(sim.Options{Seed: seed, Sink: sink, MaxEvents: 20_000_000})
	s.judge = newJudge(s)
	for i := range s.ids {
		h := &host{s: s, index: i, id: s.ids[i]}
		s.hosts = append(s.hosts, h)
		if i < len(o.Liars) {
			h.lie = o.Liars[i]
		}
		if o.CrashAt > 0 && h.lie == Honest {
			h.crashAt, o.CrashAt = o.CrashAt, 0
		}
	}
	for i, h := range s.hosts {
		s.world.Spawn(sim.ID(i+1), h.boot)
	}
	return s, nil
}

// validators is the set of a height.
func (s *simulation) validators(h types.Height) *types.ValidatorSet {
	return s.judge.height(h).set
}

// fail ends the run. The first violation counts, what follows follows from it.
func (s *simulation) fail(rule, format string, args ...any) {
	if s.violation == nil {
		s.violation, s.failedAt = &Violation{rule, fmt.Sprintf(format, args...)}, s.world.Now()
	}
}

func (s *simulation) failed() bool { return s.violation != nil || s.world.Err() != nil }

// run lets the schedule happen, then calms the world and waits for four more heights.
func (s *simulation) run(schedule Schedule) error {
	schedule.Apply(s.world, nil)
	s.world.RunUntil(s.failed, s.opts.Duration)
	if !s.failed() {
		s.calm()
	}
	if err := s.world.Err(); err != nil && s.violation == nil {
		s.fail("panic", "%v", err)
	}
	s.stats.Heights = int(s.lowest()) - 1
	return s.violation
}

// calm judges liveness: heights that begin when the faults are over are decided soon.
func (s *simulation) calm() {
	s.world.Recover()
	begun := types.Height(0)
	for _, h := range s.hosts {
		if h.node != nil && h.lie == Honest {
			begun = max(begun, h.node.height)
		}
	}
	s.judge.calmSince = begun + 1 // the first that nobody had begun
	goal := begun + 4
	deadline := s.world.Now() + s.opts.CalmLimit
	if !s.world.RunUntil(func() bool { return s.failed() || s.lowest() >= goal }, deadline) && !s.failed() {
		s.fail("liveness", "%v after the last fault: %s; height %d should be decided everywhere", s.opts.CalmLimit, s.where(), goal-1)
	}
}

// lowest is the least height that a correct validator is in.
func (s *simulation) lowest() types.Height {
	if s.low > 0 {
		return s.low
	}
	low := types.Height(1 << 40)
	for _, h := range s.hosts {
		switch {
		case h.lie != Honest:
		case h.node == nil:
			return 1
		default:
			low = min(low, h.node.height)
		}
	}
	s.low = low
	return low
}

func (s *simulation) where() string {
	text := ""
	for i, h := range s.hosts {
		if h.node != nil && h.lie == Honest {
			text += fmt.Sprintf(" n%d in height %d round %d", i+1, h.node.height, h.node.round)
		}
	}
	return text[min(1, len(text)):]
}
