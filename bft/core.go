package bft

import "fmt"

// A Core is one validator's mind: messages and timeouts go in, and what is to be done
// comes out. It has no clock, no goroutine, no keys and no network, and the same inputs give the same
// outputs. What it is given was verified: signatures, and that the sender is who it says. It is not
// safe for concurrent use.
//
//	Input --> keep (votes, proposals) --> what holds now? --> apply, until nothing new holds --> Outputs
type Core struct {
	self      Address
	height    Height
	set       *ValidatorSet
	proposers []Address // of rounds 0, 1, ..., as far as they were asked for
	turn      *ValidatorSet

	state     state
	votes     *keeper
	proposals map[Round][]Proposed

	fx  []effect
	out []Output
}

// Proposed is a proposal whose block is here, and what the application said to it.
type Proposed struct {
	Proposal
	Valid bool
}

// An Input is what happened. One field is set.
type Input struct {
	// Start begins a height with its validators. It is the first input of each.
	Start *Start
	// Proposal is one from the proposer of its round, with the whole block seen and judged.
	Proposal *Proposed
	Vote     *Vote
	// Timeout is an Output's Timeout that is over.
	Timeout *Timeout
}

// Start begins a height.
type Start struct {
	Height     Height
	Validators *ValidatorSet // whose proposer is that of round 0
}

// A Timeout is over some time after it was scheduled; how long is the shell's to say, more from round to round.
type Timeout struct {
	Height Height
	Round  Round
	Step   Step
}

// An OutputKind says what is to be done.
type OutputKind uint8

// What is to be done.
const (
	// OutRound says that Round has begun, for whoever watches.
	OutRound OutputKind = iota + 1
	// OutGetValue: make a block, sign a proposal for it with ValidRound NoRound, send it to all, also to this Core.
	OutGetValue
	// OutPropose: sign and send a proposal for Value, which is known, with ValidRound.
	OutPropose
	// OutVote: sign a vote of kind Type for Value, and send it to all, also to this Core. ValidRound is to be signed
	// with a prevote where the chain says so.
	OutVote
	// OutTimeout: give Timeout back as an Input after a while.
	OutTimeout
	// OutWant: Value has a quorum in Round, and its proposal is not here: ask for it.
	OutWant
	// OutEvidence: First and Second are two votes of one validator that cannot both be.
	OutEvidence
	// OutDecide: Value is decided, by the precommits of Round.
	OutDecide
)

// An Output is something to be done. Outputs are valid until the next Step.
type Output struct {
	Kind          OutputKind
	Type          VoteType
	Height        Height
	Round         Round
	Value         ValueID
	ValidRound    Round
	Timeout       Timeout
	First, Second Vote
}

// NewCore makes the mind of the validator self, or of a full node if self is not in the set: that one votes for nothing.
func NewCore(self Address) *Core {
	return &Core{self: self, votes: newKeeper(), proposals: make(map[Round][]Proposed)}
}

// Step takes an input, and returns what is to be done, in this order. Inputs of another
// height than the current one do nothing: the shell keeps those of the next (K4).
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
		c.vote(in.Vote)
	case in.Timeout != nil:
		c.timeout(in.Timeout)
	}
	c.settle()
	return c.out, nil
}

func (c *Core) start(s *Start) error {
	if s.Height <= c.height {
		return fmt.Errorf("bft: height %d is begun after %d", s.Height, c.height)
	}
	c.height, c.set, c.turn = s.Height, s.Validators, s.Validators
	c.proposers = append(c.proposers[:0], s.Validators.Proposer().Address)
	c.state = initialState()
	c.votes.reset(s.Validators)
	clear(c.proposals)
	c.apply(event{kind: onRound, round: 0})
	return nil
}

// Proposer is whose turn it is in a round of this height.
func (c *Core) Proposer(r Round) Address {
	for int(r) >= len(c.proposers) {
		c.turn = c.turn.Rotate(1)
		c.proposers = append(c.proposers, c.turn.Proposer().Address)
	}
	return c.proposers[r]
}

// propose keeps a proposal: the first of a round, and another one of a proposer that
// made two only if the others want it, so that what is kept is bounded (K3).
func (c *Core) propose(p *Proposed) {
	if p.Height != c.height || p.Round < 0 || p.Value.IsNil() || p.Round > c.state.round && !c.heardOf(p.Round) || p.Proposer != c.Proposer(p.Round) {
		return
	}
	kept := c.proposals[p.Round]
	for _, k := range kept {
		if k.Value == p.Value {
			return
		}
	}
	if len(kept) > 0 && !c.wanted(p.Round, p.Value) {
		return
	}
	c.proposals[p.Round] = append(kept, *p)
}

// heardOf tells whether somebody is known to be in a round.
func (c *Core) heardOf(r Round) bool { return c.votes.rounds[r] != nil || r == c.state.round+1 }

