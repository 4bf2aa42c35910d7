package mvcctest

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flagship-go/flagship/mvcc/history"
)

// Rule is one thing that a store must keep, as data: what the kit grades, a README lists
// and a failure names.
type Rule struct {
	// ID is the name of the subtest.
	ID string
	// V is the rule of package mvcc, as in V4, which a failure prints behind RULE. For another
	// store it is a heading to read about it.
	V string
	// Source says who met it, or where it is asked for.
	Source string
	// Text states the rule in one sentence.
	Text string
	// Claim is the field of [Mode] that must be set; "" for a required rule.
	Claim string

	story string             // in words, see player.go; or
	tell  func(*stage) error // in code
}

// Rules lists all rules: the required ones, then those of each claim.
func Rules() []Rule {
	return slices.Concat(basicRules(), anomalyRules(), workloadRules(), serializableRules(), rangeRules(), realTimeRules(),
		reverseRules(), insertRules(), savepointRules(), lockRules(), travelRules())
}

// stage is where one rule's story takes place.
type stage struct {
	open func() (DB, error)
	mode Mode
	rule *Rule
	// wait returns when everybody else waits; nil if the story is played by one goroutine.
	wait func()
	dbs  []DB
}

// db opens an empty store, which is closed after the story.
func (s *stage) db() (DB, error) {
	d, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	s.dbs = append(s.dbs, d)
	return d, nil
}

// play tells the story. A panic of the store fails the rule, but is not reported as RULE: it
// was stumbled over, not found.
func (s *stage) play() (err error) {
	defer func() {
		if end := recover(); end != nil {
			err = fmt.Errorf("the store panicked in the story of rule %q: %v\n%s", s.rule.ID, end, debug.Stack())
		}
	}()
	defer func() {
		for _, d := range s.dbs {
			if c, ok := d.(io.Closer); ok {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	if s.rule.story != "" {
		err = s.tellStory(s.rule.story)
	} else {
		err = s.rule.tell(s)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("RULE %s: %s (%s): %w", s.rule.V, s.rule.ID, s.rule.Source, err)
}

// claims says whether rules of a claim are to be graded.
func (m Mode) claims(claim string) bool {
	return claim == "" || reflect.ValueOf(m).FieldByName(claim).Bool()
}

// Run grades a store: a subtest a rule, named by what it belongs to (required or a claim)
// and its ID. open makes an empty store. A broken rule prints
//
//	RULE <V>: <id> (<source>): <what happened>
//
// Rules about locks, which wait, are played in a bubble of testing/synctest.
func Run(t *testing.T, open func() (DB, error), mode Mode) {
	t.Helper()
	t.Logf("grading %s", mode.Name)
	rules := Rules()
	for len(rules) > 0 {
		claim := rules[0].Claim
		n := slices.IndexFunc(rules, func(r Rule) bool { return r.Claim != claim })
		if n < 0 {
			n = len(rules)
		}
		runPart(t, open, mode, claim, rules[:n])
		rules = rules[n:]
	}
}

func runPart(t *testing.T, open func() (DB, error), mode Mode, claim string, rules []Rule) {
	t.Helper()
	name := claim
	switch {
	case claim == "":
		name = "required"
	case !mode.claims(claim):
		t.Logf("not claimed: %s", claim)
		return
	}
	t.Run(name, func(t *testing.T) {
		for i := range rules {
			s := &stage{open: open, mode: mode, rule: &rules[i]}
			play := func(t *testing.T) {
				if err := s.play(); err != nil {
					t.Error(err)
				}
			}
			t.Run(rules[i].ID, func(t *testing.T) {
				if claim != "Locks" {
					play(t)
					return
				}
				synctest.Test(t, func(t *testing.T) {
					s.wait = synctest.Wait
					play(t)
				})
			})
		}
	})
}

// judge says what a history shows that the mode forbids, or nil.
func (m Mode) judge(h *history.History) error {
	if m.Serializable && !m.Ranges {
		h = withoutGaps(h)
	}
	r, err := history.Check(h, &history.Options{RealTime: m.RealTime})
	if err != nil {
		return fmt.Errorf("the kit's own history is wrong: %w", err)
	}
	for i := range r.Anomalies {
		if a := &r.Anomalies[i]; m.forbids(a) {
			return &Broken{*a}
		}
	}
	return nil
}

// withoutGaps leaves out what scans have missed.
func withoutGaps(h *history.History) *history.History {
	out := &history.History{KeyName: h.KeyName, Txns: slices.Clone(h.Txns)}
	for i := range out.Txns {
		t := &out.Txns[i]
		t.Ops = slices.DeleteFunc(slices.Clone(t.Ops), func(o history.Op) bool {
			return o.Kind == history.Read && o.Scan && o.Value == 0 && o.List == nil
		})
	}
	return out
}

// Broken is an anomaly that a mode forbids.
type Broken struct{ history.Anomaly }

func (e *Broken) Error() string { return strings.TrimSpace(e.Text) }

func (m Mode) forbids(a *history.Anomaly) bool {
	level := history.SnapshotIsolation
	if m.Serializable {
		level = history.Serializable
	}
	if a.RealTime && !m.RealTime {
		return false
	}
	plain := *a
	plain.RealTime = false
	return plain.Breaks(level)
}
