package bfttest

import (
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/sim"
)

// host is a machine over all lives of its validator: what is on its disk.
type host struct {
	s     *simulation
	index int
	id    types.Address
	lie   Lie

	log     []any // the inputs of the height in work, beginning with its Start
	synced  int   // so many of them survive a crash for sure
	decided map[types.Height]decision
	ops     int // of the log
	crashAt int // the operation in which it crashes, once

	node *node
}

// decision is what a validator keeps of a height: to whom is behind it sends all of it.
type decision struct {
	proposal   *bft.Proposed
	precommits []*numberedVote
}

// node is one life of a correct validator: the shell around a core.
type node struct {
	*host
	p      *sim.Process
	core   Core
	height types.Height
	round  types.Round
	dead   bool         // it crashed in the midst of what it does
	stuck  types.Height // where it was at the last gossip

	votes     []*numberedVote // heard of in this height, for gossip
	proposals []*bft.Proposed
	seen      numbers       // those of votes
	given     *numberedVote // to the core, last; nil: it was no vote

	replaying bool
	pending   []bft.Output  // own messages that the log has not got (yet)
	timers    []bft.Timeout // seen in replay
}

// hello tells a peer where one is, and what one has. The peer answers with what is missing.
type hello struct {
	height types.Height
	have   numbers
}

func (m hello) String() string {
	return fmt.Sprintf("hello height %d, with %d votes", m.height, m.have.count())
}

const (
	gossipEvery = 50 * time.Millisecond
	// gossipTakes is how long it takes at most, when all is well, until somebody who is stuck has what another one has:
	// two intervals until it asks, and two ways of 5 ms.
	gossipTakes = 2*gossipEvery + 10*time.Millisecond
	downFor     = 300 * time.Millisecond // after Options.CrashAt
)

func (h *host) boot(p *sim.Process) sim.Handler {
	if h.lie != Honest {
		return h.bootLiar(p)
	}
	n := &node{host: h, p: p, core: h.s.opts.NewCore(h.id)}
	h.node, h.s.low = n, 0
	if p.Life() > 1 {
		h.s.stats.Crashes++
	}
	if len(h.log) > 0 {
		n.replay()
	} else {
		h.decided = map[types.Height]decision{}
		n.begin(1)
	}
	if len(h.s.ids) > 1 {
		p.After(gossipEvery, n.gossip)
	}
	return n
}

// replay gives the core again what is in the log, as a crash left it.
func (n *node) replay() {
	kept := n.synced + n.p.Rand().IntN(len(n.log)-n.synced+1)
	n.log = n.log[:kept]
	n.synced = kept
	n.replaying = true
	for i := range n.log {
		n.s.stats.Replayed++
		n.take(n.log[i])
	}
	n.replaying = false
	// What the core had said and the log does not have never left: it is said now.
	pending := n.pending
	n.pending = nil
	for _, o := range pending {
		n.do(o)
	}
	for _, t := range n.timers {
		if t.Height == n.height && t.Round == n.round {
			n.schedule(t)
		}
	}
}

// begin starts a height, with a log of its own in the place of that of the height before.
func (n *node) begin(h types.Height) {
	if !n.operation() {
		return
	}
	start := &bft.Start{Height: h, Validators: n.s.validators(h)}
	n.log, n.synced = append(n.log[:0], start), 1
	n.take(start)
}

// operation is one of the log; the disk, and with it the node, may fail in it.
func (n *node) operation() (ok bool) {
	if n.dead {
		return false
	}
	n.ops++
	if n.ops == n.crashAt {
		n.dead = true
		n.p.Exit(fmt.Sprintf("in operation %d of the log", n.ops))
		world, id := n.s.world, n.p.ID()
		world.At(world.Now()+downFor, func() { world.Restart(id) })
		return false
	}
	return true
}

// input logs what happened, and lets the core see it.
func (n *node) input(m any) {
	if !n.operation() {
		return
	}
	n.log = append(n.log, m)
	n.take(m)
}

// take is an input that is in the log.
func (n *node) take(m any) {
	n.given = nil
	switch m := m.(type) {
	case *bft.Start:
		n.height, n.round, n.s.low = m.Height, 0, 0
		n.votes, n.proposals = n.votes[:0], n.proposals[:0]
		n.pending, n.timers = n.pending[:0], n.timers[:0]
		clear(n.seen)
	case *numberedVote:
		if n.given = m; n.seen.add(m.number) {
			n.votes = append(n.votes, m)
		}
	case *bft.Proposed:
		if !slices.Contains(n.proposals, m) {
			n.proposals = append(n.proposals, m)
		}
	}
	in := input(m)
	if n.replaying {
		n.found(&in)
	}
	n.s.stats.Inputs++
	outs, err := n.core.Step(in)
	if err != nil {
		n.s.fail("error", "n%d: %v", n.index+1, err)
		return
	}
	if len(outs) > 0 {
		n.doAll(outs)
	}
}

// doAll does what a step asks for. Our own messages make the core step again, so the outputs are copied.
func (n *node) doAll(outs []bft.Output) {
	var own [4]bft.Output
	for _, o := range append(own[:0], outs...) {
		n.do(o)
	}
}

