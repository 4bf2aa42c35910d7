// Package manifest is the log of a store's tables: which file is in which
// level, told as a sequence of edits.
//
//	log, err := manifest.Create(fs, dir, manifest.Edit{NextFile: 1, WALFirst: 1})
//	err = log.Append(&manifest.Edit{NextFile: 8, LastSeq: 40, WALFirst: 12, Added: tables}) // durable
//	log, edits, recovery, err := manifest.Open(fs, dir)                                     // after a crash
//
// # The problem
//
// A flush or a compaction makes some files and gives up others, and must do so
// in one step: a crash leaves the tables of before or those of after. One record
// of a log is such a step. So tables are written first, are durable, and then an
// edit names them; what no edit names is litter.
//
// The manifest is small, and everything hangs on it. A log that ends early is
// an older tree: deleted keys come back and written ones are gone, and every
// table in it reads well. So its end is not guessed. Each record says how much
// of the file was durable when it was written, as the frames of package wal do,
// and thereby vouches for all before it.
//
// # The picture
//
//	CURRENT            "MANIFEST-000002 5d3c01aa\n": the file in force, and a CRC32C
//	MANIFEST-000002    header | edit (all tables) | edit | edit | edit | mark
//
//	header   0          8         12        16         24
//	         +----------+---------+---------+----------+
//	         | magic    | version | check   | number   |
//	         +----------+---------+---------+----------+
//	                                |         that of its name
//	                               CRC32C of the other fields
//
//	record   0         4         8         12        16         16+length
//	         +---------+---------+---------+---------+----------+
//	         | check   | length  | durable | body    | payload  |
//	         +---------+---------+---------+---------+----------+
//	           |         |         |         CRC32C of the payload
//	           |         |        bytes of this file known durable when it was written
//	           |        of the payload; 0 makes it a mark
//	          CRC32C of file number, offset, length, durable, body
//
//	payload  0     1          uvarints
//	         +-----+----------+---------+----------+---------+--------+---------+-------+-----------+------------+
//	         |  1  | NextFile | LastSeq | WALFirst | WALLast | flags  | added n | table | removed m | level, num |
//	         |     |          |         |          |         | bit 0: |         |  ...  |           |  ...       |
//	         +-----+----------+---------+----------+---------+ stamps +---------+-------+-----------+------------+
//
//	table    Num, Level, Size, Entries, Deletes, RangeDeletes, MinSeq, MaxSeq  uvarints
//	         Created, Expires                                                  varints
//	         Smallest, Largest                                                 length, bytes
//	         values n, then n times File, Bytes, End                           uvarints
//
// All fixed fields are little-endian.
//
// # The rules
//
// Tests print the rule that was broken; bugs are planted against each
// (testdata/bugs).
//
//	M1  A record is judged alone: its checksums cover file number, offset,
//	    lengths and payload. Bytes at another place are no record.
//	M2  An edit whose Append returned survives every power cut; of a later one
//	    there is all or nothing, and nothing is invented.
//	M3  A bad record below what a later one states was durable is a
//	    *CorruptError with file and offset. So is a bad first record. Only what
//	    was never promised is cut, and that is reported.
//	M4  CURRENT names a file only when its contents and its name are durable, and
//	    changes by one rename. A crash leaves the old manifest or the new one.
//	M5  An append that failed on a full disk has not happened and may be tried
//	    again; what it left in the file is never followed by a record.
//	M6  A failed sync ends the log until it is opened anew.
//	M7  What Open shows is durable: it is written again above the known durable
//	    offset, and synced.
//
// # What it does not know
//
// When a file is cut exactly at the end of a record, by something that is no
// crash, it looks like the manifest of a moment ago. The store compares it with
// its log and its tables, and notices if one that is named is gone. Likewise a
// directory without CURRENT looks like one where there never was a store.
//
// # Reading order
//
//	edit.go      what is told, and its bytes
//	record.go    a record and where it may stand
//	log.go       appending
//	current.go   which file is in force, and how the next one comes to be
//	open.go      reading it back
//	errors.go    what can go wrong
package manifest
