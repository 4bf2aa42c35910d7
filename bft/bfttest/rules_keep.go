package bfttest

func keeperRules() []Rule {
	return []Rule{
		{"K1", "power is counted, not heads, and more than two thirds is more than two thirds", []string{`
			# n1 has 7 of 10: three heads with 3 are nothing, n1 alone is a quorum.
			validators 7 1 1 1
			cores n2
			start
			proposal 0 a
			precommit 0 a n3 n4
			precommit 0 a n2
			refuse decide 0 a
			precommit 0 a n1
			expect decide 0 a
		`, `
			# 4 of 6 is two thirds, and not more.
			validators 1 1 1 1 1 1
			cores n2
			start
			proposal 0 a
			prevote 0 a n1 n3 n4
			refuse precommit 0 a
			prevote 0 a n5
			expect precommit 0 a
		`, `
			# 2 of 6 is a third, and not more.
			validators 1 1 1 1 1 1
			cores n2
			start
			prevote 4 a n1
			prevote 4 a n3
			refuse round 4
			prevote 4 a n4
			expect round 4
		`, `
			# 7 of 10 in two halves: 2*10/3 is 6.67, and 6 is not enough.
			validators 3 3 2 2
			cores n4
			start
			proposal 0 a
			precommit 0 a n1 n2
			refuse decide 0 a
			precommit 0 a n3
			expect decide 0 a
		`}},
		{"K2", "who votes twice counts once for whatever, once for each value, and is reported once", []string{`
			cores n2
			start
			proposal 0 a
			precommit 0 a n4
			precommit 0 b n4
			expect evidence n4 precommit 0
			precommit 0 b n4
			expect nothing
			precommit 0 b n4
			expect nothing
			precommit 0 c n4
			expect nothing
			precommit 0 a n4
			expect nothing
			precommit 0 a n1
			refuse decide 0 a
			refuse timeout precommit 0
			precommit 0 a n3
			expect decide 0 a
		`, `
			# The others heard a of n4 first, we heard b.
			cores n2
			start
			proposal 0 a
			precommit 0 b n4
			precommit 0 a n4
			expect evidence n4 precommit 0
			precommit 0 a n1
			precommit 0 a n3
			expect decide 0 a
		`, `
			# A prevote and a precommit, or votes of two rounds, are no lie.
			cores n2
			start
			prevote 0 a n4
			precommit 0 nil n4
			refuse evidence n4 precommit 0
			prevote 1 b n4
			refuse evidence n4 prevote 1
		`}},
		{"K3", "what is kept is bounded, and the bound costs nobody who is honest anything", []string{`
			# n4 is in two rounds ahead, as far as we keep it: the highest.
			cores n1
			start
			prevote 1 a n4
			prevote 2 a n4
			prevote 3 a n4
			prevote 3 a n2
			expect round 3
		`, `
			cores n1
			start
			prevote 1 a n4
			prevote 2 a n4
			prevote 3 a n4
			prevote 1 a n2
			expect nothing
			prevote 2 a n2
			expect round 2
		`, `
			# n4 names three values. The third is the one that the others decide by: when it comes again, it counts.
			cores n2
			start
			proposal 0 a
			precommit 0 b n4
			precommit 0 c n4
			precommit 0 a n4
			precommit 0 a n1
			precommit 0 a n3
			precommit 0 a n4
			again precommit 0
			run 0
		`, `
			# A proposal of a round that is far, and that of a proposer whose turn it is not.
			cores n2
			start
			proposal 7 a
			expect nothing
			proposal 1 a by n1
			expect nothing
			proposal 0 a by n2
			expect nothing
		`}},
		{"K4", "votes and proposals of earlier rounds count, those of another height do not", []string{`
			cores n2
			start
			height 2
			proposal 0 a
			prevote 0 a n1 n3 n4
			precommit 0 a n1 n3 n4
			expect nothing
			height 1
			proposal 0 b
			expect prevote 0 b
		`, `
			# The proposal of a round that is over.
			cores n3
			start
			precommit 0 a n1 n2
			precommit 0 b n4
			timeout precommit 0
			expect round 1
			proposal 0 a
			precommit 0 a n4
			expect decide 0 a
		`, `
			# That of the next round, before we are there.
			cores n3
			start
			proposal 1 a
			expect nothing
			precommit 0 nil n1 n2 n4
			timeout precommit 0
			expect prevote 1 a
		`}},
		{"K5", "a quorum whose proposal is not here asks for it, once, and takes it also from a proposer that made two", []string{`
			# n1 tells us a, and the others b.
			cores n2
			start
			proposal 0 a
			expect prevote 0 a
			proposal 0 b
			expect nothing
			precommit 0 b n1 n3
			precommit 0 b n4
			expect want 0 b
			precommit 0 nil n4
			refuse want 0 b
			proposal 0 b
			expect decide 0 b
		`, `
			cores n2
			start
			proposal 0 a
			prevote 0 b n1 n3
			prevote 0 b n4
			expect want 0 b
			proposal 0 b
			expect precommit 0 b
		`, `
			# n1 names a valid round that cannot be: nobody prevotes that. To those who decided it had told another one; by
			# the value it is the same proposal.
			cores n2
			start
			proposal 0 a valid 3
			expect nothing
			precommit 0 a n1 n3
			precommit 0 a n4
			expect want 0 a
			proposal 0 a valid 3
			expect decide 0 a
		`}},
		{"V1", "whose turn it is follows from power: 1000, 300 and 330 take it in this order", []string{`
			validators 1000 300 330
			cores n2
			start
			proposal 0 a by n1
			expect prevote 0 a
			precommit 0 nil n1 n3
			timeout precommit 0
			expect round 1
			proposal 1 b by n3
			expect prevote 1 b
			precommit 1 nil n1 n3
			timeout precommit 1
			proposal 2 c by n1
			expect prevote 2 c
			precommit 2 nil n1 n3
			timeout precommit 2
			expect get value 3
		`}},
	}
}
