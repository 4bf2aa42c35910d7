package types

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/merkle"
)

// A block travels in parts, so that a peer passes on what it has before it has all, and each part is
// checked by itself against the root that the proposer has signed.
//
//	encoded block   |<- 64 KiB ->|<- 64 KiB ->|<- rest ->|
//	parts               0             1            2          each with the hashes on its way to
//	PartsHeader     { Total: 3, Hash: Merkle root over the three }

// PartSize is the size of each part but the last, in bytes.
const PartSize = 64 << 10

// MaxBlockBytes is what an encoded block may have at most, whatever the parameters say.
const MaxBlockBytes = 100 << 20

// MaxParts is the number of parts of the largest block.
const MaxParts = MaxBlockBytes/PartSize + 1

// ErrPart is a part that does not belong to the block it is said to be of.
var ErrPart = errors.New("bft: block part")

// A Part is a piece of an encoded block, with the proof that it is one.
type Part struct {
	Index uint32
	Bytes []byte
	Proof [][32]byte // the siblings on the way from the part to PartsHeader.Hash, from below
}

// MakeParts cuts an encoded block. The parts are slices of it.
func MakeParts(encoded []byte) (PartsHeader, []Part) {
	var pieces [][]byte
	for rest := encoded; len(rest) > 0; {
		n := min(len(rest), PartSize)
		pieces, rest = append(pieces, rest[:n:n]), rest[n:]
	}
	root, proofs := merkle.Proofs(pieces)
	parts := make([]Part, len(pieces))
	for i, piece := range pieces {
		parts[i] = Part{Index: uint32(i), Bytes: piece, Proof: proofs[i].Aunts}
	}
	return PartsHeader{Total: uint32(len(parts)), Hash: root}, parts
}

// A PartSet gathers the parts of a block. It is not safe for concurrent use.
type PartSet struct {
	header PartsHeader
	parts  []*Part
	have   int
	size   int
	whole  []byte
}

// NewPartSet waits for the parts under a header. A header of no part, or of more than [MaxParts], is never complete.
func NewPartSet(h PartsHeader) *PartSet {
	s := &PartSet{header: h}
	if h.Total <= MaxParts {
		s.parts = make([]*Part, h.Total)
	}
	return s
}

// Header is what the parts are checked against.
func (s *PartSet) Header() PartsHeader { return s.header }

// Add takes a part and keeps it. added tells whether it was missing. An error is an [ErrPart]: whoever sent
// it has made it up, and nothing was changed.
func (s *PartSet) Add(p *Part) (added bool, err error) {
	if p.Index >= uint32(len(s.parts)) {
		return false, fmt.Errorf("%w %d: the block has %d", ErrPart, p.Index, len(s.parts))
	}
	last := p.Index == s.header.Total-1
	if len(p.Bytes) == 0 || len(p.Bytes) > PartSize || !last && len(p.Bytes) < PartSize {
		return false, fmt.Errorf("%w %d of %d: %d bytes, and each has %d but the last", ErrPart, p.Index, s.header.Total, len(p.Bytes), PartSize)
	}
	if have := s.parts[p.Index]; have != nil && bytes.Equal(have.Bytes, p.Bytes) {
		return false, nil
	}
	proof := merkle.Proof{Total: int64(s.header.Total), Index: int64(p.Index), Leaf: merkle.LeafHash(p.Bytes), Aunts: p.Proof}
	if err := proof.Verify(s.header.Hash, p.Bytes); err != nil {
		return false, fmt.Errorf("%w %d of %d: %w", ErrPart, p.Index, s.header.Total, err)
	}
	s.parts[p.Index] = p
	s.have++
	s.size += len(p.Bytes)
	return true, nil
}

// Has tells whether part i is here.
func (s *PartSet) Has(i int) bool { return s.Part(i) != nil }

// Part is part i, or nil.
func (s *PartSet) Part(i int) *Part {
	if i < 0 || i >= len(s.parts) {
		return nil
	}
	return s.parts[i]
}

// Complete tells whether all parts are here.
func (s *PartSet) Complete() bool { return s.have > 0 && s.have == len(s.parts) }

// Bytes is the encoded block; nil if it is not complete. It is not to be changed.
func (s *PartSet) Bytes() []byte {
	if s.whole == nil && s.Complete() {
		s.whole = make([]byte, 0, s.size)
		for _, p := range s.parts {
			s.whole = append(s.whole, p.Bytes...)
		}
	}
	return s.whole
}
