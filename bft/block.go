package bft

import (
	"time"
)

// A Block is what a height decides: transactions, and the commit of the block before.
//
//	height 4                              height 5
//	+-----------------------------+       +-----------------------------+
//	| header: time, validators,   | <-----| LastBlockID                 |
//	|   app hash after height 3   |       |   app hash after height 4   |
//	| transactions                |       | transactions                |
//	| evidence                    |       | evidence                    |
//	| commit of height 3          |       | commit of height 4          |--> signatures over height 4's id
//	+-----------------------------+       +-----------------------------+
//
// Hashes and encoding are CometBFT's, so that its light clients and ours read the same chain.
type Block struct {
	Header
	Txs        [][]byte
	Evidence   []*DuplicateVoteEvidence
	LastCommit *Commit // of the first block: empty
}

// A Header is what a block's hash covers.
type Header struct {
	AppVersion         uint64
	ChainID            string
	Height             Height
	Time               time.Time
	LastBlockID        ValueID
	LastCommitHash     Hash
	DataHash           Hash
	ValidatorsHash     Hash
	NextValidatorsHash Hash
	ConsensusHash      Hash
	AppHash            []byte // after the block before
	LastResultsHash    Hash   // of the block before
	EvidenceHash       Hash
	ProposerAddress    Address
}

// A Commit is the precommits that decided a block, one for each validator, in the order of the set.
type Commit struct {
	Height     Height
	Round      Round
	Value      ValueID
	Signatures []CommitSig
}

// A CommitSig is one validator's part in a commit.
type CommitSig struct {
	Flag      CommitFlag
	Validator Address
	Time      time.Time
	Signature []byte
}

// A CommitFlag says what a validator has signed, with CometBFT's numbers.
type CommitFlag uint8

// The flags.
const (
	CommitAbsent CommitFlag = iota + 1 // nothing was there in time
	CommitBlock                        // the block
	CommitNil                          // nil
)

// DuplicateVoteEvidence is a DoubleVote with what the block needs beside it: the powers at the
// votes' height, and the time of that height's block.
type DuplicateVoteEvidence struct {
	DoubleVote       // First.Value's encoding is the lower one, so that there is one evidence for one fault
	TotalVotingPower int64
	ValidatorPower   int64
	Time             time.Time
}
