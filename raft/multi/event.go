package multi

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// EventKind says what happened.
type EventKind uint8

// What a [Core] reports. The comment names what Peer means.
const (
	EventCreated   EventKind = iota + 1 // a replica was made
	EventSplit                          // it was split off another group
	EventJoined                         // it is to be made at the word of a member, Peer
	EventRemoved                        // it is gone from this host for ever
	EventSlept                          // it has nothing to do
	EventWoke                           // and now it has, by Peer's doing if there is one
	EventSuspected                      // Peer's host has been silent for an election timeout
	EventReturned                       // Peer's host is heard again, or anew
	EventRefused                        // a message of Peer that no correct host sends

	numEventKinds
)

var eventNames = [numEventKinds]string{
	EventCreated: "created", EventSplit: "split", EventJoined: "joined", EventRemoved: "removed", EventSlept: "slept",
	EventWoke: "woke", EventSuspected: "suspected", EventReturned: "returned", EventRefused: "refused",
}

func (k EventKind) String() string {
	if k > 0 && k < numEventKinds {
		return eventNames[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event is one thing that a host did beside what its groups' own events tell
// ([raft.Event]), as plain data.
type Event struct {
	Host  raft.NodeID
	Group GroupID // 0: of the host
	Kind  EventKind
	Peer  raft.NodeID
	Rule  string // M1..: see the package comment
	Err   error  // of EventRefused
}

func (e Event) String() string {
	s := fmt.Sprintf("%s %s", e.Host, e.Kind)
	if e.Group != 0 {
		s = fmt.Sprintf("%s %s %s", e.Host, e.Group, e.Kind)
	}
	if e.Peer != raft.None {
		s += " peer=" + e.Peer.String()
	}
	if e.Err != nil {
		s += " err=" + e.Err.Error()
	}
	return s + " (" + e.Rule + ")"
}
