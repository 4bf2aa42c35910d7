package multi

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

var (
	simSeed = flag.Uint64("seed", 0, "replay the simulation of one `seed`")
	simRuns = flag.Int("runs", 40, "how many `seeds` TestManyGroupsSurviveTheWorld tries")
)

const simGroups = 4

// simulation is a cluster of hosts in one virtual world, and all that must hold
// in it.
type simulation struct {
	seed     uint64
	lease    int
	world    *sim.World
	first    []raft.NodeID // the first members of every group
	everyone []raft.NodeID
	hosts    map[raft.NodeID]*simHost // nil while it is down
	lives    map[sim.ID]int

	checkers map[GroupID]*raft.Checker
	floor    map[GroupID]uint64 // the highest index that a client has seen
	acked    map[uint64]GroupID // numbers that were acknowledged
	births   map[GroupID]string // what a group began with
	durable  map[raft.NodeID]map[GroupID]raft.HardState
	stats    map[EventKind]int
	sent     int
	reads    int
	err      error
}

func newSimulation(seed uint64, lease int, sink func(sim.Event)) *simulation {
	s := &simulation{
		seed: seed, lease: lease, first: []raft.NodeID{1, 2, 3}, everyone: []raft.NodeID{1, 2, 3, 4},
		hosts: map[raft.NodeID]*simHost{}, lives: map[sim.ID]int{}, checkers: map[GroupID]*raft.Checker{}, floor: map[GroupID]uint64{},
		acked: map[uint64]GroupID{}, births: map[GroupID]string{}, durable: map[raft.NodeID]map[GroupID]raft.HardState{}, stats: map[EventKind]int{},
	}
	s.world = sim.New(sim.Options{Seed: seed, Sink: sink, Clone: func(payload any) any {
		if e, ok := payload.(Envelope); ok {
			got, err := DecodeEnvelope(AppendEnvelope(nil, &e))
			if err != nil {
				s.fail("M12", "an envelope does not decode: %v", err)
			}
			return got
		}
		return payload
	}})
	for _, id := range s.everyone {
		s.world.Spawn(sim.ID(id), s.boot)
	}
	return s
}

func (s *simulation) fail(rule, format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("RULE %s: %s (seed %d, at %v)", rule, fmt.Sprintf(format, args...), s.seed, s.world.Now())
	}
}

func (s *simulation) check(err error) {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("%w (seed %d, at %v)", err, s.seed, s.world.Now())
	}
}

// checker returns the judge of one group. It begins with a witness of the
// snapshot that every group begins with.
func (s *simulation) checker(g GroupID) *raft.Checker {
	c := s.checkers[g]
	if c == nil {
		c = &raft.Checker{}
		s.checkers[g] = c
		const witness = 99
		s.check(c.Started(witness, raft.State{Entries: []raft.Entry{{Index: firstIndex, Type: raft.EntryNoop}}}))
		s.check(c.Observe(raft.Status{ID: witness, Commit: firstIndex}, nil))
	}
	return c
}

func (s *simulation) observe(g GroupID, st raft.Status, rd *raft.Ready) {
	if err := s.checker(g).Observe(st, rd); err != nil {
		s.check(fmt.Errorf("%w in %s", err, g))
	}
}

// promised notes hard states that are durable, kept compares them with what a
// restart finds.
func (s *simulation) promised(h *simHost, writes []Write) {
	if s.durable[h.id] == nil {
		s.durable[h.id] = map[GroupID]raft.HardState{}
	}
	for _, w := range writes {
		s.durable[h.id][w.Group] = w.HardState
	}
}

func (s *simulation) kept(h *simHost, stored Stored) {
	found := map[GroupID]raft.HardState{}
	for _, g := range stored.Groups {
		found[g.ID] = g.State.HardState
	}
	for g, was := range s.durable[h.id] {
		now, ok := found[g]
		if !ok || now.Term < was.Term || now.Term == was.Term && was.VotedFor != 0 && now.VotedFor != was.VotedFor {
			s.fail("M2", "%s had synced %+v of %s, and finds %+v (%v)", h.id, was, g, now, ok)
		}
	}
}

// acknowledged notes a write that a client was told of.
func (s *simulation) acknowledged(g GroupID, index, number uint64) {
	s.floor[g] = max(s.floor[g], index)
	if number > 0 {
		s.acked[number] = g
	}
}

