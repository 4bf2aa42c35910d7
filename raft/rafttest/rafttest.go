// Package rafttest grades implementations of Raft: [Run] is a conformance kit
// in the manner of testing/fstest, [Simulate] a seeded world of crashes,
// partitions and failing disks.
package rafttest

import "github.com/flagship-go/flagship/raft"

// Core is the implementation under test as a deterministic value: what
// [raft.Core] is. Calls and answers mean what they mean there; an
// implementation with a shape of its own is graded through an adapter.
type Core interface {
	Tick()
	Step(raft.Message) error
	Propose(commands ...[]byte) (index, term uint64, err error)
	HasReady() bool
	Ready() raft.Ready
	Synced(seq uint64)
	Applied(index uint64)
	Status() raft.Status

	// ReadIndex is needed for Capabilities.ReadIndex only.
	ReadIndex(id uint64) error
	// Compact is needed for Capabilities.Snapshots only.
	Compact(snapshot raft.Snapshot, upTo uint64) error
}

// Capabilities are what an implementation claims beyond the required rules.
// What it does not claim is printed as not claimed, and not graded.
type Capabilities struct {
	PreVote     bool // asks before it raises the term (dissertation §9.6)
	CheckQuorum bool // a leader without a majority steps down; followers of a living leader turn candidates away
	FastBackup  bool // one probe a term when logs differ (§5.3, end)
	Pipeline    bool // sends on before the last append is answered
	Snapshots   bool // compaction and InstallSnapshot (§7)
	ReadIndex   bool // linearizable reads without a log entry (dissertation §6.4)
}

// Implementation is what [Run] grades.
type Implementation struct {
	// Name is printed in front of the results.
	Name   string
	Claims Capabilities
	// NewCore starts a node from what its storage held. nil: the
	// implementation has no step core, and only the black-box part runs.
	NewCore func(cfg raft.Config, st raft.State) (Core, error)
	// NewCluster starts a cluster that runs by itself, for the black-box part.
	NewCluster func(voters []raft.NodeID) (Cluster, error)
}
