package lsmtest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Rule is one thing that an implementation must keep, as data: what the kit
// grades, a README lists and a failure names.
type Rule struct {
	// ID is what a failure prints behind RULE.
	ID string
	// Source says who broke it, or where it is asked for.
	Source string
	// Text states the rule in one sentence.
	Text string
	// Capability is the field of [Capabilities] that must be claimed for the
	// rule to be graded; "" for a required rule.
	Capability string
	// With is a second capability that must be claimed, for a rule about how
	// the two go together; "" for most.
	With string

	log   string             // the story, in words; or
	tell  func(*world) error // in code
	every bool               // tell is told once, and sees to the option sets itself
}

// Rules lists all rules: the required ones, then those of each capability.
func Rules() []Rule {
	return slices.Concat(basicRules(), iterateRules(), concurrentRules(), metamorphicRules(),
		emptyKeyRules(), reverseRules(), snapshotRules(), maintenanceRules(), rangeRules(), mergeRules(), ttlRules(),
		checkpointRules(), ownerRules(), crashRules(), faultRules(), damageRules(), killRules())
}

// Result is what became of one rule.
type Result struct {
	Rule Rule
	// Err is nil when the implementation keeps the rule. Its text is the line
	// that [Run] prints.
	Err error
}

// Grade grades an implementation without a testing.T, by all but the rules that
// start processes: the required rules, and those of the capabilities that it
// claims.
//
// It panics when the claims contradict each other.
func Grade(impl Implementation) []Result {
	if err := impl.check(); err != nil {
		panic("lsmtest: " + err.Error())
	}
	var results []Result
	for _, r := range Rules() {
		if r.Capability != "Kill" && impl.claims(r.Capability) && impl.claims(r.With) {
			results = append(results, Result{r, r.check(impl, "")})
		}
	}
	return results
}

// check says what is wrong with an implementation's claims.
func (impl *Implementation) check() error {
	if impl.Open == nil {
		return errors.New("field Open of Implementation is nil")
	}
	for _, c := range []string{"Crash", "Damage", "NoSpace", "SyncFailure"} {
		if impl.claims(c) && !impl.Claims.Memory {
			return fmt.Errorf("claim %s needs the claim Memory: the kit must own the disk", c)
		}
	}
	if impl.Claims.Damage && impl.Damage == nil {
		return errors.New("claim Damage needs the function Damage of Implementation")
	}
	return nil
}

// world is where one rule's story takes place.
type world struct {
	impl *Implementation
	rule *Rule
	set  Set
	runs Runs
	test string // name of the test that grades, "" for none
	temp string // a real directory, made when it is asked for
	made int    // directories given out
}

// player returns one with an empty place of its own.
func (w *world) player() (*player, error) {
	if w.impl.Claims.Memory {
		return newPlayer(w.impl, w.set, vfs.NewMem(), "db"), nil
	}
	dir, err := w.dir()
	if err != nil {
		return nil, err
	}
	return newPlayer(w.impl, w.set, nil, filepath.Join(dir, "db")), nil
}

// dir returns a new real directory.
func (w *world) dir() (string, error) {
	if w.temp == "" {
		var err error
		if w.temp, err = os.MkdirTemp("", "lsmtest"); err != nil {
			return "", err
		}
	}
	w.made++
	dir := filepath.Join(w.temp, fmt.Sprint(w.made))
	return dir, os.Mkdir(dir, 0o777)
}

// play tells a story in words.
func (w *world) play(l Log) error {
	p, err := w.player()
	if err != nil {
		return err
	}
	return p.play(l)
}

// sets returns the option sets to judge a rule with: the default, and a few
// others, so that each is used by some rule and all rules see several.
func (impl *Implementation) sets(rule string) []Set {
	const most = 4
	all := impl.allSets()
	if len(all) <= most {
		return all
	}
	h := fnv.New32a()
	h.Write([]byte(rule))
	from, rest := int(h.Sum32()>>1), all[1:]
	sets := []Set{all[0]}
	for i := range most - 1 {
		sets = append(sets, rest[(from+i*len(rest)/most)%len(rest)])
	}
	return sets
}

func (impl *Implementation) allSets() []Set {
	if len(impl.Sets) == 0 {
		return []Set{{}}
	}
	return impl.Sets
}

// check tells the rule's story with several option sets.
func (r *Rule) check(impl Implementation, test string) error {
	sets := impl.sets(r.ID)
	if r.every {
		sets = impl.allSets()[:1]
	}
	for _, set := range sets {
		w := &world{impl: &impl, rule: r, set: set, runs: impl.Runs.withDefaults(), test: test}
		err := w.story()
		if w.temp != "" {
			os.RemoveAll(w.temp)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// story tells the rule's story once. A panic of the implementation fails the
// rule, but is not reported as RULE: it was stumbled over, not found.
func (w *world) story() (err error) {
	defer func() {
		if end := recover(); end != nil {
			err = fmt.Errorf("the implementation panicked in the story of rule %q, option set %q: %v\n%s", w.rule.ID, w.set.Name, end, debug.Stack())
		}
	}()
	if w.rule.log != "" {
		err = w.play(mustParse(w.rule.log))
	} else {
		err = w.rule.tell(w)
	}
	if err == nil {
		return nil
	}
	where := ""
	if w.set.Name != "" && !w.rule.every {
		where = "option set " + w.set.Name + ", "
	}
	return fmt.Errorf("RULE %s: %s%w (%s)", w.rule.ID, where, err, w.rule.Source)
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
// (required or a capability) and its ID. A broken rule prints
//
//	RULE <id>: <what happened> (<source>)
//
// What is not claimed is printed so. It must be called from a test that does
// little else: the rules of Capabilities.Kill run that test again, in a process
// to be killed.
func Run(t *testing.T, impl Implementation) {
	t.Helper()
	if err := impl.check(); err != nil {
		t.Fatalf("%s: %v", impl.Name, err)
	}
	if isVictim() {
		beVictim(t, impl)
		return
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
				if err := r.check(impl, t.Name()); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}
