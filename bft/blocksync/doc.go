// Package blocksync brings a node that is behind to where the others are: it fetches blocks from peers, verifies each by the
// commit in the next, and has them executed. To nodes that are behind it gives blocks from the store.
//
// # The problem
//
// A node that was away for a million blocks need not vote on them again: each was decided, and the next one has the
// signatures that prove it. It wants them from all peers at once, for one alone is slow; but any of them may
// lie, about how far the chain goes, or in a block, or answer never, late or with half. None of it may bring a false block in, keep
// the node waiting for long, cost memory without bound, or get a peer the blame that it does not have.
//
// # The picture
//
//	        next                            next+window
//	 applied |  here   here   asked  here   asked  asked |  not yet
//	---------+-------+------+------+------+------+-------+----------
//	         |  B     A      C      A      B      C
//	         |  |     |
//	         |  |     +-- its LastCommit, judged by the validators of B's height,
//	         +- + ------- says whether B's block is the one that was decided: then it is executed
//
// And if it does not say so, one of the two has lied, and which one can be told:
//
//	the commit proves nothing                     A has made it up: out with A. B's block waits for another witness.
//	it proves that another block was decided      B has made it up: out with B
//
// # Rules
//
//	B1  A node that is behind fetches blocks, each verified by the commit in the next, and then takes part.
//
// In detail: nothing is executed that more than two thirds of the validators of its height, known from the block before,
// have not signed; all signatures of the commit are verified, because it is stored and given to others. Who sends what is wrong is banned,
// and nobody else. Who does not answer in time is not asked any more, and what it was asked for others are. At most Window blocks are
// asked for or here, in MaxBuffer bytes. A peer's word on how far it has got costs a timeout at most. When all that can be
// verified is applied the peers are asked once more how far they are; if that is not much further, the node takes part.
//
// A node that is to halt at a height (Options.HaltHeight) halts there also when the blocks come this way.
//
// The top block cannot be verified by a next one: consensus gossip brings it.
//
// # Reading order
//
//	schedule.go   the core: whom to ask for what, by what was heard and what time it is; deterministic
//	verify.go     a block and the commit in the next, and who has lied
//	message.go    what nodes say to each other
//	sync.go       the shell: links and the clock; run.go the blocks, one after the other
package blocksync
