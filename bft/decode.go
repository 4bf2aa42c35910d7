package bft

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrEncoding is bytes that are not the encoding of what they are said to be.
var ErrEncoding = errors.New("bft: encoding")

// A reader takes a message apart, field by field. After its first error it has no more fields; so a decoder is a
// loop over the fields, and one look at err in the end. Nothing is allocated for a length that is not there in bytes.
type reader struct {
	rest  []byte
	typ   protowire.Type
	value []byte // of the field, or
	num   uint64
	err   error
}

// next is the number of the next field; 0: there is none.
func (r *reader) next() protowire.Number {
	if r.err != nil || len(r.rest) == 0 {
		return 0
	}
	field, typ, n := protowire.ConsumeTag(r.rest)
	if n < 0 {
		r.fail("a field's number is cut off")
		return 0
	}
	r.rest, r.typ = r.rest[n:], typ
	switch typ {
	case protowire.VarintType:
		r.num, n = protowire.ConsumeVarint(r.rest)
	case protowire.BytesType:
		r.value, n = protowire.ConsumeBytes(r.rest)
	default:
		n = -1
	}
	if n < 0 {
		r.fail("field %d is cut off, or of type %d", field, typ)
		return 0
	}
	r.rest = r.rest[n:]
	return field
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrEncoding, fmt.Sprintf(format, args...))
	}
}

func (r *reader) unknown(what string, field protowire.Number) {
	r.fail("%s has no field %d", what, field)
}

func (r *reader) uint(most uint64) uint64 {
	if r.typ != protowire.VarintType || r.num > most {
		r.fail("a number is none, or more than %d", most)
		return 0
	}
	return r.num
}

// int is a number of 64 bits, also a negative one.
func (r *reader) int() int64 {
	if r.typ != protowire.VarintType {
		r.fail("a number is none")
	}
	return int64(r.num)
}

func (r *reader) round() Round {
	x := r.int()
	if int64(Round(x)) != x {
		r.fail("round %d", x)
	}
	return Round(x)
}

// bytes is a slice of what is read.
func (r *reader) bytes(most int) []byte {
	if r.typ != protowire.BytesType || len(r.value) > most {
		r.fail("bytes are none, or more than %d", most)
		return nil
	}
	return r.value[:len(r.value):len(r.value)]
}

func (r *reader) hash(h *Hash) {
	if b := r.bytes(len(h)); len(b) != len(h) {
		r.fail("a hash has %d bytes, and not %d", len(b), len(h))
	} else {
		copy(h[:], b)
	}
}

func (r *reader) address(a *Address) {
	if b := r.bytes(len(a)); len(b) != len(a) {
		r.fail("an address has %d bytes, and not %d", len(b), len(a))
	} else {
		copy(a[:], b)
	}
}

// message reads a nested message.
func (r *reader) message(read func(*reader)) {
	if r.typ != protowire.BytesType {
		r.fail("a message is none")
		return
	}
	in := reader{rest: r.value}
	if read(&in); r.err == nil {
		r.err = in.err
	}
}

// The times that a timestamp can have: the years 1 to 9999.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

func (r *reader) time(t *time.Time) {
	r.message(func(r *reader) {
		var seconds, nanoseconds int64
		for f := r.next(); f != 0; f = r.next() {
			switch f {
			case 1:
				seconds = r.int()
			case 2:
				nanoseconds = r.int()
			default:
				r.unknown("a time", f)
			}
		}
		if seconds < minSeconds || seconds > maxSeconds || nanoseconds < 0 || nanoseconds >= 1e9 {
			r.fail("a time of %d seconds and %d nanoseconds", seconds, nanoseconds)
			return
		}
		*t = time.Unix(seconds, nanoseconds).UTC()
	})
}

func (r *reader) valueID(v *ValueID) {
	r.message(func(r *reader) {
		for f := r.next(); f != 0; f = r.next() {
			switch f {
			case 1:
				r.hash(&v.Hash)
			case 2:
				r.message(func(r *reader) { r.partsHeader(&v.Parts) })
			default:
				r.unknown("a value's id", f)
			}
		}
	})
}

func (r *reader) partsHeader(h *PartsHeader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			h.Total = uint32(r.uint(MaxParts))
		case 2:
			r.hash(&h.Hash)
		default:
			r.unknown("a header of parts", f)
		}
	}
}

// decode reads data, and refuses what would not be encoded in the same way: so there is one encoding for one value, and
// fields that are repeated, out of order, zero, missing or trailing are errors.
func decode(what string, data []byte, read func(*reader), encode func(dst []byte) []byte) error {
	r := reader{rest: data}
	if read(&r); r.err != nil {
		return fmt.Errorf("%s: %w", what, r.err)
	}
	if !bytes.Equal(encode(make([]byte, 0, len(data))), data) {
		return fmt.Errorf("%s: %w: it is not in its one form", what, ErrEncoding)
	}
	return nil
}

