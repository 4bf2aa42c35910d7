package tcp

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// partial is the beginning of a snapshot. A peer has one at most: that of its
// last transfer, kept for partialLife after the connection broke.
type partial struct {
	name snapshotName
	data []byte
	hash hash.Hash // of data
	// expire forgets it; stopped while a connection is working on it.
	expire *time.Timer
}

// snapshotName is what must agree for one transfer to continue another.
type snapshotName struct {
	index, term uint64
	size        uint64
	sum         [sha256.Size]byte
}

const partialLife = time.Minute

// offered is a decoded offer.
type offered struct {
	transfer uint64 // the same in every attempt of one transfer
	name     snapshotName
	message  raft.Message
}

func (p *peer) decodeOffer(b []byte) (o offered, err error) {
	short := fmt.Errorf("%w: a snapshot's offer of %d bytes", ErrProtocol, len(b))
	if len(b) < 8 {
		return o, short
	}
	o.transfer = binary.LittleEndian.Uint64(b)
	size, n := binary.Uvarint(b[8:])
	if n <= 0 || len(b) < 8+n+sha256.Size {
		return o, short
	}
	b = b[8+n:]
	o.message, err = p.t.opts.codec.decode(b[sha256.Size:])
	if err = p.check(&o.message, err); err != nil {
		return o, err
	}
	s := o.message.Snapshot
	if o.message.Type != raft.InstallSnapshot || s == nil {
		return o, fmt.Errorf("%w: %s offered as a snapshot", ErrProtocol, o.message)
	}
	s.Data = nil
	o.name = snapshotName{s.Index, s.Term, size, [sha256.Size]byte(b)}
	return o, nil
}

// receiveSnapshot takes the snapshot of one connection. incoming.enter has
// made sure that no other connection of the peer is at it.
func (p *peer) receiveSnapshot(l *link) error {
	k, payload, err := l.frames.next()
	if err != nil {
		return explain(err)
	}
	if k != kindOffer {
		return fmt.Errorf("%w: frame of kind %d in place of an offer", ErrProtocol, k)
	}
	offer, err := p.decodeOffer(payload)
	if err != nil {
		return err
	}
	if most := p.t.opts.MaxSnapshot; offer.name.size > uint64(most) {
		err := fmt.Errorf("%w: snapshot of %d bytes, but %s has Options.MaxSnapshot %d", ErrTooLarge, offer.name.size, p.t.opts.ID, most)
		p.tell(l, kindDone, []byte(err.Error()))
		return err
	}
	if p.incoming.hasDelivered(offer.transfer) {
		return p.tell(l, kindDone, nil) // it was our answer that was lost
	}
	part := p.incoming.begin(offer.name)
	if err := p.collect(l, part); err != nil {
		p.incoming.suspend(p, part)
		return err
	}
	if sum := part.hash.Sum(nil); !slices.Equal(sum, part.name.sum[:]) {
		err := fmt.Errorf("%w: snapshot at %d of %d bytes has SHA-256 %x, should have %x",
			ErrProtocol, part.name.index, len(part.data), sum, part.name.sum)
		p.tell(l, kindDone, []byte(err.Error()))
		return err
	}
	offer.message.Snapshot.Data = part.data
	p.incoming.setDelivered(offer.transfer)
	p.t.counters.snapReceived.Add(1)
	p.t.deliver(offer.message)
	return p.tell(l, kindDone, nil)
}

// collect reads chunks until the snapshot is whole.
func (p *peer) collect(l *link, part *partial) error {
	for {
		if err := p.tell(l, kindAck, binary.AppendUvarint(nil, uint64(len(part.data)))); err != nil {
			return err
		}
		rest := part.name.size - uint64(len(part.data))
		if rest == 0 {
			return nil
		}
		k, payload, err := l.frames.next()
		if err != nil {
			return explain(err)
		}
		at, n := binary.Uvarint(payload)
		if k != kindChunk || n <= 0 || at != uint64(len(part.data)) || len(payload) == n || uint64(len(payload)-n) > rest {
			return fmt.Errorf("%w: frame of kind %d, %d bytes at %d, in place of a chunk at %d", ErrProtocol, k, len(payload), at, len(part.data))
		}
		part.add(payload[n:])
	}
}

// add appends a chunk. The buffer doubles as data comes, up to the size that
// was named, so that a name alone costs nothing.
func (s *partial) add(chunk []byte) {
	if need := len(s.data) + len(chunk); need > cap(s.data) {
		grown := make([]byte, len(s.data), int(min(uint64(max(2*cap(s.data), need)), s.name.size)))
		copy(grown, s.data)
		s.data = grown
	}
	s.data = append(s.data, chunk...)
	s.hash.Write(chunk)
}

func (p *peer) tell(l *link, k kind, payload []byte) error {
	l.SetWriteDeadline(time.Now().Add(p.t.opts.Timeout))
	_, err := l.Write(appendFrame(nil, k, payload[:min(len(payload), maxReason)]))
	return explain(err)
}

// begin continues the transfer of that name, or begins one.
func (in *incoming) begin(name snapshotName) *partial {
	in.mu.Lock()
	defer in.mu.Unlock()
	part := in.partial
	in.partial = nil
	if part != nil {
		part.expire.Stop()
	}
	if part == nil || part.name != name {
		part = &partial{name: name, hash: sha256.New()}
	}
	return part
}

// suspend keeps what has come for the next connection.
func (in *incoming) suspend(p *peer, part *partial) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if p.ctx.Err() != nil || len(part.data) == 0 {
		return
	}
	in.partial = part
	part.expire = time.AfterFunc(partialLife, func() { in.forget(part) })
}

// drop forgets whatever there is. The peer's context must have ended, so that
// nothing is suspended after.
func (in *incoming) drop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.partial != nil {
		in.partial.expire.Stop()
		in.partial = nil
	}
}

func (in *incoming) forget(part *partial) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.partial == part {
		in.partial = nil
	}
}

func (in *incoming) hasDelivered(transfer uint64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.delivered == transfer
}

func (in *incoming) setDelivered(transfer uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.delivered = transfer
}
