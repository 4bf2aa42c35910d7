package bft

import (
	"fmt"

	"github.com/flagship-go/flagship/bft/types"
)

// A Core is one validator's mind: messages and timeouts go in, and what is to be done
// comes out. It has no clock, no goroutine, no keys and no network, and the same inputs give the same
// outputs. What it is given was verified: signatures, and that the sender is who it says. It is not
// safe for concurrent use.
//
//	Input --> keep (votes, proposals) --> what holds now? --> apply, until nothing new holds --> Outputs
type Core struct {
	self   types.Address
	height types.Height
	set    *types.ValidatorSet
	member bool // self is in set

	choose    func(types.Round) types.Address
	proposers []types.Address // of rounds 0, 1, ..., as far as they were asked for

	state     state
	votes     *keeper
	proposals map[types.Round][]Proposed

	fx  []effect
	out []Output
}

// Proposed is a proposal whose block is here, and what the application said to it.
type Proposed struct {
	types.Proposal
	Valid bool
}

// An Input is what happened. One field is set. A Core keeps a Vote, which may not be changed before the next height has
// begun, and none of the other pointers.
type Input struct {
	// Start begins a height with its validators. It is the first input of each.
	Start *Start
	// Proposal is one from the proposer of its round, with the whole block seen and judged.
	Proposal *Proposed
	Vote     *types.Vote
	// Timeout is an Output's Timeout that is over.
	Timeout *Timeout
}

// Start begins a height.
type Start struct {
	Height     types.Height
	Validators *types.ValidatorSet // whose proposer is that of round 0
	// Proposer is the paper's proposer(h, round), the same at each validator. nil: the
	// turns of Validators (V1).
	Proposer func(types.Round) types.Address
}

// A Timeout is over some time after it was scheduled; how long is the shell's to say, more from round to round.
type Timeout struct {
	Height types.Height
	Round  types.Round
	Step   types.Step
}

// An OutputKind says what is to be done.
type OutputKind uint8

// What is to be done.
const (
	// OutRound says that Round has begun, for whoever watches.
	OutRound OutputKind = iota + 1
	// OutGetValue: make a block, sign a proposal for it with ValidRound NoRound, send it to all, also to this Core.
	OutGetValue
	// OutPropose: sign and send a proposal for Value, which is known, with ValidRound, to all, also to this Core.
	OutPropose
	// OutVote: sign a vote of kind Type for Value, and send it to all, also to this Core. ValidRound is to be signed
	// with a prevote where the chain says so.
	OutVote
	// OutTimeout: give Timeout back as an Input after a while.
	OutTimeout
	// OutWant: Value has a quorum in Round, and its proposal is not here: ask for it.
	OutWant
	// OutLater: the vote that was just given, of kind Type in Round for Value, is not kept (K3). Do not take it for
	// known: it counts if it comes again when the round has begun, or when somebody else has named the value.
	OutLater
	// OutEvidence: Double is two votes of one validator that cannot both be.
	OutEvidence
	// OutDecide: Value is decided, by the precommits of Round.
	OutDecide
)

// An Output is something to be done. Outputs are valid until the next Step.
type Output struct {
	Kind       OutputKind
	Type       types.VoteType
	Line       uint8 // of Algorithm 1, by which this is done; 0 for what the paper leaves out
	Height     types.Height
	Round      types.Round
	Value      types.ValueID
	ValidRound types.Round
	Timeout    Timeout
	Double     *types.DoubleVote
}

// NewCore makes the mind of the validator self, or of a full node if self is not in the set: that one votes for nothing.
func NewCore(self types.Address) *Core {
	return &Core{self: self, votes: newKeeper(), proposals: make(map[types.Round][]Proposed)}
}

// Step takes an input, and returns what is to be done, in this order. Inputs of another
// height than the current one do nothing (K4).
func (c *Core) Step(in Input) ([]Output, error) {
	c.out = c.out[:0]
	switch {
	case in.Start != nil:
		if err := c.start(in.Start); err != nil {
			return nil, err
		}
	case c.set == nil:
		return nil, fmt.Errorf("bft: the first input is Start")
	case in.Proposal != nil:
		c.propose(in.Proposal)
	case in.Vote != nil:
		if !c.vote(in.Vote) {
			return c.out, nil
		}
	case in.Timeout != nil:
		c.timeout(in.Timeout)
	}
	c.settle()
	return c.out, nil
}

