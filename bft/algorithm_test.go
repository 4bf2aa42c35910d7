package bft

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

var (
	valueV = types.ValueID{Hash: types.Hash{'v'}}
	valueW = types.ValueID{Hash: types.Hash{'w'}}
)

// at is a state in the middle of a height: in round 5, locked and valid as given.
func at(step types.Step, locked types.ValueID, lockedRound types.Round, valid types.ValueID, validRound types.Round) state {
	return state{round: 5, step: step, lockedValue: locked, lockedRound: lockedRound, validValue: valid, validRound: validRound}
}

// fresh is one that has locked nothing.
func fresh(step types.Step) state {
	return at(step, types.NilValue, types.NoRound, types.NilValue, types.NoRound)
}

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

func valueName(v types.ValueID) string {
	if v.IsNil() {
		return "nil"
	}
	return string(v.Hash[:1])
}

// TestAlgorithm1 has each line of the paper, and both sides of each of its conditions. The
// state is in round 5 unless it says otherwise.
func TestAlgorithm1(t *testing.T) {
	lockedV2 := func(step types.Step) state { return at(step, valueV, 2, valueV, 2) }
	lockedV2ValidW4 := func(step types.Step) state { return at(step, valueV, 2, valueW, 4) }
	proposal := func(v types.ValueID, vr types.Round, polka bool) event {
		return event{kind: onProposal, round: 5, value: v, validRound: vr, valid: true, polka: polka}
	}
	invalid := func(e event) event { e.valid = false; return e }
	in := func(r types.Round, e event) event { e.round = r; return e }
	done := func(s state) state { s.decided = true; return s }
	polka := event{kind: onPolka, round: 5, value: valueW, valid: true}
	commit := event{kind: onCommit, round: 5, value: valueW, valid: true}
	timed := fresh(types.StepPrevote)
	timed.prevotesTimed, timed.precommitsTimed = true, true
	seen := lockedV2(types.StepPrecommit)
	seen.polkaSeen = true
	first := lockedV2(types.StepPrevote)
	first.lockedValue, first.lockedRound, first.validValue, first.validRound = valueW, 5, valueW, 5
	late := lockedV2(types.StepPrecommit)
	late.validValue, late.validRound = valueW, 5

	for _, c := range []struct {
		name string
		s    state
		e    event
		fx   string     // joined by ", "
		step types.Step // afterwards
		lock string     // "v2 w4": locked and valid; "" for as before
	}{
		{"L14 the first proposer asks for a value", initialState(), event{kind: onStart, proposer: true}, "round 0 L11, get 0 L18", types.StepPropose, ""},
		{"L20 the others wait", initialState(), event{kind: onStart}, "round 0 L11, wait propose 0 L21", types.StepPropose, ""},
		{"L10 a height begins once", fresh(types.StepPrevote), event{kind: onStart}, "", types.StepPrevote, ""},
		{"L15 the valid value is proposed, not the locked one", lockedV2ValidW4(types.StepPrecommit), event{kind: onTimeoutPrecommit, round: 5, proposer: true}, "round 6 L67, propose 6 w/4 L16", types.StepPropose, ""},

		{"L23 free, and valid", fresh(types.StepPropose), proposal(valueW, types.NoRound, false), "prevote 5 w L24", types.StepPrevote, ""},
		{"L23 not valid", fresh(types.StepPropose), invalid(proposal(valueW, types.NoRound, false)), "prevote 5 nil L26", types.StepPrevote, ""},
		{"L23 locked on it", lockedV2(types.StepPropose), proposal(valueV, types.NoRound, false), "prevote 5 v L24", types.StepPrevote, ""},
		{"L23 locked on another", lockedV2(types.StepPropose), proposal(valueW, types.NoRound, false), "prevote 5 nil L26", types.StepPrevote, ""},
		{"L23 locked on another, though w is our valid one", lockedV2ValidW4(types.StepPropose), proposal(valueW, types.NoRound, false), "prevote 5 nil L26", types.StepPrevote, ""},
		{"L22 not in step prevote", fresh(types.StepPrevote), proposal(valueW, types.NoRound, false), "", types.StepPrevote, ""},
		{"L22 not of another round", fresh(types.StepPropose), in(4, proposal(valueW, types.NoRound, false)), "", types.StepPropose, ""},

		{"L28 without a polka: wait", fresh(types.StepPropose), proposal(valueW, 3, false), "", types.StepPropose, ""},
		{"L28 vr is this round", fresh(types.StepPropose), proposal(valueW, 5, true), "", types.StepPropose, ""},
		{"L28 vr is a later round", fresh(types.StepPropose), proposal(valueW, 6, true), "", types.StepPropose, ""},
		{"L28 vr is no round", fresh(types.StepPropose), proposal(valueW, -2, true), "", types.StepPropose, ""},
		{"L28 not in step precommit", fresh(types.StepPrecommit), proposal(valueW, 3, true), "", types.StepPrecommit, ""},
		{"L29 never locked", fresh(types.StepPropose), proposal(valueW, 0, true), "prevote 5 w L30", types.StepPrevote, ""},
		{"L29 the lock is older", lockedV2(types.StepPropose), proposal(valueW, 3, true), "prevote 5 w L30", types.StepPrevote, ""},
		{"L29 the lock is as old", lockedV2(types.StepPropose), proposal(valueW, 2, true), "prevote 5 w L30", types.StepPrevote, ""},
		{"L29 the lock is younger", lockedV2(types.StepPropose), proposal(valueW, 1, true), "prevote 5 nil L32", types.StepPrevote, ""},
		{"L29 the lock is younger, on the same value", lockedV2(types.StepPropose), proposal(valueV, 1, true), "prevote 5 v L30", types.StepPrevote, ""},
		{"L29 not valid", fresh(types.StepPropose), invalid(proposal(valueW, 3, true)), "prevote 5 nil L32", types.StepPrevote, ""},

		{"L34 first time", fresh(types.StepPrevote), event{kind: onPrevotes, round: 5}, "wait prevote 5 L35", types.StepPrevote, ""},
		{"L34 second time", timed, event{kind: onPrevotes, round: 5}, "", types.StepPrevote, ""},
		{"L34 not in step propose", fresh(types.StepPropose), event{kind: onPrevotes, round: 5}, "", types.StepPropose, ""},
		{"L34 not in step precommit", fresh(types.StepPrecommit), event{kind: onPrevotes, round: 5}, "", types.StepPrecommit, ""},
		{"L34 not of another round", fresh(types.StepPrevote), event{kind: onPrevotes, round: 4}, "", types.StepPrevote, ""},

		{"L36 in step prevote: lock", lockedV2(types.StepPrevote), polka, "precommit 5 w L40", types.StepPrecommit, "w5 w5"},
		{"L36 in step precommit: valid only", lockedV2(types.StepPrecommit), polka, "", types.StepPrecommit, "v2 w5"},
		{"L36 second time", seen, polka, "", types.StepPrecommit, ""},
		{"L36 not in step propose", lockedV2(types.StepPropose), polka, "", types.StepPropose, ""},
		{"L36 not of another round", lockedV2(types.StepPrevote), in(4, polka), "", types.StepPrevote, ""},
		{"L36 not valid", lockedV2(types.StepPrevote), invalid(polka), "", types.StepPrevote, ""},

		{"L44 precommit nil, keep the lock", lockedV2(types.StepPrevote), event{kind: onPolkaNil, round: 5}, "precommit 5 nil L45", types.StepPrecommit, "v2 v2"},
		{"L44 not in step propose", fresh(types.StepPropose), event{kind: onPolkaNil, round: 5}, "", types.StepPropose, ""},
		{"L44 not in step precommit", fresh(types.StepPrecommit), event{kind: onPolkaNil, round: 5}, "", types.StepPrecommit, ""},
		{"L44 not of another round", fresh(types.StepPrevote), event{kind: onPolkaNil, round: 4}, "", types.StepPrevote, ""},

		{"L47 in step propose", fresh(types.StepPropose), event{kind: onPrecommits, round: 5}, "wait precommit 5 L48", types.StepPropose, ""},
		{"L47 in step precommit", fresh(types.StepPrecommit), event{kind: onPrecommits, round: 5}, "wait precommit 5 L48", types.StepPrecommit, ""},
		{"L47 second time", timed, event{kind: onPrecommits, round: 5}, "", types.StepPrevote, ""},
		{"L47 not of another round", fresh(types.StepPrecommit), event{kind: onPrecommits, round: 4}, "", types.StepPrecommit, ""},

		{"L49 of this round", lockedV2(types.StepPrecommit), commit, "decide 5 w L51", types.StepPrecommit, ""},
		{"L49 of an earlier round", lockedV2(types.StepPropose), in(1, commit), "decide 1 w L51", types.StepPropose, ""},
		{"L49 of a later round", fresh(types.StepPrevote), in(9, commit), "decide 9 w L51", types.StepPrevote, ""},
		{"L50 not valid", fresh(types.StepPrevote), invalid(commit), "", types.StepPrevote, ""},
		{"L49 once", done(fresh(types.StepPrecommit)), commit, "", types.StepPrecommit, ""},

		{"L55 a later round", lockedV2(types.StepPrevote), event{kind: onSkip, round: 8}, "round 8 L56, wait propose 8 L21", types.StepPropose, "v2 v2"},
		{"L55 not this round", fresh(types.StepPrevote), event{kind: onSkip, round: 5}, "", types.StepPrevote, ""},
		{"L55 not an earlier round", fresh(types.StepPrevote), event{kind: onSkip, round: 4}, "", types.StepPrevote, ""},

		{"L57 in step propose", lockedV2(types.StepPropose), event{kind: onTimeoutPropose, round: 5}, "prevote 5 nil L59", types.StepPrevote, ""},
		{"L57 not in step prevote", fresh(types.StepPrevote), event{kind: onTimeoutPropose, round: 5}, "", types.StepPrevote, ""},
		{"L57 not of another round", fresh(types.StepPropose), event{kind: onTimeoutPropose, round: 4}, "", types.StepPropose, ""},
		{"L61 in step prevote", lockedV2(types.StepPrevote), event{kind: onTimeoutPrevote, round: 5}, "precommit 5 nil L63", types.StepPrecommit, "v2 v2"},
		{"L61 not in step precommit", fresh(types.StepPrecommit), event{kind: onTimeoutPrevote, round: 5}, "", types.StepPrecommit, ""},
		{"L61 not of another round", fresh(types.StepPrevote), event{kind: onTimeoutPrevote, round: 4}, "", types.StepPrevote, ""},
		{"L65 of this round", lockedV2(types.StepPrevote), event{kind: onTimeoutPrecommit, round: 5}, "round 6 L67, wait propose 6 L21", types.StepPropose, "v2 v2"},
		{"L65 not of another round", fresh(types.StepPrecommit), event{kind: onTimeoutPrecommit, round: 4}, "", types.StepPrecommit, ""},
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
	s := fresh(types.StepPrevote)
	for r := types.Round(5); r < 8; r++ {
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
