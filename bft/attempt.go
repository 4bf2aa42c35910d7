package bft

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// An attempt is what the node knows of the height under way beside the core: blocks and who proposed them.
type attempt struct {
	height    types.Height
	begun     bool // the core has begun it
	gathering bool // it waits for precommits of the last height
	idle      bool // it waits for a transaction
	proposals []*types.Proposal
	blocks    map[types.ValueID]*candidate
	wanted    []Output  // values that have a quorum, and had no proposal here
	minTime   time.Time // our votes are not older than this
	reoffer   bool      // something has changed for those who came too early
	decided   *Output
	applied   bool
	round     types.Round // announced
	step      types.Step
}

// A candidate is a block that comes in parts, and is judged once.
type candidate struct {
	parts  *types.PartSet
	block  *types.Block
	judged bool
	valid  bool
	err    error // why it is not valid
}

// A voteKey is what a vote says: of one validator, one of these counts once.
type voteKey struct {
	kind      types.VoteType
	round     types.Round
	value     types.ValueID
	validator types.Address
}

func keyOf(v *types.Vote) voteKey { return voteKey{v.Type, v.Round, v.Value, v.Validator} }

// isKnown tells whether a vote of the height under way was counted. It is safe for concurrent use.
func (n *Node) isKnown(v *types.Vote) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.known[keyOf(v)]
	return known != nil && known.Height == v.Height
}

// handle takes a verified message, from the network, from ourselves or from the log.
func (n *Node) handle(m types.Message) error {
	h, _ := m.At()
	switch {
	case h == n.now.height-1:
		return n.lateVote(m)
	case h < n.now.height, n.now.applied:
		return nil
	case h > n.now.height:
		n.early(m)
		return nil
	}
	if err := n.begin(); err != nil { // somebody has something to propose
		return err
	}
	switch m := m.(type) {
	case *types.Vote:
		return n.vote(m)
	case *types.Proposal:
		return n.proposal(m)
	case *types.BlockPart:
		return n.part(m)
	}
	return nil
}

// early keeps a message for later, if there is room.
func (n *Node) early(m types.Message) {
	kept := n.waiting.add(m)
	n.count(func(c *Metrics) {
		if kept {
			c.Early++
		} else {
			c.Dropped++
		}
	})
}

// record logs a message of others that was taken up, and tells others (W1).
func (n *Node) record(m types.Message) error {
	if n.replaying {
		return nil
	}
	if n.log != nil {
		if err := n.log.messages(m); err != nil {
			return err
		}
	}
	n.opts.Network.Publish(m)
	return nil
}

// lateVote takes a precommit of the last height, for the next block's LastCommit.
func (n *Node) lateVote(m types.Message) error {
	v, ok := m.(*types.Vote)
	if !ok || !n.last.add(v) {
		return nil
	}
	n.opts.Network.Publish(v)
	if n.now.gathering && n.last.complete() {
		return n.gathered()
	}
	return nil
}

// vote has the core count a vote.
func (n *Node) vote(v *types.Vote) error {
	if n.isKnown(v) && n.core.has(v) {
		n.count(func(m *Metrics) { m.Known++ })
		return nil
	}
	before := len(n.todo)
	if err := n.step(Input{Vote: v}); err != nil {
		return err
	}
	if len(n.todo) > before && n.todo[before].Kind == OutLater {
		n.todo = n.todo[:before] // it has changed nothing: it is not for the log
		n.early(v)
		return nil
	}
	n.remember(v)
	if err := n.record(v); err != nil {
		return err
	}
	n.emit(Event{Kind: EventVote, Height: v.Height, Round: v.Round, Type: v.Type, Value: v.Value, Who: v.Validator})
	n.now.reoffer = n.now.reoffer || n.waiting.has(v.Round, v.Type, v.Value)
	if v.Type == types.Precommit {
		return n.refused(v.Round)
	}
	return nil
}

// remember keeps a vote that the core has counted, for the commit. What the core has forgotten for it (K3) is not known any more:
// it counts when it comes again (K4).
func (n *Node) remember(v *types.Vote) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.metrics.Votes++
	n.known[keyOf(v)] = v
	if r := n.core.forgot(); r != types.NoRound {
		maps.DeleteFunc(n.known, func(k voteKey, _ *types.Vote) bool { return k.round == r && k.validator == v.Validator })
	}
}

// proposal takes the first proposal of a round from its proposer; another one only if its value has a quorum (K3, K5).
func (n *Node) proposal(p *types.Proposal) error {
	round := n.core.Status().Round
	if p.Round > round+1 {
		n.early(p)
		return nil
	}
	first := true
	for _, q := range n.now.proposals {
		if q.Round == p.Round && q.Value == p.Value {
			n.count(func(m *Metrics) { m.Known++ })
			return nil
		}
		first = first && q.Round != p.Round
	}
	odd := p.ValidRound < types.NoRound || p.ValidRound >= p.Round
	if p.Proposer != n.core.Proposer(p.Round) || (odd || !first) && !n.core.wanted(p.Round, p.Value) {
		return nil
	}
	if int64(p.Value.Parts.Total-1)*types.PartSize >= n.state.MaxBlockBytes() {
		return nil
	}
	n.now.proposals = append(n.now.proposals, p)
	if err := n.record(p); err != nil {
		return err
	}
	n.count(func(m *Metrics) { m.Proposals++ })
	n.emit(Event{Kind: EventProposal, Height: p.Height, Round: p.Round, Value: p.Value, Who: p.Proposer})
	c := n.candidate(p.Value)
	if c.judged {
		return n.step(Input{Proposal: &Proposed{Proposal: *p, Valid: c.valid}})
	}
	return nil
}

