package bfttest

import (
	"fmt"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// calmRounds follow the scenario: n2, n3 and n4 propose in turn.
const calmRounds = 4

// play plays a scenario as the next height.
func (w *TwinsWorld) play(s TwinsScenario) error {
	w.scenario, w.said, w.heard, w.err = s, w.said[:0], 0, nil
	clear(w.decided[:])
	w.height++
	start := bft.Start{Height: w.height, Validators: w.set, Proposer: w.proposer}
	for i := range w.cores {
		w.step(i, bft.Input{Start: &start})
	}
	for r := range s {
		if w.log != nil {
			fmt.Fprintf(w.log, "round %d: %s\n", r, s[r])
		}
		w.round(types.Round(r), s[r])
		if w.err != nil {
			return w.err
		}
	}
	w.calm()
	return w.err
}

func (w *TwinsWorld) proposer(r types.Round) types.Address {
	if int(r) < len(w.scenario) {
		return w.ids[w.scenario[r].proposer()]
	}
	return w.ids[1+int(r)%3]
}

// round is propose, prevote, precommit, each with what is heard, and then over.
func (w *TwinsWorld) round(r types.Round, how TwinsRound) {
	w.pass(how)
	w.timeout(r, types.StepPropose)
	w.pass(how)
	w.timeout(r, types.StepPrevote)
	w.pass(how)
	w.timeout(r, types.StepPrecommit)
}

// pass lets be heard what was said in the last phase, and what is said because of it in the same phase.
func (w *TwinsWorld) pass(how TwinsRound) {
	for end := len(w.said); w.heard < end; w.heard++ {
		m := &w.said[w.heard]
		kind, from := m.vote.Type, m.from
		for to := range w.cores {
			if to != from && !how.apart(from, to) && (kind == 0 || !how.deaf(kind, to)) {
				w.hear(to, w.heard)
			}
		}
	}
}

// hear gives a message to a replica.
func (w *TwinsWorld) hear(to, number int) {
	if m := &w.said[number]; m.vote.Type != 0 {
		w.step(to, bft.Input{Vote: &m.vote})
	} else {
		w.step(to, bft.Input{Proposal: &m.proposal})
	}
}

func (w *TwinsWorld) timeout(r types.Round, step types.Step) {
	t := bft.Timeout{Height: w.height, Round: r, Step: step}
	for i := range w.cores {
		w.step(i, bft.Input{Timeout: &t})
	}
}

// calm lets everything be heard by all, and some more rounds go well.
func (w *TwinsWorld) calm() {
	if w.log != nil {
		fmt.Fprintf(w.log, "all that was said is heard by all; n2, n3 and n4 propose in turn\n")
	}
	for range 2 { // again, for who asked for a proposal that it did not keep (OutWant)
		for number := range w.said {
			for to := range w.cores {
				if to != w.said[number].from && w.decided[to].IsNil() {
					w.hear(to, number)
				}
			}
		}
		if w.done() {
			return
		}
	}
	for r := len(w.scenario); r < len(w.scenario)+calmRounds && w.err == nil && !w.done(); r++ {
		w.round(types.Round(r), 0)
	}
	for i := 2; i < len(w.cores) && w.err == nil; i++ {
		if w.decided[i].IsNil() {
			w.err = &Violation{"liveness", fmt.Sprintf("%s has not decided %d rounds after the last fault", replicaNames[i], calmRounds)}
		}
	}
}

// done tells whether all who are correct have decided.
func (w *TwinsWorld) done() bool {
	for i := 2; i < len(w.cores); i++ {
		if w.decided[i].IsNil() {
			return false
		}
	}
	return true
}

func (w *TwinsWorld) step(i int, in bft.Input) {
	if w.err != nil {
		return
	}
	outs, err := w.cores[i].Step(in)
	if err != nil {
		w.err = &Violation{"error", fmt.Sprintf("%s: %v", replicaNames[i], err)}
		return
	}
	first := len(w.said)
	for k := range outs {
		w.do(i, &outs[k])
	}
	for number, end := first, len(w.said); number < end; number++ {
		w.hear(i, number) // our own messages come back at once
	}
}

// do is what a replica says and decides.
func (w *TwinsWorld) do(i int, o *bft.Output) {
	if w.log != nil {
		fmt.Fprintf(w.log, "  %s %s (L%d)\n", replicaNames[i], describe(o), o.Line)
	}
	id := w.ids[validatorOf(i)]
	switch o.Kind {
	case bft.OutGetValue:
		o.Value = types.ValueID{Hash: types.Hash{'x', byte('0' + o.Round)}}
		if i == 1 {
			o.Value.Hash[2] = '\''
		}
		fallthrough
	case bft.OutPropose:
		p := types.Proposal{Height: o.Height, Round: o.Round, ValidRound: o.ValidRound, Value: o.Value, Proposer: id}
		w.said = append(w.said, twinsMessage{from: i, proposal: bft.Proposed{Proposal: p, Valid: true}})
	case bft.OutVote:
		v := types.Vote{Type: o.Type, Height: o.Height, Round: o.Round, Value: o.Value, ValidRound: o.ValidRound, Validator: id}
		w.said = append(w.said, twinsMessage{from: i, vote: v})
	case bft.OutDecide:
		w.decided[i] = o.Value
		for j := 2; j < len(w.cores) && i >= 2; j++ {
			if d := w.decided[j]; !d.IsNil() && d != o.Value {
				w.err = &Violation{"agreement", fmt.Sprintf("fork: %s decides %s and %s decides %s", replicaNames[j], valueName(d), replicaNames[i], valueName(o.Value))}
			}
		}
	}
}
