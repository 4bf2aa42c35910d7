package bfttest

import (
	"fmt"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/internal/sim"
)

// Failure is a seed that broke a rule.
type Failure struct {
	Seed uint64
	// Violation is the rule that was broken, and by what.
	Violation error
	// At is the virtual time at which it showed.
	At    time.Duration
	Liars []Lie
	// Schedule is the scenario of the seed; Minimal is a part of it that breaks the same rule.
	Schedule, Minimal Schedule
	// Story is the end of the minimal run.
	Story []string
}

func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\nseed %d, at %v", f.Violation, f.Seed, f.At)
	for i, l := range f.Liars {
		if l != Honest {
			fmt.Fprintf(&b, "; n%d is %s", i+1, l)
		}
	}
	fmt.Fprintf(&b, "; schedule minimised from %d actions to %d:\n", len(f.Schedule), len(f.Minimal))
	for _, a := range f.Minimal {
		fmt.Fprintf(&b, "\t%s\n", a)
	}
	b.WriteString("the end of that run:\n")
	for _, e := range f.Story {
		fmt.Fprintf(&b, "\t%s\n", e)
	}
	return b.String()
}

// Unwrap makes errors.As find the [*Violation].
func (f *Failure) Unwrap() error { return f.Violation }

// lastEvents is how many of the last events a failure tells.
const lastEvents = 80

// minimise looks for a small part of the schedule that breaks the same rule, and lets it tell its story.
func (f *Failure) minimise(o Options) {
	rule := ruleOf(f.Violation)
	breaks := func(part Schedule) (time.Duration, bool) {
		s, err := newSimulation(f.Seed, o, nil)
		if err != nil {
			return 0, false
		}
		v := s.run(part)
		return s.failedAt, v != nil && ruleOf(v) == rule
	}
	if minimal, ok := f.Schedule.Minimise(o.Attempts, breaks); ok {
		f.Minimal = minimal
	}
	s, err := newSimulation(f.Seed, o, func(e Event) {
		if text := tell(e); text != "" {
			if len(f.Story) == lastEvents {
				f.Story = append(f.Story[:0], f.Story[1:]...)
			}
			f.Story = append(f.Story, text)
		}
	})
	if err != nil {
		return
	}
	if v := s.run(f.Minimal); v != nil {
		f.Violation, f.At = v, s.failedAt
	}
}

func ruleOf(err error) string {
	if v, ok := err.(*Violation); ok {
		return v.Rule
	}
	return ""
}

// tell is an event of a story; "" for one that it does without: what is sent either arrives or is dropped.
func tell(e Event) string {
	at := fmt.Sprintf("%8.3f", e.At.Seconds())
	switch e.Kind {
	case sim.Note:
		return fmt.Sprintf("%s n%d %s", at, e.Process, e.Detail)
	case sim.Delivered:
		switch m := e.Payload.(type) {
		case *numberedVote:
			return fmt.Sprintf("%s   n%d hears from n%d: %s height %d: %s %d %s", at, e.Process, e.Peer, name(m.Validator), m.Height, m.Type, m.Round, valueName(m.Value))
		case *bft.Proposed:
			return fmt.Sprintf("%s   n%d hears from n%d: %s height %d: proposal %d %s valid %d", at, e.Process, e.Peer, name(m.Proposer), m.Height, m.Round, valueName(m.Value), m.ValidRound)
		}
		return ""
	case sim.Sent, sim.TimerFired, sim.Dropped, sim.Duplicated:
		return ""
	}
	return e.String()
}
