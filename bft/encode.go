package bft

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Encodings are CometBFT's protocol buffers, written by hand: each value has exactly one encoding, with fields in the
// order of their numbers, and what is zero left out, but for the parts of a message that are always
// there (times, and the ids in votes, commits and headers).
//
//	field := tag (number << 3 | type)  then  varint  or  length and bytes
//
// All functions append to the caller's slice, and allocate nothing if it has room.

// begin leaves a byte for the length of what follows; end fills it in, and makes room if one byte is too few.
func begin(dst []byte) ([]byte, int) { return append(dst, 0), len(dst) + 1 }

func end(dst []byte, at int) []byte {
	n := len(dst) - at
	if n < 0x80 {
		dst[at-1] = byte(n)
		return dst
	}
	more := protowire.SizeVarint(uint64(n)) - 1
	for range more {
		dst = append(dst, 0)
	}
	copy(dst[at+more:], dst[at:at+n])
	protowire.AppendVarint(dst[:at-1], uint64(n))
	return dst
}

// nest begins a message that is field of another.
func nest(dst []byte, field protowire.Number) ([]byte, int) {
	return begin(protowire.AppendTag(dst, field, protowire.BytesType))
}

func appendUint(dst []byte, field protowire.Number, x uint64) []byte {
	if x == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), x)
}

func appendBytes(dst []byte, field protowire.Number, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), b)
}

func appendString(dst []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), s)
}

// appendHash leaves the zero hash out: there is none.
func appendHash(dst []byte, field protowire.Number, h *Hash) []byte {
	if *h == (Hash{}) {
		return dst
	}
	return appendBytes(dst, field, h[:])
}

func appendAddress(dst []byte, field protowire.Number, a *Address) []byte {
	if *a == (Address{}) {
		return dst
	}
	return appendBytes(dst, field, a[:])
}

// appendTime appends a google.protobuf.Timestamp.
func appendTime(dst []byte, field protowire.Number, t time.Time) []byte {
	dst, at := nest(dst, field)
	return end(appendTimestamp(dst, t), at)
}

func appendTimestamp(dst []byte, t time.Time) []byte {
	dst = appendUint(dst, 1, uint64(t.Unix()))
	return appendUint(dst, 2, uint64(t.Nanosecond()))
}

func appendValue(dst []byte, field protowire.Number, v ValueID) []byte {
	dst, at := nest(dst, field)
	return end(appendValueID(dst, &v), at)
}

func appendValueID(dst []byte, v *ValueID) []byte {
	dst = appendHash(dst, 1, &v.Hash)
	dst, at := nest(dst, 2)
	dst = appendUint(dst, 1, uint64(v.Parts.Total))
	dst = appendHash(dst, 2, &v.Parts.Hash)
	return end(dst, at)
}

// Encode appends the block: CometBFT's Block, of header, data, evidence and the last commit.
func (b *Block) Encode(dst []byte) []byte {
	dst, at := nest(dst, 1)
	dst = end(b.Header.Encode(dst), at)
	dst, at = nest(dst, 2)
	for _, tx := range b.Txs {
		dst = protowire.AppendBytes(protowire.AppendTag(dst, 1, protowire.BytesType), tx)
	}
	dst = end(dst, at)
	dst, at = nest(dst, 3)
	for _, e := range b.Evidence {
		var list, one int
		dst, list = nest(dst, 1)
		dst, one = nest(dst, 1)
		dst = end(end(e.Encode(dst), one), list)
	}
	dst = end(dst, at)
	if b.LastCommit == nil {
		return dst
	}
	dst, at = nest(dst, 4)
	return end(b.LastCommit.Encode(dst), at)
}

// Encode appends the header.
func (h *Header) Encode(dst []byte) []byte {
	dst, at := nest(dst, 1)
	dst = end(appendVersion(dst, h.AppVersion), at)
	dst = appendString(dst, 2, h.ChainID)
	dst = appendUint(dst, 3, uint64(h.Height))
	dst = appendTime(dst, 4, h.Time)
	dst = appendValue(dst, 5, h.LastBlockID)
	dst = appendHash(dst, 6, &h.LastCommitHash)
	dst = appendHash(dst, 7, &h.DataHash)
	dst = appendHash(dst, 8, &h.ValidatorsHash)
	dst = appendHash(dst, 9, &h.NextValidatorsHash)
	dst = appendHash(dst, 10, &h.ConsensusHash)
	dst = appendBytes(dst, 11, h.AppHash)
	dst = appendHash(dst, 12, &h.LastResultsHash)
	dst = appendHash(dst, 13, &h.EvidenceHash)
	return appendAddress(dst, 14, &h.ProposerAddress)
}

