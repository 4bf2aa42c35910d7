package raft

import "fmt"

// EventKind says what happened.
type EventKind uint8

// What a core reports. The comment names what Peer and Index mean.
const (
	EventRole          EventKind = iota + 1 // took Role
	EventTerm                               // entered Term
	EventVoteGranted                        // to Peer
	EventVoteDenied                         // to Peer
	EventVoteIgnored                        // of Peer: a leader is alive (stickiness)
	EventAppended                           // the log now ends at Index
	EventTruncated                          // removed Index and all behind it, at Peer's word
	EventRejected                           // an append of Peer after Index did not match
	EventBackedUp                           // as leader: Peer's nextIndex is now Index
	EventProgress                           // as leader: Peer's state changed, matchIndex is Index
	EventCommitted                          // up to Index
	EventSnapshotSent                       // as leader: to Peer, standing for Index
	EventSnapshotTaken                      // of Peer, standing for Index
	EventCompacted                          // entries up to Index
	EventQuorumLost                         // as leader: no majority answered
	EventMembership                         // the entry at Index changed the membership
	EventTransfer                           // as leader: Peer is asked to take over

	numEventKinds
)

var eventNames = [numEventKinds]string{
	EventRole: "role", EventTerm: "term", EventVoteGranted: "vote-granted", EventVoteDenied: "vote-denied",
	EventVoteIgnored: "vote-ignored", EventAppended: "appended", EventTruncated: "truncated",
	EventRejected: "rejected", EventBackedUp: "backed-up", EventProgress: "progress", EventCommitted: "committed",
	EventSnapshotSent: "snapshot-sent", EventSnapshotTaken: "snapshot-taken", EventCompacted: "compacted",
	EventQuorumLost: "quorum-lost", EventMembership: "membership", EventTransfer: "transfer",
}

func (k EventKind) String() string {
	if k > 0 && k < numEventKinds {
		return eventNames[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event is one thing that a core did, as plain data: tests assert on it,
// failures print it, the tour tells it, metrics count it.
type Event struct {
	Node  NodeID
	Kind  EventKind
	Role  Role // the node's role when it happened, or that it took
	Term  uint64
	Peer  NodeID
	Index uint64
	// Rule is the section of the paper (§) or of Ongaro's dissertation (D§)
	// by which it happened.
	Rule string
}

func (e Event) String() string {
	s := fmt.Sprintf("%s %s %s term=%d", e.Node, e.Role, e.Kind, e.Term)
	if e.Peer != None {
		s += " peer=" + e.Peer.String()
	}
	if e.Index != 0 {
		s += fmt.Sprintf(" index=%d", e.Index)
	}
	return s + " (" + e.Rule + ")"
}

// String renders the ID as tests and pictures do: n1.
func (id NodeID) String() string {
	if id == None {
		return "nobody"
	}
	return fmt.Sprintf("n%d", uint64(id))
}

// emit reports an event when somebody listens.
func (c *Core) emit(kind EventKind, peer NodeID, index uint64, rule string) {
	if c.cfg.Trace != nil {
		c.cfg.Trace(Event{c.cfg.ID, kind, c.role, c.term, peer, index, rule})
	}
}
