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
	var results []Result
	for _, r := range Rules() {
		if claims.has(r.Claim) {
			results = append(results, Result{r, r.Check(newProxy, claims, patience)})
		}
	}
	return results
}

func (c Capabilities) has(claim string) bool {
	return claim == "" || reflect.ValueOf(c).FieldByName(claim).Bool()
}

// Check grades a proxy by this rule alone.
func (r Rule) Check(newProxy NewProxy, claims Capabilities, patience time.Duration) (err error) {
	s := &stage{newProxy: newProxy, claims: claims, patience: patience, over: make(chan struct{})}
	defer s.clear()
	defer func() {
		switch end := recover().(type) {
		case nil:
		case broken:
			err = fmt.Errorf("RULE %s: %s (%s): %s", r.Of, r.ID, r.Source, string(end))
		default: // it was stumbled over, not found
			err = fmt.Errorf("panic in the story of rule %q: %v\n%s", r.ID, end, debug.Stack())
		}
	}()
	r.tell(s)
	return nil
}

// Run grades a proxy: a subtest a rule, named by what it belongs to (required or a capability) and its ID. A broken
// rule prints
//
//	RULE <rule of package gateway>: <id> (<source>): <what happened>
//
// What is not claimed is printed so.
func Run(t *testing.T, newProxy NewProxy, claims Capabilities) {
	t.Helper()
	byClaim(Rules(), func(claim string, rules []Rule) {
		name := claim
		switch {
		case claim == "":
			name = "required"
		case !claims.has(claim):
			t.Logf("not claimed: %s", claim)
			return
		}
		t.Run(name, func(t *testing.T) {
			for _, r := range rules {
				t.Run(r.ID, func(t *testing.T) {
					if err := r.Check(newProxy, claims, patience); err != nil {
						t.Error(err)
					}
				})
			}
		})
	})
}

// byClaim calls f for each run of rules that belong to one claim.
func byClaim(rules []Rule, f func(claim string, rules []Rule)) {
	for len(rules) > 0 {
		n := slices.IndexFunc(rules, func(r Rule) bool { return r.Claim != rules[0].Claim })
		if n < 0 {
			n = len(rules)
		}
		f(rules[0].Claim, rules[:n])
		rules = rules[n:]
	}
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
