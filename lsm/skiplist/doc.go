// Package skiplist is the memtable's list: sorted, written by many goroutines at
// once, read without a lock.
//
// # The problem
//
// Writes come in any order, and tables want them sorted; between the two, every
// write must be readable at once, by cursors too. A tree would do, but a tree that
// many goroutines change needs locks or care, and a node of the Go heap for each
// of a million entries is a million things for the garbage collector to look at.
//
// A skiplist (Pugh, "Skip Lists: A Probabilistic Alternative to Balanced Trees",
// CACM 1990) is changed in one place at a time: a node is in once a single link
// leads to it, which one compare-and-swap does. And nothing is ever removed, since
// a memtable goes as a whole. So there is no lock, no mark on a dying node, no
// doubt about whether a node may be used again.
//
//	level 2   head ---------------------> c --------------> end
//	level 1   head ---------> b --------> c --------------> end
//	level 0   head ---> a --> b --------> c ---> d -------> end
//
// All of it lies in one slice of bytes, the arena, where links are offsets of 32
// bits (arena.go draws a node). The garbage collector sees one object. The arena
// is given by the caller, who may use it again for the next memtable.
//
// # What a search costs
//
// On a list that is larger than the processor's caches, time goes into waiting
// for memory, and not into comparing. So links carry a few bits of the key that
// they lead to (hint.go): a search looks at the nodes it goes through, and no more
// at those it turns away from. With that, moving costs more than turning away,
// and towers are higher than usual, half of the nodes on each next level: fewer
// moves. And where many entries come at once, in order, their searches go side
// by side and wait together (sorted.go).
//
// # Invariants
//
//	S1  Level 0 has every entry once, in order; every other level a part of it.
//	S2  Get finds the newest entry of a user key that its reader may see.
//	S3  A cursor moves as over a sorted slice, in both directions.
//	S4  That holds at every moment while others add; an entry whose Add has
//	    returned is found.
//	S5  What NodeSize says is enough for an entry, and the arena's end is kept.
//	    Equal entries take equal room, in any order of adding.
//	S6  Hints are in the order of their keys.
//
// # Reading order
//
//	arena.go   a node in bytes
//	list.go    the list, and searching it
//	hint.go    what a link knows of a key
//	add.go     linking a node in
//	sorted.go  many at once
//	cursor.go  walking
package skiplist
