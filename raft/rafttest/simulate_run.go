package rafttest

import (
	"errors"
	"fmt"
	"slices"
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

	first    []raft.NodeID // the voters of the beginning
	ids      []raft.NodeID // all nodes that ever were, and are not gone for good
	hosts    [maxNodes]simHost
	operator simOperator
	rigid    bool // some core cannot change members
	checker  raft.Checker
	chain    []uint64 // by index-1: the state machine's hash there
	acked    uint64   // highest index of a write that a client was told of

	clients []*simClient
	history []*simOp
	clock   int64 // orders calls and returns

	stats     Stats
	violation *raft.Violation
	failedAt  time.Duration
}

// Nodes are processes 1 to maxNodes, the first of them members from the
// beginning, the others new ones that may join; clients come behind them.
const (
	maxNodes    = 10
	firstClient = maxNodes + 1
)

// simHost is a machine, over all lives of its node.
type simHost struct {
	node    *simNode // the present life, nil while down
	life    int
	started bool // at least once
	promise simPromise
	joined  bool // it has a node to run; else it stands by
	rotten  bool // its disk was damaged
	gone    bool // for good: it was lost, or found the damage
}

// host is the machine of a node.
func (s *simulation) host(id raft.NodeID) *simHost { return &s.hosts[id-1] }

func newSimulation(seed uint64, o Options, sink func(Event)) *simulation {
	s := &simulation{seed: seed, opts: o, loud: sink != nil}
	s.world = sim.New(sim.Options{Seed: seed, Clone: cloneMessage, Sink: sink, MaxEvents: o.maxEvents()})
	for i := range o.Nodes {
		s.first = append(s.first, raft.NodeID(i+1))
		s.hosts[i].joined = true
	}
	s.ids = slices.Clone(s.first)
	for i := range maxNodes {
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
	return uint64((o.Duration+o.CalmLimit)/time.Second+1)*uint64(maxNodes)*200 + uint64(o.Ops)*200
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
