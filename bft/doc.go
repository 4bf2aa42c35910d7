// Package bft makes machines agree on one sequence of blocks although some of them lie:
// the Tendermint algorithm of Buchman, Kwon and Milosevic, "The latest gossip on BFT
// consensus", arXiv:1807.04938. Lnn below, and in the code, is line nn of its Algorithm 1.
//
// # The problem
//
// n validators with voting power, of which less than a third in power may do whatever
// they like: stay silent, vote twice, tell each half of the others something else. The
// network loses, delays and reorders, and nobody knows for how long. Still, no two correct
// validators may decide differently at one height, ever; and once messages arrive in
// bounded time, they must decide soon.
//
// One vote a round does not do: two rounds could both find a majority, each for a value of
// its own, if a validator forgot what it had voted for. So a round has two votes. More
// than two thirds of the power in prevotes for one value (a polka) prove that no other value can have
// a polka in this round; who has seen the proof locks the value and precommits it; and more
// than two thirds in precommits prove that enough are locked, so that no other value will ever have a
// polka, and the value is decided. Two sets of more than two thirds share more than one third,
// hence a correct validator, and that one would have had to break its lock.
//
// # The picture
//
// A round, with one validator slow and none faulty. Each arrow is to all; A proposes.
//
//	     propose          prevote             precommit           decide
//	A  --proposal-->  --prevote v-->  ||  --precommit v-->  ||  block v
//	B                 --prevote v-->  ||  --precommit v-->  ||  block v
//	C                 --prevote v-->  ||  --precommit v-->  ||  block v
//	D       (sees nothing until later)                      ||  block v, by L49 alone
//	                                  ^ 3 of 4 prevotes: L36  ^ 3 of 4 precommits: L49
//
// And the round that failed, and how its lock is carried on. In round 0 only B saw the polka:
//
//	round 0   A proposes v; A, B, C prevote v; B sees three and locks v (L38), the others do not in time
//	          A, C precommit nil after their timeout (L61), B precommits v: no decision, L65 starts round 1
//	round 1   B proposes v with validRound 0 (L16): whoever is locked on nothing, or in an
//	          older round, prevotes it once it has the polka of round 0 too (L28, L29)
//
// # The rules
//
// The algorithm is one function, apply, from a state and an event to a state and effects
// (algorithm.go). Each branch has the paper's line, each [Output] names it, and each has a
// bug in testdata/bugs that breaks it and a rule of bfttest that notices.
//
//	L11  A round starts: the proposer proposes its validValue with validRound, or a new value (L14-L19); the
//	     others wait for timeoutPropose (L21).
//	L22  A first proposal (validRound -1) is prevoted if it is valid and the lock does not forbid it, else nil.
//	L28  A proposal with validRound vr is prevoted if there is a polka for it at vr < round, and the
//	     lock is not younger than vr, or is on the same value.
//	L34  Prevotes of more than two thirds, for whatever: timeoutPrevote, once a round.
//	L36  Proposal and polka of this round: lock and precommit if still in step prevote; valid value and
//	     valid round in any case from step prevote on.
//	L44  A polka for nil in step prevote: precommit nil. It does not unlock.
//	L47  Precommits of more than two thirds, for whatever: timeoutPrecommit, once a round.
//	L49  Proposal and precommits of more than two thirds for it, of any round of the height: decide.
//	L55  Votes of more than a third in power from a later round: go there.
//	L57  timeoutPropose of this round in step propose: prevote nil.
//	L61  timeoutPrevote of this round in step prevote: precommit nil.
//	L65  timeoutPrecommit of this round: next round.
//
// What the paper leaves to whoever builds it:
//
//	K1   Power is counted, not heads: more than two thirds is 3*sum > 2*total, more than a third 3*sum > total,
//	     in integers that cannot overflow: a set's total power is at most [MaxTotalPower].
//	K2   A validator counts once a round and kind of vote towards "for whatever". A second value is
//	     evidence, reported once; both count, each for its own, for others may have heard them in another order.
//	K3   What is kept for a height is bounded, whatever others send: rounds beyond the current one are kept
//	     for each sender in two only, the highest; a proposal for one beyond the next not at all; a liar's third
//	     value only if somebody else has named it.
//	K4   Votes and proposals of earlier rounds of the height count. Those of another height are not for this
//	     [Core]. A vote that K3 does not keep is named ([OutLater]), and counts when it comes again: in its round,
//	     or when somebody else has named its value. So nobody misses for good what another one decided by.
//	K5   A quorum whose proposal is not here asks for it once, and that one is taken also if the proposer made two.
//	V1   Whose turn it is follows from the validator set alone: priority grows by power, the highest proposes and pays
//	     the total. Priorities are centred, and clipped to twice the total. Who joins begins 9/8 of the total behind.
//
// # Reading order
//
//	types.go       heights, rounds, values, votes, proposals
//	validators.go  the set, and whose turn it is
//	algorithm.go   Algorithm 1
//	keeper.go      votes counted
//	core.go        messages in, events in an order, outputs out
//	testdata/      stories: a lock carried over, a late polka, a round skipped, a liar
//	bfttest/       the kit: rules, simulator with liars, Twins
//
// The package is the mind of a validator. Signatures, blocks, links, disks and the application are
// what a program around it brings: it verifies what comes in, and does what comes out.
package bft
