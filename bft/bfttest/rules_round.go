package bfttest

import "slices"

// Rules lists all rules, in the order of the paper's lines.
func Rules() []Rule {
	return slices.Concat(startRules(), proposalRules(), polkaRules(), decisionRules(), timeoutRules(), keeperRules())
}

// laterRound brings n2 of four into round 1 without a lock.
const laterRound = `
	cores n2
	start
	precommit 0 nil n1 n3 n4
	timeout precommit 0
`

// lockedA has n2 lock a in round 0, and begin round 1.
const lockedA = `
	proposers n1 n3
	cores n2
	start
	proposal 0 a
	prevote 0 a n1 n3
	expect precommit 0 a
	precommit 0 nil n1 n3
	timeout precommit 0
	expect round 1
`

func startRules() []Rule {
	return []Rule{
		{"L11", "a height begins with round 0, and the next round comes after it", []string{`
			cores n1 n2
			start
			expect n1 round 0
			expect n2 round 0
			precommit 0 nil n3 n4
			precommit 0 nil n1 to n2
			timeout precommit 0 to n2
			expect n2 round 1
		`, `
			# Nothing of one height is left in the next.
			proposers n1 n3
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3
			precommit 0 a n1
			precommit 0 a n3
			expect decide 0 a
			start
			expect round 0
			expect timeout propose 0
			proposal 0 b
			expect prevote 0 b
			prevote 0 b n1 n3
			expect precommit 0 b
		`}},
		{"L15", "a proposer who has seen a polka proposes that value, and its round", []string{`
			# n4 is silent from now on; n1 and n2 are locked on x0, n3 is not. If they propose anything else, the two refuse it for ever.
			proposers n3 n1 n2
			cores n1 n2 n3
			start
			deliver proposal
			deliver prevote *->n1
			deliver prevote *->n2
			deliver prevote n1->n3
			lose prevote
			prevote 0 nil n4 to n3
			timeout prevote 0 to n3
			expect n3 precommit 0 nil
			again prevote 0
			run 4
		`, `
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3
			precommit 0 nil n1 n3
			timeout precommit 0
			expect propose 1 a valid 0
		`, `
			# The valid value, not the locked one.
			proposers n1 n3 n2
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3
			precommit 0 nil n1 n3
			timeout precommit 0
			timeout propose 1
			prevote 1 nil n4
			prevote 1 b n1
			timeout prevote 1
			prevote 1 b n3
			prevote 1 b n4
			proposal 1 b
			precommit 1 nil n1 n3
			timeout precommit 1
			expect propose 2 b valid 1
		`}},
		{"L18", "a proposer who has seen no polka proposes a new value", []string{`
			cores n1
			start
			expect get value 0
			expect prevote 0 x0
		`, laterRound + `
			expect get value 1
			expect prevote 1 x1
		`}},
		{"L21", "who does not propose waits for the proposer, and not for ever", []string{`
			# n1, who proposes first, is silent.
			cores n2 n3 n4
			start
			run 3
		`, `
			cores n3
			start
			expect timeout propose 0
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			expect timeout propose 1
		`}},
	}
}

