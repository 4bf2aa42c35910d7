// Package vlog is a value log: large values go in at the end of a file, and are
// found again by a pointer, so that a tree of keys need not carry them about.
//
//	log, err := vlog.Open(dir, nil)
//	pointers, err := log.Append([][]byte{v1, v2}, nil) // in the kernel
//	err = log.Sync()                                   // on the disk
//	v, err := log.Read(pointers[0], nil)
//
// # The problem
//
// A merge tree writes every byte some ten times, once for each level that it
// passes. WiscKey (Lu et al., FAST 2016) saw that only the keys need the order,
// and that values could stay where they were first written. What is gained in
// writing is paid for twice: a value is one more read away, and the space of a
// value that nobody points to any more does not come back by itself. A file with
// much of that is rewritten: what is still pointed to is appended anew, the
// tables point to the new place, and the file is removed. [Pick] says which
// files are worth it. What is alive is not known here; the tables' entries in
// the manifest know it exactly.
//
// # The picture
//
//	0000000000000006.vlog     0000000000000007.vlog     0000000000000009.vlog
//	+---+----------------+--+  +---+----------------+--+  +---+----------------
//	| h | values         |m |  | h | values         |m |  | h | values ...
//	+---+----------------+--+  +---+----------------+--+  +---+----------------
//	  sealed: durable, with a mark, never written again     head: being appended to
//
//	header   0         4         8         16
//	         +---------+---------+---------+
//	         | magic   | version | number  |
//	         +---------+---------+---------+
//
//	record   0         4                  4+n                   4+n+length
//	         +---------+------------------+---------------------+
//	         | check   | length (uvarint) | value               |
//	         +---------+------------------+---------------------+
//	           |                          ^ a Pointer's Offset
//	          CRC32C of length and value, begun from a mix of the file's number
//	          and the value's offset (sum in record.go)
//
//	mark     0         4         8
//	         +---------+---------+
//	         | check   | "SEAL"  |   the last bytes of a file that was durable as
//	         +---------+---------+   a whole when they were written
//	           |
//	          CRC32C of "SEAL", begun likewise from number and the mark's offset
//
// Fixed fields are little-endian. A pointer is three uvarints: file, offset,
// length. A file is removed as a whole; nothing in it is ever changed.
//
// # The rules
//
// Tests print the rule that was broken; bugs are planted against each
// (testdata/bugs).
//
//	V1  Read returns the bytes that were appended, or an error: a record's
//	    checksum covers its place, so that another one is not taken for it.
//	V2  An appended value survives the killed process; after a Sync that began
//	    later also the power cut.
//	V3  A file that has a successor is durable as a whole: only in the last one
//	    can a crash have left something.
//	V4  An append that failed has not happened: nothing points to it, its place is
//	    written over, and the next append works if there is room.
//	V5  A failed sync ends the appends until the log is opened anew. Reading goes
//	    on.
//	V6  A number is never used twice, not even that of a removed file.
//	V7  What Open finds is durable when it returns: a file without a mark is
//	    written again from where it was known durable, and synced.
//	V8  Damage is a *CorruptError that names file and offset. Bytes behind the
//	    last value that anything points to are no damage.
//
// # What it does not know
//
// Which values are wanted, and so whether the end of the last file is torn or
// damaged: who holds pointers can tell, by reading them.
//
// # Reading order
//
//	pointer.go   where a value is
//	record.go    the bytes
//	log.go       the state; reading
//	append.go    the way of a value to the disk
//	open.go      what is in the directory
//	pick.go      which files to rewrite
//	errors.go    what can go wrong
package vlog
