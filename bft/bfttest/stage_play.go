package bfttest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// step gives a core an input, and does what it says.
func (s *stage) step(a *actor, in bft.Input) {
	outs, err := a.core.Step(in)
	if err != nil {
		failf("%s: %v", a.name, err)
	}
	for _, o := range slices.Clone(outs) { // ours, for its own messages make it step again
		s.do(a, o)
	}
}

// do is the shell of a core.
func (s *stage) do(a *actor, o bft.Output) {
	s.tell(a, o)
	switch o.Kind {
	case bft.OutRound:
		a.round = o.Round
	case bft.OutTimeout:
		a.timeouts = append(a.timeouts, o.Timeout)
	case bft.OutGetValue:
		s.propose(a, o, value(fmt.Sprintf("x%d", o.Round)))
	case bft.OutPropose:
		s.propose(a, o, o.Value)
	case bft.OutVote:
		b := ballot{o.Height, o.Round, o.Type}
		if was, voted := a.voted[b]; voted && was != o.Value {
			failf("%s %ss both %s and %s in round %d", a.name, o.Type, valueName(was), valueName(o.Value), o.Round)
		}
		a.voted[b] = o.Value
		s.post(a, bft.Input{Vote: &types.Vote{
			Type: o.Type, Height: o.Height, Round: o.Round, Value: o.Value, Validator: a.id, ValidRound: o.ValidRound,
		}})
	case bft.OutDecide:
		s.decide(a, o)
	}
}

func (s *stage) propose(a *actor, o bft.Output, v types.ValueID) {
	p := types.Proposal{Height: o.Height, Round: o.Round, ValidRound: o.ValidRound, Value: v, Proposer: a.id}
	s.post(a, bft.Input{Proposal: &bft.Proposed{Proposal: p, Valid: valid(v)}})
}

// post sends a core's own message to all: to itself at once.
func (s *stage) post(a *actor, in bft.Input) {
	s.sent = append(s.sent, letter{from: a.name, in: in})
	for _, b := range s.actors {
		if b != a {
			s.wire = append(s.wire, letter{a.name, b.name, in})
		}
	}
	s.step(a, in)
}

func (s *stage) decide(a *actor, o bft.Output) {
	a.decided = true
	if !valid(o.Value) {
		failf("%s decides %s, which is not valid", a.name, valueName(o.Value))
	}
	d, known := s.decided[o.Height]
	switch {
	case !known:
		s.decided[o.Height] = verdict{a.name, o.Value, o.Round}
	case d.value != o.Value:
		failf("fork: %s decides %s in round %d, and %s decides %s in round %d", d.who, valueName(d.value), d.round, a.name, valueName(o.Value), o.Round)
	}
}

// describe is an output in the words of a script.
func describe(o *bft.Output) string {
	switch o.Kind {
	case bft.OutRound:
		return fmt.Sprintf("round %d", o.Round)
	case bft.OutGetValue:
		return fmt.Sprintf("get value %d", o.Round)
	case bft.OutPropose:
		return fmt.Sprintf("propose %d %s valid %d", o.Round, valueName(o.Value), o.ValidRound)
	case bft.OutVote:
		return fmt.Sprintf("%s %d %s", o.Type, o.Round, valueName(o.Value))
	case bft.OutTimeout:
		return fmt.Sprintf("timeout %s %d", o.Timeout.Step, o.Timeout.Round)
	case bft.OutWant:
		return fmt.Sprintf("want %d %s", o.Round, valueName(o.Value))
	case bft.OutLater:
		return fmt.Sprintf("later %s %d %s", o.Type, o.Round, valueName(o.Value))
	case bft.OutEvidence:
		return fmt.Sprintf("evidence %s %s %d", name(o.Double.First.Validator), o.Double.First.Type, o.Double.First.Round)
	case bft.OutDecide:
		return fmt.Sprintf("decide %d %s", o.Round, valueName(o.Value))
	}
	return fmt.Sprintf("output %d", o.Kind)
}

func (s *stage) tell(a *actor, o bft.Output) {
	text := a.name + " " + describe(&o)
	if o.Kind != bft.OutLater { // how much is kept is everybody's own affair
		s.fresh = append(s.fresh, text)
	}
	if o.Line != 0 {
		text += fmt.Sprintf(" (L%d)", o.Line)
	}
	fmt.Fprintf(&s.log, "  %s\n", text)
}