// found strikes a message of our own off those that the log has not got.
func (n *node) found(in *bft.Input) {
	for i, o := range n.pending {
		vote := in.Vote != nil && in.Vote.Validator == n.id && o.Kind == bft.OutVote && o.Type == in.Vote.Type && o.Round == in.Vote.Round
		proposal := in.Proposal != nil && in.Proposal.Proposer == n.id && o.Kind != bft.OutVote && o.Round == in.Proposal.Round
		if vote || proposal {
			n.pending = append(n.pending[:i], n.pending[i+1:]...)
			return
		}
	}
}

// do is what a shell does with an output.
func (n *node) do(o bft.Output) {
	if n.dead {
		return
	}
	if n.s.loud && !n.replaying {
		n.p.Note(fmt.Sprintf("height %d: %s (L%d)", o.Height, describe(&o), o.Line), nil)
	}
	switch o.Kind {
	case bft.OutRound:
		n.round = o.Round
		n.s.stats.MaxRound = max(n.s.stats.MaxRound, o.Round)
	case bft.OutGetValue, bft.OutPropose, bft.OutVote:
		if n.replaying {
			n.pending = append(n.pending, o)
			return
		}
		n.speak(o)
	case bft.OutTimeout:
		if n.replaying {
			n.timers = append(n.timers, o.Timeout)
			return
		}
		n.schedule(o.Timeout)
	case bft.OutLater:
		n.unsee()
	case bft.OutEvidence:
		n.s.stats.Evidence++
		n.s.judge.evidence(o.Double)
	case bft.OutDecide:
		n.decide(o)
	}
}

// unsee forgets the vote that the core was given and has not kept, if that was new.
func (n *node) unsee() {
	if last := len(n.votes) - 1; last >= 0 && n.votes[last] == n.given {
		n.seen.remove(n.given.number)
		n.votes = n.votes[:last]
	}
}

// speak makes a message of ours. It is in the log, and the log on disk, before it leaves.
func (n *node) speak(o bft.Output) {
	if o.Kind == bft.OutGetValue {
		o.Value = value(fmt.Sprintf("h%dr%dn%d", o.Height, o.Round, n.index+1))
	}
	m := n.message(o)
	if !n.operation() {
		return
	}
	n.log = append(n.log, m)
	if !n.operation() {
		return
	}
	n.synced = len(n.log)
	if err := n.s.keys.guarded(n.index, m); err != nil {
		n.s.fail("S2", "n%d: %v", n.index+1, err)
		return
	}
	if b, ok := m.(*numberedVote); ok {
		n.s.judge.vote(n.index, &b.Vote)
	}
	for i := range n.s.ids {
		if i != n.index {
			n.p.Send(sim.ID(i+1), m)
		}
	}
	n.take(m)
}

// schedule lets a timeout be over after a while, which grows from round to round, so that it is
// long enough at last.
func (n *node) schedule(t bft.Timeout) {
	d := n.s.voteTimeout(t.Round)
	if t.Step == types.StepPropose {
		d += 2 * n.s.opts.Pace
	}
	n.p.After(d, func() {
		if n.height == t.Height {
			n.input(&t)
		}
	})
}

// voteTimeout is how long a vote is waited for.
func (s *simulation) voteTimeout(r types.Round) time.Duration {
	return time.Duration(1+r) * s.opts.Pace
}

// decide keeps the decision, and begins the next height.
func (n *node) decide(o bft.Output) {
	if o.Height != n.height {
		n.s.fail("agreement", "n%d in height %d decides height %d", n.index+1, n.height, o.Height)
		return
	}
	var d decision
	for _, p := range n.proposals {
		if p.Round == o.Round && p.Value == o.Value {
			d.proposal = p
		}
	}
	for _, v := range n.votes {
		if v.Type == types.Precommit && v.Round == o.Round && v.Value == o.Value {
			d.precommits = append(d.precommits, v)
		}
	}
	n.s.judge.decide(n.index, o, d)
	if n.s.failed() || !n.operation() {
		return
	}
	n.decided[o.Height] = d
	n.begin(o.Height + 1)
}

// Receive takes a message. What is of another height is not for us now: gossip brings it when it is.
func (n *node) Receive(from sim.ID, message any) {
	if !n.s.keys.believes(message) {
		n.s.stats.Forged++
		return
	}
	switch m := message.(type) {
	case *numberedVote:
		if m.Height == n.height && (!n.seen.has(m.number) || m.Round > n.round) { // the core may have forgotten what is ahead
			n.input(m)
		}
	case *bft.Proposed:
		// Also one that we had before: the core may not have wanted it then.
		if m.Height == n.height && m.Valid == valid(m.Value) {
			n.input(m)
		}
	case hello:
		n.answer(from, m)
	}
}

// gossip tells everybody where we are, if we are where we were.
func (n *node) gossip() {
	if n.height == n.stuck {
		m := hello{n.height, slices.Clone(n.seen)}
		for i := range n.s.ids {
			if i != n.index {
				n.p.Send(sim.ID(i+1), m)
			}
		}
	}
	n.stuck = n.height
	n.p.After(gossipEvery, n.gossip)
}

// answer gives a peer what it may lack.
func (n *node) answer(to sim.ID, m hello) {
	switch {
	case m.height == n.height:
		for _, v := range n.votes {
			if !m.have.has(v.number) {
				n.p.Send(to, v)
			}
		}
		for _, p := range n.proposals {
			n.p.Send(to, p)
		}
	case m.height < n.height:
		d := n.decided[m.height]
		for _, v := range d.precommits {
			n.p.Send(to, v)
		}
		n.p.Send(to, d.proposal)
	}
}
