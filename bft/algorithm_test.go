package bft

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	valueV = ValueID{Hash: Hash{'v'}}
	valueW = ValueID{Hash: Hash{'w'}}
)

// at is a state in the middle of a height: in round 5, locked and valid as given.
func at(step Step, locked ValueID, lockedRound Round, valid ValueID, validRound Round) state {
	return state{round: 5, step: step, lockedValue: locked, lockedRound: lockedRound, validValue: valid, validRound: validRound}
}

// fresh is one that has locked nothing.
func fresh(step Step) state { return at(step, NilValue, NoRound, NilValue, NoRound) }

func (f effect) describe() string {
	name := [...]string{"", "round", "get", "propose", "prevote", "precommit", "wait propose", "wait prevote", "wait precommit", "decide"}[f.kind]
	s := fmt.Sprintf("%s %d", name, f.round)
	switch f.kind {
	case prevote, precommit, decide:
		s += " " + valueName(f.value)
	case propose:
		s += fmt.Sprintf(" %s/%d", valueName(f.value), f.validRound)
	}
	return fmt.Sprintf("%s L%d", s, f.line)
}

func valueName(v ValueID) string {
	if v.IsNil() {
		return "nil"
	}
	return string(v.Hash[:1])
}

// TestAlgorithm1 has each line of the paper, and both sides of each of its conditions. The
// state is in round 5 unless it says otherwise.
func TestAlgorithm1(t *testing.T) {
	lockedV2 := func(step Step) state { return at(step, valueV, 2, valueV, 2) }
	lockedV2ValidW4 := func(step Step) state { return at(step, valueV, 2, valueW, 4) }
	proposal := func(v ValueID, vr Round, polka bool) event {
		return event{kind: onProposal, round: 5, value: v, validRound: vr, valid: true, polka: polka}
	}
	invalid := func(e event) event { e.valid = false; return e }
	in := func(r Round, e event) event { e.round = r; return e }
	done := func(s state) state { s.decided = true; return s }
	polka := event{kind: onPolka, round: 5, value: valueW, valid: true}
	commit := event{kind: onCommit, round: 5, value: valueW, valid: true}
	timed := fresh(StepPrevote)
	timed.prevotesTimed, timed.precommitsTimed = true, true
	seen := lockedV2(StepPrecommit)
	seen.polkaSeen = true
	first := lockedV2(StepPrevote)
	first.lockedValue, first.lockedRound, first.validValue, first.validRound = valueW, 5, valueW, 5
	late := lockedV2(StepPrecommit)
	late.validValue, late.validRound = valueW, 5

	for _, c := range []struct {
		name string
		s    state
		e    event
		fx   string // joined by ", "
		step Step   // afterwards
		lock string // "v2 w4": locked and valid; "" for as before
	}{
		{"L14 the first proposer asks for a value", initialState(), event{kind: onStart, proposer: true}, "round 0 L11, get 0 L18", StepPropose, ""},
		{"L20 the others wait", initialState(), event{kind: onStart}, "round 0 L11, wait propose 0 L21", StepPropose, ""},
		{"L10 a height begins once", fresh(StepPrevote), event{kind: onStart}, "", StepPrevote, ""},
		{"L15 the valid value is proposed, not the locked one", lockedV2ValidW4(StepPrecommit), event{kind: onTimeoutPrecommit, round: 5, proposer: true}, "round 6 L67, propose 6 w/4 L16", StepPropose, ""},

		{"L23 free, and valid", fresh(StepPropose), proposal(valueW, NoRound, false), "prevote 5 w L24", StepPrevote, ""},
		{"L23 not valid", fresh(StepPropose), invalid(proposal(valueW, NoRound, false)), "prevote 5 nil L26", StepPrevote, ""},
		{"L23 locked on it", lockedV2(StepPropose), proposal(valueV, NoRound, false), "prevote 5 v L24", StepPrevote, ""},
		{"L23 locked on another", lockedV2(StepPropose), proposal(valueW, NoRound, false), "prevote 5 nil L26", StepPrevote, ""},
		{"L23 locked on another, though w is our valid one", lockedV2ValidW4(StepPropose), proposal(valueW, NoRound, false), "prevote 5 nil L26", StepPrevote, ""},
		{"L22 not in step prevote", fresh(StepPrevote), proposal(valueW, NoRound, false), "", StepPrevote, ""},
		{"L22 not of another round", fresh(StepPropose), in(4, proposal(valueW, NoRound, false)), "", StepPropose, ""},

		{"L28 without a polka: wait", fresh(StepPropose), proposal(valueW, 3, false), "", StepPropose, ""},
		{"L28 vr is this round", fresh(StepPropose), proposal(valueW, 5, true), "", StepPropose, ""},
		{"L28 vr is a later round", fresh(StepPropose), proposal(valueW, 6, true), "", StepPropose, ""},
		{"L28 vr is no round", fresh(StepPropose), proposal(valueW, -2, true), "", StepPropose, ""},
		{"L28 not in step precommit", fresh(StepPrecommit), proposal(valueW, 3, true), "", StepPrecommit, ""},
		{"L29 never locked", fresh(StepPropose), proposal(valueW, 0, true), "prevote 5 w L30", StepPrevote, ""},
		{"L29 the lock is older", lockedV2(StepPropose), proposal(valueW, 3, true), "prevote 5 w L30", StepPrevote, ""},
		{"L29 the lock is as old", lockedV2(StepPropose), proposal(valueW, 2, true), "prevote 5 w L30", StepPrevote, ""},
		{"L29 the lock is younger", lockedV2(StepPropose), proposal(valueW, 1, true), "prevote 5 nil L32", StepPrevote, ""},
		{"L29 the lock is younger, on the same value", lockedV2(StepPropose), proposal(valueV, 1, true), "prevote 5 v L30", StepPrevote, ""},
		{"L29 not valid", fresh(StepPropose), invalid(proposal(valueW, 3, true)), "prevote 5 nil L32", StepPrevote, ""},

		{"L34 first time", fresh(StepPrevote), event{kind: onPrevotes, round: 5}, "wait prevote 5 L35", StepPrevote, ""},
		{"L34 second time", timed, event{kind: onPrevotes, round: 5}, "", StepPrevote, ""},
		{"L34 not in step propose", fresh(StepPropose), event{kind: onPrevotes, round: 5}, "", StepPropose, ""},
		{"L34 not in step precommit", fresh(StepPrecommit), event{kind: onPrevotes, round: 5}, "", StepPrecommit, ""},
		{"L34 not of another round", fresh(StepPrevote), event{kind: onPrevotes, round: 4}, "", StepPrevote, ""},

		{"L36 in step prevote: lock", lockedV2(StepPrevote), polka, "precommit 5 w L40", StepPrecommit, "w5 w5"},
		{"L36 in step precommit: valid only", lockedV2(StepPrecommit), polka, "", StepPrecommit, "v2 w5"},
		{"L36 second time", seen, polka, "", StepPrecommit, ""},
		{"L36 not in step propose", lockedV2(StepPropose), polka, "", StepPropose, ""},
		{"L36 not of another round", lockedV2(StepPrevote), in(4, polka), "", StepPrevote, ""},
		{"L36 not valid", lockedV2(StepPrevote), invalid(polka), "", StepPrevote, ""},

		{"L44 precommit nil, keep the lock", lockedV2(StepPrevote), event{kind: onPolkaNil, round: 5}, "precommit 5 nil L45", StepPrecommit, "v2 v2"},
		{"L44 not in step propose", fresh(StepPropose), event{kind: onPolkaNil, round: 5}, "", StepPropose, ""},
		{"L44 not in step precommit", fresh(StepPrecommit), event{kind: onPolkaNil, round: 5}, "", StepPrecommit, ""},
		{"L44 not of another round", fresh(StepPrevote), event{kind: onPolkaNil, round: 4}, "", StepPrevote, ""},

		{"L47 in step propose", fresh(StepPropose), event{kind: onPrecommits, round: 5}, "wait precommit 5 L48", StepPropose, ""},
		{"L47 in step precommit", fresh(StepPrecommit), event{kind: onPrecommits, round: 5}, "wait precommit 5 L48", StepPrecommit, ""},
		{"L47 second time", timed, event{kind: onPrecommits, round: 5}, "", StepPrevote, ""},
		{"L47 not of another round", fresh(StepPrecommit), event{kind: onPrecommits, round: 4}, "", StepPrecommit, ""},

		{"L49 of this round", lockedV2(StepPrecommit), commit, "decide 5 w L51", StepPrecommit, ""},
		{"L49 of an earlier round", lockedV2(StepPropose), in(1, commit), "decide 1 w L51", StepPropose, ""},
		{"L49 of a later round", fresh(StepPrevote), in(9, commit), "decide 9 w L51", StepPrevote, ""},
		{"L50 not valid", fresh(StepPrevote), invalid(commit), "", StepPrevote, ""},
		{"L49 once", done(fresh(StepPrecommit)), commit, "", StepPrecommit, ""},

		{"L55 a later round", lockedV2(StepPrevote), event{kind: onSkip, round: 8}, "round 8 L56, wait propose 8 L21", StepPropose, "v2 v2"},
		{"L55 not this round", fresh(StepPrevote), event{kind: onSkip, round: 5}, "", StepPrevote, ""},
		{"L55 not an earlier round", fresh(StepPrevote), event{kind: onSkip, round: 4}, "", StepPrevote, ""},

		{"L57 in step propose", lockedV2(StepPropose), event{kind: onTimeoutPropose, round: 5}, "prevote 5 nil L59", StepPrevote, ""},
		{"L57 not in step prevote", fresh(StepPrevote), event{kind: onTimeoutPropose, round: 5}, "", StepPrevote, ""},
		{"L57 not of another round", fresh(StepPropose), event{kind: onTimeoutPropose, round: 4}, "", StepPropose, ""},
		{"L61 in step prevote", lockedV2(StepPrevote), event{kind: onTimeoutPrevote, round: 5}, "precommit 5 nil L63", StepPrecommit, "v2 v2"},
		{"L61 not in step precommit", fresh(StepPrecommit), event{kind: onTimeoutPrevote, round: 5}, "", StepPrecommit, ""},
		{"L61 not of another round", fresh(StepPrevote), event{kind: onTimeoutPrevote, round: 4}, "", StepPrevote, ""},
		{"L65 of this round", lockedV2(StepPrevote), event{kind: onTimeoutPrecommit, round: 5}, "round 6 L67, wait propose 6 L21", StepPropose, "v2 v2"},
		{"L65 not of another round", fresh(StepPrecommit), event{kind: onTimeoutPrecommit, round: 4}, "", StepPrecommit, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			after, fx := apply(c.s, c.e, nil)
			var did []string
			for _, f := range fx {
				did = append(did, f.describe())
			}
			require.Equal(t, c.fx, strings.Join(did, ", "))
			require.Equal(t, c.step, after.step)
			if c.fx == "" && c.lock == "" {
				require.Equal(t, c.s, after, "an event whose rule does not hold changes nothing")
			}
			lock := fmt.Sprintf("%s%d %s%d", valueName(after.lockedValue), after.lockedRound, valueName(after.validValue), after.validRound)
			if c.lock == "" {
				c.lock = fmt.Sprintf("%s%d %s%d", valueName(c.s.lockedValue), c.s.lockedRound, valueName(c.s.validValue), c.s.validRound)
			}
			require.Equal(t, c.lock, lock)
		})
	}
}

// A new round obeys the once-a-round rules anew.
func TestWhatIsDoneOnceARoundIsDoneAgainInTheNext(t *testing.T) {
	s := fresh(StepPrevote)
	for r := Round(5); r < 8; r++ {
		var fx []effect
		s, fx = apply(s, event{kind: onPrevotes, round: r}, nil)
		require.Len(t, fx, 1, "timeoutPrevote of round %d", r)
		s, fx = apply(s, event{kind: onPolka, round: r, value: valueW, valid: true}, nil)
		require.Len(t, fx, 1, "precommit of round %d", r)
		require.Equal(t, r, s.lockedRound)
		s, fx = apply(s, event{kind: onPrecommits, round: r}, nil)
		require.Len(t, fx, 1, "timeoutPrecommit of round %d", r)
		s, _ = apply(s, event{kind: onTimeoutPrecommit, round: r}, nil)
		s, _ = apply(s, event{kind: onTimeoutPropose, round: r + 1}, nil)
	}
}
