// Package mempool has the transactions that wait for a block: a [bft.Mempool] that asks the application about each, and passes
// on to the peers what it finds good.
//
// # The problem
//
// Anybody may hand in transactions, at any of the nodes, as many and as large as they like. Whoever proposes the next
// block should know them all, in a good order; nobody should pay for a flood with memory; and none should be
// asked about, sent or executed again and again. After each block some of what waits has become wrong.
//
// # The picture
//
//	CheckTx (a client)  --+              +------- the pool --------+
//	a batch (a peer)    --+--> seen? --> | t1 t2 t3 t4 t5 ...      | --> Reap: as much as a block takes
//	                      |    room?     |          ^  place of a  | --> each peer's Next: what it lacks, in batches
//	                      |    CheckTx   |             peer        |
//	                      |              +-------------------------+
//	                      +<-- cache: what was committed           ^
//	                                                 Lock, Commit, Update: out with what was committed,
//	                                                 CheckTx (Recheck) for the rest
//
// The application is asked without a lock of the pool, so by many callers at once; but not between Lock and Update, when it
// changes from the state after one block to that after the next. What a peer sends in one message is looked up
// and added under one lock each.
//
// # Rules
//
//	M1  A transaction is in the pool at most once, and not again after it was committed, as long as the cache remembers.
//	M2  The pool is bounded in transactions and bytes, and each transaction in bytes. What does not fit is refused, or with
//	    priorities takes the place of what is worth less. What no block has room or gas for is refused, too.
//	M3  First come, first reaped; with priorities, the higher first. The order of one sender's transactions is kept, where
//	    the application names the sender.
//	M4  No check runs from the application's Commit until Update. What is wrong after a block is dropped.
//	P2  A transaction is sent or announced to each peer that has not named it, in order, as soon as the link can take it. What is
//	    announced and wanted is sent, with what comes behind it.
//
// # Who sends, and who only says
//
// A node's own transactions, from its clients, are sent to each peer. What came from a peer is passed on; but if all know each other, each of them
// then sends it to all: among eight 49 times, where 7 would do. So a peer that had from elsewhere what we sent says so, and
// after two such words is sent keys, of which it asks for those that it lacks. Whoever announces one is asked, not the first
// only, since that one may lie; so nothing is lost by it. A peer that has asked is sent to again. Among eight in memory with links
// equally fast a transaction of 250 bytes then costs 3,199 bytes in place of 12,397 (TestInAMeshATransactionIsSentOnceToEach); with links that differ
// from turn to turn, so that keys often come before what they stand for, about 6,000.
//
// Order makes an answer more than what was asked for. t2 is of no use without t1, and was refused if it came before: it is sent again behind it.
// To send what is wanted alone costs less (4,600 in place of 6,000, with eight at once), and loses such transactions.
//
// A peer whose link is slow loses nothing; one that sends faster than its transactions are checked fills its inbox, and
// what does not fit is dropped: the votes that come over the same link must not wait for it.
//
// # Reading order
//
//	mempool.go    transactions in; reap.go out, and out for good
//	gate.go       checks, or an update
//	cache.go      what was seen
//	priority.go   who has to leave for whom
//	neighbour.go  what is sent, announced, asked for
//	gossip.go     batches to and from peers
package mempool
