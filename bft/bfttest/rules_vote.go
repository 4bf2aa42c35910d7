package bfttest

func polkaRules() []Rule {
	return []Rule{
		{"L34", "prevotes without a polka start timeoutPrevote, once a round, when we have prevoted", []string{`
			# Of four validators one is silent, and the prevotes of the others are split.
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
			prevote 0 nil n1
			prevote 0 b n3
			expect nothing
			prevote 0 c n4
			expect nothing
			proposal 0 a
			expect timeout prevote 0
			prevote 0 b n1
			refuse timeout prevote 0
		`, `
			# Two of four do not start it.
			cores n2
			start
			proposal 0 a
			prevote 0 nil n3
			refuse timeout prevote 0
			prevote 0 b n4
			expect timeout prevote 0
			prevote 0 nil n1
			refuse timeout prevote 0
			timeout propose 0
			expect nothing
		`, `
			# Again in the next round.
			cores n2
			start
			timeout propose 0
			prevote 0 a n3
			prevote 0 b n4
			expect timeout prevote 0
			precommit 0 nil n1 n3 n4
			timeout precommit 0
			expect prevote 1 x1
			prevote 1 a n3
			prevote 1 b n4
			expect timeout prevote 1
		`}},
		{"L36", "proposal and polka of this round: lock it, precommit it, and keep it as the valid value", []string{`
			# n1 decides x0, with the liar n4's help. n2 precommitted it, so it is locked, and must not help n3 and n4 to x1.
			proposers n1 n3
			cores n1 n2 n3
			start
			deliver proposal
			deliver prevote *->n1
			deliver prevote *->n2
			expect n2 precommit 0 x0
			lose prevote
			deliver precommit
			precommit 0 x0 n4 to n1
			precommit 0 nil n4 to n2 n3
			timeout precommit 0 to n2 n3
			deliver proposal
			prevote 1 x1 n4
			deliver prevote
			precommit 1 x1 n4
			deliver
		`, `
			# Late proposal, early polka.
			cores n2
			start
			prevote 0 a n1 n3 n4
			expect want 0 a
			timeout propose 0
			expect prevote 0 nil
			refuse precommit 0 a
			proposal 0 a
			expect precommit 0 a
		`, `
			# Not a proposal of another value, not two of four, not one that is not valid.
			cores n2
			start
			proposal 0 a
			prevote 0 b n1 n3 n4
			refuse precommit 0 b
			refuse precommit 0 a
			start
			proposal 0 a by n2
			prevote 0 a n1
			refuse precommit 0 a
		`, `
			cores n2
			start
			proposal 0 bad
			prevote 0 bad n1 n3 n4
			refuse precommit 0 bad
		`, `
			# A lock moves to a younger polka.
			proposers n1 n3
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3
			precommit 0 nil n1 n3
			timeout precommit 0
			proposal 1 b
			expect prevote 1 nil
			prevote 1 b n1 n3 n4
			expect precommit 1 b
			precommit 1 nil n1 n3
			timeout precommit 1
			proposal 2 a
			expect prevote 2 nil
		`}},
		{"L42", "a polka that comes after the precommit makes the value valid, and does not lock it", []string{`
			cores n2
			start
			proposal 0 a
			prevote 0 nil n4
			prevote 0 a n1
			timeout prevote 0
			expect precommit 0 nil
			prevote 0 a n3
			refuse precommit 0 a
			precommit 0 nil n1 n3
			timeout precommit 0
			expect propose 1 a valid 0
		`, `
			# It does not lock: another first proposal is prevoted.
			proposers n1 n3
			cores n2
			start
			proposal 0 a
			prevote 0 nil n4
			prevote 0 a n1
			timeout prevote 0
			prevote 0 a n3
			precommit 0 nil n1 n3
			timeout precommit 0
			proposal 1 b
			expect prevote 1 b
		`, `
			# A younger polka takes the place of an older.
			proposers n1 n3 n2
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3
			precommit 0 nil n1 n3
			timeout precommit 0
			proposal 1 b
			prevote 1 nil n4
			prevote 1 b n3
			timeout prevote 1
			expect precommit 1 nil
			prevote 1 b n1 n4
			expect n2 evidence n4 prevote 1
			precommit 1 nil n1 n3
			timeout precommit 1
			expect propose 2 b valid 1
		`}},
		{"L44", "a polka for nil: precommit nil, at once, and keep the lock", []string{`
			# n1 decides x0, with the liar n4's help. In round 1 nil has a polka: n2's lock stays, and x2 gets no polka.
			proposers n1 n4 n3
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
			timeout propose 1 to n2 n3
			prevote 1 nil n4
			deliver prevote
			precommit 1 nil n4
			deliver precommit
			timeout precommit 1 to n2 n3
			deliver proposal
			prevote 2 x2 n4
			deliver prevote
			precommit 2 x2 n4
			deliver
		`, `
			cores n2
			start
			timeout propose 0
			prevote 0 nil n1
			refuse precommit 0 nil
			prevote 0 nil n3
			expect precommit 0 nil
		`, `
			# Not before we have prevoted, and not for votes that are not nil.
			cores n2
			start
			prevote 0 nil n1 n3 n4
			expect nothing
			timeout propose 0
			expect precommit 0 nil
		`}},
	}
}
