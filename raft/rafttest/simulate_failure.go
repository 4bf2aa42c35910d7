package rafttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/raft"
)

// Failure is a seed that broke a rule.
type Failure struct {
	Seed uint64
	// Violation is the rule that was broken, and by what.
	Violation *raft.Violation
	// At is the virtual time at which it showed.
	At time.Duration
	// Schedule is the scenario of the seed; Minimal is a part of it that
	// breaks the same rule.
	Schedule, Minimal Schedule
	// Events are the last ones of the minimal run, before it failed.
	Events []string
}

func (f *Failure) Error() string {
	s := fmt.Sprintf("%v\nseed %d, at %v; schedule minimised from %d actions to %d:\n", f.Violation, f.Seed, f.At, len(f.Schedule), len(f.Minimal))
	for _, a := range f.Minimal {
		s += "\t" + a.String() + "\n"
	}
	s += "the end of that run:\n"
	for _, e := range f.Events {
		s += "\t" + e + "\n"
	}
	return s
}

// Unwrap makes errors.As find the Violation.
func (f *Failure) Unwrap() error { return f.Violation }

// lastEvents is how many of the last events a failure prints.
const lastEvents = 40

// minimise looks for a small part of the schedule that breaks the same rule,
// and lets it tell its story.
func (f *Failure) minimise(o Options) {
	attempts := o.Attempts
	breaks := func(part Schedule) (time.Duration, bool) {
		attempts--
		s := newSimulation(f.Seed, o, nil)
		v := s.run(part)
		return s.failedAt, v != nil && v.Rule == f.Violation.Rule
	}
	for next := f.Schedule; attempts > 0 && next != nil; next = f.scatter(&attempts, breaks) {
		if minimal, ok := next.Minimise(attempts, breaks); ok {
			f.Minimal = minimal
		}
	}
	told := map[raft.NodeID]uint64{}
	s := newSimulation(f.Seed, o, func(e Event) {
		if dull(e, told) {
			return
		}
		if len(f.Events) == lastEvents {
			f.Events = append(f.Events[:0], f.Events[1:]...)
		}
		f.Events = append(f.Events, e.String())
	})
	if v := s.run(f.Minimal); v != nil {
		f.Violation, f.At = v, s.failedAt
	}
}

// scatter leaves out actions here and there until the rest breaks the rule. A
// schedule of which no action can be spared may do without several: every
// message less moves the luck of those behind it, so a failure that is lost by
// leaving out one action may be back without two. It returns nil when enough
// was tried.
func (f *Failure) scatter(attempts *int, breaks func(Schedule) (time.Duration, bool)) Schedule {
	r := rand.New(rand.NewPCG(f.Seed, uint64(*attempts)))
	for tries := 0; tries < 200 && *attempts > 0 && len(f.Minimal) > 2; tries++ {
		spared := 2 + r.IntN(max(1, len(f.Minimal)/3))
		part := slices.Clone(f.Minimal)
		for range min(spared, len(part)) {
			i := r.IntN(len(part))
			part = slices.Delete(part, i, i+1)
		}
		if _, failed := breaks(part); failed {
			return part
		}
	}
	return nil
}

// dull tells which events a story does without: what is sent either arrives or
// is dropped, and heartbeats and their answers are many. told is what each node
// acknowledged last.
func dull(e Event, told map[raft.NodeID]uint64) bool {
	if e.Kind == sim.TimerFired || e.Kind == sim.Sent {
		return true
	}
	m, _ := e.Payload.(raft.Message)
	switch m.Type {
	case raft.AppendEntries:
		return len(m.Entries) == 0
	case raft.AppendEntriesReply:
		old := told[m.From] == m.Index && !m.Reject
		told[m.From] = m.Index
		return old
	}
	return false
}