func (c *Core) start(s *Start) error {
	if s.Height <= c.height {
		return fmt.Errorf("bft: height %d is begun after %d; heights only grow", s.Height, c.height)
	}
	c.height, c.set, c.choose = s.Height, s.Validators, s.Proposer
	c.member = c.set.Index(c.self) >= 0
	c.proposers = append(c.proposers[:0], c.set.Proposer().Address)
	c.state = initialState()
	c.votes.reset(c.set)
	clear(c.proposals)
	c.apply(event{kind: onStart, proposer: c.Proposer(0) == c.self})
	return nil
}

// Proposer is whose turn it is in a round of this height.
func (c *Core) Proposer(r types.Round) types.Address {
	if c.choose != nil {
		return c.choose(r)
	}
	if have := len(c.proposers); int(r) >= have { // twice as many as before: whoever goes on to many rounds does not count each anew
		c.proposers = c.set.AppendProposers(c.proposers[:0], max(int(r)+1, 2*have))
	}
	return c.proposers[r]
}

// propose keeps a proposal: the first of a round, and another one, or one that cannot be right, only
// if the others want its value, so that what is kept is bounded (K3). One for a round beyond the
// next is not looked at: not even whose turn it would be, which takes a while to find out.
func (c *Core) propose(p *Proposed) {
	if p.Height != c.height || p.Round < 0 || p.Round > c.state.round+1 || p.Value.IsNil() {
		return
	}
	if p.Proposer != c.Proposer(p.Round) || c.find(p.Round, p.Value) != nil {
		return
	}
	kept := c.proposals[p.Round]
	odd := p.ValidRound < types.NoRound || p.ValidRound >= p.Round // no good for L22 and L28; L36 and L49 take any
	if (odd || len(kept) > 0) && !c.wanted(p.Round, p.Value) {
		return
	}
	c.proposals[p.Round] = append(kept, *p)
}

// wanted tells whether a value has a quorum of either vote in a round.
func (c *Core) wanted(r types.Round, v types.ValueID) bool {
	for _, kind := range [...]types.VoteType{types.Prevote, types.Precommit} {
		if got, ok := c.votes.quorum(r, kind); ok && got == v {
			return true
		}
	}
	return false
}

// vote counts a vote, and tells whether a rule may hold now that did not before.
func (c *Core) vote(v *types.Vote) bool {
	if v.Height != c.height {
		return false
	}
	how, first := c.votes.add(v, c.state.round)
	switch how {
	case countedDouble:
		d := &types.DoubleVote{First: *first, Second: *v}
		c.out = append(c.out, Output{Kind: OutEvidence, Height: c.height, Round: v.Round, ValidRound: types.NoRound, Double: d})
	case countedLater:
		c.out = append(c.out, Output{Kind: OutLater, Type: v.Type, Height: c.height, Round: v.Round, Value: v.Value, ValidRound: types.NoRound})
	}
	if c.votes.crossed {
		c.want(v)
	}
	return c.votes.crossed
}

// want asks for a proposal without which the quorum that v has just completed is of no use: L36
// needs one of this round, L49 of any.
func (c *Core) want(v *types.Vote) {
	value, ok := c.votes.quorum(v.Round, v.Type)
	if !ok || value != v.Value || value.IsNil() || c.state.decided || v.Type == types.Prevote && v.Round < c.state.round {
		return
	}
	if c.find(v.Round, value) == nil {
		c.out = append(c.out, Output{Kind: OutWant, Height: c.height, Round: v.Round, Value: value, ValidRound: types.NoRound})
	}
}

func (c *Core) timeout(t *Timeout) {
	if t.Height != c.height {
		return
	}
	switch t.Step {
	case types.StepPropose:
		c.apply(event{kind: onTimeoutPropose, round: t.Round})
	case types.StepPrevote:
		c.apply(event{kind: onTimeoutPrevote, round: t.Round})
	case types.StepPrecommit:
		next := t.Round == c.state.round && c.Proposer(t.Round+1) == c.self
		c.apply(event{kind: onTimeoutPrecommit, round: t.Round, proposer: next})
	}
}