func proposalRules() []Rule {
	return []Rule{
		{"L22", "a first proposal is prevoted if it is valid and no lock forbids it, else nil is", []string{`
			# n1 decides x0, with the liar n4's help; n2 is locked on x0 and must not help n3 and n4 to x1.
			proposers n1 n3
			cores n1 n2 n3
			start
			deliver proposal
			deliver prevote *->n1
			deliver prevote *->n2
			lose prevote
			deliver precommit
			precommit 0 x0 n4 to n1
			expect n1 decide 0 x0
			precommit 0 nil n4 to n2 n3
			timeout precommit 0 to n2 n3
			deliver proposal
			prevote 1 x1 n4
			deliver prevote
			precommit 1 x1 n4
			deliver
		`, `
			cores n2
			start
			proposal 0 a
			expect prevote 0 a
		`, `
			cores n2
			start
			proposal 0 bad
			expect prevote 0 nil
		`, lockedA + `
			proposal 1 b
			expect prevote 1 nil
		`, lockedA + `
			proposal 1 a
			expect prevote 1 a
		`, `
			# Only of this round, and only once.
			cores n2
			start
			proposal 1 b by n2
			expect nothing
			proposal 0 a by n3
			expect nothing
			timeout propose 0
			expect prevote 0 nil
			proposal 0 a
			refuse prevote 0 a
		`}},
		{"L28", "an older value is prevoted only with its polka, of an earlier round, whenever that comes", []string{`
			# The polka comes before the proposal,
			cores n3
			start
			prevote 0 a n1 n2 n4
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			proposal 1 a valid 0
			expect prevote 1 a
		`, `
			# or after it.
			cores n3
			start
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			proposal 1 a valid 0
			expect nothing
			prevote 0 a n1 n2
			expect nothing
			prevote 0 a n4
			expect prevote 1 a
		`, `
			# A polka for another value, or of another round, is none.
			cores n3
			start
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			proposal 1 a valid 0
			prevote 0 b n1 n2 n4
			expect nothing
			prevote 1 a n1 n2
			refuse prevote 1 a
		`, `
			# One may not name the round itself, or a later one.
			cores n3
			start
			proposal 0 a valid 0
			expect nothing
			prevote 0 a n1 n2 n4
			refuse prevote 0 a
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			proposal 1 a valid 2
			expect nothing
			proposal 1 a valid 0
			expect prevote 1 a
		`, `
			cores n3
			start
			prevote 0 bad n1 n2 n4
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			proposal 1 bad valid 0
			expect prevote 1 nil
		`}},
		{"L29", "a lock gives way to a polka that is not older, and to no other", []string{`
			# y has a polka in round 0 that nobody hears of. n1 decides x1 in round 1, with the liar n4's help. n2 is
			# locked on x1, and must not go back to y when n4 shows that polka in round 2.
			proposers n4 n1 n4 n2
			cores n1 n2 n3
			start
			proposal 0 y
			prevote 0 nil n4
			deliver prevote n2->n1
			deliver prevote n3->n2
			deliver prevote n1->n3
			lose prevote
			timeout prevote 0
			deliver precommit
			timeout precommit 0
			deliver proposal
			deliver prevote *->n1
			deliver prevote *->n2
			lose prevote
			deliver precommit
			precommit 1 x1 n4 to n1
			expect n1 decide 1 x1
			precommit 1 nil n4 to n2 n3
			timeout precommit 1 to n2 n3
			proposal 2 y valid 0
			again prevote 0
			deliver prevote
			prevote 2 y n4
			deliver prevote
			precommit 2 y n4
			deliver
		`, `
			# n2 is locked on a since round 1. A polka for b in round 0 does not free it; for a it is no matter.
			proposers n1 n3
			cores n2
			start
			precommit 0 nil n1 n3 n4
			timeout precommit 0
			proposal 1 a
			prevote 1 a n1 n3
			expect precommit 1 a
			precommit 1 nil n1 n3 n4
			timeout precommit 1
			prevote 0 b n1 n3 n4
			proposal 2 b valid 0
			expect prevote 2 nil
		`, lockedA + `
			# A polka for b in round 1 frees it, seen before the proposal.
			timeout propose 1
			expect prevote 1 nil
			prevote 1 b n1 n3 n4
			precommit 1 nil n1 n3 n4
			timeout precommit 1
			proposal 2 b valid 1
			expect prevote 2 b
		`, lockedA + `
			# Its own value is proposed again.
			proposal 1 a valid 0
			expect prevote 1 a
		`, `
			# A lock of round 1 on a, and a polka for a in round 0.
			proposers n1 n3
			cores n2
			start
			prevote 0 a n1 n3 n4
			precommit 0 nil n1 n3 n4
			timeout precommit 0
			proposal 1 a valid 0
			prevote 1 a n1 n3
			expect precommit 1 a
			precommit 1 nil n1 n3 n4
			timeout precommit 1
			proposal 2 a valid 0
			expect prevote 2 a
		`, `
			# Two liars in one: the same round had a polka for a, which n2 locked, and n4 proposes a as of that round.
			proposers n1 n4
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3
			precommit 0 nil n1 n3
			timeout precommit 0
			proposal 1 a valid 0
			expect prevote 1 a
		`}},
	}
}