// answered judges a read: it must see all that was acknowledged before it began.
func (s *simulation) answered(r simRead, applied uint64, by raft.NodeID) {
	s.reads++
	if applied < r.floor {
		s.fail("M13", "%s answers a read of %s at %d; %d was acknowledged before it was asked", by, r.group, applied, r.floor)
	}
	s.floor[r.group] = max(s.floor[r.group], applied)
}

// born compares what the hosts make a right group of.
func (s *simulation) born(g GroupID, index uint64, data []byte, h *simHost) {
	m, _ := h.core.Membership(g)
	what := fmt.Sprintf("%d %x %v", index, data, m)
	if was, ok := s.births[g]; ok && was != what {
		s.fail("M7", "%s makes %s of %s, another host made it of %s", h.id, g, what, was)
	}
	s.births[g] = what
}

// settled says whether all hosts agree in everything, and all groups sleep.
func (s *simulation) settled() bool {
	for _, id := range s.everyone {
		if s.hosts[id] == nil {
			return false
		}
	}
	for g := range s.checkers {
		var with *simGroup
		for _, id := range s.everyone {
			h := s.hosts[id]
			m, err := s.members(g)
			if err != nil {
				return false
			}
			if !m.Contains(id) {
				continue
			}
			gr := h.groups[g]
			if gr == nil || h.core.replica(g) == nil || h.core.replica(g).core != nil {
				return false
			}
			if with != nil && (!gr.same(with) || gr.applied != with.applied) {
				return false
			}
			with = gr
		}
	}
	return true
}

// members is a group's membership as its leader sees it.
func (s *simulation) members(g GroupID) (raft.Membership, error) {
	for _, id := range s.everyone {
		if h := s.hosts[id]; h != nil && h.core.replica(g) != nil && h.core.replica(g).status().Role == raft.Leader {
			return h.core.Membership(g)
		}
	}
	return raft.Membership{}, fmt.Errorf("%s has no leader", g)
}

// rule is the one that is broken when the cluster does not settle: that of sleep,
// unless two state machines have applied the same and differ.
func (s *simulation) rule() string {
	for g := range s.checkers {
		for _, a := range s.hosts {
			for _, b := range s.hosts {
				if a == nil || b == nil || a.groups[g] == nil || b.groups[g] == nil {
					continue
				}
				if x, y := a.groups[g], b.groups[g]; x.applied == y.applied && !x.same(y) {
					return "M7"
				}
			}
		}
	}
	return "M3"
}

// why tells what keeps the cluster from being settled.
func (s *simulation) why() string {
	var b bytes.Buffer
	for _, g := range slices.Sorted(maps.Keys(s.checkers)) {
		for _, id := range s.everyone {
			if h := s.hosts[id]; h == nil {
				fmt.Fprintf(&b, "\n%s is down", id)
			} else if r := h.core.replica(g); r != nil {
				fmt.Fprintf(&b, "\n%s %s asleep=%v idle=%d %+v", id, g, r.core == nil, r.idle, r.status())
			}
		}
	}
	return b.String()
}

// survived looks for what was acknowledged, when all is calm.
func (s *simulation) survived() {
	for n, g := range s.acked {
		found := 0
		for other := range s.checkers {
			for _, id := range s.first {
				if gr := s.hosts[id].groups[other]; gr != nil && gr.set[n] {
					found++
				}
			}
		}
		if found != len(s.first) {
			s.fail("M2", "%d, acknowledged in %s, is in %d state machines of %d", n, g, found, len(s.first))
		}
	}
}

// operations draws what clients ask.
func operations() func(r *rand.Rand, i int) string {
	right := GroupID(simGroups)
	return func(r *rand.Rand, i int) string {
		g := 1 + r.IntN(int(right))
		switch what := r.IntN(100); {
		case what < 60:
			return fmt.Sprintf("write %d %d", g, i+1)
		case what < 90:
			return fmt.Sprintf("read %d", g)
		case what < 94:
			return fmt.Sprintf("transfer %d %d", g, 1+r.IntN(3))
		case what < 97 && right < 8:
			right++
			return fmt.Sprintf("split %d %d %d", g, right, r.IntN(6))
		case what == 97:
			return fmt.Sprintf("grow %d", g)
		}
		return fmt.Sprintf("read %d", g)
	}
}

