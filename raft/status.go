package raft

import "sync/atomic"

// Status is a node's state as others may see it.
type Status struct {
	ID       NodeID
	Role     Role
	Term     uint64
	VotedFor NodeID
	Leader   NodeID // None while unknown
	Commit   uint64
	Applied  uint64
	First    uint64 // first index of the log that is not compacted
	Last     uint64 // last index of the log
	LastTerm uint64
	Durable  uint64 // last index on this node's disk
	Snapshot uint64 // index of the last snapshot
}

// Status returns the core's state; it allocates nothing.
func (c *Core) Status() Status {
	return Status{
		ID: c.cfg.ID, Role: c.role, Term: c.term, VotedFor: c.votedFor, Leader: c.leader,
		Commit: c.log.commit, Applied: c.log.applied,
		First: c.log.first(), Last: c.log.last(), LastTerm: c.log.lastTerm(),
		Durable: c.log.durable, Snapshot: c.lastIncludedIndex,
	}
}

// PeerStatus is what a leader knows of a voter.
type PeerStatus struct {
	ID         NodeID
	State      ProgressState
	MatchIndex uint64
	NextIndex  uint64
	Inflight   int // messages sent and not yet answered
}

// Peers returns what a leader knows of each voter, by ID; nothing on other
// nodes.
func (c *Core) Peers() []PeerStatus {
	if c.role != Leader {
		return nil
	}
	peers := make([]PeerStatus, len(c.members))
	for i := range c.members {
		p := &c.members[i]
		peers[i] = PeerStatus{p.id, p.state, p.matchIndex, p.nextIndex, p.inflight.count()}
	}
	return peers
}

// Entries returns the log's entries lo..hi inclusive, for tools and tests. It
// fails with ErrCompacted when a snapshot has replaced the first of them, and
// stops at the log's end. The entries must not be changed.
func (c *Core) Entries(lo, hi uint64) ([]Entry, error) {
	if lo <= c.log.offset {
		return nil, ErrCompacted
	}
	hi = min(hi, c.log.last())
	if lo > hi {
		return nil, nil
	}
	return c.log.entries.slice(int(lo-c.log.first()), int(hi-c.log.offset)), nil
}

// TermAt returns the term of the entry at index, which the log or the last
// snapshot must know.
func (c *Core) TermAt(index uint64) (term uint64, known bool) {
	if index == c.lastIncludedIndex {
		return c.lastIncludedTerm, true
	}
	return c.log.term(index)
}

// HasLease says whether a read would be answered now, without a message.
func (c *Core) HasLease() bool {
	return c.role == Leader && c.lease.holds(c.cfg.Lease) && c.termCommitted()
}

// Transferee is whom leadership is being given to; None but during a transfer.
func (c *Core) Transferee() NodeID { return c.transferee }

// Metrics are counts since the node started.
type Metrics struct {
	Committed        uint64 // entries given to the state machine
	Sent, Received   uint64 // messages
	Refused          uint64 // messages that no correct peer sends
	Syncs            uint64 // times the log was made durable
	Stalled          uint64 // ticks that were let pass because the disk did not answer
	Elections        uint64 // candidacies of this node
	LeaderChanges    uint64 // times this node took or lost the lead
	SnapshotsTaken   uint64 // of the own state machine
	SnapshotsApplied uint64 // received from a leader
}

type counters struct {
	committed, sent, received, refused, syncs, stalled, elections, changes, snapshots, restored atomic.Uint64
}

// Metrics returns the node's counts.
func (n *Node) Metrics() Metrics {
	c := &n.counters
	return Metrics{
		Committed: c.committed.Load(), Sent: c.sent.Load(), Received: c.received.Load(), Refused: c.refused.Load(),
		Syncs: c.syncs.Load(), Stalled: c.stalled.Load(), Elections: c.elections.Load(), LeaderChanges: c.changes.Load(),
		SnapshotsTaken: c.snapshots.Load(), SnapshotsApplied: c.restored.Load(),
	}
}

// traced counts what the core's events tell, and passes them on.
func (n *Node) traced(next func(Event)) func(Event) {
	led := false
	return func(e Event) {
		switch e.Kind {
		case EventRole:
			if e.Role == Candidate {
				n.counters.elections.Add(1)
			}
			if leads := e.Role == Leader; leads != led {
				led = leads
				n.counters.changes.Add(1)
				n.opts.Logger.Info("raft: leadership", "node", e.Node, "leads", leads, "term", e.Term)
			}
		case EventSnapshotTaken:
			n.counters.restored.Add(1)
		}
		if next != nil {
			next(e)
		}
	}
}
