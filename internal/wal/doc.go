// Package wal is a write-ahead log: records go in at the end, survive the power
// cut once synced, and are read back in order after a crash.
//
//	l, recovery, err := wal.Open(dir, nil)
//	last, err := l.Append(hardState, entry1, entry2) // in the kernel, as one batch
//	err = l.Sync(last)                               // on the disk
//	for r, err := range l.Records(l.FirstSeq()) { ... }
//	err = l.TruncateFront(snapshotSeq)               // old segments go
//
// # The problem
//
// Appending bytes to a file and calling fsync is easy. What makes a log is what
// it says afterwards about a file that does not look as it should. A record
// whose checksum is wrong may be the torn end of a write that nobody was told
// about: then it must be dropped, or the machine never starts again. Or it may
// be a record that was acknowledged and rotted: then dropping it silently
// breaks a promise, and for a consensus log that means a lost vote or a lost
// commit. The bytes at that place look the same in both cases. Logs that guess
// guess wrong in one of the two.
//
// This one does not guess. Each frame says how much of the log was known to be
// durable when it was written. A bad place below what any readable frame says
// was promised: it is damage. Above, nobody was promised anything: it is cut
// off, and the report of Open says so.
//
// # The picture
//
//	0000000000000007.wal      0000000000000008.wal      0000000000000009.wal
//	+---+------------------+  +---+------------------+  +---+----------------+
//	| h | frames  | (old)  |  | h | frames  | (old)  |  | h | frames  0 0 0 0|
//	+---+------------------+  +---+------------------+  +---+----------------+
//	  sealed: complete and durable, never written again    tail: being appended
//
//	0000000000000006.spare    dropped from the front, to become 10.wal
//	LOCK                      whoever has the log open
//
// A segment is preallocated, so that a full disk shows before a record is
// written. Records are numbered from 1 and never move; a segment's header says
// which number it begins with, so that the next segment tells how many records
// a sealed one must hold. The byte layouts are drawn in segment.go and frame.go.
//
// # What is assumed
//
// A sector of 512 bytes is written whole or not at all, and a sync that
// succeeded has put everything written before it on the disk. Nothing else:
// sectors, lengths and names that were not synced reach the disk in any order or
// not at all, a failed sync may have lost what it was asked to save for good,
// and what was on the disk may rot.
//
// # The rules
//
// Tests print the rule that was broken; the kill matrix plants bugs against each
// (testdata/bugs).
//
//	W1   A frame is judged alone: its checksums cover segment, offset, lengths,
//	     flags and payload. Bytes at another place are no frame. An appended
//	     record is in the kernel and survives the killed process.
//	W2   A record is called durable only after a sync that began when the record
//	     was already written. That sync may serve any number of callers.
//	W3   A bad frame below the highest durable offset that a readable frame
//	     states is an error that names file, offset and reason. Above it the log
//	     is cut at the first bad frame, and the report says where, how much and
//	     why. Never silence, never an invented record.
//	W4   A segment that has a successor is complete and durable: whatever is
//	     wrong with it is damage.
//	W5   The records of one Append are there together or not at all. They are
//	     never split between segments; each frame but the last says that the
//	     batch goes on.
//	W6   A failed sync, or start of one, ends the log until it is opened anew:
//	     every later call fails with the same error.
//	W7   A full disk ends nothing: the append fails, and later ones succeed when
//	     there is room. The place of a failed write is wiped and not used again.
//	W8   A segment carries its name only once its header and blocks are durable,
//	     and is used only once the name is. Ids have no gaps.
//	W9   Only segments dropped from the front are recycled: their ids are below
//	     all ids to come, so that W1 tells their old frames from new ones. Each
//	     batch ends with zeros, so that the log visibly ends before them.
//	W10  Truncation is a sequence of states that are each a log: from the front
//	     the oldest segment goes first, from the back the newest, each removal
//	     durable before the next; the last segment to be shortened is replaced
//	     by a copy in one rename.
//	W11  What Open shows is durable: it is written again above the known durable
//	     offset, and synced. Reading shows what a failed sync has lost, because
//	     the kernel still holds it.
//	W12  One owner at a time has the directory. A newer format is refused. Opened
//	     read-only, a log changes nothing, and shows and reports what Open would.
//
// # What it does not know
//
// The first and the last segment have a neighbour on one side only. If somebody
// removes the last segment file, the log ends before it, without an error; if
// the first, FirstSeq is higher: users know what they gave up, and can compare
// (raft/disk does). The last records synced before a power cut have no frame
// after them that says so: damage to exactly these is reported as a cut. Close
// writes a mark for that purpose, so that after a clean end every record is
// vouched for.
//
// # Why frames that stand alone
//
// etcd chains its checksums: each record's covers all before it. That finds a
// missing or exchanged record, and in return nothing after a bad record can be
// verified, so that a torn tail and damage cannot be told apart (etcd issues
// 5230, 6191 and 11488 are members that do not start after a power cut). RocksDB
// and LevelDB have frames that stand alone, in blocks of 32 KiB, and number the
// log file in each frame to recycle files; but no frame knows what was durable,
// hence four recovery modes to choose from, two of which exclude recycling
// (pull request 7271). Here segment and offset are in the checksum, which finds
// the exchanged record; the sequence count between segments finds the missing
// one; and the durable offset, four bytes a frame, makes the choice of a
// recovery mode unnecessary.
//
// # What was measured
//
// 2 cores of an Intel Xeon, Linux 6.18, ext4, go1.26.8, 26 November 2026, both
// the cores and the disk shared with other work: BenchmarkVersusRaw, pwrite, the
// log in turns with one pwrite and one fdatasync of the same records gathered
// before, without headers. The time that a tenth of the raw syncs are below, as
// a multiple of the log's, median of three runs (above 1: the log is faster):
//
//	                       files written before   new files
//	64 B,   batch of 1            1.10              0.96
//	1 KiB,  batch of 1            1.12              1.04
//	64 B,   batch of 1024         0.62              0.88
//	1 KiB,  batch of 64           0.96              1.49
//	1 KiB,  batch of 1024         1.20              0.81
//
// On the left both are in files whose blocks have been written, as those of a
// log are that gets its segments back; on the right in preallocated ones.
//
// A reserved block becomes a written one when it is first written, and that is a
// change of metadata, which the sync must journal. The log therefore writes
// zeros a mebibyte ahead in new files (recycled ones need none), except for
// batches so long that this would be twice the bytes for one sync saved. That
// is why it can be faster than the raw file on the right.
//
// On the left it can because of a long batch the disk gets the first part while
// the next is encoded: in one process beside the code without parts, 1 KiB x 1024
// went from 0.73 to 1.20 times the raw file's speed, and from 500 to 430 ns of
// processor time a record, the raw file's being 260: the 256 KiB that are
// encoded stay in the cache until the kernel copies them. In blocks that are
// only reserved the early start was a loss (0.67 instead of 0.93 of the raw
// file): each part is then a change of metadata of its own.
//
// Small records in long batches are short of processor time. At 64 B x 1024 the
// raw file takes 75 µs, and 80 with the bytes of the headers added, the log 120:
// two checksums, of 28 and of 64 bytes, are 13 ns each, framing and copying 10.
// Copying and one checksum a record, without any header, take 87 to 100 (0.76 to
// 0.81 of the raw file), so the frame that stands alone costs the rest. Parts of
// 32 KiB with an early start make that 107 to 112: it is the disk's latency that
// a batch waits for, and two writes have it twice.
//
// A mapping saves half a microsecond of each append (0.2 instead of 0.8 µs for
// 64 B) and costs a page fault after each sync, so it is an option for logs that
// sync seldom. Preparing the next segment in the background was not worth a
// goroutine: a rotation takes about a millisecond in 64 MiB.
//
// # Reading order
//
//	options.go, errors.go   what can be asked for, what can go wrong
//	frame.go, segment.go    the bytes
//	log.go                  the state, closing
//	append.go, sync.go      the way of a record to the disk
//	rotate.go               the next segment
//	open.go                 what is in the directory
//	scan.go, recover.go     where the log ends, and whether it may end there
//	records.go, truncate.go reading, and giving up records at both ends
package wal
