// Package store is the state of a replicated application: keys and values with one hash over
// all of them, proofs of single keys against that hash, branches that are written or dropped,
// and the last versions on disk. It can be used alone; whoever only verifies proofs needs nothing but [Proof].
//
// # The problem
//
// Validators agree on a block, execute it, and compare one hash. So the hash must depend on the
// content alone: not on the order of writes, nor on who restarted when. A light client that has
// the hash from a header must be able to check what a single key has, or that it has nothing, without the
// other million keys. A transaction that fails in its third message must leave nothing behind. And a reader may
// ask for the state of fifty blocks ago while the next one is executed.
//
// # The picture
//
// One structure does all of this: a persistent crit-bit tree (Morrison's PATRICIA, 1968) whose nodes have hashes. An inner node
// has the position of the first bit in which the keys below it differ; a leaf has a key and its value.
//
//	keys 0010, 0110, 0111                    lookup of 0110: bit 1 is 1, bit 3 is 0 -> leaf 0110: there
//	                                         lookup of 0100: bit 1 is 1, bit 3 is 0 -> leaf 0110: not there
//	           (bit 1)
//	          /       \                      proof of 0110: [bit 1, hash of leaf 0010]
//	       0010      (bit 3)                                [bit 3, hash of leaf 0111]  leaf 0110
//	                 /     \
//	              0110     0111              proof that 0100 is not there: the very same
//
// A lookup reads only the bits that the nodes name, and ends at the one leaf that the key would
// be, if it were there. So the way down proves both: presence, if the leaf has the key, and
// absence, if it has another one. The verifier takes the turns by the bits of its own key: no way leads
// to another leaf.
//
// Nodes are never changed once somebody else may see them. A write copies the nodes on its way to the root:
//
//	version 7        version 8 = 7 and one write
//	   a                a'
//	  / \              /  \
//	 b   c   <--------b    c'         shared: b; new: a', c' and the leaf
//
// So a version, a branch and a snapshot are each a pointer to a root: to branch copies the pointer, to write a branch moves
// it up, to drop it forgets it, and what changed between two versions is found by walking where the pointers differ.
//
// # Why this tree
//
//	                         shape by      worst depth         order of keys   absence proved by
//	AVL+ (IAVL)              history       1.44 log n          yes             two neighbours
//	treap, priority = hash   content       whatever an attacker grinds, up to n    the way down
//	sparse, by hashed key    content       256                 no              the way down
//	crit-bit, by key         content       9 x key length      yes             the way down
//
// AVL+ trees of the same content differ with the order of writes, so a state imported from an export has another hash. A treap's shape
// is content's own, but its depth is only probable: 2^30 hashes buy 2^16 keys that make a list. Hashing keys first loses the order,
// and with it all ranges. Here depth is bounded by the key's length whoever chooses keys, and keys are short.
// The price: a state must fit into memory (a node is 112 bytes, and two a key), for disk has only a log of changes.
//
// # The rules
//
//	ST1  One content, one shape, one hash: whatever the order of writes and of deletes, also after a restart.
//	ST2  A leaf hashes as 0 | len(key) | key | sha256(value), an inner node as 1 | bit | left | right, all SHA-256: no leaf
//	     passes for an inner node. The empty tree has the SHA-256 of nothing.
//	ST3  A proof needs the root and the key only. It leads down by the key's own bits, at positions that grow.
//	ST4  A [Tree] never changes. Nobody sees a [Branch]'s writes before Write, and nothing is left of a dropped one. A parent
//	     that was written meanwhile refuses the child's Write.
//	ST5  After [DB.Commit] a version is on disk, and before it nothing of it is: a crash leaves the last version, or
//	     in the midst of a Commit that one.
//	ST6  What is read from disk is checked against the hash that was committed. Damage is an error that names the record.
//	ST7  The last Keep versions can be read, also after a restart. Older ones are [ErrPruned].
//
// # On disk
//
// A log (package wal: checksums, torn ends cut, damage in the middle reported) with a record for each version:
//
//	kind 1 byte | height | previous height | root 32 bytes | number of changes | changes
//	change:  key length | key | 0, deleted; or value length + 1 | value       (lengths and heights as uvarint)
//	kind:    0, changes since the previous version; 1, since nothing: the whole state
//
// When the log has grown to twice the state, one batch has the oldest version to be kept as a whole and the changes up to
// the newest, and everything before is dropped. A batch is there together or not at all, so a crash leaves one log or the other.
//
// # Reading order
//
//	bits.go    keys as bits
//	node.go    the tree: get, put, remove, walk, hash
//	branch.go  Tree and Branch
//	proof.go   proofs
//	diff.go    what differs between two trees
//	kv.go      the seam to whoever reads and writes; prefixes
//	db.go      versions; log.go their records
package store
