package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/flagship-go/flagship/bft/internal/varint"
	"github.com/flagship-go/flagship/bft/types"
)

// ErrMessage is a message that nobody correct sends. It ends the link.
var ErrMessage = errors.New("gossip: bad message")

// What peers say to each other: a byte for what it is, and then
//
//	said    a types.Message, as package types encodes it
//	status  height, round, groups     where I am, and what I have of this height
//	has     height, groups            what I have beside what you know
//	want    height, groups            send me these, of which you said that you have them
//	value   height, round, value id   there is a quorum for this: send me its proposal and parts
//	graft   nothing                   I have lost a peer: send me whatever I lack, at once
//
//	group   | round | kind 1 | tag 16, not for parts | length, set |   numbers are uvarints
type form byte

const (
	formSaid form = iota + 1
	formStatus
	formHas
	formWant
	formValue
	formGraft
)

// A kind of message of a round. The votes have their numbers in package types.
type kind uint8

const (
	kindProposal  kind = 0
	kindPrevote        = kind(types.Prevote)
	kindPrecommit      = kind(types.Precommit)
	kindPart      kind = 3
)

// A tag stands for a value: 16 bytes of a hash, so that nobody finds two values with one.
type tag [16]byte

func tagOf(v types.ValueID) (t tag) {
	if v.IsNil() {
		return t
	}
	b := append([]byte("gossip value"), v.Hash[:]...)
	b = binary.BigEndian.AppendUint32(b, v.Parts.Total)
	sum := sha256.Sum256(append(b, v.Parts.Hash[:]...))
	copy(t[:], sum[:])
	return t
}

// A key is what the messages of a group have in common; within it, each has a number: its
// validator's in the set, or its part's. So two votes of a liar have different keys.
type key struct {
	round types.Round
	kind  kind
	tag   tag // of a part: none
}

// groupBits is a group on the wire.
type groupBits struct {
	key
	bits set
}

const (
	// maxGroups bounds a message, and maxBits a set.
	maxGroups = 128
	maxBits   = 16 << 10
)

// A report is a decoded status, has, want or value.
type report struct {
	form   form
	height types.Height
	round  types.Round
	groups []groupBits
	value  types.ValueID
}

func (r *report) encode() []byte {
	b := binary.AppendUvarint([]byte{byte(r.form)}, uint64(r.height))
	switch r.form {
	case formGraft:
		return b[:1]
	case formStatus:
		b = binary.AppendUvarint(b, uint64(r.round))
	case formValue:
		b = binary.AppendUvarint(b, uint64(r.round))
		b = append(b, r.value.Hash[:]...)
		b = binary.AppendUvarint(b, uint64(r.value.Parts.Total))
		return append(b, r.value.Parts.Hash[:]...)
	}
	for _, g := range r.groups {
		b = binary.AppendUvarint(b, uint64(g.round))
		b = append(b, byte(g.kind))
		if g.kind != kindPart {
			b = append(b, g.tag[:]...)
		}
		bits := g.bits.bytes()
		b = binary.AppendUvarint(b, uint64(len(bits)))
		b = append(b, bits...)
	}
	return b
}

// A cursor reads a report. What is read after the end is zero, and failed.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) uint(max uint64) uint64 {
	v, n := varint.Take(c.b, max)
	if n == 0 {
		c.b, c.failed = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes(n int) []byte {
	if n > len(c.b) {
		c.b, c.failed = nil, true
		return make([]byte, min(n, 32))
	}
	var b []byte
	b, c.b = c.b[:n], c.b[n:]
	return b
}

func decodeReport(b []byte) (*report, error) {
	r := &report{form: form(b[0])}
	c := &cursor{b: b[1:]}
	if r.form == formGraft {
		if len(b) > 1 {
			return nil, fmt.Errorf("%w: a graft of %d bytes", ErrMessage, len(b))
		}
		return r, nil
	}
	r.height = types.Height(c.uint(math.MaxInt64))
	if r.form == formStatus || r.form == formValue {
		r.round = types.Round(c.uint(math.MaxInt32))
	}
	if r.form == formValue {
		copy(r.value.Hash[:], c.bytes(32))
		r.value.Parts.Total = uint32(c.uint(types.MaxParts))
		copy(r.value.Parts.Hash[:], c.bytes(32))
		c.failed = c.failed || len(c.b) > 0 || r.value.Parts.Total == 0
	}
	for len(c.b) > 0 && len(r.groups) < maxGroups {
		r.groups = append(r.groups, c.group())
	}
	if c.failed || len(c.b) > 0 || r.height < 1 || r.form > formGraft {
		return nil, fmt.Errorf("%w: of form %d, with %d bytes, for height %d", ErrMessage, b[0], len(b), r.height)
	}
	return r, nil
}

func (c *cursor) group() (g groupBits) {
	g.round = types.Round(c.uint(math.MaxInt32))
	g.kind = kind(c.bytes(1)[0])
	if g.kind > kindPart {
		c.failed = true
	}
	if g.kind != kindPart {
		copy(g.tag[:], c.bytes(len(g.tag)))
	}
	bits := c.bytes(int(c.uint(maxBits / 8)))
	if len(bits) == 0 || bits[len(bits)-1] == 0 {
		c.failed = true
	}
	g.bits = setOf(bits)
	return g
}
