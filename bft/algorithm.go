package bft

import "github.com/flagship-go/flagship/bft/types"

// state is what Algorithm 1 keeps about a height (L2 to L9), and which of the rules
// that are obeyed "for the first time" have been.
type state struct {
	round types.Round
	step  types.Step

	lockedValue types.ValueID
	lockedRound types.Round
	validValue  types.ValueID
	validRound  types.Round

	decided bool
	// L34, L36, L47: once a round.
	prevotesTimed, polkaSeen, precommitsTimed bool
}

// initialState is that of a height that has not begun.
func initialState() state {
	return state{round: types.NoRound, lockedRound: types.NoRound, validRound: types.NoRound}
}

// An event is the upper half of a rule: what must have been received. What must be
// the case besides (while ...) is looked at by apply.
type event struct {
	kind       eventKind
	round      types.Round
	value      types.ValueID
	validRound types.Round // onProposal: the proposal's
	valid      bool        // the paper's valid(v)
	polka      bool        // onProposal: there is a polka for value at validRound
	proposer   bool        // the round that may begin now is ours to propose in
}

type eventKind uint8

const (
	onStart            eventKind = iota + 1 // L10: the height begins
	onProposal                              // L22, L28: the proposal of this round
	onPrevotes                              // L34: more than 2/3, for whatever
	onPolka                                 // L36: more than 2/3 for the proposal
	onPolkaNil                              // L44: more than 2/3 for nil
	onPrecommits                            // L47: more than 2/3, for whatever
	onCommit                                // L49: more than 2/3 for a proposal, of any round
	onSkip                                  // L55: more than 1/3 are in a later round
	onTimeoutPropose                        // L57
	onTimeoutPrevote                        // L61
	onTimeoutPrecommit                      // L65
)

// An effect is the lower half: what is to be done about it, and by which line. The
// state is changed by apply; the rest is somebody else's.
type effect struct {
	kind       effectKind
	line       uint8
	round      types.Round
	value      types.ValueID
	validRound types.Round
}

type effectKind uint8

const (
	newRound       effectKind = iota + 1 // a round has begun
	getValue                             // ask for a new value, and propose it
	propose                              // propose value, which has a polka at validRound
	prevote                              // broadcast PREVOTE
	precommit                            // broadcast PRECOMMIT
	timeoutPropose                       // schedule
	timeoutPrevote
	timeoutPrecommit
	decide
)

// apply is Algorithm 1: the state after an event, and what is to be done. Effects are
// appended to fx. An event whose rule does not hold changes nothing.
func apply(s state, e event, fx []effect) (state, []effect) {
	if s.decided {
		return s, fx
	}
	switch e.kind {
	case onStart: // L10
		if s.round == types.NoRound {
			return s.startRound(0, 11, e, fx)
		}
	case onProposal:
		return s.onProposal(e, fx)
	case onPrevotes: // L34
		if e.round == s.round && s.step == types.StepPrevote && !s.prevotesTimed {
			s.prevotesTimed = true
			fx = append(fx, effect{kind: timeoutPrevote, line: 35, round: s.round})
		}
	case onPolka:
		return s.onPolka(e, fx)
	case onPolkaNil: // L44: a lock is kept, whatever the others did
		if e.round == s.round && s.step == types.StepPrevote {
			return s.precommit(types.NilValue, 45, fx)
		}
	case onPrecommits: // L47: in whatever step
		if e.round == s.round && !s.precommitsTimed {
			s.precommitsTimed = true
			fx = append(fx, effect{kind: timeoutPrecommit, line: 48, round: s.round})
		}
	case onCommit: // L49: in whatever round and step
		if e.valid { // L50
			s.decided = true
			fx = append(fx, effect{kind: decide, line: 51, round: e.round, value: e.value})
		}
	case onSkip: // L55: back to an earlier round, never
		if e.round > s.round {
			return s.startRound(e.round, 56, e, fx)
		}
	case onTimeoutPropose: // L57
		if e.round == s.round && s.step == types.StepPropose { // L58
			return s.prevote(types.NilValue, 59, fx)
		}
	case onTimeoutPrevote: // L61
		if e.round == s.round && s.step == types.StepPrevote { // L62
			return s.precommit(types.NilValue, 63, fx)
		}
	case onTimeoutPrecommit: // L65
		if e.round == s.round { // L66
			return s.startRound(s.round+1, 67, e, fx)
		}
	}
	return s, fx
}

// startRound is L11 to L21.
func (s state) startRound(r types.Round, line uint8, e event, fx []effect) (state, []effect) {
	s.round, s.step = r, types.StepPropose // L12, L13
	s.prevotesTimed, s.polkaSeen, s.precommitsTimed = false, false, false
	fx = append(fx, effect{kind: newRound, line: line, round: r})
	switch {
	case !e.proposer: // L20
		fx = append(fx, effect{kind: timeoutPropose, line: 21, round: r})
	case !s.validValue.IsNil(): // L15
		fx = append(fx, effect{kind: propose, line: 16, round: r, value: s.validValue, validRound: s.validRound})
	default:
		fx = append(fx, effect{kind: getValue, line: 18, round: r, validRound: types.NoRound})
	}
	return s, fx
}

// onProposal is L22 to L33: the proposal of this round, while nothing was prevoted.
func (s state) onProposal(e event, fx []effect) (state, []effect) {
	if e.round != s.round || s.step != types.StepPropose {
		return s, fx
	}
	switch {
	case e.validRound == types.NoRound: // L22
		if e.valid && (s.lockedRound == types.NoRound || s.lockedValue == e.value) { // L23
			return s.prevote(e.value, 24, fx)
		}
		return s.prevote(types.NilValue, 26, fx)
	case e.validRound >= 0 && e.validRound < s.round && e.polka: // L28
		if e.valid && (s.lockedRound <= e.validRound || s.lockedValue == e.value) { // L29
			return s.prevote(e.value, 30, fx)
		}
		return s.prevote(types.NilValue, 32, fx)
	}
	return s, fx
}

// onPolka is L36 to L43: also one that comes after the precommit makes the value valid.
func (s state) onPolka(e event, fx []effect) (state, []effect) {
	if e.round != s.round || s.step < types.StepPrevote || !e.valid || s.polkaSeen {
		return s, fx
	}
	s.polkaSeen = true
	s.validValue, s.validRound = e.value, s.round // L42, L43
	if s.step == types.StepPrevote {              // L37
		s.lockedValue, s.lockedRound = e.value, s.round // L38, L39
		return s.precommit(e.value, 40, fx)
	}
	return s, fx
}

func (s state) prevote(v types.ValueID, line uint8, fx []effect) (state, []effect) {
	s.step = types.StepPrevote // L27, L33, L60
	return s, append(fx, effect{kind: prevote, line: line, round: s.round, value: v, validRound: s.validRound})
}

func (s state) precommit(v types.ValueID, line uint8, fx []effect) (state, []effect) {
	s.step = types.StepPrecommit // L41, L46, L64
	return s, append(fx, effect{kind: precommit, line: line, round: s.round, value: v, validRound: types.NoRound})
}
