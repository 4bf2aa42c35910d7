package types

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/merkle"
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
	DoubleVote             // First.Value's encoding is the lower one, so that there is one evidence for one fault
	ValidatorIndex   int32 // in the set of the votes' height; it is part of what is hashed
	TotalVotingPower int64
	ValidatorPower   int64
	Time             time.Time
}

// MaxChainIDLen is how long a chain's id may be, in bytes.
const MaxChainIDLen = 50

// ErrBlock is a block that cannot be right, whatever the state is.
var ErrBlock = errors.New("bft: block")

// Fill sets the header's hashes of what is in the block: transactions, evidence, last commit.
func (b *Block) Fill() {
	b.LastCommitHash, b.DataHash, b.EvidenceHash = b.LastCommit.Hash(), DataHash(b.Txs), EvidenceHash(b.Evidence)
}

// Check tells whether the block agrees with itself. Whether it fits the state is another question.
func (b *Block) Check() error {
	if err := b.Header.Check(); err != nil {
		return err
	}
	for _, h := range []struct {
		what        string
		has, should Hash
	}{
		{"last commit", b.LastCommitHash, b.LastCommit.Hash()},
		{"transactions", b.DataHash, DataHash(b.Txs)},
		{"evidence", b.EvidenceHash, EvidenceHash(b.Evidence)},
	} {
		if h.has != h.should {
			return fmt.Errorf("%w %d: its hash of the %s is %v, and theirs is %v", ErrBlock, b.Height, h.what, h.has, h.should)
		}
	}
	return nil
}

// Check tells whether the header can be one.
func (h *Header) Check() error {
	switch {
	case h.Height < 1:
		return fmt.Errorf("%w: height %d", ErrBlock, h.Height)
	case h.ChainID == "" || len(h.ChainID) > MaxChainIDLen:
		return fmt.Errorf("%w %d: a chain's id has 1 to %d bytes, not %d", ErrBlock, h.Height, MaxChainIDLen, len(h.ChainID))
	case h.ValidatorsHash == Hash{} || h.NextValidatorsHash == Hash{}:
		return fmt.Errorf("%w %d: no hash of its validators, or of the next ones", ErrBlock, h.Height)
	case h.ProposerAddress == Address{}:
		return fmt.Errorf("%w %d: no proposer", ErrBlock, h.Height)
	}
	return nil
}

// Hash is the block's: that of its header.
func (b *Block) Hash() Hash { return b.Header.Hash() }

// ID encodes the block and cuts it into parts. Whoever needs these makes them first, and the id of them: [Header.ID].
func (b *Block) ID() ValueID {
	parts, _ := MakeParts(b.Encode(nil))
	return b.Header.ID(parts)
}

// ID is what is voted for: the header's hash, and the parts of the whole block.
func (h *Header) ID(parts PartsHeader) ValueID { return ValueID{Hash: h.Hash(), Parts: parts} }

// Hash is the Merkle root over the fields, each in its encoding: so a single one can be proved.
func (h *Header) Hash() Hash {
	var room [768]byte
	var fields [14][]byte
	dst, n := room[:0], 0
	field := func(encoded []byte) {
		fields[n], dst = encoded[len(dst):], encoded
		n++
	}
	field(appendUint(appendUint(dst, 1, blockProtocol), 2, h.AppVersion))
	field(appendString(dst, 1, h.ChainID))
	field(appendUint(dst, 1, uint64(h.Height)))
	field(appendTimestamp(dst, h.Time))
	field(appendValueID(dst, &h.LastBlockID))
	field(appendHash(dst, 1, &h.LastCommitHash))
	field(appendHash(dst, 1, &h.DataHash))
	field(appendHash(dst, 1, &h.ValidatorsHash))
	field(appendHash(dst, 1, &h.NextValidatorsHash))
	field(appendHash(dst, 1, &h.ConsensusHash))
	field(appendBytes(dst, 1, h.AppHash))
	field(appendHash(dst, 1, &h.LastResultsHash))
	field(appendHash(dst, 1, &h.EvidenceHash))
	field(appendBytes(dst, 1, h.ProposerAddress[:]))
	return merkle.Root(fields[:])
}

// rootOf is the Merkle root over n encodings.
func rootOf(n int, leaf func(i int, dst []byte) []byte) Hash {
	leaves := make([][]byte, n)
	var buf []byte
	for i := range leaves {
		at := len(buf)
		buf = leaf(i, buf)
		leaves[i] = buf[at:len(buf):len(buf)]
	}
	return merkle.Root(leaves)
}

// DataHash is the Merkle root over the hashes of the transactions.
func DataHash(txs [][]byte) Hash {
	sums, leaves := make([]Hash, len(txs)), make([][]byte, len(txs))
	for i, tx := range txs {
		sums[i] = sha256.Sum256(tx)
		leaves[i] = sums[i][:]
	}
	return merkle.Root(leaves)
}

// EvidenceHash is the Merkle root over the evidence of a block.
func EvidenceHash(evidence []*DuplicateVoteEvidence) Hash {
	return rootOf(len(evidence), func(i int, dst []byte) []byte { return evidence[i].Encode(dst) })
}

// Hash is the Merkle root over the signatures; nil has that of none.
func (c *Commit) Hash() Hash {
	if c == nil {
		return merkle.Root(nil)
	}
	return rootOf(len(c.Signatures), func(i int, dst []byte) []byte { return encode(dst, c.Signatures[i].code) })
}

// ResultsHash is the Merkle root over what is the same at each node in the results of a block's transactions.
func ResultsHash(results []abci.ExecTxResult) Hash {
	return rootOf(len(results), func(i int, dst []byte) []byte {
		r := &results[i]
		dst = appendUint(dst, 1, uint64(r.Code))
		dst = appendBytes(dst, 2, r.Data)
		dst = appendUint(dst, 5, uint64(r.GasWanted))
		return appendUint(dst, 6, uint64(r.GasUsed))
	})
}

// ConsensusHash is the hash of the parameters that bound a block.
func ConsensusHash(p abci.BlockParams) Hash {
	return sha256.Sum256(appendUint(appendUint(nil, 1, uint64(p.MaxBytes)), 2, uint64(p.MaxGas)))
}

// Hash is the Merkle root over keys and powers, in the order of the set. Priorities are not part of it.
func (s *ValidatorSet) Hash() Hash {
	return rootOf(len(s.members), func(i int, dst []byte) []byte {
		dst, at := nest(dst, 1)
		dst = end(appendBytes(dst, 1, s.members[i].PubKey), at)
		return appendUint(dst, 2, uint64(s.members[i].Power))
	})
}

// Hash names the evidence: the same fault, with the same votes, has the same one.
func (e *DuplicateVoteEvidence) Hash() Hash { return sha256.Sum256(e.Encode(nil)) }
