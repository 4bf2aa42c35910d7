// Package ordmap is an ordered map from bytes to bytes that is read at snapshots: the
// storage of package mvcc when there is no other.
//
// # The problem
//
// Every transaction opens a snapshot, most to read a handful of keys, some to go over
// all of them; meanwhile others write. So a snapshot must cost nothing: not to open, not
// to the writers that come after it, not to its reader. A tree of which writers copy
// what a snapshot holds (github.com/google/btree, say) makes every write after
// a snapshot copy a path of large nodes, and here a snapshot comes before every
// write. Numbered versions do better: a batch of changes has a sequence number, a
// snapshot is a number too, and its reader passes over what is newer.
//
// What remains is the order. A skiplist is easy to write to beside readers, but each
// key is a node by itself, somewhere in memory, and a scan waits for memory at each
// step, twice if it goes back. A B-tree has the keys of a leaf side by side; but a
// write moves them, under the eyes of readers.
//
// # The picture
//
// So leaves are small, and are not changed but replaced. A writer copies a leaf of some
// 24 slots, of 16 bytes each, with one more; an atomic pointer shows it to readers.
//
//	      root  [ f | m ]                       separators, and one child more
//	    /         |        \
//	[-oo f)     [f m)     [m +oo)               nodes: a range for life
//	              |
//	              v atomic
//	block  [ fig@7 | fig@2 | kiwi@5 | ... ]     in the order of keys, a key's
//	           |                                versions newest first
//	           v
//	       | 7 | 3 | 4 | f i g | 1 1 k g |      a record, which never changes
//
// A slot has eight bytes of the key beside the pointer, from where the keys of the
// block begin to differ (record.go). Searches compare those, in one or two cache
// lines, and look at one record in the end.
//
// A reader holds no lock. It goes down by pointers that it loads atomically, and what
// it has come to, it may keep: garbage collection is Go's. A node that is split or
// joined is replaced by others for the same range, in the node above, and keeps its
// last block. A reader may come to it late, and finds there all that it sees, which was
// written before its snapshot was opened, thus before it set out. So there is nothing to
// wait for, to mark, or to try again: snapshots not only cost nothing, they are
// what makes reading beside a writer easy.
//
// # What becomes of old versions
//
// A writer that copies a leaf leaves out what nobody sees: it knows the numbers of
// all open snapshots (snapshot.go), and keeps of each key what one of them sees, not
// merely all that is newer than the oldest. So a key that is written a thousand times
// while somebody counts the table has two versions, not a thousand. A leaf that nobody
// writes to any more is swept some batches, or snapshots, later (write.go); one that
// becomes small is joined with a neighbour.
//
// # Invariants
//
// Each has planted bugs in testdata/bugs that prove its test.
//
//	O1  The ranges of the leaves make up all keys; a leaf has keys of its range only, in
//	    order, the versions of a key newest first, and all of them.
//	O2  A reader at S sees of each key the newest version at or below S, and nothing
//	    if that is a deletion.
//	O3  All changes of a batch are seen, or none, in all spaces.
//	O4  A node has the same range all its life. Whoever sets out from the root after
//	    a batch has been made visible finds all of it, also by way of a node that is
//	    replaced meanwhile.
//	O5  What an open snapshot sees stays. What no snapshot sees goes, with the leaf's
//	    next write, or some batches or snapshots later.
//	O6  An iterator moves as over a sorted slice of what its snapshot sees within its
//	    bounds, in both directions, also while others write.
//	O7  Heads are in the order of their keys.
//
// # Reading order
//
//	record.go    a version of a key, in bytes; heads
//	block.go     sorted slots: search, insert, prune, split
//	tree.go      nodes, and how they are replaced
//	write.go     a batch, and sweeping
//	snapshot.go  sequence numbers that are in use; Get
//	iterator.go  walking
//	map.go       the door
package ordmap
