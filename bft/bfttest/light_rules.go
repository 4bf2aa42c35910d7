package bfttest

// LightRules are those of light verification, C1 in its parts.
func LightRules() []Rule {
	return []Rule{
		{ID: "C1-next", Text: "the next height's validators are those that the trusted header names as the next ones", Scripts: []string{`
			validators 2 n5=1 n6=1 n7=1 n8=1
			validators 3 n1=1 n2=1 n3=1 n4=1
			accept 2
			# Nobody of height 2 is of height 3: by skipping there is no way.
			step 3
			trust 2
			accept 3
			usurp 4 n9=1 n10=1 n11=1
			trust 3
			refuse 4`, `
			# All of the old ones have signed, but they are not the ones named.
			usurp 2 n1=1 n2=1 n3=1 n4=2
			refuse 2`}},
		{ID: "C1-trusted-set", Text: "trust is counted in the set that is trusted, not in the header's own", Scripts: []string{`
			# n1 is one of four that are trusted, and most of the new ones.
			validators 5 n1=10 n5=1 n6=1
			step 9`, `
			# n1 and n2 are half of those trusted, and next to nothing of the new ones.
			validators 5 n1=1 n2=1 n5=100 n6=100
			accept 9`, `
			# Power is what it was in the trusted set.
			validators 1 n1=1 n2=4 n3=4
			validators 5 n1=9 n2=1 n3=1
			sign 9 n1
			step 9`, `
			# The trusted set is that after the trusted header.
			validators 2 n5=1 n6=1 n7=1
			validators 5 n5=1 n6=1
			accept 9`}},
		{ID: "C1-claimed-set", Text: "the set that comes with a trusted header is the one that it names", Scripts: []string{`
			validators 5 n5=1 n6=1 n7=1
			step 9
			claim n5=1 n6=1 n7=1
			refuse 9
			trust 4
			accept 9`}},
		{ID: "C1-power", Text: "power is counted, not heads", Scripts: []string{`
			validators 1 n1=10 n2=1 n3=1 n4=1
			sign 2 n2 n3 n4
			refuse 2
			sign 9 n1
			accept 9`, `
			validators 1 n1=10 n2=1 n3=1 n4=1
			validators 5 n2=1 n3=1 n4=1
			step 9`}},
		{ID: "C1-level", Text: "it takes more than the trust level, exactly", Scripts: []string{`
			validators 1 n1=1 n2=1 n3=1
			validators 5 n1=1 n5=1
			step 9
			validators 5 n1=1 n2=1 n5=1
			accept 9
			level 2/3
			step 9
			validators 5 n1=1 n2=1 n3=1 n5=1
			accept 9`, `
			# A third of 2^60-1, and one more.
			validators 1 n1=384307168202282325 n2=384307168202282325 n3=384307168202282325
			validators 5 n1=1 n5=1
			step 9
			validators 1 n1=384307168202282326 n2=384307168202282325 n3=384307168202282324
			validators 5 n1=1 n5=1
			accept 9`}},
		{ID: "C1-two-thirds", Text: "it takes more than two thirds of the header's own validators, exactly", Scripts: []string{`
			validators 1 n1=1 n2=1 n3=1
			sign 2 n1 n2
			refuse 2
			sign 5 n1 n2
			refuse 5
			sign 2 n1 n2 n3
			accept 2
			sign 5 n1 n2 n3
			accept 5`, `
			# All who are trusted have signed, and few of the new ones.
			validators 5 n1=1 n2=1 n3=1 n4=1 n5=100
			sign 9 n1 n2 n3 n4
			refuse 9
			sign 9 n1 n2 n5
			accept 9`}},
		{ID: "C1-expired", Text: "a trusted header is trusted for the trust period after its time, by the clock", Scripts: []string{`
			period 1h
			now 60m59s
			accept 30
			accept 2
			now 61m
			refuse 2
			refuse 30
			refuse 59
			trust 2
			accept 59`}},
		{ID: "C1-future", Text: "a header is not from the future, by more than the clock may drift", Scripts: []string{`
			now 4m51s
			accept 5
			now 4m50s
			refuse 5
			now 1m50s
			refuse 2
			drift 1m
			accept 2`}},
		{ID: "C1-later-time", Text: "time grows", Scripts: []string{`
			now 1h
			time 5 1m1s
			accept 5
			time 5 1m
			refuse 5
			time 5 30s
			refuse 5
			time 2 1m
			refuse 2`}},
		{ID: "C1-later-height", Text: "height grows", Scripts: []string{`
			now 1h
			trust 5
			accept 6
			refuse 5
			refuse 4
			time 4 30m
			refuse 4`}},
		{ID: "C1-chain", Text: "header and signatures are of the chain", Scripts: []string{`
			accept 2
			accept 5
			spoil 2 chain
			refuse 2
			spoil 5 chain
			refuse 5
			spoil 6 chain-sign
			refuse 6`}},
		{ID: "C1-commit", Text: "the commit is for the header, and has one entry for each validator", Scripts: []string{`
			accept 5
			spoil 2 header
			refuse 2
			spoil 5 header
			refuse 5
			spoil 6 commit-height
			refuse 6
			spoil 7 commit-value
			refuse 7
			sign 8 n1 n2 n3
			spoil 8 commit-short
			refuse 8`}},
		{ID: "C1-validators", Text: "the sets are those of the header's hashes", Scripts: []string{`
			accept 5
			# Half have signed, and more than two thirds of what is said to be the set.
			sign 5 n1 n2
			spoil 5 validators n1=9 n2=9 n3=1 n4=1
			refuse 5
			sign 2 n1 n2
			spoil 2 validators n1=9 n2=9 n3=1 n4=1
			refuse 2
			spoil 6 next n9=1
			refuse 6`, `
			# The set after the newest height may not be there yet.
			spoil 5 no-next
			accept 5`}},
		{ID: "C1-addresses", Text: "an address is that of its key, which a set's hash does not tell", Scripts: []string{`
			accept 2
			spoil 2 address n1
			refuse 2
			accept 5
			spoil 5 address n4
			refuse 5`}},
		{ID: "C1-signature", Text: "a signature is by the validator it is said to be of, and for this commit", Scripts: []string{`
			sign 5 n1 n2 n3
			accept 5
			spoil 5 forge n1
			refuse 5
			whole 5
			spoil 5 swap n1 n2
			refuse 5
			whole 5
			spoil 5 by n2 n1
			refuse 5
			whole 5
			spoil 5 prevote n3
			refuse 5
			whole 5
			spoil 5 round n3
			refuse 5
			sign 2 n1 n2 n3
			accept 2
			spoil 2 forge n3
			refuse 2`}},
		{ID: "C1-once", Text: "who is in a commit twice does not count twice", Scripts: []string{`
			sign 5 n1 n2 n3
			accept 5
			spoil 5 twice n1 n2
			refuse 5
			sign 2 n1 n2 n3
			spoil 2 twice n1 n2
			refuse 2`}},
		{ID: "C1-flags", Text: "only signatures for the block count: not nil, not an absence", Scripts: []string{`
			sign 5 n1 n2 n3 n4=nil
			accept 5
			sign 5 n1 n2 n3=nil n4=nil
			refuse 5
			sign 2 n1=nil n2=nil n3=nil n4=nil
			refuse 2
			sign 6 n1 n2 n3
			spoil 6 for-nil n3
			refuse 6
			spoil 7 flag n1 4
			spoil 7 flag n2 0
			refuse 7
			spoil 8 absent n1
			spoil 8 absent n2
			refuse 8`, `
			# Nil does not count for trust either: of those trusted, n1 alone has signed the block.
			validators 5 n1=1 n2=1 n5=1 n6=1 n7=1 n8=1
			sign 9 n1 n2=nil n5 n6 n7 n8
			step 9
			sign 9 n1 n2 n5 n6 n7
			accept 9`}},
		{ID: "C1-pieces", Text: "what is not there is refused", Scripts: []string{`
			accept 5
			spoil 5 no-header
			refuse 5
			spoil 6 no-commit
			refuse 6
			spoil 7 no-validators
			refuse 7
			spoil 2 no-commit
			refuse 2`}},
		{ID: "C1-params", Text: "a level below a third, or no period, is no protection", Scripts: []string{`
			accept 5
			level 1/4
			refuse 5
			level 0/1
			refuse 5
			level 1/1
			refuse 5
			level 99/100
			accept 5
			period 0s
			refuse 5`}},
	}
}
