// Package store is the deterministic heart of examples/kv: etcd's data model as
// a state machine under raft.
//
// # The problem
//
// A cluster agrees on a log of commands. Each member executes them, and all
// must come to the same state; so the state is a pure function of the log.
// There is no clock in here, no random number, no goroutine, and no map whose
// order shows. What depends on time or chance (that a lease ran out,
// the id of a new one, that the disk is full) is decided by one member and comes
// through the log as a command.
//
//	put, delete, txn, compact,        EncodeCommand                     DecodeResult
//	grant, revoke, alarm ...   ------------------> raft's log           <-----------
//	                                                    |                      ^
//	                                                  Apply                    |
//	                    +-------------------------------+----------------------+
//	                    v                               v
//	Range, ReadTxn   rows: index, history, leases,    hub ---> Watcher.Next
//	Hash, Snapshot   alarms, members
//	<----- views -----  (storage.go)                 Lessor <--- the leader's clock
//
// # Revisions
//
// The store counts the commands that change keys: that is its revision, and it
// starts at 1. Nothing is overwritten: each change adds a version of its key
// under the command's revision, a deletion too.
//
//	revision   1    2        3        4           5         now 5
//	                put a=x  put b=y  put a=z     delete b
//	                                  put c=w
//	read at 3       a=x b=y                                 a: created 2, changed 4, version 2
//	read at 5       a=z c=w                                 c: created 4, changed 4, version 1
//
// So one can read the past, compare in a transaction what one has seen with
// what is there, and watch from any revision on. Compaction forgets the past
// before a revision; what is to be seen at that revision stays.
//
// # Reading while writing
//
// The rows are in ordered tables whose frozen copies cost nothing (tree.go).
// Readers, snapshots and watchers that catch up work on such a view and take no
// lock, however long they need.
//
// # On a disk
//
// The rows are in memory, or in a tree on a disk (package ondisk), and nothing
// else in here knows which. What memory forgives a disk does not, so: a command
// is one batch with its index (overlay.go), a compaction or a deletion that is too
// large for one can be finished or taken back (sweep.go, piece.go), a state may be
// ahead of the log that is replayed over it, and a disk that failed stops it all.
//
// # Rules
//
// A failing test prints the rule, and testdata/bugs breaks each of the main
// ones on purpose.
//
//	answers              a command's result is what package model says
//	deterministic        the same commands make the same bytes
//	revision             a command that changes keys takes one revision, others none
//	history              a read at a revision sees the keys as they were then
//	compaction           what is seen at the compacted revision and later stays; before it
//	                     nothing is read
//	range                bounds, order, limit and count of a range are etcd's
//	validate             what no state would accept is refused, with etcd's error
//	txn-atomic           a refused transaction has done nothing
//	txn-compares-before  compares see the state before the transaction
//	txn-reads            its ranges see what its operations wrote
//	leases               a key is attached to the lease of its last put; revocation deletes
//	                     what is attached
//	lease-deadline       a lease ends its TTL after its last renewal
//	lease-full-term      with a new leader it has the whole again
//	lease-checkpoint     or what the last checkpoint left it
//	alarm-refuses        under an alarm, what it forbids is refused
//	alarm-way-out        and what ends it is served
//	size                 it counts what is kept, and falls by defragmentation alone
//	watch-exactly-once   a watcher is told every event once, in order, whole revisions
//	watch-fragment       but for fragments, where asked for
//	watch-compacted      or it is canceled, when compaction took what it was to be told
//	watch-bounded        little is kept for one that does not fetch
//	watch-progress       progress says nothing about what is still to come
//	snapshot-frozen      a snapshot is of the moment it was taken
//	snapshot-exact       what is restored is what was saved
//	snapshot-damage      a damaged one is refused, and changes nothing
//	hash                 members that differ have different hashes
//	overlay              a command reads what it wrote before it is written
//	applied-once         a command that the state has changes nothing
//	compaction-finished  a compaction that a crash ended is finished before anything
//	                     is read
//	piece-undone         any other command that a crash ended has done nothing
//	failure              what cannot be read or written is an error, and nothing is
//	                     executed after it
//	codec                decoding bytes never panics, and inverts encoding
//
// # Reading order
//
// api.go and errors.go: the vocabulary. rows.go: what is stored, and in which
// order; storage.go, tree.go and overlay.go: where. store.go, view.go: Apply, and
// reading beside it. read.go, write.go,
// txn.go, validate.go: keys. lease.go, cluster.go: the smaller tables. lessor.go:
// deadlines. watch.go, watcher.go: events. snapshot.go. codec.go, command.go,
// fields.go: bytes. sweep.go, piece.go: what a crash leaves of large commands.
// Package model says the same as naively as possible.
//
// Sources: etcd's API reference and data model, and what its server does where
// these are silent. Differences: the alarm by quota covers puts in nested
// transactions; a deletion up to "\x00" counts as overlapping in a
// transaction; the size is what the cost model of etcd's quota adds up to, not a
// file's; defragmentation goes through the log.
package store
