package types

import (
	"fmt"
	"slices"
)

// What each value's encoding is: CometBFT's messages of the same names.

// Encode appends the block.
func (b *Block) Encode(dst []byte) []byte { return encode(dst, b.code) }

// DecodeBlock reads what [Block.Encode] has written, all of it. Transactions and signatures are slices of data. Whether
// the block agrees with itself is for [Block.Check] to say.
func DecodeBlock(data []byte) (*Block, error) {
	if len(data) > MaxBlockBytes {
		return nil, fmt.Errorf("%w of a block: %d bytes, and %d are the most", ErrEncoding, len(data), MaxBlockBytes)
	}
	b := &Block{}
	return value(b, decode("block", data, b.code))
}

// value is v, or the error.
func value[T any](v *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (b *Block) code(c *coder) {
	c.message(1, func() { b.Header.code(c) })
	c.message(2, func() { list(c, 1, &b.Txs, (*coder).rest) })
	c.message(3, func() {
		list(c, 1, &b.Evidence, func(c *coder, e **DuplicateVoteEvidence) {
			c.message(1, func() {
				if c.reading {
					*e = &DuplicateVoteEvidence{}
				}
				(*e).code(c)
			})
		})
	})
	c.optional(4, b.LastCommit != nil, func() {
		if c.reading {
			b.LastCommit = &Commit{}
		}
		b.LastCommit.code(c)
	})
}

// Encode appends the header.
func (h *Header) Encode(dst []byte) []byte { return encode(dst, h.code) }

// DecodeHeader reads what [Header.Encode] has written. AppHash is a slice of data.
func DecodeHeader(data []byte) (*Header, error) {
	h := &Header{}
	return value(h, decode("header", data, h.code))
}

// blockProtocol is the version of CometBFT's block format that this is.
const blockProtocol = 11

// maxAppHash bounds an application's hash, in bytes.
const maxAppHash = 1 << 10

func (h *Header) code(c *coder) {
	c.message(1, func() {
		protocol := uint64(blockProtocol)
		if number(c, 1, &protocol); protocol != blockProtocol {
			c.fail("block protocol %d, and this is %d", protocol, blockProtocol)
		}
		number(c, 2, &h.AppVersion)
	})
	c.string(2, &h.ChainID, MaxChainIDLen)
	number(c, 3, &h.Height)
	c.time(4, &h.Time)
	c.valueID(5, &h.LastBlockID)
	c.array(6, h.LastCommitHash[:])
	c.array(7, h.DataHash[:])
	c.array(8, h.ValidatorsHash[:])
	c.array(9, h.NextValidatorsHash[:])
	c.array(10, h.ConsensusHash[:])
	c.bytes(11, &h.AppHash, maxAppHash)
	c.array(12, h.LastResultsHash[:])
	c.array(13, h.EvidenceHash[:])
	c.array(14, h.ProposerAddress[:])
}

// Encode appends the commit.
func (m *Commit) Encode(dst []byte) []byte { return encode(dst, m.code) }

// DecodeCommit reads what [Commit.Encode] has written. Signatures are slices of data.
func DecodeCommit(data []byte) (*Commit, error) {
	m := &Commit{}
	return value(m, decode("commit", data, m.code))
}

func (m *Commit) code(c *coder) {
	number(c, 1, &m.Height)
	number(c, 2, &m.Round)
	c.valueID(3, &m.Value)
	list(c, 4, &m.Signatures, func(c *coder, s *CommitSig) { s.code(c) })
}

func (s *CommitSig) code(c *coder) {
	number(c, 1, &s.Flag)
	c.array(2, s.Validator[:])
	c.time(3, &s.Time)
	c.bytes(4, &s.Signature, SignatureSize)
}

// Encode appends the evidence, as it is hashed.
func (e *DuplicateVoteEvidence) Encode(dst []byte) []byte { return encode(dst, e.code) }

// DecodeEvidence reads what [DuplicateVoteEvidence.Encode] has written. Signatures are slices of data.
func DecodeEvidence(data []byte) (*DuplicateVoteEvidence, error) {
	e := &DuplicateVoteEvidence{}
	return value(e, decode("double vote", data, e.code))
}

func (e *DuplicateVoteEvidence) code(c *coder) {
	c.message(1, func() { e.First.code(c, &e.ValidatorIndex) })
	second := e.ValidatorIndex
	if c.reading {
		second = 0
	}
	c.message(2, func() { e.Second.code(c, &second) })
	if second != e.ValidatorIndex {
		c.fail("the two votes are of validators %d and %d", e.ValidatorIndex, second)
	}
	number(c, 3, &e.TotalVotingPower)
	number(c, 4, &e.ValidatorPower)
	c.time(5, &e.Time)
}

// code has the validator's number beside the vote: it is of use in evidence only, for addresses say the same. The valid round is
// our own field, with 1 added, so that there is none is nothing.
func (v *Vote) code(c *coder, index *int32) {
	number(c, 1, &v.Type)
	number(c, 2, &v.Height)
	number(c, 3, &v.Round)
	c.valueID(4, &v.Value)
	c.time(5, &v.Time)
	c.array(6, v.Validator[:])
	number(c, 7, index)
	c.bytes(8, &v.Signature, SignatureSize)
	valid := v.ValidRound - NoRound
	if c.reading || v.Type != Prevote {
		valid = 0
	}
	number(c, validRoundField, &valid)
	if c.reading {
		v.ValidRound = valid + NoRound
	}
}

// code has the proposer's address as a field of our own: so whoever has signed is known before it is known whose turn it is.
func (p *Proposal) code(c *coder) {
	kind := uint8(proposalType)
	if number(c, 1, &kind); kind != proposalType {
		c.fail("a proposal of type %d", kind)
	}
	number(c, 2, &p.Height)
	number(c, 3, &p.Round)
	number(c, 4, &p.ValidRound)
	c.valueID(5, &p.Value)
	c.time(6, &p.Time)
	c.bytes(7, &p.Signature, SignatureSize)
	c.array(proposerField, p.Proposer[:])
}

const proposerField = 100

func (p *BlockPart) code(c *coder) {
	number(c, 1, &p.Height)
	number(c, 2, &p.Round)
	number(c, 3, &p.Part.Index)
	c.bytes(4, &p.Part.Bytes, PartSize)
	list(c, 5, &p.Part.Proof, func(c *coder, h *[32]byte) { c.array(1, h[:]) })
}

// Encode appends the set with its priorities and whose turn it is.
func (s *ValidatorSet) Encode(dst []byte) []byte {
	return encode(dst, func(c *coder) { codeSet(c, &s) })
}

// DecodeValidatorSet reads what [ValidatorSet.Encode] has written. Each address is that of its key: the
// hash of a set does not cover addresses. Keys are slices of data.
func DecodeValidatorSet(data []byte) (s *ValidatorSet, err error) {
	return s, decode("validator set", data, func(c *coder) { codeSet(c, &s) })
}

// codeSet reads a set that is in order, and makes it. CometBFT's field for the total power is left out, as CometBFT does.
func codeSet(c *coder, s **ValidatorSet) {
	var members []Validator
	var proposer Validator
	if !c.reading {
		members, proposer = make([]Validator, (*s).Len()), (*s).Proposer()
		for i := range members {
			members[i] = (*s).At(i)
		}
	}
	member := func(c *coder, v *Validator) { v.code(c) }
	list(c, 1, &members, member)
	c.message(2, func() { proposer.code(c) })
	if !c.reading || c.err != nil {
		return
	}
	priorities := make([]int64, len(members))
	for i := range members {
		priorities[i] = members[i].Priority
	}
	set, err := newSet(slices.Clone(members), priorities)
	if err != nil || len(members) == 0 {
		c.fail("there is none, or: %w", err)
		return
	}
	set.proposer = set.Index(proposer.Address)
	same := set.proposer >= 0 && proposer.same(set.Proposer())
	for i := range members {
		same = same && members[i].same(set.At(i))
	}
	if !same {
		c.fail("it is not in order, or its proposer is not in it")
	}
	*s = set
}

func (v *Validator) same(w Validator) bool {
	return v.Address == w.Address && v.Power == w.Power && v.Priority == w.Priority
}

func (v *Validator) code(c *coder) {
	c.array(1, v.Address[:])
	c.message(2, func() { c.bytes(1, &v.PubKey, KeySize) })
	number(c, 3, &v.Power)
	number(c, 4, &v.Priority)
	if c.reading && (len(v.PubKey) != KeySize || AddressOf(v.PubKey) != v.Address) {
		c.fail("validator %v: its address is not that of its key", v.Address)
	}
}
