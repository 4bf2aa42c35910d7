package types

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// A Message is what validators say to each other of a height: *Proposal, *BlockPart or *Vote.
type Message interface {
	// At is the height and the round that it is of.
	At() (Height, Round)
	message()
}

// A BlockPart is a piece of a proposed block.
type BlockPart struct {
	Height Height
	Round  Round
	Part   Part
}

// At is the height and the round that p is of.
func (p *Proposal) At() (Height, Round) { return p.Height, p.Round }

// At is the height and the round that p was proposed in.
func (p *BlockPart) At() (Height, Round) { return p.Height, p.Round }

// At is the height and the round that v is of.
func (v *Vote) At() (Height, Round) { return v.Height, v.Round }

func (*Proposal) message()  {}
func (*BlockPart) message() {}
func (*Vote) message()      {}

// The fields under which messages travel, and are logged.
const (
	proposalMessage protowire.Number = iota + 1
	partMessage
	voteMessage
)

// MaxMessageBytes is what an encoded message may have at most: a part, its proof, and some room.
const MaxMessageBytes = PartSize + 1<<10

// AppendMessage appends a message as it travels, for [DecodeMessage].
func AppendMessage(dst []byte, m Message) []byte {
	c := coder{buf: dst}
	codeMessage(&c, m)
	return c.buf
}

func codeMessage(c *coder, m Message) {
	switch m := m.(type) {
	case *Proposal:
		c.message(proposalMessage, func() { m.code(c) })
	case *BlockPart:
		c.message(partMessage, func() { m.code(c) })
	case *Vote:
		var none int32
		if c.message(voteMessage, func() { m.code(c, &none) }); none != 0 {
			c.fail("a vote with a validator's number")
		}
	}
}

// DecodeMessage reads what [AppendMessage] has written, and keeps nothing of data. The message can be one: type, height,
// round, value and the lengths of things are in their bounds. Who has signed it, and whose turn it was, is still to be found out.
func DecodeMessage(data []byte) (Message, error) {
	if len(data) > MaxMessageBytes {
		return nil, fmt.Errorf("%w of a message: %d bytes, and %d are the most", ErrEncoding, len(data), MaxMessageBytes)
	}
	var m Message
	switch f, _, _ := protowire.ConsumeTag(data); f {
	case proposalMessage:
		m = &Proposal{}
	case partMessage:
		m = &BlockPart{}
	case voteMessage:
		m = &Vote{}
	default:
		return nil, fmt.Errorf("%w of a message: none is of kind %d", ErrEncoding, f)
	}
	if err := decode("message", bytes.Clone(data), func(c *coder) { codeMessage(c, m) }); err != nil {
		return nil, err
	}
	if wrong := faultOf(m); wrong != "" {
		return nil, fmt.Errorf("%w of a message: %s", ErrEncoding, wrong)
	}
	return m, nil
}

// faultOf is why m cannot be a message; "": it can.
func faultOf(m Message) string {
	switch m := m.(type) {
	case *Proposal:
		switch {
		case m.Height < 1 || m.Round < 0 || m.ValidRound < NoRound || m.ValidRound >= m.Round:
			return fmt.Sprintf("a proposal of height %d round %d, valid round %d", m.Height, m.Round, m.ValidRound)
		case !m.Value.whole():
			return "a proposal for nil, or for half a value's id"
		case len(m.Signature) != SignatureSize || m.Proposer == Address{}:
			return "a proposal that is not signed"
		}
	case *BlockPart:
		if m.Height < 1 || m.Round < 0 || m.Part.Index >= MaxParts || len(m.Part.Bytes) == 0 || len(m.Part.Proof) > maxAunts {
			return fmt.Sprintf("part %d of a block of height %d round %d", m.Part.Index, m.Height, m.Round)
		}
	case *Vote:
		switch {
		case m.Type != Prevote && m.Type != Precommit:
			return fmt.Sprintf("a %v", m.Type)
		case m.Height < 1 || m.Round < 0 || m.ValidRound < NoRound || m.ValidRound != NoRound && m.ValidRound >= m.Round:
			return fmt.Sprintf("a %v of height %d round %d, valid round %d", m.Type, m.Height, m.Round, m.ValidRound)
		case !m.Value.IsNil() && !m.Value.whole():
			return fmt.Sprintf("a %v for half a value's id", m.Type)
		case len(m.Signature) != SignatureSize || m.Validator == Address{}:
			return fmt.Sprintf("a %v that is not signed", m.Type)
		}
	}
	return ""
}

// maxAunts is the height of the tree over the parts of the largest block.
const maxAunts = 11

// whole tells whether v can be a block's id.
func (v *ValueID) whole() bool {
	return v.Hash != Hash{} && v.Parts.Hash != Hash{} && v.Parts.Total > 0 && v.Parts.Total <= MaxParts
}
