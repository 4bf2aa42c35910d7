// Package bfttest grades implementations of Tendermint's consensus core. [Run] is a conformance kit in
// the manner of testing/fstest: it takes a constructor and makes a subtest of each rule of Algorithm 1
// (arXiv:1807.04938). It grades package bft, and a student's homework.
//
//	func TestMyCore(t *testing.T) {
//		bfttest.Run(t, func(self types.Address) bfttest.Core { return mycore.New(self) })
//	}
//
// A broken rule fails its own subtest, says what was seen, and tells how it came to that:
//
//	RULE L22: fork: n1 decides x0 in round 0, and n2 decides x1 in round 1
//	The rule: a first proposal is prevoted if it is valid and no lock forbids it, else nil is
//	> proposers n1 n3
//	> cores n1 n2 n3
//	> start
//	  n1 round 0 (L11)
//	...
//
// # Three ways to look
//
//	Run, Grade     a story a rule, in a language of its own (stage.go): what must be done, what must not, and
//	               what comes of it if a rule is broken: a fork, a deadlock, a decision that comes too late
//	Simulate       a network from a seed: liars, partitions, loss, crashes, with a log that is replayed
//	Twins          scenarios enumerated: a validator with a twin, partitions and proposers round by round
//
// What the kit keeps to itself:
//
//  1. It looks at outputs, never inside. Any behaviour that the paper allows passes, in any order.
//  2. Every rule asks for something good to happen, too: a core that does nothing passes none.
//  3. Nothing in it is left to chance, a clock, or the order of a map: one seed, or number, is one run.
//  4. A panic of the implementation fails the rule in whose story it happened, but is not reported
//     as RULE: it was stumbled over, not found.
//
// # How the kit is proven
//
// Each file of bft/testdata/bugs plants one mistake in package bft: a rule of Algorithm 1 deleted, or weakened. The
// kill matrix builds each and demands that the rule it breaks is the rule that is reported:
//
//	go run ./internal/killmatrix ./bft
//
// # Reading order
//
//	bfttest.go                    what is graded: Core, Rule, Run
//	stage.go stage_play.go        the language of stories, and what plays them
//	rules_round.go rules_vote.go  the paper's lines: a round and its proposal, prevotes and their polkas,
//	rules_decide.go               precommits, and what time does
//	rules_keep.go                 what the paper leaves open
//	simulate.go ...               the simulator; see there
//	twins.go twins_play.go        Twins
//	application.go ...            the kit for ABCI applications: rules A1-A7 of package abci. application_stage.go has the chain that is
//	                              played, application_rules.go and application_answers.go the rules
//	light.go ...                  the kit for light clients: rule C1
package bfttest
