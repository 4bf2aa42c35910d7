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
//	     in integers that cannot overflow: a set's total power is at most [types.MaxTotalPower].
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
// And around the core, where keys, disks, an application and a network are:
//
//	V2   A change of validators in block H takes effect at H+2: the set is in H+1's header as the next one.
//	S1   What is signed is the chain's id, kind, height, round, value and time, in CometBFT's canonical bytes.
//	S2   Nothing is signed twice for one height, round and step with different content, also not after a crash: the guard
//	     is on disk before the signature leaves. A signature that was lost is given out again as it was.
//	S3   One rule accepts signatures: ZIP-215, single and in batches, everywhere.
//	ENC  A value has one encoding, and everything else is refused. No length is believed before the bytes are there.
//	PART A part is kept when it is proved to be at its place in the block, and not before.
//	COMMIT  A commit is for one height, round and value, by the validators of a set in its order, each counted once, for the block only.
//	W1   An input is in the log before it has effects outside; what our vote follows from is on disk before the vote is signed.
//	W2   Replay gives the same state, and signs nothing new for what was signed. A torn end is cut; a damage in the
//	     middle is reported with its place, and nothing goes on over it.
//	W3   The block is stored before the application finalises it; who crashed in between asks the application
//	     for its height and applies what is missing, once.
//	A1   The application's answer to block H is in the header of H+1. Who computes another one halts, and says so: it never forks.
//	A2   A proposal that ProcessProposal refuses is prevoted nil. A correct proposer's is not refused.
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
//	types/         first its types.go, and validators.go: heights, rounds, values, votes, proposals; the set, and whose turn it is
//	algorithm.go   Algorithm 1
//	keeper.go      votes counted
//	core.go        messages in, events in an order, outputs out
//	types/         then the rest of it: blocks, how they and everything else become bytes, what is signed, who has decided
//	privval/       keys, and a guard: nothing is signed twice
//	seams.go       what a node asks of a signer, a network, a mempool, an evidence pool and a store
//	executor.go    a decided block and the application; handshake.go, how the two begin; prune.go, what is not wanted any more
//	wal.go         the log of inputs
//	node.go        the shell; loop.go its one loop, and the replay; attempt.go what comes in; act.go what goes out;
//	               timers.go, later.go (what comes too early), options.go, event.go
//	memory/        store, mempool, evidence and a network in memory
//	testdata/      stories: a lock carried over, a late polka, a round skipped, a liar
//
//	merkle/ abci/ store/ p2p/ gossip/ mempool/ evidence/ blocksync/ light/ accountability/ fullnode/ app/   the rooms around it
//	bfttest/       the kits: rules, simulator with liars, Twins; applications; light clients
//
// The core is the mind of a validator, and can be had alone. A [Node] gives it keys, a disk, an application and a network.
package bft
