package raft

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func entries(first uint64, terms ...uint64) []Entry {
	es := make([]Entry, len(terms))
	for i, term := range terms {
		es[i] = Entry{Index: first + uint64(i), Term: term, Data: []byte{byte(term)}}
	}
	return es
}

// Each story breaks exactly one of the five properties.
func TestCheckerNamesTheBrokenProperty(t *testing.T) {
	leads := func(id NodeID, term uint64) Status { return Status{ID: id, Role: Leader, Term: term} }
	follows := func(id NodeID, term, commit uint64) Status { return Status{ID: id, Term: term, Commit: commit} }
	other := entries(1, 1)
	other[0].Data = []byte("different")
	for rule, story := range map[string]func(c *Checker) []error{
		"election-safety": func(c *Checker) []error {
			return []error{c.Observe(leads(1, 4), nil), c.Observe(leads(1, 4), nil), c.Observe(leads(2, 5), nil), c.Observe(leads(3, 5), nil)}
		},
		"leader-append-only": func(c *Checker) []error {
			return []error{c.Observe(leads(1, 1), &Ready{Entries: entries(1, 1, 1)}), c.Observe(leads(1, 1), &Ready{Entries: entries(2, 1)})}
		},
		"log-matching": func(c *Checker) []error {
			return []error{c.Observe(follows(1, 1, 0), &Ready{Entries: entries(1, 1)}), c.Observe(follows(2, 1, 0), &Ready{Entries: other})}
		},
		"leader-completeness": func(c *Checker) []error {
			return []error{c.Observe(leads(1, 1), &Ready{Entries: entries(1, 1)}),
				c.Observe(Status{ID: 1, Role: Leader, Term: 1, Commit: 1}, nil), c.Observe(leads(2, 2), nil)}
		},
		"state-machine-safety": func(c *Checker) []error {
			return []error{c.Observe(follows(1, 1, 0), &Ready{Entries: entries(1, 1)}), c.Observe(follows(2, 2, 0), &Ready{Entries: entries(1, 2)}),
				c.Observe(follows(1, 1, 1), &Ready{Committed: entries(1, 1)}), c.Observe(follows(2, 2, 1), &Ready{Committed: entries(1, 2)})}
		},
		"monotonic": func(c *Checker) []error {
			return []error{c.Observe(follows(1, 2, 0), nil), c.Observe(follows(1, 1, 0), nil)}
		},
	} {
		t.Run(rule, func(t *testing.T) {
			errs := story(&Checker{})
			var broken []string
			for _, err := range errs {
				if err != nil {
					broken = append(broken, err.(*Violation).Rule)
				}
			}
			require.NotEmpty(t, broken, "nothing was noticed")
			require.Equal(t, rule, broken[0])
			require.NoError(t, errs[0])
		})
	}
}

func TestCheckerAcceptsALeaderOfALaterTermThatReplacesUncommittedEntries(t *testing.T) {
	c := &Checker{}
	require.NoError(t, c.Observe(Status{ID: 1, Role: Leader, Term: 1}, &Ready{Entries: entries(1, 1, 1)}))
	require.NoError(t, c.Observe(Status{ID: 2, Role: Leader, Term: 2}, &Ready{Entries: entries(1, 2)}))
	require.NoError(t, c.Observe(Status{ID: 1, Term: 2}, &Ready{Entries: entries(1, 2)}))
	require.NoError(t, c.Observe(Status{ID: 1, Term: 2, Commit: 1}, &Ready{Committed: entries(1, 2)}))
	require.NoError(t, c.Started(1, State{HardState: HardState{Term: 2, Commit: 1}, Entries: entries(1, 2)}))
	require.NoError(t, c.Observe(Status{ID: 1, Term: 2, Commit: 1}, &Ready{Committed: entries(1, 2)}), "a restarted node applies again")
}
