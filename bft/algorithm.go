package bft

// state is what Algorithm 1 keeps about a height (lines 2 to 9), and what it has done
// for the first time in this round.
type state struct {
	round Round
	step  Step

	lockedValue ValueID
	lockedRound Round
	validValue  ValueID
	validRound  Round

	decided bool
	// The rules that are obeyed once a round: L34, L36, L47.
	prevotesTimed, polkaSeen, precommitsTimed bool
}

// initialState is that of a height that has not begun.
func initialState() state {
	return state{round: NoRound, lockedRound: NoRound, validRound: NoRound}
}

// An event is the upper half of a rule: what must have been received. What must be
// the case besides (while ...) is looked at by apply.
type event struct {
	kind       eventKind
	round      Round
	value      ValueID
	validRound Round // onProposal: the proposal's
	valid      bool  // the paper's valid(v)
	polka      bool  // onProposal: there is a polka for value at validRound
	proposer   bool  // onRound: the round is ours to propose in
}

type eventKind uint8

const (
	onRound            eventKind = iota + 1 // L11, L55: StartRound
	onProposal                              // L22, L28: the proposal of this round
	onPrevotes                              // L34: more than 2/3, for whatever
	onPolka                                 // L36: more than 2/3 for the proposal
	onPolkaNil                              // L44: more than 2/3 for nil
	onPrecommits                            // L47: more than 2/3, for whatever
	onCommit                                // L49: more than 2/3 for a proposal, of any round
	onTimeoutPropose                        // L57
	onTimeoutPrevote                        // L61
	onTimeoutPrecommit                      // L65
)

// An effect is the lower half: what is to be done about it. The state is changed by
// apply; the rest is somebody else's.
type effect struct {
	kind       effectKind
	round      Round
	value      ValueID
	validRound Round
}

type effectKind uint8

const (
	getValue         effectKind = iota + 1 // L18: ask for a new value, and propose it
	propose                                // L19: propose value, which has a polka at validRound
	prevote                                // broadcast PREVOTE
	precommit                              // broadcast PRECOMMIT
	timeoutPropose                         // L21: schedule
	timeoutPrevote                         // L35
	timeoutPrecommit                       // L48
	decide                                 // L51
)

// apply is Algorithm 1: the state after an event, and what is to be done. Effects are
// appended to fx. An event whose rule does not hold changes nothing.
func apply(s state, e event, fx []effect) (state, []effect) {
	if s.decided {
		return s, fx
	}
	switch e.kind {
	case onRound:
		return s.startRound(e, fx)
	case onProposal:
		return s.onProposal(e, fx)
	case onPrevotes: // L34
		if e.round == s.round && s.step == StepPrevote && !s.prevotesTimed {
			s.prevotesTimed = true
			fx = append(fx, effect{kind: timeoutPrevote, round: s.round}) // L35
		}
	case onPolka:
		return s.onPolka(e, fx)
	case onPolkaNil: // L44: a lock is kept, whatever the others did
		if e.round == s.round && s.step == StepPrevote {
			return s.precommit(NilValue, fx) // L45, L46
		}
	case onPrecommits: // L47: in whatever step
		if e.round == s.round && !s.precommitsTimed {
			s.precommitsTimed = true
			fx = append(fx, effect{kind: timeoutPrecommit, round: s.round}) // L48
		}
	case onCommit: // L49: in whatever round and step
		if e.valid { // L50
			s.decided = true
			fx = append(fx, effect{kind: decide, round: e.round, value: e.value}) // L51
		}
	case onTimeoutPropose: // L57
		if e.round == s.round && s.step == StepPropose { // L58
			return s.prevote(NilValue, fx) // L59, L60
		}
	case onTimeoutPrevote: // L61
		if e.round == s.round && s.step == StepPrevote { // L62
			return s.precommit(NilValue, fx) // L63, L64
		}
	case onTimeoutPrecommit: // L65
		if e.round == s.round { // L66
			e.round++
			return s.startRound(e, fx) // L67
		}
	}
	return s, fx
}

// startRound is L11 to L21, and L55: a round is begun from an earlier one only.
func (s state) startRound(e event, fx []effect) (state, []effect) {
	if e.round <= s.round {
		return s, fx
	}
	s.round, s.step = e.round, StepPropose // L12, L13
	s.prevotesTimed, s.polkaSeen, s.precommitsTimed = false, false, false
	switch {
	case !e.proposer: // L20
		fx = append(fx, effect{kind: timeoutPropose, round: s.round}) // L21
	case !s.validValue.IsNil(): // L15
		fx = append(fx, effect{kind: propose, round: s.round, value: s.validValue, validRound: s.validRound}) // L16, L19
	default:
		fx = append(fx, effect{kind: getValue, round: s.round, validRound: NoRound}) // L18
	}
	return s, fx
}

// onProposal is L22 to L33: the proposal of this round, while nothing was prevoted.
func (s state) onProposal(e event, fx []effect) (state, []effect) {
	if e.round != s.round || s.step != StepPropose {
		return s, fx
	}
	var free bool
	switch {
	case e.validRound == NoRound: // L22
		free = s.lockedRound == NoRound || s.lockedValue == e.value // L23
	case e.validRound >= 0 && e.validRound < s.round && e.polka: // L28
		free = s.lockedRound <= e.validRound || s.lockedValue == e.value // L29
	default:
		return s, fx
	}
	if !e.valid || !free {
		return s.prevote(NilValue, fx) // L26, L32
	}
	return s.prevote(e.value, fx) // L24, L30
}

// onPolka is L36 to L43: also one that came after the precommit makes the value valid.
func (s state) onPolka(e event, fx []effect) (state, []effect) {
	if e.round != s.round || s.step < StepPrevote || !e.valid || s.polkaSeen {
		return s, fx
	}
	s.polkaSeen = true
	if s.step == StepPrevote { // L37
		s.lockedValue, s.lockedRound = e.value, s.round // L38, L39
		s, fx = s.precommit(e.value, fx)                // L40, L41
	}
	s.validValue, s.validRound = e.value, s.round // L42, L43
	return s, fx
}

func (s state) prevote(v ValueID, fx []effect) (state, []effect) {
	s.step = StepPrevote // L27, L33, L60
	return s, append(fx, effect{kind: prevote, round: s.round, value: v, validRound: s.validRound})
}

func (s state) precommit(v ValueID, fx []effect) (state, []effect) {
	s.step = StepPrecommit // L41, L46, L64
	return s, append(fx, effect{kind: precommit, round: s.round, value: v, validRound: s.validRound})
}
