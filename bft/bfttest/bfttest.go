package bfttest

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// Core is the implementation under test: what [bft.Core] is. Inputs and outputs mean what
// they mean there; outputs are looked at before the next Step. [bft.Output].Line is not judged.
// One with a method Status() bft.Status shows in transcripts where it is.
type Core interface {
	Step(bft.Input) ([]bft.Output, error)
}

// NewCore makes the core of a validator.
type NewCore func(self types.Address) Core

// Rule is one thing that an implementation must keep, as data: what the kit
// grades, a README lists and a failure names.
type Rule struct {
	// ID is what a failure prints behind RULE: the paper's line, or the rule of package bft.
	ID string
	// Text states the rule in one sentence.
	Text string
	// Scripts are its stories, in the words of the stage.
	Scripts []string
}

// Result is what became of one rule.
type Result struct {
	Rule Rule
	// Err is nil when the implementation keeps the rule. Its text is what [Run] prints: a line, and the story
	// up to there.
	Err error
}

// Grade tells all stories without a testing.T.
func Grade(newCore NewCore) []Result {
	var results []Result
	for _, r := range Rules() {
		results = append(results, Result{r, r.check(newCore)})
	}
	return results
}

// Run grades an implementation: a subtest a rule. A broken rule prints
//
//	RULE <id>: <what happened>
//
// and the story that led to it.
func Run(t *testing.T, newCore NewCore) {
	for _, r := range Rules() {
		t.Run(r.ID, func(t *testing.T) {
			if err := r.check(newCore); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (r *Rule) check(newCore NewCore) error {
	for _, script := range r.Scripts {
		if err := r.tell(script, newCore); err != nil {
			return err
		}
	}
	return nil
}

// tell plays one script of a rule. A panic fails the rule, but is not reported as RULE: it was
// stumbled over, not found.
func (r *Rule) tell(script string, newCore NewCore) (err error) {
	defer func() {
		if end := recover(); end != nil {
			err = fmt.Errorf("the implementation panicked in the story of rule %q: %v\n%s", r.ID, end, debug.Stack())
		}
	}()
	var text strings.Builder
	for line := range strings.Lines(script) {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case line[0] == '#':
			fmt.Fprintln(&text, line)
		default:
			fmt.Fprintf(&text, "> %s\n", line)
		}
	}
	transcript, err := Play(text.String(), newCore)
	if err != nil {
		return fmt.Errorf("RULE %s: %w\nThe rule: %s\n%s", r.ID, err, r.Text, transcript)
	}
	return nil
}