// DecodeBlock reads what [Block.Encode] has written. Transactions and hashes are slices of data. That
// the block agrees with itself is for [Block.Check] to say.
func DecodeBlock(data []byte) (*Block, error) {
	if len(data) > MaxBlockBytes {
		return nil, fmt.Errorf("block: %w: %d bytes, and %d are the most", ErrEncoding, len(data), MaxBlockBytes)
	}
	b := &Block{}
	if err := decode("block", data, b.read, b.Encode); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Block) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			r.message(b.Header.read)
		case 2:
			r.message(b.readTxs)
		case 3:
			r.message(b.readEvidence)
		case 4:
			b.LastCommit = &Commit{}
			r.message(b.LastCommit.read)
		default:
			r.unknown("a block", f)
		}
	}
}

func (b *Block) readTxs(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		if f != 1 {
			r.unknown("data", f)
			return
		}
		b.Txs = append(b.Txs, r.bytes(MaxBlockBytes))
	}
}

func (b *Block) readEvidence(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		if f != 1 {
			r.unknown("evidence", f)
			return
		}
		r.message(func(r *reader) {
			if f := r.next(); f != 1 {
				r.fail("evidence of a kind that is not known")
				return
			}
			e := &DuplicateVoteEvidence{}
			r.message(e.read)
			b.Evidence = append(b.Evidence, e)
		})
	}
}

// DecodeHeader reads what [Header.Encode] has written.
func DecodeHeader(data []byte) (*Header, error) {
	h := &Header{}
	if err := decode("header", data, h.read, h.Encode); err != nil {
		return nil, err
	}
	return h, nil
}

// maxAppHash bounds an application's hash, in bytes.
const maxAppHash = 1 << 10

func (h *Header) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			r.message(h.readVersion)
		case 2:
			h.ChainID = string(r.bytes(MaxChainIDLen))
		case 3:
			h.Height = Height(r.int())
		case 4:
			r.time(&h.Time)
		case 5:
			r.valueID(&h.LastBlockID)
		case 11:
			h.AppHash = r.bytes(maxAppHash)
		case 14:
			r.address(&h.ProposerAddress)
		default:
			if to := h.hashField(f); to != nil {
				r.hash(to)
			} else {
				r.unknown("a header", f)
			}
		}
	}
}

func (h *Header) hashField(f protowire.Number) *Hash {
	switch f {
	case 6:
		return &h.LastCommitHash
	case 7:
		return &h.DataHash
	case 8:
		return &h.ValidatorsHash
	case 9:
		return &h.NextValidatorsHash
	case 10:
		return &h.ConsensusHash
	case 12:
		return &h.LastResultsHash
	case 13:
		return &h.EvidenceHash
	}
	return nil
}

func (h *Header) readVersion(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			if v := r.int(); v != blockProtocol {
				r.fail("block protocol %d, and this is %d", v, blockProtocol)
			}
		case 2:
			h.AppVersion = uint64(r.int())
		default:
			r.unknown("a version", f)
		}
	}
}

// DecodeCommit reads what [Commit.Encode] has written. Signatures are slices of data.
func DecodeCommit(data []byte) (*Commit, error) {
	c := &Commit{}
	if err := decode("commit", data, c.read, c.Encode); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Commit) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			c.Height = Height(r.int())
		case 2:
			c.Round = r.round()
		case 3:
			r.valueID(&c.Value)
		case 4:
			var s CommitSig
			r.message(s.read)
			c.Signatures = append(c.Signatures, s)
		default:
			r.unknown("a commit", f)
		}
	}
}

func (s *CommitSig) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			s.Flag = CommitFlag(r.uint(uint64(CommitNil)))
		case 2:
			r.address(&s.Validator)
		case 3:
			r.time(&s.Time)
		case 4:
			s.Signature = r.bytes(SignatureSize)
		default:
			r.unknown("a commit's signature", f)
		}
	}
}

// DecodeEvidence reads what [DuplicateVoteEvidence.Encode] has written.
func DecodeEvidence(data []byte) (*DuplicateVoteEvidence, error) {
	e := &DuplicateVoteEvidence{}
	if err := decode("evidence", data, e.read, e.Encode); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *DuplicateVoteEvidence) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			r.message(func(r *reader) { e.ValidatorIndex = e.First.read(r) })
		case 2:
			r.message(func(r *reader) { e.Second.read(r) })
		case 3:
			e.TotalVotingPower = r.int()
		case 4:
			e.ValidatorPower = r.int()
		case 5:
			r.time(&e.Time)
		default:
			r.unknown("evidence of a double vote", f)
		}
	}
}

