package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The encoding of messages and entries, for wires and disks. Numbers are
// uvarints, small ones most of the time; what is zero takes no room.
//
//	message   version | type | From | To | Term | present | fields present ...
//	           1 byte  1 byte                      bits     in the order of their bits
//
//	bit    0 Index   1 LogTerm   2 Commit    3 Round
//	       4 Hint    5 Mid       6 MidTerm   7 ID
//	       8 Reject  9 Force                              true by being there
//	      10 Entries: a list of entries, see EncodeEntries
//	      11 Snapshot: Index | Term | membership's length, bytes | data's length, bytes
//
// Two kinds of change are foreseen, so that a cluster can be upgraded one node
// at a time:
//
//   - A field that an older node may ignore gets the next bit. The version stays:
//     an older decoder reads the fields it knows, which come first, and leaves
//     the rest.
//   - Anything else gets the next version. Peers tell each other which versions
//     they read, and write the newest that both do; a decoder refuses a newer one.

// MessageVersion is the version of the encoding that AppendMessage writes, and
// the newest that DecodeMessage reads.
const MessageVersion = 1

// ErrVersion: the data was written by a newer build, in an encoding that this
// one does not know.
var ErrVersion = errors.New("raft: encoding of a newer version")

// Bits of the fields; those of the numbers are their places in numbers.
const (
	hasReject   = 1 << 8
	hasForce    = 1 << 9
	hasEntries  = 1 << 10
	hasSnapshot = 1 << 11
	knownFields = 1<<12 - 1
)

func (m *Message) numbers() [8]*uint64 {
	return [...]*uint64{&m.Index, &m.LogTerm, &m.Commit, &m.Round, &m.Hint, &m.Mid, &m.MidTerm, &m.ID}
}

// AppendMessage appends the encoding of m to b. It allocates only when b has
// no room, and for a membership.
func AppendMessage(b []byte, m *Message) []byte {
	b = append(b, MessageVersion, byte(m.Type))
	b = binary.AppendUvarint(b, uint64(m.From))
	b = binary.AppendUvarint(b, uint64(m.To))
	b = binary.AppendUvarint(b, m.Term)
	numbers := m.numbers()
	b = binary.AppendUvarint(b, m.present(&numbers))
	for _, v := range numbers {
		if *v != 0 {
			b = binary.AppendUvarint(b, *v)
		}
	}
	if len(m.Entries) > 0 {
		b = EncodeEntries(b, m.Entries)
	}
	if s := m.Snapshot; s != nil {
		b = binary.AppendUvarint(b, s.Index)
		b = binary.AppendUvarint(b, s.Term)
		b = appendBytes(b, EncodeMembership(s.Membership))
		b = appendBytes(b, s.Data)
	}
	return b
}

func (m *Message) present(numbers *[8]*uint64) (bits uint64) {
	for i, v := range numbers {
		if *v != 0 {
			bits |= 1 << i
		}
	}
	for _, flag := range [...]struct {
		set bool
		bit uint64
	}{{m.Reject, hasReject}, {m.Force, hasForce}, {len(m.Entries) > 0, hasEntries}, {m.Snapshot != nil, hasSnapshot}} {
		if flag.set {
			bits |= flag.bit
		}
	}
	return bits
}