// wanted tells whether a value has a quorum of either vote in a round.
func (c *Core) wanted(r Round, v ValueID) bool {
	for _, kind := range [...]VoteType{Prevote, Precommit} {
		if got, ok := c.votes.quorum(r, kind); ok && got == v {
			return true
		}
	}
	return false
}

func (c *Core) vote(v *Vote) {
	if v.Height != c.height {
		return
	}
	how, first := c.votes.add(v, c.state.round)
	if how == countedDouble {
		c.out = append(c.out, Output{Kind: OutEvidence, Height: c.height, Round: v.Round, First: *first, Second: *v})
	}
	if how != countedNew && how != countedDouble {
		return
	}
	value, ok := c.votes.quorum(v.Round, v.Type)
	if ok && value == v.Value && !value.IsNil() && c.find(v.Round, value) == nil {
		c.out = append(c.out, Output{Kind: OutWant, Height: c.height, Round: v.Round, Value: value})
	}
}

func (c *Core) timeout(t *Timeout) {
	if t.Height != c.height {
		return
	}
	switch e := (event{round: t.Round}); t.Step {
	case StepPropose:
		e.kind = onTimeoutPropose
		c.apply(e)
	case StepPrevote:
		e.kind = onTimeoutPrevote
		c.apply(e)
	case StepPrecommit:
		e.kind = onTimeoutPrecommit
		e.proposer = t.Round == c.state.round && c.Proposer(t.Round+1) == c.self
		c.apply(e)
	}
}

// find is the kept proposal of a round for a value.
func (c *Core) find(r Round, v ValueID) *Proposed {
	for i := range c.proposals[r] {
		if p := &c.proposals[r][i]; p.Value == v {
			return p
		}
	}
	return nil
}

// settle looks which rules hold, and applies one after the other until none changes anything.
func (c *Core) settle() {
	for c.state.round != NoRound && !c.state.decided {
		before := c.state
		c.rules()
		if c.state == before {
			return
		}
	}
}

// rules puts together what was received (the upper half of each rule), and applies it.
func (c *Core) rules() {
	r := c.state.round
	if c.commit() {
		return
	}
	if next := c.votes.skip(r); next != NoRound {
		c.apply(event{kind: onRound, round: next, proposer: c.Proposer(next) == c.self})
		return
	}
	if kept := c.proposals[r]; len(kept) > 0 && c.state.step == StepPropose {
		p := &kept[0]
		polka := p.ValidRound != NoRound && c.votes.polka(p.ValidRound, p.Value)
		c.apply(event{kind: onProposal, round: r, value: p.Value, validRound: p.ValidRound, valid: p.Valid, polka: polka})
	}
	if v, ok := c.votes.quorum(r, Prevote); ok {
		if v.IsNil() {
			c.apply(event{kind: onPolkaNil, round: r})
		} else if p := c.find(r, v); p != nil {
			c.apply(event{kind: onPolka, round: r, value: v, valid: p.Valid})
		}
	}
	if c.votes.any(r, Prevote) {
		c.apply(event{kind: onPrevotes, round: r})
	}
	if c.votes.any(r, Precommit) {
		c.apply(event{kind: onPrecommits, round: r})
	}
}

// commit looks for L49 in all rounds, the earliest first.
func (c *Core) commit() bool {
	var found *Proposed
	for r := range c.votes.rounds {
		if found != nil && found.Round < r {
			continue
		}
		if v, ok := c.votes.quorum(r, Precommit); ok && !v.IsNil() {
			if p := c.find(r, v); p != nil {
				found = p
			}
		}
	}
	if found != nil {
		c.apply(event{kind: onCommit, round: found.Round, value: found.Value, valid: found.Valid})
	}
	return c.state.decided
}

// apply lets the algorithm act, and makes outputs of its effects.
func (c *Core) apply(e event) {
	was := c.state.round
	if e.kind == onRound && e.round == 0 {
		e.proposer = c.Proposer(0) == c.self
	}
	c.state, c.fx = apply(c.state, e, c.fx[:0])
	if c.state.round != was {
		c.out = append(c.out, Output{Kind: OutRound, Height: c.height, Round: c.state.round})
	}
	for _, f := range c.fx {
		c.do(f)
	}
}

func (c *Core) do(f effect) {
	o := Output{Height: c.height, Round: f.round, Value: f.value, ValidRound: f.validRound}
	switch f.kind {
	case getValue:
		o.Kind = OutGetValue
	case propose:
		o.Kind = OutPropose
	case prevote, precommit:
		if c.set.Index(c.self) < 0 {
			return
		}
		o.Kind, o.Type = OutVote, Prevote
		if f.kind == precommit {
			o.Type = Precommit
		}
	case decide:
		o.Kind = OutDecide
	case timeoutPropose, timeoutPrevote, timeoutPrecommit:
		o.Kind = OutTimeout
		o.Timeout = Timeout{Height: c.height, Round: f.round, Step: StepPropose + Step(f.kind-timeoutPropose)}
	}
	c.out = append(c.out, o)
}