// read also returns the validator's number, which a Vote has not.
func (v *Vote) read(r *reader) (index int32) {
	v.ValidRound = NoRound
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			v.Type = VoteType(r.uint(uint64(Precommit)))
		case 2:
			v.Height = Height(r.int())
		case 3:
			v.Round = r.round()
		case 4:
			r.valueID(&v.Value)
		case 5:
			r.time(&v.Time)
		case 6:
			r.address(&v.Validator)
		case 7:
			index = int32(r.uint(1<<31 - 1))
		case 8:
			v.Signature = r.bytes(SignatureSize)
		case validRoundField:
			v.ValidRound = Round(int64(r.uint(1<<31-1)) - 1)
		default:
			r.unknown("a vote", f)
		}
	}
	return index
}

func (p *Proposal) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			r.uint(proposalType)
		case 2:
			p.Height = Height(r.int())
		case 3:
			p.Round = r.round()
		case 4:
			p.ValidRound = r.round()
		case 5:
			r.valueID(&p.Value)
		case 6:
			r.time(&p.Time)
		case 7:
			p.Signature = r.bytes(SignatureSize)
		case proposerField:
			r.address(&p.Proposer)
		default:
			r.unknown("a proposal", f)
		}
	}
}

// maxAunts is the height of the tree over the parts of the largest block.
const maxAunts = 11

func (p *BlockPart) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			p.Height = Height(r.int())
		case 2:
			p.Round = r.round()
		case 3:
			p.Part.Index = uint32(r.uint(MaxParts - 1))
		case 4:
			p.Part.Bytes = r.bytes(PartSize)
		case 5:
			if len(p.Part.Proof) == maxAunts {
				r.fail("a part's proof has more than %d hashes", maxAunts)
				return
			}
			var h Hash
			r.hash(&h)
			p.Part.Proof = append(p.Part.Proof, h)
		default:
			r.unknown("a block part", f)
		}
	}
}

// MaxMessageBytes is what an encoded message may have at most: that of a part, and some room.
const MaxMessageBytes = PartSize + 1<<10

// DecodeMessage reads what [AppendMessage] has written, and keeps nothing of data. The message can be one: type, height, round,
// value, signature and proof have the form that they must have. Nobody has looked at who signed it.
func DecodeMessage(data []byte) (Message, error) {
	if len(data) > MaxMessageBytes {
		return nil, fmt.Errorf("message: %w: %d bytes, and %d are the most", ErrEncoding, len(data), MaxMessageBytes)
	}
	var m Message
	err := decode("message", bytes.Clone(data), func(r *reader) { m = readMessage(r) }, func(dst []byte) []byte { return AppendMessage(dst, m) })
	if err == nil {
		err = checkMessage(m)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func readMessage(r *reader) Message {
	switch f := r.next(); f {
	case proposalMessage:
		p := &Proposal{}
		r.message(p.read)
		return p
	case partMessage:
		p := &BlockPart{}
		r.message(p.read)
		return p
	case voteMessage:
		v := &Vote{}
		r.message(func(r *reader) { v.read(r) })
		return v
	default:
		r.fail("no message of kind %d", f)
		return nil
	}
}

// checkMessage tells whether m can be one.
func checkMessage(m Message) error {
	wrong := ""
	switch m := m.(type) {
	case *Proposal:
		wrong = m.wrong()
	case *BlockPart:
		if m.Height < 1 || m.Round < 0 || len(m.Part.Bytes) == 0 {
			wrong = fmt.Sprintf("part %d of height %d round %d with %d bytes", m.Part.Index, m.Height, m.Round, len(m.Part.Bytes))
		}
	case *Vote:
		wrong = m.wrong()
	}
	if wrong != "" {
		return fmt.Errorf("message: %w: %s", ErrEncoding, wrong)
	}
	return nil
}

func (v *Vote) wrong() string {
	switch {
	case v.Type != Prevote && v.Type != Precommit:
		return fmt.Sprintf("a %v", v.Type)
	case v.Height < 1 || v.Round < 0 || v.ValidRound < NoRound || v.ValidRound != NoRound && v.ValidRound >= v.Round:
		return fmt.Sprintf("a %v of height %d round %d, valid round %d", v.Type, v.Height, v.Round, v.ValidRound)
	case !v.Value.IsNil() && !v.Value.whole():
		return fmt.Sprintf("a %v for half a value's id", v.Type)
	case len(v.Signature) != SignatureSize:
		return fmt.Sprintf("a %v with a signature of %d bytes", v.Type, len(v.Signature))
	}
	return ""
}

func (p *Proposal) wrong() string {
	switch {
	case p.Height < 1 || p.Round < 0 || p.ValidRound < NoRound || p.ValidRound >= p.Round:
		return fmt.Sprintf("a proposal of height %d round %d, valid round %d", p.Height, p.Round, p.ValidRound)
	case !p.Value.whole():
		return "a proposal for nil, or for half a value's id"
	case len(p.Signature) != SignatureSize:
		return fmt.Sprintf("a proposal with a signature of %d bytes", len(p.Signature))
	}
	return ""
}

// whole tells whether v can be a block's id.
func (v *ValueID) whole() bool {
	return v.Hash != Hash{} && v.Parts.Hash != Hash{} && v.Parts.Total > 0 && v.Parts.Total <= MaxParts
}
