// Package ranges is a store of transactions on several nodes: the key space is cut into
// ranges, each of which is a raft group of its own (package raft/multi) over the stores
// of the nodes (package lsm), and serves as a region of package mvcc. The nodes run in
// one process, and know each other by messages only.
//
//	c, err := ranges.Open(ctx, ranges.Options{Dir: "data"})
//	db, err := mvcc.Open(&mvcc.Options{Transport: c, Clock: c.Clock()})
//	err = db.Run(ctx, mvcc.TxnOptions{}, func(t *mvcc.Txn) error { ... })
//
// # The picture
//
// A write's way, down on the left and back up on the right:
//
//	client     mvcc.DB   the transaction: prewrite, commit
//	              |
//	route.go   which range has the key, who holds its lease?
//	              |                                         \
//	node       mvcc.Region   latches, locks, read bound      on the other nodes
//	engine.go  Write: a batch is proposed, Snapshot: waits        |
//	              |                                               |
//	           raft/multi    the range's log; one sync for all    |
//	              |                                               |
//	replica.go Apply: the batch, and its index in the log    Apply: the same
//	              |                                               |
//	           lsm           one store a node                    lsm
//
// # The rules
//
// Tests print the rule that was broken; bugs are planted against each (testdata/bugs).
// V and M rules are those of packages mvcc and raft/multi.
//
//	T1   What was acknowledged is there while a majority of the nodes has its disks,
//	     whatever is killed.                                        engine.go
//	T2   A command is applied once on each node: its effect and its index are one
//	     batch of the store.                                        replica.go
//	T3   One lease at a time serves a range. What was decided under one does not
//	     count behind the next one in the log; what was read under it is below
//	     what the next one commits at (V11).     engine.go, replica.go, keeper.go
//	T4   A split is one step, on every replica at the same place of the log; no
//	     key is in two ranges, nor in none.                         split.go
//	T5   A replica that comes as a snapshot is that range's and nothing else,
//	     whatever older states of its neighbours do.      snapshot.go, node.go
//	T6   A request goes to whoever serves the range now; who has an older picture
//	     is told so, and nothing is done (V17).                     route.go
//	T7   Timestamps go on above all earlier ones, also after kill -9 and without
//	     any one of the nodes.                                      clock.go
//	T8   A directory belongs to one process; what was fixed at the first start
//	     stays, a newer format is refused by name.                  cluster.go
//
// # The lease
//
// Raft elects a leader for a term, and package raft lets it answer reads by itself
// while its clock says that nobody else can lead. But a region keeps things in memory,
// latches and the highest timestamp read, which must not be two's at once; and a
// request may begin under one leader, sleep, and write under the next. So there is a
// second thing on top, as in CockroachDB: a lease is a command of the log, its number
// is the command's index, and every write names the number it was decided under. It
// takes no clock to be safe. A split ends it, so one mechanism does for both.
//
// # Reading order
//
// descriptor.go, command.go: what is stored, and what is in the logs. replica.go: what a
// command does; split.go, snapshot.go. engine.go: a range as the engine of a region.
// node.go: a machine; keeper.go: who serves what. clock.go, cluster.go: all nodes.
// route.go: the way to them; admin.go: what operators ask.
//
// # What is not here
//
// Nodes in several processes, and ranges that merge or move to other nodes: every node
// has a replica of every range.
package ranges