// blockProtocol is the version of CometBFT's block format that this is.
const blockProtocol = 11

func appendVersion(dst []byte, app uint64) []byte {
	return appendUint(appendUint(dst, 1, blockProtocol), 2, app)
}

// Encode appends the commit.
func (c *Commit) Encode(dst []byte) []byte {
	dst = appendUint(dst, 1, uint64(c.Height))
	dst = appendUint(dst, 2, uint64(int64(c.Round)))
	dst = appendValue(dst, 3, c.Value)
	for i := range c.Signatures {
		var at int
		dst, at = nest(dst, 4)
		dst = end(c.Signatures[i].encode(dst), at)
	}
	return dst
}

func (s *CommitSig) encode(dst []byte) []byte {
	dst = appendUint(dst, 1, uint64(s.Flag))
	dst = appendAddress(dst, 2, &s.Validator)
	dst = appendTime(dst, 3, s.Time)
	return appendBytes(dst, 4, s.Signature)
}

// Encode appends the evidence, as it is hashed.
func (e *DuplicateVoteEvidence) Encode(dst []byte) []byte {
	for i, v := range [...]*Vote{&e.First, &e.Second} {
		var at int
		dst, at = nest(dst, protowire.Number(1+i))
		dst = end(v.encode(dst, e.ValidatorIndex), at)
	}
	dst = appendUint(dst, 3, uint64(e.TotalVotingPower))
	dst = appendUint(dst, 4, uint64(e.ValidatorPower))
	return appendTime(dst, 5, e.Time)
}

// encode appends CometBFT's Vote. Its field for the validator's number is of use in evidence only: addresses say
// the same. The valid round is our own, with 1 added, so that there is none is nothing.
func (v *Vote) encode(dst []byte, index int32) []byte {
	dst = appendUint(dst, 1, uint64(v.Type))
	dst = appendUint(dst, 2, uint64(v.Height))
	dst = appendUint(dst, 3, uint64(int64(v.Round)))
	dst = appendValue(dst, 4, v.Value)
	dst = appendTime(dst, 5, v.Time)
	dst = appendAddress(dst, 6, &v.Validator)
	dst = appendUint(dst, 7, uint64(int64(index)))
	dst = appendBytes(dst, 8, v.Signature)
	if v.Type != Prevote {
		return dst
	}
	return appendUint(dst, validRoundField, uint64(int64(v.ValidRound-NoRound)))
}

func (p *Proposal) encode(dst []byte) []byte {
	dst = appendUint(dst, 1, proposalType)
	dst = appendUint(dst, 2, uint64(p.Height))
	dst = appendUint(dst, 3, uint64(int64(p.Round)))
	dst = appendUint(dst, 4, uint64(int64(p.ValidRound)))
	dst = appendValue(dst, 5, p.Value)
	dst = appendTime(dst, 6, p.Time)
	dst = appendBytes(dst, 7, p.Signature)
	return appendAddress(dst, proposerField, &p.Proposer)
}

// proposerField is ours: who has signed can be seen before it is known whose turn it is.
const proposerField = 101

func (p *BlockPart) encode(dst []byte) []byte {
	dst = appendUint(dst, 1, uint64(p.Height))
	dst = appendUint(dst, 2, uint64(int64(p.Round)))
	dst = appendUint(dst, 3, uint64(p.Part.Index))
	dst = appendBytes(dst, 4, p.Part.Bytes)
	for i := range p.Part.Proof {
		dst = protowire.AppendBytes(protowire.AppendTag(dst, 5, protowire.BytesType), p.Part.Proof[i][:])
	}
	return dst
}

// The fields under which a message travels, and is logged.
const (
	proposalMessage protowire.Number = iota + 1
	partMessage
	voteMessage
)

// AppendMessage appends a message as it travels, for [DecodeMessage].
func AppendMessage(dst []byte, m Message) []byte {
	var at int
	switch m := m.(type) {
	case *Proposal:
		dst, at = nest(dst, proposalMessage)
		dst = m.encode(dst)
	case *BlockPart:
		dst, at = nest(dst, partMessage)
		dst = m.encode(dst)
	case *Vote:
		dst, at = nest(dst, voteMessage)
		dst = m.encode(dst, 0)
	}
	return end(dst, at)
}
