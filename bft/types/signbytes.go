package types

import "google.golang.org/protobuf/encoding/protowire"

// What is signed is the message in CometBFT's canonical form (S1), with its length before it. Heights and rounds have a
// fixed size there, nil is the absence of a value, and the chain's id keeps a signature from being of use on another chain.
//
//	118  08 02  11 height:8  19 round:8  22 48 {0a 20 hash  12 24 {08 total 12 20 hash}}  2a time  32 chain id
//	len  type                            value, not if it is nil                          {seconds, nanoseconds}

// The number of a proposal among the types of signed messages.
const proposalType = 32

// validRoundField is ours, for chains that sign a prevote's valid round; CometBFT has no such field.
const validRoundField = 100

// AppendSignBytes appends what the validator signs. A prevote's ValidRound is part of it if there is one.
func (v *Vote) AppendSignBytes(dst []byte, chainID string) []byte {
	dst, at := begin(dst)
	dst = appendCanonical(dst, uint64(v.Type), v.Height, v.Round)
	dst = appendCanonicalValue(dst, 4, &v.Value)
	dst = appendTime(dst, 5, v.Time)
	dst = appendString(dst, 6, chainID)
	if v.Type == Prevote && v.ValidRound != NoRound {
		dst = appendFixed(dst, validRoundField, uint64(int64(v.ValidRound)))
	}
	return end(dst, at)
}

// AppendSignBytes appends what the proposer signs.
func (p *Proposal) AppendSignBytes(dst []byte, chainID string) []byte {
	dst, at := begin(dst)
	dst = appendCanonical(dst, proposalType, p.Height, p.Round)
	dst = appendUint(dst, 4, uint64(int64(p.ValidRound)))
	dst = appendCanonicalValue(dst, 5, &p.Value)
	dst = appendTime(dst, 6, p.Time)
	dst = appendString(dst, 7, chainID)
	return end(dst, at)
}

// appendCanonical appends what votes and proposals begin with.
func appendCanonical(dst []byte, kind uint64, h Height, r Round) []byte {
	dst = appendUint(dst, 1, kind)
	if h != 0 {
		dst = appendFixed(dst, 2, uint64(h))
	}
	if r != 0 {
		dst = appendFixed(dst, 3, uint64(int64(r)))
	}
	return dst
}

// appendCanonicalValue differs from appendValue in that nil is nothing.
func appendCanonicalValue(dst []byte, f protowire.Number, v *ValueID) []byte {
	if v.IsNil() {
		return dst
	}
	return appendValue(dst, f, v)
}
