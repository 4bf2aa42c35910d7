// Package evidence keeps the proofs that a validator has voted twice, until they are in a block: a [bft.EvidencePool] that
// survives crashes, and passes on to the peers what it has.
//
// # The problem
//
// Who votes for two values in one round must pay for it, or there is no reason not to. The two signed votes prove it, to
// everybody and for ever; but whoever is accused of something old cannot be punished any more, nobody must pay twice, and
// nobody at all for what somebody has made up. And all nodes must agree on each of this, for a block with
// evidence that one of them refuses is a fork.
//
// # The picture
//
//	core: double vote     peers      blocks                      the pool's file
//	        |               |           |                               ^
//	        v               v           |                               |
//	  height decided?    height         |     +----------+   +-----------------------+
//	  no: reported       reached?       |     | reported |   | pending  -> Pending   |--> our block
//	  yes: completed     no: early      |     | early    |   |   in order, to peers  |
//	  by its block       |              |     +----------+   +-----------------------+
//	        |            v              v           |            |  Update: committed, or too old
//	        +-------> verified       Check ---------+            v
//	                                                     committed, until too old
//
// # Rules
//
//	E1  Evidence is verified, young enough, committed once, and given to the application.
//
// In detail:
//
//	verified   the height is decided; the validator was one of it; both votes are signed by it (S3), of one height, round and kind, and
//	           for different values, the lower first; powers, number and time are those of that height.
//	young      it is not older than both MaxAgeNumBlocks and MaxAgeDuration, counted from the last block: not from any
//	           clock, so that all nodes say the same.
//	once       a fault is a validator's height, round and kind of vote. Other votes of the same fault are no other fault.
//	kept       what is pending, reported or committed is on disk before anybody hears of it, and comes back after a crash; a file
//	           that is behind is completed from the blocks in the store.
//	bounded    pending and reported faults by MaxPending, what a peer says of heights to come by 16.
//	P2         A fault is sent once to each peer that has not sent it, in order, as soon as the link can take it.
//
// # Reading order
//
//	pool.go     the seam's four methods
//	verify.go   what is refused, and why
//	file.go     what is on disk, and what is read from the store instead
//	gossip.go   peers
package evidence
