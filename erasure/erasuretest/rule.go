package erasuretest

import (
	"fmt"
	"runtime/debug"
	"slices"
)

// Rule is one thing that a codec must keep, as data.
type Rule struct {
	// ID is what a failure prints behind RULE.
	ID string
	// Text states the rule in one sentence.
	Text string
	// Capability is "Locate" for a rule of a [Locator], "" for a required one.
	Capability string

	story func(*exam)
}

// Rules lists all rules.
func Rules() []Rule {
	return slices.Concat(encodeRules(), lossRules(), shapeRules(), locateRules())
}

// Result is what became of one rule: Err is nil when the codec keeps it.
type Result struct {
	Rule Rule
	Err  error
}

// check tells the rule's story once. A panic of the codec fails the rule, but
// is not reported as RULE: it was stumbled over, not found.
func (r *Rule) check(new constructor, exhaustive bool) (err error) {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case broken:
			err = fmt.Errorf("RULE %s: %s", r.ID, string(end))
		default:
			err = fmt.Errorf("the codec panicked in the story of rule %q: %v\n%s", r.ID, end, debug.Stack())
		}
	}()
	r.story(&exam{new: new, exhaustive: exhaustive})
	return nil
}

// broken ends a story: the rule is broken, and this is what was seen.
type broken string
