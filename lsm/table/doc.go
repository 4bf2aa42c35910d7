// Package table is the file that entries end in: sorted, written once, never
// changed, and with every byte of it under a checksum.
//
// # The problem
//
// A read of one key must not read a file, but a few cache lines of it, or a block
// if it is on disk; a scan wants everything in order, at the speed of memory; a
// compaction writes millions of entries and wants to spend nothing on them. And
// whatever a disk returns years later, it may be an error, but not a wrong value.
//
// # The file
//
//	+--------+--------+-----+---------+--------+--------+-----+------+-------+--------+
//	| data   | data   | ... | range   | filter | index  | ... | root | prop- | footer |
//	| block  | block  |     | deletes |        | part   |     |      | erties|  64 B  |
//	+--------+--------+-----+---------+--------+--------+-----+------+-------+--------+
//
//	block        bytes | compression 1 B | CRC32C of both 4 B       format.go
//	data block   keys | values | restarts | hash buckets | tail     blockwriter.go
//	index part   a block: separator -> place of a data block
//	root         a block: separator -> place of a part, data blocks before it
//	range deletes a block: start, sequence number -> end
//	filter       lines of 64 B, one byte                            package bloom
//	properties   counts and bounds                                  properties.go
//	footer       four places, version, CRC32C, magic                format.go
//
// Nothing of it is known before the data is written, so the writer goes through
// the file once, front to end, and a reader starts at the footer.
//
// # The way of a Get
//
//	filter --no--> not here
//	   | perhaps
//	root: the first separator beyond the key -> part: the same -> data block
//	                                                                  |
//	value <-- keys behind the restart, compared as they lie <-- bucket: restart
//
// A separator is beyond all keys of its block and not beyond those of the next
// (key.Order.Separator), so one block is enough: the entry is there or nowhere.
// In the block, most often one look at the hash buckets says behind which restart.
// A search through the dozen keys behind it puts none of them together: how much
// a key shares with the one before is most of what the comparison needs
// (block.scan).
//
// # Mapped or read
//
// With ReaderOptions.Mmap, blocks are used where the kernel has them: nothing is
// copied, nothing cached twice. Checksums are checked the first time a block is
// touched. The price is that an error of the disk is a fault instead of an error:
// see [Guard]. Otherwise, and for compressed blocks, a [Cache] keeps blocks; they
// are left to the garbage collector, so values may outlive their place in the
// cache.
//
// # Invariants
//
//	T1  A table holds what was added, in order, in both directions.
//	T2  Get finds the first entry of the user key at or after the seek key.
//	T3  A cursor moves as over a sorted slice, and turns anywhere.
//	T4  Smallest and Largest enclose range deletes too.
//	T5  Damage is a typed error with file and offset, never another value.
//	T6  Any bytes are safe: no panic, no endless loop, no huge allocation, even
//	    with right checksums.
//	T7  A fault in mapped memory becomes an error.
//	T8  A cache never shows one table's blocks for another's, and keeps its size.
//	T9  Returned values stay what they are; the caller's slices are not kept.
//
// # Reading order
//
//	format.go       blocks, places, the footer
//	blockwriter.go  a block, drawn and written
//	writer.go       a table, written; properties.go what it says of itself
//	block.go        a block, searched; blockcursor.go walked through
//	reader.go       a table, opened, and how a block gets here
//	get.go          one key
//	cursor.go       many
//	cache.go        blocks that were used last
//	compress.go     S2 and zstd
//	verify.go       checking and describing a whole table
//	errors.go       what can be wrong; faults
//	trace.go        what was touched
package table
