package multi

import (
	"encoding/binary"
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// The encoding of envelopes, for wires. Numbers are uvarints.
//
//	envelope   version | flags | From | To | Life | count | messages
//	            1 byte   1 byte: bit 0 Shares
//	message    group | flags | length | a message of package raft (raft.AppendMessage)
//	                   1 byte: bit 0 Rest, bit 1 Beat
const (
	envelopeVersion = 1

	flagShares = 1 << 0

	flagRest = 1 << 0
	flagBeat = 1 << 1
)

// AppendEnvelope appends the encoding of e to b.
func AppendEnvelope(b []byte, e *Envelope) []byte {
	var flags byte
	if e.Shares {
		flags |= flagShares
	}
	b = append(b, envelopeVersion, flags)
	b = binary.AppendUvarint(b, uint64(e.From))
	b = binary.AppendUvarint(b, uint64(e.To))
	b = binary.AppendUvarint(b, e.Life)
	b = binary.AppendUvarint(b, uint64(len(e.Messages)))
	var body []byte
	for i := range e.Messages {
		m := &e.Messages[i]
		b = binary.AppendUvarint(b, uint64(m.Group))
		var flags byte
		if m.Rest {
			flags |= flagRest
		}
		if m.Beat {
			flags |= flagBeat
		}
		b = append(b, flags)
		body = raft.AppendMessage(body[:0], &m.Raft)
		b = appendBytes(b, body)
	}
	return b
}

func appendBytes(b, data []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// DecodeEnvelope reads what AppendEnvelope wrote. Data of entries and snapshots
// are parts of b: whoever keeps the envelope keeps b, and must not change it.
//
// raft.ErrVersion: a newer version; raft.ErrCorrupt: not an envelope.
func DecodeEnvelope(b []byte) (Envelope, error) {
	d := decoder{b: b}
	if v := d.byte(); v > envelopeVersion {
		return Envelope{}, fmt.Errorf("%w: envelope of version %d, this build reads up to %d", raft.ErrVersion, v, envelopeVersion)
	} else if v == 0 {
		d.bad = true
	}
	flags := d.byte()
	e := Envelope{Shares: flags&flagShares != 0, From: raft.NodeID(d.uvarint()), To: raft.NodeID(d.uvarint()), Life: d.uvarint()}
	count := d.uvarint()
	// A message takes three bytes at least: no count is believed that the input
	// has no room for.
	if d.bad || count > uint64(len(d.b)/3) {
		return Envelope{}, notEnvelope(b)
	}
	if count > 0 {
		e.Messages = make([]Message, count)
	}
	for i := range e.Messages {
		g, flags, body := GroupID(d.uvarint()), d.byte(), d.bytes()
		if d.bad {
			return Envelope{}, notEnvelope(b)
		}
		m, err := raft.DecodeMessage(body)
		if err != nil {
			return Envelope{}, fmt.Errorf("message %d of an envelope: %w", i, err)
		}
		e.Messages[i] = Message{Group: g, Rest: flags&flagRest != 0, Beat: flags&flagBeat != 0, Raft: m}
	}
	if len(d.b) > 0 {
		return Envelope{}, notEnvelope(b)
	}
	return e, nil
}

func notEnvelope(b []byte) error {
	return fmt.Errorf("%w: %d bytes are not an encoded envelope: % x", raft.ErrCorrupt, len(b), b[:min(len(b), 16)])
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
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// Over makes a transport of package raft, such as raft/tcp's, carry envelopes:
// each travels as the one entry of a message that no raft node ever sees, one
// with much in it as several: what many groups have to say at once, when a host
// comes back, is together more than any transport takes. A message of a group is
// not divided. Snapshots are messages too, so groups must be small against the
// transport's largest message.
func Over(t raft.Transport) Transport { return &over{t} }

type over struct{ raft.Transport }

func (o *over) Start(deliver func(Envelope)) error {
	return o.Transport.Start(func(m raft.Message) {
		if len(m.Entries) != 1 {
			return
		}
		// What is no envelope is lost, as anything on a network may be.
		if e, err := DecodeEnvelope(m.Entries[0].Data); err == nil && e.From == m.From && e.To == m.To {
			deliver(e)
		}
	})
}

func (o *over) Send(envelopes []Envelope) {
	messages := make([]raft.Message, 0, len(envelopes))
	for _, e := range envelopes {
		for rest, more := e.Messages, true; more; more = len(rest) > 0 {
			n := fitting(rest)
			e.Messages, rest = rest[:n], rest[n:]
			messages = append(messages, raft.Message{
				Type: raft.AppendEntries, From: e.From, To: e.To,
				Entries: []raft.Entry{{Data: AppendEnvelope(nil, &e)}},
			})
		}
	}
	o.Transport.Send(messages)
}

const (
	// wireEnvelope bounds an envelope on a wire, about, in bytes, unless it is
	// of one message.
	wireEnvelope = 256 << 10
	// wireMessage is about what a message without data takes.
	wireMessage = 64
)

// fitting returns how many of the messages go into one envelope.
func fitting(ms []Message) (n int) {
	for bytes := 0; n < len(ms); n++ {
		m := &ms[n].Raft
		bytes += wireMessage
		for i := range m.Entries {
			bytes += len(m.Entries[i].Data)
		}
		if m.Snapshot != nil {
			bytes += len(m.Snapshot.Data)
		}
		if bytes > wireEnvelope && n > 0 {
			break
		}
	}
	return n
}