// find is the kept proposal of a round for a value.
func (c *Core) find(r types.Round, v types.ValueID) *Proposed {
	kept := c.proposals[r]
	for i := range kept {
		if kept[i].Value == v {
			return &kept[i]
		}
	}
	return nil
}

// settle looks which rules hold, and applies one after the other until none changes anything.
func (c *Core) settle() {
	for !c.state.decided {
		before := c.state
		c.rules()
		if c.state == before {
			return
		}
	}
}

// rules puts together what was received (the upper half of each rule), and applies it.
func (c *Core) rules() {
	if c.commit() {
		return
	}
	r := c.state.round
	if next := c.votes.skip(r); next != types.NoRound {
		c.apply(event{kind: onSkip, round: next, proposer: c.Proposer(next) == c.self})
		return
	}
	if kept := c.proposals[r]; c.state.step == types.StepPropose && len(kept) > 0 {
		p := &kept[0]
		polka := p.ValidRound != types.NoRound && c.votes.polka(p.ValidRound, p.Value)
		c.apply(event{kind: onProposal, round: r, value: p.Value, validRound: p.ValidRound, valid: p.Valid, polka: polka})
	}
	if v, ok := c.votes.quorum(r, types.Prevote); ok {
		if v.IsNil() {
			c.apply(event{kind: onPolkaNil, round: r})
		} else if p := c.find(r, v); p != nil {
			c.apply(event{kind: onPolka, round: r, value: v, valid: p.Valid})
		}
	}
	if c.votes.any(r, types.Prevote) {
		c.apply(event{kind: onPrevotes, round: r})
	}
	if c.votes.any(r, types.Precommit) {
		c.apply(event{kind: onPrecommits, round: r})
	}
}

// commit looks for L49 in all rounds, the earliest first.
func (c *Core) commit() bool {
	for _, rv := range c.votes.rounds {
		if v, ok := rv.votes[types.Precommit-types.Prevote].quorumValue(); ok && !v.IsNil() {
			if p := c.find(rv.round, v); p != nil {
				c.apply(event{kind: onCommit, round: rv.round, value: v, valid: p.Valid})
				return c.state.decided
			}
		}
	}
	return false
}

// apply lets the algorithm act, and makes outputs of its effects.
func (c *Core) apply(e event) {
	c.state, c.fx = apply(c.state, e, c.fx[:0])
	for _, f := range c.fx {
		c.do(f)
	}
}

func (c *Core) do(f effect) {
	o := Output{Height: c.height, Line: f.line, Round: f.round, Value: f.value, ValidRound: f.validRound}
	switch f.kind {
	case newRound:
		o.Kind = OutRound
	case getValue:
		o.Kind = OutGetValue
	case propose:
		o.Kind = OutPropose
	case prevote, precommit:
		if !c.member {
			return
		}
		o.Kind, o.Type = OutVote, types.Prevote
		if f.kind == precommit {
			o.Type = types.Precommit
		}
	case decide:
		o.Kind = OutDecide
	case timeoutPropose, timeoutPrevote, timeoutPrecommit:
		o.Kind = OutTimeout
		o.Timeout = Timeout{Height: c.height, Round: f.round, Step: types.StepPropose + types.Step(f.kind-timeoutPropose)}
	}
	c.out = append(c.out, o)
}

// Status is where a Core is, for people and pages.
type Status struct {
	Height                  types.Height
	Round                   types.Round
	Step                    types.Step
	LockedValue, ValidValue types.ValueID
	LockedRound, ValidRound types.Round
	Decided                 bool
}

// Status is where c is.
func (c *Core) Status() Status {
	s := &c.state
	return Status{c.height, s.round, s.step, s.lockedValue, s.validValue, s.lockedRound, s.validRound, s.decided}
}

// has tells whether a vote of this height is counted: one that is not kept (K3) may be forgotten again.
func (c *Core) has(v *types.Vote) bool { return v.Height == c.height && c.votes.has(v) }

// forgot is the round of which the last vote has made its validator's votes be forgotten (K3); NoRound: none.
func (c *Core) forgot() types.Round { return c.votes.forgot }

// quorum is the value for which there are votes of more than two thirds in a round.
func (c *Core) quorum(r types.Round, kind types.VoteType) (types.ValueID, bool) {
	return c.votes.quorum(r, kind)
}
