package rafttest

import (
	"context"

	"github.com/flagship-go/flagship/raft"
)

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

// MembershipCore is what Capabilities.Membership asks of a Core beyond the
// rest.
type MembershipCore interface {
	Core
	ChangeMembership(m raft.Membership) (index, term uint64, err error)
	Membership() raft.Membership
	MembershipAt(index uint64) raft.Membership
}

// TransferCore is what Capabilities.Transfer asks of a Core beyond the rest.
type TransferCore interface {
	Core
	TransferLeadership(to raft.NodeID) error
}

// LeaseCore is what Capabilities.LeaseReads asks of a Core beyond the rest.
type LeaseCore interface {
	Core
	DropLease()
}

// Cluster is the implementation under test as a black box: nodes that run by
// themselves, in whatever time they keep. Its methods are called from one
// goroutine, but for Propose, which is called from several.
type Cluster interface {
	// Propose gives node id a command and waits until that node has applied
	// it. An error says that it may or may not be applied, now or later; the
	// kit then asks another node. It returns when ctx ends.
	Propose(ctx context.Context, id raft.NodeID, command []byte) error
	// Leader says whom node id takes for the leader, None when it knows none.
	Leader(id raft.NodeID) raft.NodeID
	// Applied returns the commands that node id's state machine holds, in the
	// order in which it applied them, as a copy. A restarted node may start
	// empty and apply all of them again.
	Applied(id raft.NodeID) [][]byte
	// Partition lets only nodes of the same group talk to each other; one
	// group of all heals the network.
	Partition(groups ...[]raft.NodeID) error
	// Crash stops a node at once: only what it made durable is left. Restart
	// starts it again on that.
	Crash(id raft.NodeID) error
	Restart(id raft.NodeID) error
	// Close stops all nodes and waits for them. It may be called twice.
	Close() error
}

// MembershipCluster is a Cluster whose members can be replaced. Whether one is
// offered decides whether the rules of replacement are graded.
type MembershipCluster interface {
	Cluster
	// Add starts a new node that knows nobody, and is no member yet.
	Add(id raft.NodeID) error
	// ChangeMembership asks node id to make these the voters, and waits until
	// that is committed. An error says that it may or may not come to be; the
	// kit then asks again. It returns when ctx ends.
	ChangeMembership(ctx context.Context, id raft.NodeID, voters []raft.NodeID) error
}

// SessionCluster is a Cluster that executes a command once, however often it
// is repeated. Whether one is offered decides whether that is graded.
type SessionCluster interface {
	Cluster
	// Session opens a session through node id.
	Session(ctx context.Context, id raft.NodeID) (Session, error)
}

// Session is a client's, tied to no node. Its methods are called one at a
// time.
type Session interface {
	// Propose gives node id the session's next command and waits until that
	// node has applied it. After an error the kit calls Retry, never Propose.
	Propose(ctx context.Context, id raft.NodeID, command []byte) error
	// Retry repeats the last command to node id, and waits as well.
	Retry(ctx context.Context, id raft.NodeID) error
}

// Capabilities are what an implementation claims beyond the required rules.
// What it does not claim is printed as not claimed, and not graded.
type Capabilities struct {
	Figure2       bool // an older term is answered, and a new one alone leaves the election timer as it is
	NoOp          bool // a new leader appends an empty entry (§8)
	PreVote       bool // asks before it raises the term (dissertation §9.6)
	CheckQuorum   bool // a leader without a majority steps down; followers of a living leader turn candidates away
	FastBackup    bool // one probe a term when logs differ (§5.3, end)
	LogProbes     bool // probes in the number's logarithm, whatever the terms are
	Pipeline      bool // sends on before the last append is answered
	Bounds        bool // Config.MaxUncommittedBytes and MaxEntryBytes are obeyed
	Snapshots     bool // compaction and InstallSnapshot (§7)
	ReadIndex     bool // linearizable reads without a log entry (dissertation §6.4)
	SharedReads   bool // reads that come together share a round; with ReadIndex
	FollowerReads bool // ReadIndex on a follower asks the leader; with ReadIndex
	LeaseReads    bool // reads without a round (Config.Lease); with ReadIndex and CheckQuorum. See [LeaseCore]
	Transfer      bool // leadership can be given away (dissertation §3.10). See [TransferCore]
	Priority      bool // Config.ElectionDelay is obeyed
	Membership    bool // joint consensus and learners (§6). See [MembershipCore]
	Strict        bool // with PreVote, Bounds, FollowerReads: what nobody's safety needs, and some leave to luck or to the caller
}

// Implementation is what [Run] grades.
type Implementation struct {
	// Name is printed in front of the results.
	Name   string
	Claims Capabilities
	// NewCore starts a node from what its storage held. nil: the
	// implementation has no step core, and only the black-box part runs. The
	// core must honour the Config: the required rules set NoPreVote and
	// NoCheckQuorum, because they judge the paper's protocol without the
	// extensions.
	NewCore func(cfg raft.Config, st raft.State) (Core, error)
	// NewCluster starts a cluster that runs by itself, for the black-box part.
	// nil: that part is printed as not offered.
	NewCluster func(voters []raft.NodeID) (Cluster, error)
	// Virtual runs the black-box part in a bubble of testing/synctest, where
	// waiting costs nothing: for a cluster without real sockets and files.
	Virtual bool
}
