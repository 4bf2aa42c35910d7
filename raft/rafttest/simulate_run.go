package rafttest

import (
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/raft"
)

// simulation is one run: a world with a cluster and its clients in it, and all
// that is known from outside about what they did.
type simulation struct {
	seed  uint64
	opts  Options
	world *sim.World
	loud  bool // somebody listens to events

	ids      []raft.NodeID
	checker  raft.Checker
	nodes    []*simNode   // by ID-1; the present life, nil while down
	lives    []int        // by ID-1
	promises []simPromise // by ID-1
	rotten   []bool       // by ID-1: its disk was damaged
	buried   []bool       // by ID-1: it found the damage, and is gone for good
	chain    []uint64     // by index-1: the state machine's hash there
	acked    uint64       // highest index of a write that a client was told of

	clients []*simClient
	history []*simOp
	clock   int64 // orders calls and returns

	stats     Stats
	violation *raft.Violation
	failedAt  time.Duration
}

// firstClient is the process ID of the first client; nodes are 1, 2, 3...
const firstClient = 11

func newSimulation(seed uint64, o Options, sink func(Event)) *simulation {
	s := &simulation{
		seed: seed, opts: o, loud: sink != nil,
		nodes: make([]*simNode, o.Nodes), lives: make([]int, o.Nodes), promises: make([]simPromise, o.Nodes),
		rotten: make([]bool, o.Nodes), buried: make([]bool, o.Nodes),
	}
	s.world = sim.New(sim.Options{Seed: seed, Clone: cloneMessage, Sink: sink, MaxEvents: o.maxEvents()})
	for i := range o.Nodes {
		s.ids = append(s.ids, raft.NodeID(i+1))
	}
	for i := range o.Nodes {
		s.world.Spawn(sim.ID(i+1), s.boot)
	}
	for i := range o.Clients {
		c := &simClient{s: s, seen: make([]uint64, o.Keys)}
		s.clients = append(s.clients, c)
		s.world.Spawn(sim.ID(firstClient+i), c.boot)
	}
	return s
}

// maxEvents is what no sound cluster needs: ten times the messages, timers and
// retries of the busiest runs.
func (o *Options) maxEvents() uint64 {
	return uint64((o.Duration+o.CalmLimit)/time.Second+1)*uint64(o.Nodes)*200 + uint64(o.Ops)*200
}

// cloneMessage keeps nodes from sharing memory, but for the entries' data,
// which nobody may change.
func cloneMessage(payload any) any {
	m, ok := payload.(raft.Message)
	if !ok {
		return payload
	}
	m.Entries = append([]raft.Entry(nil), m.Entries...)
	if m.Snapshot != nil {
		s := *m.Snapshot
		m.Snapshot = &s
	}
	return m
}

// fail ends the run. The first violation counts, what follows follows from it.
func (s *simulation) fail(rule, section, format string, args ...any) {
	s.failWith(&raft.Violation{Rule: rule, Section: section, Detail: fmt.Sprintf(format, args...)})
}

func (s *simulation) failWith(err error) {
	if err == nil || s.violation != nil {
		return
	}
	if !errors.As(err, &s.violation) {
		s.violation = &raft.Violation{Rule: "error", Section: "none", Detail: err.Error()}
	}
	s.failedAt = s.world.Now()
}

func (s *simulation) failed() bool { return s.violation != nil }

// run lets the schedule happen, then calms the world and judges.
func (s *simulation) run(schedule Schedule) *raft.Violation {
	schedule.Apply(s.world, s.act)
	s.world.RunUntil(s.failed, s.opts.Duration)
	if s.err() == nil {
		s.calm()
	}
	if s.err() == nil {
		s.failWith(s.linearizable())
	}
	return s.violation
}

// err returns what ended the run early, a panic of the core included.
func (s *simulation) err() error {
	var p *sim.PanicError
	switch err := s.world.Err(); {
	case s.violation != nil:
		return s.violation
	case errors.As(err, &p):
		s.fail("panic", "none", "n%d panicked: %v\n%s", p.Process, p.Value, p.Stack)
		return s.violation
	case errors.Is(err, sim.ErrTooManyEvents):
		s.fail("storm", "§5.3", "%d messages in %v: they beget each other", s.stats.Messages, s.world.Now())
		return s.violation
	case err != nil:
		s.failWith(err)
		return s.violation
	}
	return nil
}

// calm ends all faults. Whoever can live must now elect a leader, serve every
// client and agree, within CalmLimit.
func (s *simulation) calm() {
	s.world.SetChaos(sim.Chaos{})
	for _, id := range s.ids {
		s.world.Disk(sim.ID(id)).SetCapacity(0)
	}
	s.world.Recover()
	// Every key is read once more: a write that was lost shows.
	var last []*simClient
	for key := range s.opts.Keys {
		c := s.clients[key%len(s.clients)]
		c.plan(fmt.Sprintf("get k%d", key))
		last = append(last, c)
	}
	s.clients[0].plan(fmt.Sprintf("put k0 %d", s.opts.Ops+1))
	served := func() bool {
		for _, c := range last {
			if !c.idle() {
				return false
			}
		}
		return s.agreed()
	}
	deadline := s.world.Now() + s.opts.CalmLimit
	if s.world.RunUntil(func() bool { return s.failed() || served() }, deadline) || s.err() != nil {
		return
	}
	detail := fmt.Sprintf("no agreement %v after the last fault", s.opts.CalmLimit)
	for i, n := range s.nodes {
		switch {
		case s.buried[i]:
			detail += fmt.Sprintf("; %s is gone for good", s.ids[i])
		case n == nil || !s.world.Running(sim.ID(i+1)):
			detail += fmt.Sprintf("; %s is down", s.ids[i])
		default:
			detail += fmt.Sprintf("; %+v", n.core.Status())
		}
	}
	s.fail("liveness", "§5.4.3, §5.6", "%s", detail)
}

// agreed tells whether the living have one leader and one log, all of it
// applied, with every write in it that a client was told of.
func (s *simulation) agreed() bool {
	leaders, last := 0, uint64(0)
	for i, n := range s.nodes {
		if n == nil || !s.world.Running(sim.ID(i+1)) {
			if !s.buried[i] {
				return false
			}
			continue
		}
		st := n.core.Status()
		if st.Role == raft.Leader {
			leaders++
		}
		if last == 0 {
			last = st.Last
		}
		if st.Last != last || st.Applied != last || n.state.applied != last {
			return false
		}
	}
	if leaders != 1 {
		return false
	}
	if last < s.acked {
		s.fail("lost-write", "§5.4", "all agree on a log that ends at %d, but a client was told of a write at %d", last, s.acked)
	}
	return true
}

// stateAt compares a node's state machine with what others had at that index.
func (s *simulation) stateAt(n *simNode, rule, section string) {
	index := n.state.applied
	for uint64(len(s.chain)) < index {
		s.chain = append(s.chain, 0)
	}
	switch known := &s.chain[index-1]; *known {
	case 0:
		*known = n.state.chain
		s.stats.Commits = max(s.stats.Commits, index)
	case n.state.chain:
	default:
		s.fail(rule, section, "%s reached another state at %d than a node before it", n.id, index)
	}
}

// note tells whoever listens what a process says of itself.
func (s *simulation) note(p *sim.Process, kind string, payload any) {
	if s.loud {
		p.Note(kind, payload)
	}
}
