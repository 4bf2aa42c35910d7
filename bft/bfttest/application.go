package bfttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
)

// ApplicationOptions describe the application under test. New is required, and Tx wanted: without it the application sees
// garbage only.
type ApplicationOptions struct {
	// New makes an instance that has no state yet. One with a Close method is closed.
	New func() (abci.Application, error)
	// Reopen is what a restart does after crashed was killed: an instance with what that one has committed. nil: the application is
	// in memory, New begins it anew, and it is given all blocks again.
	Reopen func(crashed abci.Application) (abci.Application, error)
	// Genesis is how the chain begins. Default: one validator, no state.
	Genesis *abci.InitChainRequest
	// Tx makes a generator of transactions, which by themselves should mostly succeed in the order in which they are made. Everything
	// random in it must be of rng.
	Tx func(rng *rand.Rand) func() []byte
	// Bad makes a transaction that the application must refuse. nil: garbage is given to it, and may be refused or not.
	Bad func(rng *rand.Rand) []byte
	// Queries are asked to see whether anything has changed. Their answers are to be of committed state.
	Queries []*abci.QueryRequest
	// Seeds is how many random chains are played for each rule, of Blocks blocks each. Defaults 3 and 12.
	Seeds  uint64
	Blocks int
}

// ApplicationRule is one thing that an application must keep.
type ApplicationRule struct {
	// ID is what a failure prints behind RULE: of package abci.
	ID string
	// Text states the rule in one sentence.
	Text  string
	check func(*appStage) error
}

// ApplicationResult is what became of one rule.
type ApplicationResult struct {
	Rule ApplicationRule
	Err  error // nil: it is kept
}

// ApplicationRules are all rules, in order.
func ApplicationRules() []ApplicationRule {
	return []ApplicationRule{
		{"A1", "what a block does depends on the state and the block alone: not on a clock, a random number, the order of a map, or who restarted", checkDeterminism},
		{"A2", "PrepareProposal stays within MaxTxBytes, and any other correct node's ProcessProposal accepts what it makes", checkProposals},
		{"A3", "only Commit makes a block last, and shows it; Info tells the last one; a block that was lost is finalised again, to the same end", checkDurability},
		{"A4", "CheckTx, Query and proposals that were not decided change nothing of what a block does, nor of its gas", checkNoise},
		{"A5", "a transaction that is no good has a code, and is no error", checkBadTransactions},
		{"A6", "there is a result for each transaction, and the validators and parameters are such as consensus can take", checkAnswers},
		{"A7", "nothing that a request refers to is kept or changed", checkOwnership},
	}
}

// GradeApplication plays random chains for each rule.
func GradeApplication(t *testing.T, o ApplicationOptions) []ApplicationResult {
	o = o.withDefaults()
	var results []ApplicationResult
	for _, r := range ApplicationRules() {
		result := ApplicationResult{Rule: r}
		for seed := range o.Seeds {
			synctest.Test(t, func(*testing.T) { // its clock makes two runs a day apart cost nothing
				result.Err = r.play(&o, seed)
			})
			if result.Err != nil {
				break
			}
		}
		results = append(results, result)
	}
	return results
}

// Application grades an application: a subtest a rule. A broken rule prints
//
//	RULE <id>: <what happened>
//
// and the seed that shows it again. It is played in a bubble of testing/synctest, so the application must not wait for a
// network, nor leave goroutines behind.
func Application(t *testing.T, o ApplicationOptions) {
	for _, result := range GradeApplication(t, o) {
		t.Run(result.Rule.ID, func(t *testing.T) {
			if result.Err != nil {
				t.Fatal(result.Err)
			}
		})
	}
}

func (o ApplicationOptions) withDefaults() ApplicationOptions {
	if o.Seeds == 0 {
		o.Seeds = 3
	}
	if o.Blocks == 0 {
		o.Blocks = 12
	}
	if o.Genesis == nil {
		key := make([]byte, 32)
		key[0] = 1
		o.Genesis = &abci.InitChainRequest{ChainID: "application", Validators: []abci.ValidatorUpdate{{PubKey: key, Power: 10}}}
	}
	if o.Genesis.Time.IsZero() {
		g := *o.Genesis
		g.Time = time.Unix(1_700_000_000, 0).UTC()
		o.Genesis = &g
	}
	return o
}

// play plays one seed of a rule. A panic fails the rule, but is not reported as RULE: it was stumbled over, not found.
func (r *ApplicationRule) play(o *ApplicationOptions, seed uint64) (err error) {
	s := &appStage{ApplicationOptions: o, seed: seed, rng: rand.New(rand.NewPCG(seed, 0))}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the application panicked in the story of rule %s, seed %d: %v\n%s", r.ID, seed, cause, debug.Stack())
		}
		if closed := s.close(); err == nil {
			err = closed
		}
	}()
	switch err := r.check(s); {
	case errors.Is(err, errVacuous):
		return err
	case err != nil:
		return fmt.Errorf("RULE %s: %w\nThe rule: %s\nSeed %d", r.ID, err, r.Text, seed)
	}
	return nil
}
