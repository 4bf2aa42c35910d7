package rafttest

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"testing"
)

// Rule is one thing that an implementation must keep, as data: what the kit
// grades, a README lists and a failure names.
type Rule struct {
	// ID is what a failure prints behind RULE.
	ID string
	// Section of the Raft paper (§) or of Ongaro's dissertation (D§).
	Section string
	// Text states the rule in one sentence.
	Text string
	// Capability is the field of [Capabilities] that must be claimed for the
	// rule to be graded; "" for a required rule, "Cluster" for one of the
	// black-box part.
	Capability string
	// With is a second capability that must be claimed, for a rule about how
	// the two go together; "" for most.
	With string

	story   func(*world)
	cluster func(*box)
}

// Rules lists all rules: the required ones, then those of each capability,
// then those of the black-box part.
func Rules() []Rule {
	return slices.Concat(
		electionRules(), timerRules(), replicationRules(), commitRules(), durabilityRules(), applyRules(),
		figure2Rules(), noOpRules(), preVoteRules(), checkQuorumRules(), fastBackupRules(), logProbesRules(), pipelineRules(), boundsRules(),
		snapshotRules(), readRules(), followerReadRules(), leaseRules(), transferRules(), priorityRules(), membershipRules(),
		clusterRules(),
	)
}

// Result is what became of one rule.
type Result struct {
	Rule Rule
	// Err is nil when the implementation keeps the rule. Its text is the line
	// that [Run] prints.
	Err error
}

// Grade tells the stories of the step core without a testing.T: the required
// rules, and those of the capabilities that the implementation claims.
func Grade(impl Implementation) []Result {
	var results []Result
	for _, r := range Rules() {
		if r.story != nil && impl.NewCore != nil && impl.claims(r.Capability) && impl.claims(r.With) {
			results = append(results, Result{r, r.check(impl)})
		}
	}
	return results
}

// check tells the rule's story once.
func (r *Rule) check(impl Implementation) (err error) {
	defer func() { err = r.verdict(recover()) }()
	r.story(newWorld(impl, r))
	return nil
}

// verdict turns what ended a story into an error. A panic of the
// implementation fails the rule, but is not reported as RULE: it was stumbled
// over, not found.
func (r *Rule) verdict(end any) error {
	switch end := end.(type) {
	case nil:
		return nil
	case broken:
		return fmt.Errorf("RULE %s: %s (%s)", r.ID, end.text, r.Section)
	default:
		return fmt.Errorf("the implementation panicked in the story of rule %q: %v\n%s", r.ID, end, debug.Stack())
	}
}

// uses says whether the rule is about a capability.
func (r *Rule) uses(capability string) bool {
	return r.Capability == capability || r.With == capability
}

// claims says whether rules of a capability are to be graded.
func (impl *Implementation) claims(capability string) bool {
	if capability == "" {
		return true
	}
	f := reflect.ValueOf(impl.Claims).FieldByName(capability)
	return f.IsValid() && f.Bool()
}

// Run grades an implementation: a subtest a rule, named by what it belongs to
// (required, a capability or Cluster) and its ID. A broken rule prints
//
//	RULE <id>: <what happened> (<section>)
//
// What is not claimed is printed so.
func Run(t *testing.T, impl Implementation) {
	t.Helper()
	if impl.NewCore == nil && impl.NewCluster == nil {
		t.Fatalf("%s: Implementation has neither NewCore nor NewCluster", impl.Name)
	}
	t.Logf("grading %s", impl.Name)
	rules := Rules()
	for len(rules) > 0 {
		capability := rules[0].Capability
		n := slices.IndexFunc(rules, func(r Rule) bool { return r.Capability != capability })
		if n < 0 {
			n = len(rules)
		}
		runPart(t, impl, capability, rules[:n])
		rules = rules[n:]
	}
}

// runPart grades the rules of one capability.
func runPart(t *testing.T, impl Implementation, capability string, rules []Rule) {
	t.Helper()
	name := capability
	switch {
	case capability == "Cluster":
		if impl.NewCluster == nil {
			t.Log("not offered: Cluster")
			return
		}
	case impl.NewCore == nil:
		if capability == "" {
			t.Log("no step core: only the black-box part is graded")
		}
		return
	case capability == "":
		name = "required"
	case !impl.claims(capability):
		t.Logf("not claimed: %s", capability)
		return
	}
	t.Run(name, func(t *testing.T) {
		for _, r := range rules {
			if !impl.claims(r.With) {
				t.Logf("not claimed: %s, for rule %s", r.With, r.ID)
				continue
			}
			t.Run(r.ID, func(t *testing.T) {
				if r.cluster != nil {
					r.runCluster(t, impl)
				} else if err := r.check(impl); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}
