package multi

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// GroupID names a group, in the whole cluster and for ever: the ID of a group
// that was removed is not used again.
type GroupID uint64

func (g GroupID) String() string { return fmt.Sprintf("g%d", uint64(g)) }

// Envelope is all that one host has to tell another at a time: the one unit on
// the wire, whatever the number of groups.
type Envelope struct {
	From, To raft.NodeID
	// Life numbers the lives of the sender, upwards: a host that was restarted
	// leads nothing any more, and its peers must know.
	Life uint64
	// Shares says that the sender counts the receiver among the members of a
	// group, of which the receiver may not know yet (M4).
	Shares bool
	// Messages are those of all groups, in the order in which they arose. Without
	// any the envelope is a sign of life.
	Messages []Message
}

// Message is what one group's replica tells another.
type Message struct {
	Group GroupID
	// Rest says that the leader goes to sleep: an AppendEntries after which
	// nothing comes, not even heartbeats (M3).
	Rest bool
	// Beat says that it is a heartbeat of a tick, whose answer may come with the
	// next tick, or that answer (M1).
	Beat bool
	Raft raft.Message
}

func (m Message) String() string {
	s := m.Group.String() + " " + m.Raft.String()
	if m.Rest {
		s += " rest"
	}
	return s
}
