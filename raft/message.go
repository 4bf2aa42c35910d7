package raft

import "fmt"

// NodeID names a member of the cluster. An ID is never used again for another
// member, not even for a replaced one: its vote may still be on the wire.
type NodeID uint64

// None is no node: no vote given, no leader known.
const None NodeID = 0

// EntryType tells the core's own entries from the application's.
type EntryType uint8

const (
	// EntryCommand carries a command of the application.
	EntryCommand EntryType = iota
	// EntryMembership changes who takes part; its data is an encoded
	// [Membership].
	EntryMembership
	// EntrySession opens a session or carries a command of one (session.go).
	EntrySession
	// EntryNoop is the empty entry with which a leader opens its term (§8): by
	// committing it, it learns what is committed.
	EntryNoop
)

// Entry is one slot of the replicated log. Entries are never changed once
// made, so their Data may be shared by every part of a program.
type Entry struct {
	Index uint64 // position in the log, from 1
	Term  uint64 // term in which a leader created it
	Type  EntryType
	Data  []byte // the command; nil for EntryNoop
}

// entryOverhead is what an entry costs beside its data, in bytes, when limits
// on sizes are applied: the fields above on a wire or disk.
const entryOverhead = 24

func (e *Entry) size() int { return entryOverhead + len(e.Data) }

// HardState is what a node must not forget (Figure 2, "persistent state"):
// forgetting Term or VotedFor could elect two leaders in one term. Commit may
// be forgotten safely; keeping it only makes the restart faster.
type HardState struct {
	Term     uint64
	VotedFor NodeID
	Commit   uint64
}

// Snapshot stands for the log's prefix up to and including Index (§7).
type Snapshot struct {
	Index      uint64 // last entry it replaces
	Term       uint64 // that entry's term
	Membership Membership
	// Data is the state machine's state. The core never looks at it, and a
	// leader's core does not hold it: the shell attaches it when it sends.
	Data []byte
}

// MessageType is the kind of a message between nodes.
type MessageType uint8

// The messages. AppendEntries without entries is the heartbeat, as in the
// paper; it is answered like any other.
const (
	RequestPreVote MessageType = iota + 1 // dissertation §9.6
	RequestPreVoteReply
	RequestVote // §5.2
	RequestVoteReply
	AppendEntries // §5.3
	AppendEntriesReply
	InstallSnapshot // §7; answered by AppendEntriesReply
	TimeoutNow      // D§3.10: campaign at once, the leader gives way
	ReadRequest     // D§6.4: a follower asks the leader for a read index
	ReadReply

	numMessageTypes
)

var messageNames = [numMessageTypes]string{
	RequestPreVote: "RequestPreVote", RequestPreVoteReply: "RequestPreVoteReply",
	RequestVote: "RequestVote", RequestVoteReply: "RequestVoteReply",
	AppendEntries: "AppendEntries", AppendEntriesReply: "AppendEntriesReply",
	InstallSnapshot: "InstallSnapshot", TimeoutNow: "TimeoutNow",
	ReadRequest: "ReadRequest", ReadReply: "ReadReply",
}

func (t MessageType) String() string {
	if t > 0 && t < numMessageTypes {
		return messageNames[t]
	}
	return fmt.Sprintf("MessageType(%d)", uint8(t))
}

// Message is anything one node tells another. Which fields mean something
// depends on the type:
//
//	                      Index          LogTerm       also
//	Request(Pre)Vote      lastLogIndex   lastLogTerm   Force
//	Request(Pre)VoteReply                              Reject
//	AppendEntries         prevLogIndex   prevLogTerm   Commit (leaderCommit), Entries, Mid, MidTerm, Round
//	AppendEntriesReply
//	  accepted            matchIndex                   Round
//	  rejected            prevLogIndex   hint's term   Reject, Hint, Mid, Round
//	InstallSnapshot                                    Snapshot, Round
//	TimeoutNow
//	ReadRequest                                        ID
//	ReadReply             readIndex                    ID, Reject
//
// Term is always the sender's term, but for RequestPreVote and its granting
// reply, where it is the term the candidate would campaign in.
type Message struct {
	Type   MessageType
	Reject bool
	// Force asks for a vote even of those who hear a leader: the leader itself
	// wants it.
	Force bool

	From NodeID
	To   NodeID
	Term uint64

	Index   uint64
	LogTerm uint64
	Commit  uint64
	Entries []Entry

	// Hint is the last index at which the follower's log may agree with the
	// leader's, as far as the follower can tell; LogTerm is its term there.
	Hint uint64
	// Mid and MidTerm are a second, earlier place that a probe asks about; 0
	// when it does not. A rejection repeats Mid if the logs match there.
	Mid     uint64
	MidTerm uint64
	// ID names a read to the node that asks.
	ID uint64
	// Round numbers the leader's rounds of asking "am I still the leader?"
	// within its term. A reply repeats the highest round it answers (§6.4 of
	// the dissertation, reads.go).
	Round uint64

	Snapshot *Snapshot
}

// String renders a message as one readable line; transcripts and failures
// print it.
func (m Message) String() string {
	s := fmt.Sprintf("n%d->n%d %s term=%d", m.From, m.To, m.Type, m.Term)
	switch m.Type {
	case RequestPreVote, RequestVote:
		s += fmt.Sprintf(" last=%d/t%d", m.Index, m.LogTerm)
	case RequestPreVoteReply, RequestVoteReply:
		if m.Reject {
			return s + " denied"
		}
		return s + " granted"
	case AppendEntries:
		s += fmt.Sprintf(" prev=%d/t%d", m.Index, m.LogTerm)
		if m.Mid > 0 {
			s += fmt.Sprintf(" mid=%d/t%d", m.Mid, m.MidTerm)
		}
		s += fmt.Sprintf(" commit=%d", m.Commit)
		if n := len(m.Entries); n > 0 {
			s += fmt.Sprintf(" entries=[%d/t%d..%d/t%d]", m.Entries[0].Index, m.Entries[0].Term,
				m.Entries[n-1].Index, m.Entries[n-1].Term)
		}
	case AppendEntriesReply:
		if m.Reject {
			s += fmt.Sprintf(" rejected prev=%d hint=%d/t%d", m.Index, m.Hint, m.LogTerm)
			if m.Mid > 0 {
				s += fmt.Sprintf(" matches mid=%d", m.Mid)
			}
			return s
		}
		return s + fmt.Sprintf(" match=%d", m.Index)
	case InstallSnapshot:
		if m.Snapshot != nil {
			s += fmt.Sprintf(" snapshot=%d/t%d", m.Snapshot.Index, m.Snapshot.Term)
		}
	}
	return s
}
