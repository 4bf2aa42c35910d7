// Package disk is the memory of a raft node that outlives its process and its
// power supply: a [raft.Storage] in a directory.
//
//	storage, err := disk.Open("/var/lib/app/raft", &disk.Options{Node: 1, Cluster: "app"})
//	node, err := raft.Start(raft.Options{Storage: storage, ...})
//
// # The problem
//
// Raft's proof rests on Figure 2's "persistent state": a node that answered has
// stored what it answered. Forget a vote, and a term may have two leaders; forget
// an acknowledged entry, and a majority that committed it was none. So the
// storage may lose what nobody was told of, and nothing else, and when something
// else is lost all the same, because a disk rotted or a hand removed a file, the
// node must not start as if nothing had been.
//
// # The picture
//
//	node/
//	    NODE                                 whose directory it is
//	    log/0000000000000004.wal             a record for each Save
//	    log/0000000000000005.wal
//	    snapshots/00000000000003e8-...7.snap index 1000, term 7
//	    snapshots/00000000000007d0-...9.snap index 2000, term 9
//
//	log:   ... Save | Save | snapshot 1000 | Save | Save | snapshot 2000 | Save ...
//	              |_ term, vote, commit, entries: all of it or nothing
//
//	entries:   |-------- kept --------|------------- kept --------------|
//	         1000                    2000                              last
//	    older snapshot           newer snapshot
//
// The log is package internal/wal: frames that are judged one by one, one sync
// for what came together, damage told from a torn end. One Save is one record,
// so a hard state is never there without the entries that it came with, or the
// other way round. Entries replace earlier ones at their index when the records
// are read again, in order; nothing is ever rewritten.
//
// A snapshot is a file, written under another name and renamed when it is
// durable. A note in the log says between which saves it was stored. It is
// needed for §7: a snapshot that the log does not hold drops the log, and what
// is saved afterwards stands behind the snapshot. From the entries alone that
// cannot be seen later, because by then others stand at their indexes:
//
//	saved   1/t1 2/t1 3/t1 4/t1 | snapshot 3/t2 | 4/t2
//	read    1/t1 2/t1 3/t1 4/t2                          without the note
//	                       ^ joins 3/t1, and nothing joins the snapshot: is 4/t2 void?
//
// # The rules
//
// Tests print the rule that was broken; bugs are planted against each
// (testdata/bugs).
//
//	D1  What was saved before a Save with sync returned, and a snapshot whose
//	    SaveSnapshot returned, survive every power cut. Of later saves a power
//	    cut leaves the first so many, each whole.
//	D2  What was saved at all survives the killed process.
//	D3  A Save that failed is final: nothing is stored behind it.
//	D4  Nothing that was promised is missing silently: a rotten bit, a lost log,
//	    snapshot or identity is a raft.ErrCorrupt that names the file, at every
//	    attempt.
//	D5  A directory belongs to one node of one cluster, and one storage has it
//	    open.
//	D6  A damaged snapshot is done without when an older one, or none, and the
//	    log have everything that it stood for. The log is kept accordingly, and
//	    Recovery names the damaged file.
//	D7  ForceNewCluster happens whole or not at all: until its one record is
//	    durable the directory is what it was, afterwards it belongs to a cluster
//	    of another name, whose only member has every entry that was there.
//	D8  Inspect changes nothing, also beside a running node; what it says of a
//	    start is what Open does.
//	D9  With MaxSegments old snapshots are given up for the room of their log,
//	    the newest and what is behind it never.
//
// # What it does not know
//
// The log and its limits are those of internal/wal: entries whose sync was the
// very last thing before a power cut are not told from a torn end if they rot
// while the power is off, and a log whose last file was removed by hand ends
// earlier. A backup restored over a newer directory is a node that has
// forgotten: no storage can tell.
//
// # Reading order
//
//	options.go    what can be asked for, and the errors
//	record.go     the bytes of a record
//	history.go    what the records come to
//	file.go       files that are there whole or not at all
//	identity.go   whose directory it is
//	snapshot.go   the snapshots, and which to start from
//	spans.go      which part of the log is no longer needed
//	disk.go       the storage
//	open.go       what it does first
//	force.go      the last resort: one survivor becomes a cluster of its own
//	inspect.go    the directory as it lies there, for tools (raft/cmd/dump)
package disk