// run lives through a schedule, and then waits for calm.
func (s *simulation) run() error {
	p := sim.Profile{
		Processes: []sim.ID{1, 2, 3, 4}, Length: 60 * time.Second, FaultMax: 6 * time.Second,
		PowerCuts: 3, Kills: 2, PowerCutsDuring: 3, Pauses: 3, Partitions: 3, Cuts: 2, Chaoses: 2, Drifts: 2, DiskErrors: 1, DiskStalls: 2,
		Chaos: sim.Chaos{Loss: 0.2, Duplicate: 0.2, Reorder: 0.2, LatencyMax: 150 * time.Millisecond},
		Ops:   600, Op: operations(),
	}
	if s.seed%4 == 3 { // long silences: groups sleep while the world falls apart
		p.Ops = 60
	}
	if s.seed%5 == 4 { // nobody but the network fails
		p.PowerCuts, p.Kills, p.PowerCutsDuring, p.DiskErrors = 0, 0, 0, 0
	}
	sim.Generate(s.seed, p).Apply(s.world, func(a sim.Action) {
		for _, id := range s.everyone { // whoever leads takes it
			if h := s.hosts[id]; h != nil && s.world.Running(sim.ID(id)) {
				s.world.Inject(sim.ID(id), simOp{a.Text})
			}
		}
	})
	for s.world.Now() < p.Length && s.err == nil {
		if err := s.world.Run(s.world.Now() + time.Second); err != nil {
			return err
		}
	}
	if s.err != nil {
		return s.err
	}
	s.world.Recover()
	s.world.Heal()
	if !s.world.RunUntil(func() bool { return s.err != nil || s.settled() }, p.Length+60*time.Second) && s.err == nil {
		s.fail(s.rule(), "the world is calm, and groups do not come to rest, or not to one state: %s", s.why())
	}
	if s.err == nil {
		s.survived()
		s.calm()
	}
	return s.err
}

// calm judges the silence of sleeping groups: two envelopes a pair and tick.
func (s *simulation) calm() {
	s.world.Run(s.world.Now() + time.Second)
	sent, woken := s.sent, s.stats[EventWoke]
	const seconds = 5
	s.world.Run(s.world.Now() + seconds*time.Second)
	pairs := len(s.everyone) * (len(s.everyone) - 1) / 2
	if n := s.sent - sent; n > 2*pairs*(10*seconds+1) {
		s.fail("M1", "%d envelopes in %d seconds of rest between %d pairs of hosts", n, seconds, pairs)
	}
	if n := s.stats[EventWoke] - woken; n > 0 {
		s.fail("M3", "%d groups woke in %d seconds of rest", n, seconds)
	}
}

func TestManyGroupsSurviveTheWorld(t *testing.T) {
	total := map[EventKind]int{}
	reads, acked := 0, 0
	run := func(seed uint64) {
		s := newSimulation(seed, []int{0, 4, 8, 10}[seed%4], nil)
		if err := s.run(); err != nil {
			t.Error(err)
		}
		for k, n := range s.stats {
			total[k] += n
		}
		reads, acked = reads+s.reads, acked+len(s.acked)
	}
	if *simSeed > 0 {
		run(*simSeed)
		return
	}
	for seed := uint64(1); seed <= uint64(*simRuns) && !t.Failed(); seed++ {
		run(seed)
	}
	t.Logf("%d writes acknowledged, %d reads, %v", acked, reads, total)
	if !t.Failed() {
		for _, k := range []EventKind{EventSplit, EventJoined, EventSlept, EventWoke, EventSuspected, EventReturned} {
			require.Positive(t, total[k], "the simulations never saw %s", k)
		}
		require.Positive(t, reads)
	}
}

func TestOneSeedIsOneRun(t *testing.T) {
	story := func() string {
		var b bytes.Buffer
		s := newSimulation(11, 8, func(e sim.Event) { fmt.Fprintln(&b, e) })
		require.NoError(t, s.run())
		return b.String()
	}
	first := story()
	require.Greater(t, len(first), 10_000)
	require.True(t, first == story(), "two runs of a seed differ")
}
