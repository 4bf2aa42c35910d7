package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind says what happened in an [Event].
type Kind string

// The kinds of events. Process is whom it happened to; Peer, where there is
// one, the other end.
const (
	// Sent: a message left Process for Peer.
	Sent Kind = "sent"
	// Delivered: Process is about to receive a message of Peer.
	Delivered Kind = "delivered"
	// Dropped: a message of Process will not reach Peer; Detail says why.
	Dropped Kind = "dropped"
	// Duplicated: the network made a second copy of a message of Process.
	Duplicated Kind = "duplicated"
	// TimerFired: a timer of Process is about to run.
	TimerFired Kind = "timer"
	// Started: Process boots, for the first time or again.
	Started Kind = "start"
	// Crashed: Process went down; Detail says how.
	Crashed Kind = "crash"
	// Paused: Process stands still, for Detail.
	Paused Kind = "pause"
	// Stalled: the disk of Process keeps it busy, for Detail.
	Stalled Kind = "stall"
	// DiskFault: something was done to the disk of Process.
	DiskFault Kind = "disk-fault"
	// Drifted: the clock of Process changed its rate.
	Drifted Kind = "drift"
	// Partitioned: Detail lists the groups.
	Partitioned Kind = "partition"
	// Cut: nothing gets from Process to Peer any more.
	Cut Kind = "cut"
	// Healed: a partition or cut ended; Detail says which, or "all".
	Healed Kind = "heal"
	// ChaosChanged: the network behaves otherwise from now on.
	ChaosChanged Kind = "chaos"
	// Note: Process said something of its own: Detail is its kind.
	Note Kind = "note"
)

// Event is one thing that happened, as plain data. Tests assert on it, failures
// print it and pages draw it: all read the same stream.
type Event struct {
	// At is the virtual time since the world began.
	At   time.Duration `json:"at"`
	Kind Kind          `json:"kind"`
	// Process is whom it happened to; 0 is the world itself.
	Process ID `json:"process,omitempty"`
	Peer    ID `json:"peer,omitempty"`
	// Message numbers the messages from 1 in the order they were sent, and so
	// joins an arrival to its departure. 0 where there is none.
	Message uint64 `json:"message,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// Payload is the message or note itself, not a copy: a sink that keeps
	// events while the run goes on must not rely on it staying as it was.
	Payload any `json:"payload,omitempty"`
}

// String renders the event in one line that is the same in every run of a seed,
// provided that the payload prints without addresses: as a [fmt.Stringer], or
// as a value without inner pointers.
//
//	1.204311 p1 sent p3 #17 vote{term 4}
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(seconds(e.At))
	if e.Process != 0 {
		b.WriteString(" p" + strconv.Itoa(int(e.Process)))
	}
	b.WriteString(" " + string(e.Kind))
	if e.Peer != 0 {
		b.WriteString(" p" + strconv.Itoa(int(e.Peer)))
	}
	if e.Message != 0 {
		b.WriteString(" #" + strconv.FormatUint(e.Message, 10))
	}
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	if e.Payload != nil {
		fmt.Fprintf(&b, " %+v", e.Payload)
	}
	return b.String()
}

// seconds prints microseconds always and nanoseconds only where there are any:
// the network draws whole microseconds, so most times stay short.
func seconds(d time.Duration) string {
	whole, rest := d/time.Second, d%time.Second
	if rest%time.Microsecond == 0 {
		return fmt.Sprintf("%d.%06d", whole, rest/time.Microsecond)
	}
	return fmt.Sprintf("%d.%09d", whole, rest)
}
