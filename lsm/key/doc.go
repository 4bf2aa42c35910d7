// Package key is the vocabulary that the rooms of the store share: what an entry
// is called, and in which order entries lie.
//
// # The problem
//
// A log-structured store overwrites nothing. Three writes of one key are three
// entries, which lie in three places, and a reader wants one of them: the newest
// that was there when its snapshot was taken. So the name of an entry holds when
// it was written, and the order puts the newest first. Then every place that is
// sorted, a memtable's list, a table, a merge of both, has the answer directly at
// or behind the place one seeks.
//
// # The internal key
//
//	+----------------------------------+----------------+
//	| user key                         | trailer, 8 B   |
//	+----------------------------------+----------------+
//	                                     big-endian ^(seq << 8 | kind)
//
//	with Options.Timestamps, a user key is
//	+-------------------+--------------+
//	| bare key          | ^timestamp   |
//	+-------------------+--------------+
//
// The words are stored complemented, so that the bytes of the newest are the
// smallest. Yet an internal key is not compared as one string: of "a" and "ab",
// the first user key's trailer would meet the second one's "b".
//
//	user key   seq  kind
//	apple        9  Delete     a reader at 9 or later finds this first: nothing
//	apple        4  Set        a reader at 4 to 8
//	banana       7  Set
//
//	seek of a reader at 7:  (apple, 7, MaxKind), just before what it may see
//
// # Invariants
//
//	K1  Order: bare key, then newest timestamp, then newest sequence number.
//	K2  A separator of a and b is beyond a, and not beyond b.
//	K3  Fragments cover a key exactly if one of the tombstones does.
//
// # Reading order
//
//	key.go     kinds, trailers, putting together and taking apart
//	order.go   comparing; separators, which are what indexes are made of
//	cursor.go  the way to walk over entries
//	span.go    range tombstones
package key
