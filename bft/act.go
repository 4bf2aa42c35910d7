package bft

import (
	"errors"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// do executes what the core wants to be done.
func (n *Node) do(o Output) error {
	if n.replaying {
		switch o.Kind {
		case OutGetValue, OutPropose, OutVote, OutTimeout, OutWant:
			n.pending = append(n.pending, o)
			return nil
		}
	}
	switch o.Kind {
	case OutRound:
		n.now.reoffer = true
		n.count(func(m *Metrics) { m.Rounds++ })
		n.emit(Event{Kind: EventRound, Line: o.Line, Height: o.Height, Round: o.Round})
	case OutGetValue:
		return n.propose(o.Round)
	case OutPropose:
		return n.offer(o, n.now.blocks[o.Value]) // it was judged valid, so it is here
	case OutVote:
		return n.cast(o)
	case OutTimeout:
		n.timers.add(n.opts.Timeouts.of(o.Timeout.Step, o.Timeout.Round), o.Timeout)
	case OutWant:
		n.emit(Event{Kind: EventWant, Height: o.Height, Round: o.Round, Value: o.Value})
		n.candidate(o.Value)
		n.now.wanted = append(n.now.wanted, o)
		n.opts.Network.Want(o.Height, o.Round, o.Value)
		return n.supply(o.Round, o.Value)
	case OutEvidence:
		n.opts.Evidence.Report(*o.Double)
		n.count(func(m *Metrics) { m.Equivocate++ })
		n.emit(Event{Kind: EventEvidence, Height: o.Height, Round: o.Round, Type: o.Double.First.Type, Who: o.Double.First.Validator})
	case OutDecide:
		n.now.decided = &o
		n.emit(Event{Kind: EventDecided, Line: o.Line, Height: o.Height, Round: o.Round, Value: o.Value})
	}
	return nil
}

// propose makes a block, and proposes it.
func (n *Node) propose(r types.Round) error {
	if n.opts.Signer == nil {
		return nil
	}
	block, err := n.exec.CreateBlock(n.state, n.last.commit(), n.self)
	if err != nil {
		return err
	}
	header, parts := types.MakeParts(block.Encode(nil))
	value := block.Header.ID(header)
	c := &candidate{parts: types.NewPartSet(header), block: block}
	for i := range parts {
		if _, err := c.parts.Add(&parts[i]); err != nil {
			return err
		}
	}
	return n.offer(Output{Line: 19, Height: n.now.height, Round: r, Value: value, ValidRound: types.NoRound}, c)
}

// offer signs a proposal for a block that is here, and sends both to all, also to our core. If it may not be signed, for
// another one was and a crash has lost it, we wait for a proposal as everybody does: it may come back from others.
func (n *Node) offer(o Output, c *candidate) error {
	p := &types.Proposal{Height: o.Height, Round: o.Round, ValidRound: o.ValidRound, Value: o.Value, Time: types.CanonicalTime(time.Now()), Proposer: n.self}
	ok, err := n.sign(Event{Height: o.Height, Round: o.Round, Value: o.Value, Line: o.Line}, func() error {
		return n.opts.Signer.SignProposal(n.state.ChainID, p)
	})
	if !ok {
		t := Timeout{Height: o.Height, Round: o.Round, Step: types.StepPropose}
		n.timers.add(n.opts.Timeouts.of(t.Step, t.Round), t)
		return err
	}
	messages := []types.Message{p}
	for i := range int(o.Value.Parts.Total) {
		messages = append(messages, &types.BlockPart{Height: o.Height, Round: o.Round, Part: *c.parts.Part(i)})
	}
	if n.log != nil {
		if err := n.log.messages(messages...); err != nil {
			return err
		}
	}
	for _, m := range messages {
		n.opts.Network.Publish(m)
	}
	if n.now.blocks[o.Value] == nil {
		n.now.blocks[o.Value] = c
	}
	n.now.proposals = append(n.now.proposals, p)
	n.emit(Event{Kind: EventProposal, Height: p.Height, Round: p.Round, Value: p.Value, Who: p.Proposer, Line: o.Line})
	if !c.judged {
		return n.judge(o.Value, c) // A2: we judge our own as anybody's
	}
	return n.step(Input{Proposal: &Proposed{Proposal: *p, Valid: c.valid}})
}

// cast signs a vote, and sends it to all, also to our core. W1: what it follows from is on disk before it is signed. Not only
// before it leaves: a signature whose reasons are lost could not be given out again, nor another one be made in its place.
func (n *Node) cast(o Output) error {
	if n.opts.Signer == nil {
		return nil
	}
	if n.log != nil {
		if err := n.log.sync(); err != nil {
			return err
		}
	}
	v := &types.Vote{Type: o.Type, Height: o.Height, Round: o.Round, Value: o.Value, Time: n.voteTime(), Validator: n.self, ValidRound: types.NoRound}
	if o.Type == types.Prevote && n.opts.SignValidRounds {
		v.ValidRound = o.ValidRound
	}
	ok, err := n.sign(Event{Type: o.Type, Height: o.Height, Round: o.Round, Value: o.Value, Line: o.Line}, func() error {
		return n.opts.Signer.SignVote(n.state.ChainID, v)
	})
	if !ok {
		return err
	}
	return n.vote(v)
}

// sign signs, and tells whether that was allowed (S2).
func (n *Node) sign(e Event, sign func() error) (ok bool, err error) {
	switch err = sign(); {
	case err == nil:
		e.Kind = EventSigned
		n.emit(e)
		return true, nil
	case errors.Is(err, types.ErrDoubleSign):
		n.opts.Logger.Warn("bft: not signed again", "height", e.Height, "round", e.Round, "type", e.Type, "err", err)
		n.count(func(m *Metrics) { m.Refused++ })
		e.Kind, e.Err = EventRefused, err
		n.emit(e)
		return false, nil
	}
	return false, err
}

// voteTime is now, but after every block that the vote may be for, so that the median of the votes is, too (BFT time).
func (n *Node) voteTime() time.Time {
	if t := types.CanonicalTime(time.Now()); t.After(n.now.minTime) {
		return t
	}
	return n.now.minTime
}

// commit applies the decided block, and goes on to the next height.
func (n *Node) commit() error {
	n.now.applied = true
	d := n.now.decided
	block := n.now.blocks[d.Value].block
	n.last.gather(n, d)
	s, err := n.exec.Apply(n.state, block, d.Value, n.last.commit())
	if err != nil {
		return err
	}
	n.proof = string(block.AppHash) != string(s.AppHash)
	n.count(func(m *Metrics) { m.Committed++; m.Txs += uint64(len(block.Txs)) })
	n.emit(Event{Kind: EventCommitted, Height: block.Height, Round: d.Round, Value: d.Value})
	n.enter(s)
	return n.await()
}

// lastCommit is the precommits for the last block, by validator. Those that come late are added until our next proposal.
type lastCommit struct {
	height  types.Height
	round   types.Round
	value   types.ValueID
	set     *types.ValidatorSet
	votes   []*types.Vote
	missing int
}

// gather takes the precommits for what was decided.
func (l *lastCommit) gather(n *Node, d *Output) {
	set := n.state.Validators
	*l = lastCommit{height: d.Height, round: d.Round, value: d.Value, set: set, votes: make([]*types.Vote, set.Len()), missing: set.Len()}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, v := range n.known {
		if v.Value == d.Value { // of one who has voted twice, this one
			l.add(v)
		}
	}
	for _, v := range n.known {
		l.add(v)
	}
}

// load takes the commit of an earlier run.
func (l *lastCommit) load(c *types.Commit, set *types.ValidatorSet) {
	*l = lastCommit{height: c.Height, round: c.Round, value: c.Value, set: set, votes: make([]*types.Vote, set.Len()), missing: set.Len()}
	for i := range c.Signatures {
		if v := c.Vote(i); v != nil {
			l.add(v)
		}
	}
}

// add takes a precommit, and tells whether it was missing.
func (l *lastCommit) add(v *types.Vote) bool {
	if l.set == nil || v.Type != types.Precommit || v.Height != l.height || v.Round != l.round || !v.Value.IsNil() && v.Value != l.value {
		return false
	}
	i := l.set.Index(v.Validator)
	if i < 0 || l.votes[i] != nil {
		return false
	}
	l.votes[i] = v
	l.missing--
	return true
}

func (l *lastCommit) complete() bool { return l.missing == 0 }

// commit is what there is now. Before the first block it is empty.
func (l *lastCommit) commit() *types.Commit {
	if l.set == nil {
		return &types.Commit{}
	}
	return types.MakeCommit(l.height, l.round, l.value, l.votes)
}
