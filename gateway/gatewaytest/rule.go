package gatewaytest

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// Rule is one thing that a proxy must keep, as data: what the kit grades, a README lists and a failure names.
type Rule struct {
	// ID is the name of the subtest.
	ID string
	// Of is the rule of package gateway, as in P1, which a failure prints behind RULE. For another proxy it is a
	// heading to read about it.
	Of string
	// Source says where it is asked for, or who has broken it.
	Source string
	// Text states the rule in one sentence.
	Text string
	// Claim is the field of [Capabilities] that must be set; "" for a required rule.
	Claim string

	tell func(*stage)
}

// A story is how a rule is judged: it panics with broken when the rule is.
type story struct {
	Rule
	tell func()
}

func (s story) judge() (err error) {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case broken:
			err = fmt.Errorf("RULE %s: %s (%s): %s", s.Of, s.ID, s.Source, string(end))
		default: // it was stumbled over, not found
			err = fmt.Errorf("panic in the story of rule %q: %v\n%s", s.ID, end, debug.Stack())
		}
	}()
	s.tell()
	return nil
}

// claimed tells whether a claim, a field of a struct of capabilities, is made. "" is required.
func claimed(claims any, claim string) bool {
	return claim == "" || reflect.ValueOf(claims).FieldByName(claim).Bool()
}

// grade judges the stories that are claimed, without a testing.T.
func grade(stories []story, claims any) (results []Result) {
	for _, s := range stories {
		if claimed(claims, s.Claim) {
			results = append(results, Result{s.Rule, s.judge()})
		}
	}
	return results
}

// run judges them as subtests, named by what they belong to (required or a capability) and their ID.
func run(t *testing.T, stories []story, claims any) {
	t.Helper()
	for len(stories) > 0 {
		claim := stories[0].Claim
		n := slices.IndexFunc(stories, func(s story) bool { return s.Claim != claim })
		if n < 0 {
			n = len(stories)
		}
		part := stories[:n]
		stories = stories[n:]
		name := claim
		switch {
		case claim == "":
			name = "required"
		case !claimed(claims, claim):
			t.Logf("not claimed: %s", claim)
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, s := range part {
				t.Run(s.ID, func(t *testing.T) {
					if err := s.judge(); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// Rules lists all rules for proxies: the required ones, then those of each capability.
func Rules() []Rule {
	all := slices.Concat(forwardRules(), messageRules(), hopRules(), smuggleRules(), streamRules(), brokenRules(), othersRules(),
		upgradeRules(), pathRules(), lifeRules())
	rank := map[string]int{}
	for i, f := range reflect.VisibleFields(reflect.TypeFor[Capabilities]()) {
		rank[f.Name] = i + 1
	}
	slices.SortStableFunc(all, func(a, b Rule) int { return rank[a.Claim] - rank[b.Claim] })
	return all
}

// Result is what became of one rule.
type Result struct {
	Rule Rule
	// Err is nil when the proxy keeps the rule. Its text is the line that [Run] prints.
	Err error
}

// patience is how long [Run] waits for what must come. Nothing takes that long but failing.
const patience = 20 * time.Second

// Grade grades a proxy without a testing.T: by the required rules, and those of the capabilities that it claims. A
// step of a story fails when it takes longer than patience.
func Grade(newProxy NewProxy, claims Capabilities, patience time.Duration) []Result {
	return grade(proxyStories(newProxy, claims, patience), claims)
}

// Check grades a proxy by this rule, one of [Rules], alone.
func (r Rule) Check(newProxy NewProxy, claims Capabilities, patience time.Duration) error {
	return r.story(newProxy, claims, patience).judge()
}

// Run grades a proxy: a subtest a rule, named by what it belongs to (required or a capability) and its ID. A broken
// rule prints
//
//	RULE <rule of package gateway>: <id> (<source>): <what happened>
//
// What is not claimed is printed so. Rule clean counts goroutines, so nothing else should run meanwhile.
func Run(t *testing.T, newProxy NewProxy, claims Capabilities) {
	t.Helper()
	run(t, proxyStories(newProxy, claims, patience), claims)
}

func proxyStories(newProxy NewProxy, claims Capabilities, patience time.Duration) (all []story) {
	for _, r := range Rules() {
		all = append(all, r.story(newProxy, claims, patience))
	}
	return all
}

func (r Rule) story(newProxy NewProxy, claims Capabilities, patience time.Duration) story {
	return story{r, func() {
		s := &stage{newProxy: newProxy, claims: claims, patience: patience, over: make(chan struct{})}
		defer s.clear()
		r.tell(s)
	}}
}

// broken is what a story panics with.
type broken string

func failf(format string, args ...any) { panic(broken(fmt.Sprintf(format, args...))) }

func check(ok bool, format string, args ...any) {
	if !ok {
		failf(format, args...)
	}
}

// same fails the rule unless got is what is wanted.
func same[T comparable](got, want T, format string, args ...any) {
	if got != want {
		failf("%s: %s, want %s", fmt.Sprintf(format, args...), short(got), short(want))
	}
}

func short(v any) string {
	text := fmt.Sprintf("%#v", v)
	if len(text) > 600 {
		text = text[:300] + " ... " + text[len(text)-200:]
	}
	return text
}
