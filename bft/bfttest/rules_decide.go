package bfttest

func decisionRules() []Rule {
	return []Rule{
		{"L47", "precommits without a decision start timeoutPrecommit, once a round, whatever the step", []string{`
			# n1 is the only one to see the polka in time, n4 is silent from then on: nobody decides in round 0.
			proposers n1 n2
			cores n1 n2 n3
			start
			deliver proposal
			deliver prevote *->n1
			deliver prevote n2->n3
			deliver prevote n3->n2
			lose prevote
			prevote 0 nil n4 to n2 n3
			timeout prevote 0 to n2 n3
			again prevote 0
			run 4
		`, `
			cores n2
			start
			precommit 0 nil n1 n3
			expect nothing
			precommit 0 a n4
			expect timeout precommit 0
			timeout propose 0
			refuse timeout precommit 0
			precommit 0 a n1
			refuse timeout precommit 0
		`}},
		{"L49", "a proposal and precommits of more than two thirds for it decide, in whatever round and step", []string{`
			# n1 and n2 decide x0 and go; n3, in round 1 by then, hears of it late.
			proposers n1 n2
			cores n1 n2 n3
			start
			deliver proposal
			deliver prevote
			deliver precommit *->n1
			deliver precommit *->n2
			precommit 0 nil n4 to n3
			deliver precommit n1->n3
			timeout precommit 0 to n3
			expect n3 round 1
			deliver precommit
			expect n3 decide 0 x0
		`, `
			# Before any prevote, by precommits alone.
			cores n2
			start
			precommit 0 a n1 n3
			precommit 0 a n4
			expect want 0 a
			proposal 0 a
			expect decide 0 a
			precommit 0 a n1
			expect nothing
		`, `
			# Three of four, all for one value, of one round; prevotes do not count.
			cores n2
			start
			proposal 0 a
			precommit 0 a n1 n3
			refuse decide 0 a
			prevote 0 a n4
			refuse decide 0 a
			start
			precommit 0 b n1 n3
			precommit 0 a n4
			refuse decide 0 a
			refuse decide 0 b
		`, `
			# A value that is not valid is not decided, and neither is nil.
			cores n2
			start
			proposal 0 bad
			precommit 0 bad n1 n3 n4
			refuse decide 0 bad
		`, `
			cores n2
			start
			proposal 0 a
			precommit 0 nil n1 n3 n4
			refuse decide 0 nil
		`, `
			# A later round's decision takes us along.
			cores n2
			start
			precommit 3 a n1 n3 n4
			expect want 3 a
			proposal 3 a
			expect decide 3 a
		`}},
		{"L55", "votes of more than a third from a later round: go there", []string{`
			# n3 was away while n1 and n2 went on to round 4; n4 is silent. Without n3 they cannot decide, and without L55
			# it cannot come: it has not heard enough of the rounds between to let their timeouts run.
			proposers n4 n4 n4 n4 n1 n2
			cores n1 n2 n3
			start
			prevote 0 nil n4 to n1 n2
			timeout propose 0 to n1 n2
			deliver prevote n1->n2
			deliver prevote n2->n1
			lose prevote
			precommit 0 nil n4 to n1 n2
			deliver precommit n1->n2
			deliver precommit n2->n1
			lose precommit
			timeout precommit 0 to n1 n2
			expect n1 round 1
			run 6
		`, `
			# At once, not timeout after timeout.
			cores n1
			start
			prevote 9 a n2
			refuse round 9
			precommit 9 nil n3
			expect round 9
			expect timeout propose 9
		`, `
			# One of four, whatever it says, takes nobody along. Votes of different rounds do not add up.
			cores n1
			start
			prevote 9 a n2
			prevote 9 b n2
			precommit 9 a n2
			refuse round 9
			prevote 8 a n3
			expect nothing
		`, `
			# Never back, and the lock comes along.
			proposers n1 n3
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3
			prevote 5 nil n1 n3
			expect round 5
			precommit 3 nil n1 n3 n4
			expect nothing
			proposal 5 b
			expect prevote 5 nil
		`, `
			# What we heard of the round before we came counts.
			proposers n1
			cores n2
			start
			prevote 5 a n1
			prevote 5 a n3
			expect round 5
			prevote 5 a n4
			proposal 5 a
			expect prevote 5 a
			expect precommit 5 a
		`}},
	}
}

func timeoutRules() []Rule {
	return []Rule{
		{"L57", "timeoutPropose of this round, while nothing is prevoted: prevote nil", []string{`
			# n1, who proposes first, is silent.
			cores n2 n3 n4
			start
			run 3
		`, `
			cores n2
			start
			timeout propose 0
			expect prevote 0 nil
			timeout propose 0
			expect nothing
		`, `
			# One of an earlier round is stale, one of another height too.
			cores n3
			start
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			timeout propose 0
			expect nothing
			height 2
			timeout propose 1
			expect nothing
		`}},
		{"L61", "timeoutPrevote of this round, while nothing is precommitted: precommit nil", []string{`
			# n4 is silent, and n3 hears of the proposal too late.
			proposers n1 n2
			cores n1 n2 n3
			start
			deliver proposal *->n2
			timeout propose 0 to n3
			lose proposal
			run 4
		`, `
			cores n2
			start
			timeout propose 0
			timeout prevote 0
			expect precommit 0 nil
			timeout prevote 0
			expect nothing
		`, `
			cores n2
			start
			timeout prevote 0
			expect nothing
			timeout propose 0
			precommit 0 nil n1 n3 n4
			timeout precommit 0
			expect prevote 1 x1
			timeout prevote 0
			expect nothing
		`}},
		{"L65", "timeoutPrecommit of this round: next round", []string{`
			# n1, who proposes first, is silent.
			cores n2 n3 n4
			start
			run 3
		`, laterRound + `
			expect round 1
			timeout precommit 0
			expect nothing
			timeout precommit 1
			expect round 2
		`, lockedA + `
			# The lock comes along.
			proposal 1 b
			expect prevote 1 nil
		`}},
	}
}
