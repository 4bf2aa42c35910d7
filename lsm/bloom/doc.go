// Package bloom tells for nearly every key that a memtable or a table does not
// have that it does not have it, in one look at one cache line.
//
// # The problem
//
// A read asks the newest place first and goes on to older ones until a key is
// found. Of six places, five do not have it, and to find that out in a table
// costs an index, a block, perhaps a read of the disk. A filter of ten bits per
// key says "not here" for 99 of 100 of those, and is small enough for memory.
//
// # The filter
//
// A Bloom filter (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable
// Errors", CACM 1970) sets k bits for a key, at places that hashes of it give;
// a key of which one bit is not set was never added. Spread over the whole
// filter, k bits are k cache misses. So one hash chooses a line of 64 bytes, and
// the others bits within it (Putze, Sanders, Singler, "Cache-, Hash- and
// Space-Efficient Bloom Filters", WEA 2007):
//
//	hash, 64 bits
//	+----------------+----------------+
//	| which line     | which bits     |  k times: multiply, take the upper 9 bits
//	+----------------+----------------+
//	       |
//	       v
//	+--------+--------+--------+- - - - - - -+--------+---+
//	| 64 B   | 64 B   | 64 B   |             | 64 B   | k |   as it is on disk
//	+--------+--------+--------+- - - - - - -+--------+---+
//
// Lines fill unevenly, which costs a little: at ten bits per key 1.2 % of
// strangers pass, of 0.8 % with one piece.
//
// # Invariants
//
//	B1  A key that was added is never denied.
//	B2  Few others pass: at ten bits per key, less than 15 of 1,000.
//	B3  Any bytes may be asked.
//
// The hash is of the bare key: neither sequence number nor timestamp is known to
// somebody who asks.
package bloom
