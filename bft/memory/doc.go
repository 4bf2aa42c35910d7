// Package memory is what a node of package bft is made of, in memory: a store, a mempool, evidence, and a network.
//
//	node a       node b       node c
//	Store        Store        Store         blocks, states, results       outlive their node: the next one goes on with them
//	Mempool      Mempool      Mempool       transactions, unchecked
//	Evidence     Evidence     Evidence      double votes, verified (E1)
//	   |            |            |
//	HubLink      HubLink      HubLink
//	    \           |           /
//	     +--------- Hub -------+            all hear the same, in the same order; Cut and Heal take links away
//
// They are for tests, for examples, and for small programs that may forget. Each is the shortest thing that keeps the word given in package
// bft's seams.go, and so also what to read before the ones that last: packages store, mempool, evidence, and gossip on p2p.
//
// # The rules
//
// E1 of package bft: evidence is verified, young enough, and committed once. W3 is the node's, and a Store that is in memory is as durable as
// the process. P2: who waits for a message is woken by it, and no clock is looked at.
//
// # Reading order
//
//	memory.go  Store, Mempool, Evidence
//	hub.go     Hub, and a HubLink for each node
//
// All are safe for concurrent use. Blocks and states in a Store are shared, and not to be changed.
package memory