func appendBytes(b, data []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// DecodeMessage reads what AppendMessage wrote. The data of entries and of a
// snapshot are parts of b: whoever keeps the message keeps b, and must not
// change it. Of empty slices come nil ones.
//
// ErrVersion: a newer version; ErrCorrupt: not a message. A message that
// decodes may still make no sense; [Core.Step] refuses it then.
func DecodeMessage(b []byte) (Message, error) {
	if len(b) > 0 && b[0] > MessageVersion {
		return Message{}, fmt.Errorf("%w: message of version %d, this build reads up to %d", ErrVersion, b[0], MessageVersion)
	}
	d := decoder{b: b}
	if version := d.byte(); version == 0 {
		d.bad = true
	}
	m := Message{Type: MessageType(d.byte()), From: NodeID(d.uvarint()), To: NodeID(d.uvarint()), Term: d.uvarint()}
	present := d.uvarint()
	for i, v := range m.numbers() {
		if present&(1<<i) != 0 {
			*v = d.uvarint()
		}
	}
	m.Reject, m.Force = present&hasReject != 0, present&hasForce != 0
	if present&hasEntries != 0 {
		m.Entries = d.entries()
	}
	if present&hasSnapshot != 0 {
		s, err := d.snapshot()
		if err != nil {
			return Message{}, err
		}
		m.Snapshot = s
	}
	// What follows belongs to fields that are newer than this build, or to
	// nothing.
	if d.bad || present&^uint64(knownFields) == 0 && len(d.b) > 0 {
		return Message{}, fmt.Errorf("%w: %d bytes are not an encoded message: % x", ErrCorrupt, len(b), b[:min(len(b), 16)])
	}
	return m, nil
}

// EncodeEntries appends the encoding of a list of entries to b:
//
//	count | per entry:  type<<1 | jump  [ index | term, if jump ]  length | data
//
// An entry without jump follows the one before it by index, in the same term:
// entries of a log take two bytes and their data.
func EncodeEntries(b []byte, entries []Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(entries)))
	var index, term uint64
	for i := range entries {
		e := &entries[i]
		if tag := uint64(e.Type) << 1; e.Index == index+1 && e.Term == term {
			b = binary.AppendUvarint(b, tag)
		} else {
			b = binary.AppendUvarint(b, tag|1)
			b = binary.AppendUvarint(b, e.Index)
			b = binary.AppendUvarint(b, e.Term)
		}
		index, term = e.Index, e.Term
		b = appendBytes(b, e.Data)
	}
	return b
}

// DecodeEntries reads what EncodeEntries wrote at the front of b, and returns
// what follows it. The entries' data are parts of b. The error is ErrCorrupt.
func DecodeEntries(b []byte) (entries []Entry, rest []byte, err error) {
	d := decoder{b: b}
	entries = d.entries()
	if d.bad {
		return nil, nil, fmt.Errorf("%w: %d bytes are not encoded entries: % x", ErrCorrupt, len(b), b[:min(len(b), 16)])
	}
	return entries, d.b, nil
}

// decoder takes values off the front of b. After the first that is not there
// bad is set, and all others are zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes takes a length and as many bytes, which stay parts of the input.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
	}
	if n == 0 || d.bad {
		return nil
	}
	v := d.b[:n:n] // a caller's append must not write into what follows
	d.b = d.b[n:]
	return v
}

func (d *decoder) entries() []Entry {
	count := d.uvarint()
	// An entry takes two bytes at least: no count is believed that the input
	// has no room for.
	if count == 0 || d.bad || count > uint64(len(d.b)/2) {
		d.bad = d.bad || count > 0
		return nil
	}
	entries := make([]Entry, count)
	var index, term uint64
	for i := range entries {
		tag := d.uvarint()
		if index++; tag&1 != 0 {
			index, term = d.uvarint(), d.uvarint()
		}
		d.bad = d.bad || tag>>1 > 0xff
		entries[i] = Entry{Index: index, Term: term, Type: EntryType(tag >> 1), Data: d.bytes()}
		if d.bad {
			return nil
		}
	}
	return entries
}

func (d *decoder) snapshot() (*Snapshot, error) {
	s := &Snapshot{Index: d.uvarint(), Term: d.uvarint()}
	membership := d.bytes()
	s.Data = d.bytes()
	if d.bad {
		return nil, nil // the caller looks at bad
	}
	var err error
	if s.Membership, err = DecodeMembership(membership); err != nil {
		return nil, fmt.Errorf("%w: the snapshot of a message: %w", ErrCorrupt, err)
	}
	return s, nil
}
