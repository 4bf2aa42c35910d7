// Package lsm is an ordered key-value store in a directory: a log-structured merge
// tree with mapped tables, a write-ahead log, and large values kept apart in a
// value log, as in Badger and Pebble.
//
//	db, err := lsm.Open(dir, nil)
//	err = db.Put([]byte("k"), []byte("v"))
//	v, err := db.Get([]byte("k"))
//	for kv, err := range db.Range(nil, nil) { ... }
//	err = db.Close()
//
// # The problem
//
// A disk likes long writes in one place; keys come in any order. A B+tree puts
// every key where it belongs at once, and pays with a write of a page per key. A
// log-structured merge tree (O'Neil, Cheng, Gawlick, O'Neil, 1996) puts keys where
// they belong later, many at a time: writes are collected in memory, written out
// sorted, and sorted runs are merged with larger ones in the background. What
// was a random write becomes a few sequential ones. In return a read may have to
// ask several runs, old versions take space until a merge meets them, and the
// merging must keep up. Everything here is about these three.
//
// Values are the bulk of the data and are moved by every merge, although only
// keys need to be sorted. So large values are written once, to a log of their
// own, and the tree holds their places (Lu, Pillai, Arpaci-Dusseau, "WiscKey",
// FAST 2016).
//
// # The picture
//
//	Put, Apply                                                  Get, NewIter
//	    |                                                            |
//	    |  large values                                              v
//	    |-------------> value log <---------------+   +--------- read state
//	    v                                         |   |   newest first:
//	  log (kernel: survives kill -9)              |   |
//	    v                                         |   |
//	  memtable (skiplist)  <----------------------|---+
//	    |  full                                   |   |
//	  immutable memtables  <----------------------|---+
//	    |  flush                                  |   |
//	  L0  [a...q] [c......z] [b..f]   layers <----|---+
//	    |  compaction                             |   |
//	  L5  [a..f][g..m][n..z]           <----------|---+
//	    |  compaction               pointers -----+   |
//	  L6  [a-b][c-d][e-g][h-k] ... [u-z]  <-----------+
//
// # What an entry is
//
// Each write gets the next sequence number. The tree holds entries: user key,
// sequence number, kind (put, delete, operand of a merge, ...), value. Entries
// sort by key, and newest first within a key (lsm/key). A reader is a sequence
// number: it sees, of each key, the newest entry that is not newer than itself.
// That is all there is to snapshots; and a delete is an entry like another, that
// says "nothing", until nothing older is left below for it to hide.
//
// # The rules
//
// Tests print the rule that was broken; the kill matrix plants bugs against each
// (testdata/bugs).
//
//	L1   A batch is visible, and recovered, whole or not at all.
//	L2   Batches become visible in the order of their sequence numbers, which are
//	     never used again.
//	L3   Newer entries are above older ones: memtable, immutable memtables, layers
//	     of L0, L1 ... L6. Below L0, tables of a level share no user key.
//	L4   Tables, values, their names and the log are durable before the edit that
//	     relies on them; old tables and log records go only after the edit is.
//	L5   Of the entries of a key, the newest of each stripe between snapshots
//	     stays. A delete goes when no older entry lies below, and no snapshot does.
//	L6   Damage is a typed error with file and offset, or the reported cut of a
//	     tail that nobody was promised. Never a wrong value, or silence.
//	L7   A file lives as long as a version that names it, and a version as long as
//	     a reader that uses it.
//	L8   A full disk is an error: nothing has changed, reads go on, and writes do
//	     when there is room.
//	L9   After a failed sync, or any other failed write, nobody knows what the
//	     disk holds: the store takes no writes until it is opened again.
//	L10  A pointer is never durable before its value.
//	L11  An expired value is a delete: it hides what is older.
//	L12  Range deletes are cut where tables are cut.
//	L13  Same input, same schedule: with Options.Schedule a run is repeated exactly.
//
// # The life of a write
//
// [DB.Put] encodes a batch of one (batch.go). [DB.Apply] takes it through the
// commit pipeline (commit.go): under a short lock it waits for room in the
// memtable, gets its sequence number, appends large values to the value log and
// the batch to the write-ahead log. The same bytes are then inserted into the
// memtable's skiplist, beside other batches, and made visible in order; where every
// write is synced, writers come as groups, and insert after the sync (group.go). A full
// memtable becomes immutable; a flush (flush.go) merges the immutable ones,
// leaves out what nobody can see (retain.go), writes tables (build.go) and makes
// them part of the store with an edit of the manifest, after which the log gives
// up their records. Compactions (compaction.go), picked by a policy (lsm/compact),
// carry the entries down the levels the same way, and drop what newer entries
// hide. A compaction that meets a pointer into a file of mostly garbage copies the
// value to the head of the value log: that is all its garbage collection, and
// since pointer and copy change with one edit, no deleted key can come back and
// no crash can lose one.
//
// # The life of a read
//
// [DB.Get] (get.go) takes a reference to the read state (readstate.go), and asks
// the newest place first: memtables, behind a filter; the layers of L0; then at
// most one table a level, found by its bounds, behind a filter. In a mapped table
// it touches the index and one block, whose checksum is verified the first time.
// The first entry found is the answer, unless a newer range delete covers it
// (version.go). An [Iterator] (iterator.go) merges all of these with a tree of
// losers (merge.go) over cursors that open a table only when they get there
// (levelcursor.go), and skips what its moment does not see.
//
// # What it does not do
//
// Files are not encrypted. Compactions between tiers, FIFO, and columnar blocks
// are left out; so are transactions, which are package mvcc's subject. A store of
// more than a few terabytes wants Pebble: see the README.
//
// # Reading order
//
//	options.go, errors.go           what can be asked for, what can go wrong
//	batch.go, commit.go, group.go, separate.go, put.go   the way of a write
//	memtable.go, arena.go, flat.go, radix.go   where it goes first
//	db.go, readstate.go, get.go     the store, and the way of a read
//	merge.go, levelcursor.go, iterator.go, iteratevisible.go, snapshot.go
//	version.go, tables.go           which tables there are
//	retain.go, build.go, flush.go   from memtables to tables
//	compaction.go, jobs.go          from tables to tables, and who runs it when
//	valuerefs.go                    when a file of the value log goes
//	open.go, replay.go              what a crash leaves
//	maintain.go, metrics.go, scale.go, trace.go
//
// The rooms below are packages: lsm/key, lsm/bloom, lsm/skiplist, lsm/table,
// lsm/vlog, lsm/manifest, lsm/compact. lsm/lsmtest grades any ordered store.
package lsm
