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
// One round of voting does not do: two rounds of two colours could both find a
// majority, one after the other, if a validator forgot what it had voted for. So a round has two
// votes. More than two thirds of the power in prevotes for one value (a polka) prove
// that no other value can have a polka in this round; who has seen the proof locks the value and
// precommits it; and more than two thirds in precommits prove that enough are locked for ever, so the value
// is decided. Two sets of more than two thirds share more than one third, hence a correct validator, and
// that one would have had to break its lock.
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
// The algorithm is one function, [apply], from a state and an input to a state and outputs
// (algorithm.go). Each branch has the paper's line, and bfttest has a planted bug for each.
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
//	L55  Messages of more than a third in power from a later round: go there.
//	L57  timeoutPropose of this round in step propose: prevote nil.
//	L61  timeoutPrevote of this round in step prevote: precommit nil.
//	L65  timeoutPrecommit of this round: next round.
//
// What the paper leaves to whoever builds it:
//
//	K1   Power is counted, not heads: more than two thirds is 3*sum > 2*total, more than a third 3*sum > total,
//	     in integers that cannot overflow: a set's total power is at most [MaxTotalPower].
//	K2   A validator counts once a round and kind of vote: the first vote counts, another one is evidence,
//	     and counts only for the value it names, so that a real quorum is never missed.
//	K3   A threshold is reported once. What is kept for a height is bounded, whatever others send: rounds
//	     beyond the current one are kept for each sender in two only.
//	K4   A vote for a height that is ahead, or a round, is not lost to whom it serves later; one for the past
//	     serves those who are behind.
//	V1   Whose turn it is follows from the validator set alone: priority grows by power, the highest proposes and pays
//	     the total. Priorities are centred, and clipped to twice the total.
//	V2   A change of validators in block H takes effect at H+2; the next set is part of H+1's header.
//	S1   What is signed is the chain's id, kind, height, round, value, and the time.
//	S2   Nothing is signed twice for one height, round and step with different content, also not after a crash: the guard
//	     is on disk before the signature leaves. A signature that was lost is given out again as it was.
//	S3   One acceptance rule for signatures: ZIP-215, single and in batches.
//	W1   An input is in the log before it has effects outside; our own votes are on disk before they are sent.
//	W2   Replay gives the same state and sends nothing that was not sent before. A torn end is cut; a damage in the
//	     middle is reported with its place, and nothing goes on over it.
//	W3   The block is stored before the application finalises it; who crashed in between asks the application
//	     for its height and applies what is missing, once.
//	A1   The application's answer to block H is in the header of H+1. Whoever computes another one halts, and says so: it never forks.
//	A2   A proposal that ProcessProposal refuses is prevoted nil. A correct proposer's is never refused.
//	E1   Evidence is verified, young enough, committed once, and given to the application.
//	P1   Links are authenticated and encrypted, bounded in both directions, and a garbled one ends alone.
//	P2   Gossip waits for events, not for time. What a peer has is not sent to it again.
//	B1   A node that is behind fetches blocks, each verified by the commit in the next, and then takes part.
//	C1   A light client trusts a header if more than the trust level of a set that it trusts, counted in that set, has signed it,
//	     and more than two thirds of the header's own; within the trust period by its own clock; never one from the future.
//	C2   Two conflicting headers of one height are an attack: they are reported with who signed both.
//
// # Reading order
//
//	types.go       heights, rounds, values, votes, proposals
//	validators.go  the set, and whose turn it is
//	algorithm.go   Algorithm 1
//	keeper.go      votes counted: thresholds, each once
//	core.go        messages in, thresholds out, inputs in an order
//	signbytes.go   what is signed; sign.go who may sign; guard.go and never twice
//	block.go       blocks, commits, hashes
//	wal.go         the log and its replay
//	executor.go    a decided block and the application
//	node.go        the shell: one loop
//
//	merkle/ abci/ mempool/ p2p/ evidence/ blocksync/ light/ app/   the rooms around it
//	bfttest/       the kit: rules, simulator with liars, Twins
package bft
