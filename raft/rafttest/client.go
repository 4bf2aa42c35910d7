package rafttest

import (
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/raft"
)

// simRequest asks a node to do an operation.
type simRequest struct{ simCommand }

func (r simRequest) String() string {
	s := fmt.Sprintf("op%d %s k%d", r.seq, r.kind, r.key)
	switch r.kind {
	case simPut:
		s += fmt.Sprintf(" %d", r.value)
	case simCAS:
		s += fmt.Sprintf(" %d->%d", r.expect, r.value)
	}
	return s
}

// simReply answers it. Not ok: nothing was done, ask the leader.
type simReply struct {
	seq    uint64
	ok     bool
	leader raft.NodeID // when not ok: if the node knows
	simAnswer
}

func (r simReply) String() string {
	switch {
	case !r.ok:
		return fmt.Sprintf("op%d not the leader, ask %s", r.seq, r.leader)
	case !r.done:
		return fmt.Sprintf("op%d found %d, changed nothing", r.seq, r.value)
	}
	return fmt.Sprintf("op%d ok %d", r.seq, r.value)
}

// simPlan is an operation to come, and the node to ask first; 0: the one that
// answered last.
type simPlan struct {
	simCommand
	at raft.NodeID
}

// simClient does its operations one after the other. It asks again, and
// others, until it is answered or gives up: the outcome is then unknown, and
// the operation stays open for ever. Its command may be executed much later.
type simClient struct {
	s       *simulation
	p       *sim.Process
	planned []simPlan
	seq     uint64
	seen    []uint64 // by key: the last value it knew of

	op       *simOp // nil: idle
	request  simRequest
	target   sim.ID
	giveUpAt time.Duration
	retry    sim.Timer
}

const (
	// answerTimeout is how long a client waits for an answer, and giveUpAfter
	// for one to an operation: longer than an election, shorter than some
	// partitions.
	answerTimeout = 400 * time.Millisecond
	giveUpAfter   = 3 * time.Second
	// leaderless is how long it waits where nobody knows a leader.
	leaderless = 100 * time.Millisecond
)

func (c *simClient) boot(p *sim.Process) sim.Handler {
	c.p = p
	c.target = sim.ID(1 + p.Rand().IntN(c.s.opts.Nodes))
	return c
}

// plan gives the client one more operation, in the words of a schedule.
func (c *simClient) plan(text string) {
	op, err := parseSimOp(text)
	if err != nil || op.key >= len(c.seen) {
		c.s.failWith(fmt.Errorf("rafttest: operation %q: %w", text, errSimEncoding))
		return
	}
	c.planned = append(c.planned, op)
	if c.op == nil {
		c.next()
	}
}

func (c *simClient) idle() bool { return c.op == nil }

// next starts the first operation that is planned.
func (c *simClient) next() {
	c.op = nil
	if len(c.planned) == 0 {
		return
	}
	c.seq++
	c.request = simRequest{c.planned[0].simCommand}
	if at := c.planned[0].at; slices.Contains(c.s.ids, at) {
		c.target = sim.ID(at)
	}
	c.planned = c.planned[1:]
	c.request.client, c.request.seq = c.p.ID(), c.seq
	if c.request.kind == simCAS {
		c.request.expect = c.seen[c.request.key]
	}
	c.op = c.s.call(c.request)
	c.giveUpAt = c.p.Now() + giveUpAfter
	c.s.note(c.p, "call", c.request)
	c.ask()
}

func (c *simClient) ask() {
	c.p.Send(c.target, c.request)
	c.retry.Stop()
	c.retry = c.p.After(answerTimeout, c.timeout)
}

// timeout asks somebody else, or gives up.
func (c *simClient) timeout() {
	if c.p.Now() >= c.giveUpAt {
		c.s.note(c.p, "gave up", c.request)
		c.s.stats.OpsUnknown++
		c.next()
		return
	}
	c.another()
	c.ask()
}

// another picks any other node: a client knows who there is, but not who is a
// member.
func (c *simClient) another() {
	ids := slices.DeleteFunc(slices.Clone(c.s.ids), func(id raft.NodeID) bool { return sim.ID(id) == c.target })
	if len(ids) > 0 {
		c.target = sim.ID(ids[c.p.Rand().IntN(len(ids))])
	}
}

// Receive takes an answer.
func (c *simClient) Receive(from sim.ID, payload any) {
	r := payload.(simReply)
	switch {
	case c.op == nil || r.seq != c.seq:
		// A late or second answer.
	case r.ok:
		c.retry.Stop()
		c.finish(r.simAnswer)
	case from != c.target:
		// Another has been asked meanwhile.
	case r.leader != raft.None && sim.ID(r.leader) != from:
		c.target = sim.ID(r.leader)
		c.ask()
	default:
		c.retry.Stop()
		c.retry = c.p.After(leaderless, c.timeout)
	}
}

// finish records an answer.
func (c *simClient) finish(a simAnswer) {
	c.s.note(c.p, "return", simReply{seq: c.seq, ok: true, simAnswer: a})
	c.s.returned(c.op, a)
	c.seen[c.request.key] = c.request.value
	if c.request.kind == simGet || !a.done {
		c.seen[c.request.key] = a.value
	}
	c.next()
}
