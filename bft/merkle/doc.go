// Package merkle is the tree of hashes over a list, as in RFC 6962 and CometBFT: who knows its root can
// be shown that something is in the list, by as many hashes as the tree is high.
//
//	         root
//	       /      \
//	   01            2 <- left over: it goes up as it is
//	  /  \           |
//	 0    1          2       hash(0x01, left, right)
//	 |    |          |
//	l0    l1         l2      hash(0x00, leaf)
//
// The proof for l0 is {1, 2}, that for l2 is {01}.
//
// # The rules
//
//	M1   Leaves and nodes are hashed with different prefixes: no node can pass for a leaf (second preimage).
//	M2   A tree of n leaves is split at the largest power of two below n. Nothing is repeated: no two lists have one root.
//	M3   A proof has exactly the hashes that its place in the list asks for, and is of no use for another place.
//
// All of it is in merkle.go. Functions are pure, and keep nothing of what they are given.
package merkle
