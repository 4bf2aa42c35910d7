package bfttest

import (
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/light"
)

// The kit for light clients: it grades one function, that says of a block whether it may be trusted because of another one that
// is (C1). Each rule is a script; light_play.go has the words.
//
//	func TestMyLightClient(t *testing.T) {
//		bfttest.Light(t, func(chainID string, p light.Params) bfttest.LightVerifier {
//			return func(trusted light.Trusted, b *light.Block, now time.Time) error { return mine.Verify(...) }
//		})
//	}
//
// Read light.go, light_play.go, light_rules.go, light_chain.go.

// LightVerifier is the implementation under test, what [light.Verify] is. nil: the block may be trusted. [light.ErrNotEnoughTrust]: it
// may be right, and a height in between could show it. It must not change what it is given.
type LightVerifier func(trusted light.Trusted, b *light.Block, now time.Time) error

// NewLightVerifier makes a verifier for a chain. Parameters that make no sense are refused by each verification.
type NewLightVerifier func(chainID string, p light.Params) LightVerifier

// GradeLight tells all stories of light verification without a testing.T.
func GradeLight(newVerifier NewLightVerifier) []Result {
	var results []Result
	for _, r := range LightRules() {
		results = append(results, Result{r, r.checkLight(newVerifier)})
	}
	return results
}

// Light grades an implementation: a subtest a rule. A broken rule prints
//
//	RULE <id>: <what happened>
//
// and the script that led to it.
func Light(t *testing.T, newVerifier NewLightVerifier) {
	for _, r := range LightRules() {
		t.Run(r.ID, func(t *testing.T) {
			if err := r.checkLight(newVerifier); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (r *Rule) checkLight(newVerifier NewLightVerifier) error {
	for _, script := range r.Scripts {
		if err := r.tellLight(script, newVerifier); err != nil {
			return err
		}
	}
	return nil
}

// tellLight plays one script of a rule. As with cores, a panic was stumbled over, not found.
func (r *Rule) tellLight(script string, newVerifier NewLightVerifier) (err error) {
	defer func() {
		if end := recover(); end != nil {
			err = fmt.Errorf("the implementation panicked in the story of rule %q: %v\n%s", r.ID, end, debug.Stack())
		}
	}()
	told, err := playLight(script, newVerifier)
	if err != nil {
		return fmt.Errorf("RULE %s: %w\nThe rule: %s\n%s", r.ID, err, r.Text, told)
	}
	return nil
}
