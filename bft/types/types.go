package types

import (
	"fmt"
	"time"
)

// What validators say to each other: in a round of a height, one proposes a value, and all vote for it, or for nil.

// A Height is the number of a block: the first is 1. A Round is an attempt at a height: the
// first is 0.
type (
	Height int64
	Round  int32
)

// NoRound is the round of a lock or of a valid value that there is not, the paper's -1.
const NoRound Round = -1

// MaxTotalPower bounds the power of a validator set, so that sums and priorities never overflow.
const MaxTotalPower = int64(1)<<60 - 1

// A Hash is a SHA-256, or the root of a Merkle tree of them.
type Hash [32]byte

// String is the beginning of h, for people.
func (h Hash) String() string { return fmt.Sprintf("%x", h[:4]) }

// A ValueID is the paper's id(v), CometBFT's BlockID: the hash of a block's header, and that of
// the parts in which the block travels. The zero ValueID is nil.
type ValueID struct {
	Hash  Hash
	Parts PartsHeader
}

// A PartsHeader says how many parts a block has, and has the Merkle root over them.
type PartsHeader struct {
	Total uint32
	Hash  Hash
}

// NilValue is the vote for nothing.
var NilValue ValueID

// IsNil tells whether v is the vote for nothing.
func (v ValueID) IsNil() bool { return v == ValueID{} }

// String is the beginning of v's hash, for people.
func (v ValueID) String() string {
	if v.IsNil() {
		return "nil"
	}
	return v.Hash.String()
}

// An Address names a validator: the first 20 bytes of the SHA-256 of its public key.
type Address [20]byte

// String is the beginning of a, for people.
func (a Address) String() string { return fmt.Sprintf("%x", a[:4]) }

// A Step is where in a round a validator is. The zero Step is that of a round that has not begun.
type Step uint8

// The steps of a round, in order.
const (
	StepNew Step = iota
	StepPropose
	StepPrevote
	StepPrecommit
)

// String is the paper's name.
func (s Step) String() string {
	if s > StepPrecommit {
		return fmt.Sprintf("step %d", uint8(s))
	}
	return [...]string{"new", "propose", "prevote", "precommit"}[s]
}

// A VoteType tells the two votes of a round apart.
type VoteType uint8

// The two votes. The numbers are CometBFT's, in what is signed.
const (
	Prevote   VoteType = 1
	Precommit VoteType = 2
)

// String is the paper's name.
func (t VoteType) String() string {
	switch t {
	case Prevote:
		return "prevote"
	case Precommit:
		return "precommit"
	}
	return fmt.Sprintf("vote %d", uint8(t))
}

// A Vote is one validator's prevote or precommit.
type Vote struct {
	Type      VoteType
	Height    Height
	Round     Round
	Value     ValueID // nil: none of them
	Time      time.Time
	Validator Address
	// ValidRound is signed only by a chain whose parameters say so (accountability); NoRound otherwise.
	ValidRound Round
	Signature  []byte
}

// A Proposal is the proposer's word for a value: its id, and if it is an older one, the
// round of its polka.
type Proposal struct {
	Height     Height
	Round      Round
	ValidRound Round // NoRound: a first proposal
	Value      ValueID
	Time       time.Time
	Proposer   Address
	Signature  []byte
}
