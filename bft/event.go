package bft

import (
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// An EventKind says what has happened.
type EventKind uint8

// What happens at a node.
const (
	EventHeight    EventKind = iota + 1 // a height has begun
	EventRound                          // a round has begun
	EventProposal                       // a proposal was taken up; Who made it
	EventBlock                          // its block is here, and was judged; Err says why it is not valid
	EventVote                           // a vote was counted; Who cast it
	EventSigned                         // we have signed a vote, or a proposal (Type 0)
	EventRefused                        // the signer refused to sign, by S2
	EventTimeout                        // a timeout was over, in Step
	EventWant                           // a value has a quorum, and its proposal is not here
	EventEvidence                       // Who has voted twice
	EventDecided                        // Value is decided, by Round
	EventCommitted                      // the application has committed the block
	EventReplayed                       // after a crash, the log's inputs of this height were thought again
	EventHalted                         // the node stops; Err says why
)

// String is the kind in a word.
func (k EventKind) String() string {
	names := [...]string{"", "height", "round", "proposal", "block", "vote", "signed", "refused", "timeout", "want", "evidence",
		"decided", "committed", "replayed", "halted"}
	if int(k) < len(names) {
		return names[k]
	}
	return "event"
}

// An Event is something that happened at a node, as plain data. What has no meaning for a kind is zero.
type Event struct {
	Kind   EventKind
	Time   time.Time
	Line   uint8 // of Algorithm 1, by which it was done; 0: none
	Height types.Height
	Round  types.Round
	Step   types.Step
	Type   types.VoteType
	Value  types.ValueID
	Who    types.Address
	Err    error
}

// Metrics counts what a node has done since it began.
type Metrics struct {
	Committed  uint64 // heights
	Rounds     uint64 // rounds begun; as many as heights if all goes well
	Txs        uint64 // transactions in committed blocks
	Votes      uint64 // votes counted, our own too
	Proposals  uint64 // proposals taken up
	Parts      uint64 // block parts taken up
	Known      uint64 // messages that were here already
	Early      uint64 // messages put aside for a later round or height
	Dropped    uint64 // messages too early, for which there was no room
	Timeouts   uint64 // timeouts that were over
	Refused    uint64 // signatures refused by the signer (S2)
	Invalid    uint64 // blocks found not valid
	Equivocate uint64 // double votes found
}