// candidate is the block of a value, whose parts may come from now on.
func (n *Node) candidate(v types.ValueID) *candidate {
	c := n.now.blocks[v]
	if c == nil {
		c = &candidate{parts: types.NewPartSet(v.Parts)}
		n.now.blocks[v] = c
		n.now.reoffer = true
	}
	return c
}

// part takes a piece of a block: of that one whose tree it is in.
func (n *Node) part(p *types.BlockPart) error {
	open := false
	for value, c := range n.now.blocks {
		if c.parts.Complete() {
			if have := c.parts.Part(int(p.Part.Index)); have != nil && bytes.Equal(have.Bytes, p.Part.Bytes) {
				return nil
			}
			continue
		}
		open = true
		added, err := c.parts.Add(&p.Part)
		if err != nil {
			continue // of another block
		}
		if !added {
			n.count(func(m *Metrics) { m.Known++ })
			return nil
		}
		if err := n.record(p); err != nil {
			return err
		}
		n.count(func(m *Metrics) { m.Parts++ })
		if c.parts.Complete() && !n.replaying {
			return n.judge(value, c)
		}
		return nil
	}
	if !open || p.Round > n.core.Status().Round {
		n.early(p)
	}
	return nil
}

// judge finds out whether a complete block is valid, in form and for the application (A2). It asks once a block.
func (n *Node) judge(value types.ValueID, c *candidate) error {
	err := n.unpack(value, c)
	if err == nil {
		err = n.exec.Validate(n.state, c.block)
	}
	valid := err == nil
	if valid {
		if valid, err = n.exec.Process(n.state, c.block); err != nil {
			return err
		}
		if !valid {
			err = errRejected
		}
	}
	if n.log != nil {
		if err := n.log.verdict(value, valid); err != nil {
			return err
		}
	}
	return n.judged(value, valid, err)
}

var errRejected = errors.New("the application's ProcessProposal rejects it")

// unpack makes the block of its parts.
func (n *Node) unpack(value types.ValueID, c *candidate) (err error) {
	if c.block != nil {
		return nil
	}
	b, err := types.DecodeBlock(c.parts.Bytes())
	switch {
	case err != nil:
		return err
	case b.Hash() != value.Hash:
		return fmt.Errorf("%w %d: its header has hash %v, and %v was proposed", types.ErrBlock, b.Height, b.Hash(), value.Hash)
	case int64(len(c.parts.Bytes())) > n.state.MaxBlockBytes():
		return fmt.Errorf("%w %d: %d bytes, and Block.MaxBytes is %d", types.ErrBlock, b.Height, len(c.parts.Bytes()), n.state.MaxBlockBytes())
	}
	c.block = b
	return nil
}

// judged takes a verdict, and gives the core the proposals that have waited for it.
func (n *Node) judged(value types.ValueID, valid bool, why error) error {
	c := n.now.blocks[value]
	if c == nil || c.judged {
		return nil
	}
	if valid {
		if err := n.unpack(value, c); err != nil { // of a replay
			return err
		}
		if t := c.block.Time.Add(time.Millisecond); t.After(n.now.minTime) {
			n.now.minTime = t
		}
	} else {
		n.count(func(m *Metrics) { m.Invalid++ })
		n.opts.Logger.Warn("bft: a proposed block is not valid", "height", n.now.height, "value", value, "err", why)
	}
	c.judged, c.valid, c.err = true, valid, why
	n.emit(Event{Kind: EventBlock, Height: n.now.height, Value: value, Err: why})
	for _, p := range n.now.proposals {
		if p.Value == value {
			if err := n.step(Input{Proposal: &Proposed{Proposal: *p, Valid: valid}}); err != nil {
				return err
			}
			if !valid {
				if err := n.refused(p.Round); err != nil {
					return err
				}
			}
		}
	}
	for _, o := range n.now.wanted {
		if o.Value == value {
			if err := n.supply(o.Round, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// supply stands in for a proposal that the others have forgotten: of a stored block there are the precommits that decided it, and
// they say more than its proposer did (L49).
func (n *Node) supply(r types.Round, value types.ValueID) error {
	got, ok := n.core.quorum(r, types.Precommit)
	c := n.now.blocks[value]
	switch {
	case !ok || got != value || !c.judged:
		return nil
	case !c.valid:
		return n.refused(r)
	}
	p := types.Proposal{Height: n.now.height, Round: r, ValidRound: types.NoRound, Value: value, Proposer: n.core.Proposer(r)}
	return n.step(Input{Proposal: &Proposed{Proposal: p, Valid: true}})
}

// refused halts the node if the others have decided what is not valid here: then it is this node, or its
// application, that is not like the others (A1). It never follows, and it never forks.
func (n *Node) refused(r types.Round) error {
	value, ok := n.core.quorum(r, types.Precommit)
	if !ok || value.IsNil() {
		return nil
	}
	if c := n.now.blocks[value]; c != nil && c.judged && !c.valid {
		why := c.err
		if why == nil {
			why = errors.New("it was found not valid before the restart")
		}
		what := fmt.Sprintf("more than two thirds have decided block %v, which is not valid here, where the app hash is %X", value, n.state.AppHash)
		return &HaltError{Height: n.now.height, What: what, Err: why, Remedy: remedyDiverge}
	}
	return nil
}