// look compares what the last command did with what the script says of it.
func (s *stage) look(do string, args []string) {
	text := strings.Join(args, " ")
	if text == "nothing" {
		if len(s.fresh) > 0 {
			failf("nothing should happen, and what happens is: %s", strings.Join(s.fresh, "; "))
		}
		return
	}
	if args[0][0] != 'n' || args[0] == "nil" {
		text = s.actors[0].name + " " + text
	}
	switch happened := slices.Contains(s.fresh, text); {
	case happened && do == "refuse":
		failf("%s: it must not", text)
	case !happened && do == "expect" && len(s.fresh) == 0:
		failf("%s: it does not, and nothing happens", text)
	case !happened && do == "expect":
		failf("%s: it does not, and what happens is: %s", text, strings.Join(s.fresh, "; "))
	}
}

// inputName is "proposal", "prevote" or "precommit", and the round.
func inputName(in *bft.Input) (string, types.Round) {
	if in.Proposal != nil {
		return "proposal", in.Proposal.Round
	}
	return in.Vote.Type.String(), in.Vote.Round
}

func (l *letter) String() string {
	kind, round := inputName(&l.in)
	var v types.ValueID
	if l.in.Vote != nil {
		v = l.in.Vote.Value
	} else {
		v = l.in.Proposal.Value
	}
	return fmt.Sprintf("%s->%s %s %d %s", l.from, l.to, kind, round, valueName(v))
}

// pass lets what is on the wire now arrive, or get lost.
func (s *stage) pass(lose bool, args []string) {
	kind, from, to := "", "*", "*"
	for _, word := range args {
		if a, b, link := strings.Cut(word, "->"); link {
			from, to = a, b
		} else {
			kind = word
		}
	}
	wire := s.wire
	s.wire = nil
	var rest []letter
	for _, l := range wire {
		k, _ := inputName(&l.in)
		if kind != "" && kind != k || from != "*" && from != l.from || to != "*" && to != l.to {
			rest = append(rest, l)
			continue
		}
		if lose {
			fmt.Fprintf(&s.log, "%s    lost\n", &l)
			continue
		}
		fmt.Fprintln(&s.log, &l)
		s.step(s.actor(l.to), l.in)
	}
	s.wire = append(rest, s.wire...)
}

// again puts what was sent before on the wire to all: gossip.
func (s *stage) again(args []string) {
	for _, l := range s.sent {
		kind, round := inputName(&l.in)
		if len(args) == 2 && (kind != args[0] || int(round) != number(args[1])) {
			continue
		}
		for _, a := range s.actors {
			if a.name != l.from {
				s.wire = append(s.wire, letter{l.from, a.name, l.in})
			}
		}
	}
}

// run delivers all, and lets time pass when nothing is left to deliver.
func (s *stage) run(last types.Round) {
	for {
		for len(s.wire) > 0 {
			s.pass(false, nil)
		}
		var waiting []string
		for _, a := range s.actors {
			if !a.decided {
				waiting = append(waiting, fmt.Sprintf("%s in round %d", a.name, a.round))
			}
			if a.round > last {
				failf("no decision within the bound: %s is in round %d", a.name, a.round)
			}
		}
		if waiting == nil {
			return
		}
		if !s.timePasses() {
			failf("deadlock: nothing is on its way, no timeout runs, and who waits is %s", strings.Join(waiting, ", "))
		}
	}
}

// timePasses ends the earliest timeouts: those of the lowest round and step.
func (s *stage) timePasses() bool {
	var next *bft.Timeout
	for _, a := range s.actors {
		for i := range a.timeouts {
			if t := &a.timeouts[i]; next == nil || t.Round < next.Round || t.Round == next.Round && t.Step < next.Step {
				next = t
			}
		}
	}
	if next == nil {
		return false
	}
	over := *next
	fmt.Fprintf(&s.log, "timeout %s %d\n", over.Step, over.Round)
	for _, a := range s.actors {
		if i := slices.Index(a.timeouts, over); i >= 0 {
			a.timeouts = slices.Delete(a.timeouts, i, i+1)
			s.step(a, bft.Input{Timeout: &over})
		}
	}
	return true
}

// status tells where cores are, as far as they say so.
func (s *stage) status() {
	for _, a := range s.actors {
		c, ok := a.core.(interface{ Status() bft.Status })
		if !ok {
			continue
		}
		st := c.Status()
		line := fmt.Sprintf("  %s  round %d, %s", a.name, st.Round, st.Step)
		if st.LockedRound != types.NoRound {
			line += fmt.Sprintf(", locked %s since round %d", valueName(st.LockedValue), st.LockedRound)
		}
		if st.ValidRound != types.NoRound {
			line += fmt.Sprintf(", valid %s of round %d", valueName(st.ValidValue), st.ValidRound)
		}
		if st.Decided {
			line += ", decided"
		}
		fmt.Fprintln(&s.log, line)
	}
}
