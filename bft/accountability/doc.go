// Package accountability says who made a fork. If two different blocks were decided at one height, then validators with more than a third
// of the power have broken the algorithm, and their own signatures show which.
//
//	report := accountability.Accuse(chainID, set, votes, accountability.Options{})
//	report.DoubleVotes, report.Amnesia   proved: two signatures each
//	report.Suspects                      who has not shown a reason for a vote: ask it, and accuse again with what it shows
//
// # The problem
//
// Two commits, for v in round r and for w in round r', share validators with more than a third of the power. If r = r', each of them
// has signed two precommits for one round: equivocation. If r < r', none of them need have: a correct validator that
// precommitted v may have seen a polka for w afterwards, and by L28 and L36 it went over. Somebody made that polka possible, by prevoting w although
// locked on v: amnesia. Who that is stands between the two commits, in votes that a block does not keep:
//
//	round        1             2              3            4
//	n1       precommit v   prevote w      prevote w    precommit w     locked on v in 1, prevotes w in 2: no polka for w in 1. Amnesia
//	n2       precommit v   prevote nil    prevote w    precommit w     has the polka of 2: correct
//	n3       precommit v   prevote nil                                  correct, and decided v
//	n4                     prevote w      prevote w    precommit w     correct: it was locked on nothing
//	                       n1, n4 and a fifth: polka for w
//
// # The rules
//
// Of the votes that are known, and by the rules of package bft:
//
//	double   Two different votes of one height, round and kind are proof, to everybody (K2).
//	L36      Who precommits a value has a polka for it in that round. Where none is known, it is a suspect.
//	L28      Who prevotes a value while locked on another one, since its last precommit in an earlier round, has a polka for the new
//	         one in a round from its lock's to before the prevote's. Where none is known, it is a suspect.
//	L38      A chain on which prevotes carry a signed valid round (Options.SignedValidRounds) turns some of these into proofs: who locks has the
//	         lock's round as its valid round at least. A precommit in round r, and a later prevote for another value with a
//	         valid round below r, are two signatures that contradict each other.
//
// A correct validator is never proved to be faulty, whatever votes are there and whoever lies; and if it shows all votes that it
// has received and sent, it is no suspect either. And of a fork, whatever votes are there beside the two
// commits, proofs and suspects have more than a third of the power:
//
//	Let r be the lowest round of a commit, for v. If a round r' > r has a known polka for a w other than v, take the first: it and the commit
//	share more than a third, locked on v since r or a later round, or precommitters without a polka. None of
//	them has a polka for w before r': but in r, where it would share more than a third of double votes with that for v. If no round has one, the other commit's are
//	precommitters without a polka.
//
// How the votes are gathered is not said here: validators keep what they have received of a height (bft's log of inputs), and who
// hides it is named.
//
// accuse.go is all of it; report.go is what it says.
package accountability
