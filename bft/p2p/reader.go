package p2p

import (
	"encoding/binary"
	"fmt"
	"time"
)

// read takes records until the link ends. Its error is why.
func (p *Peer) read() error {
	c := p.link.conn
	for {
		if !c.buffered() {
			if err := c.SetReadDeadline(time.Now().Add(p.sw.opts.Timeout)); err != nil {
				return explain(err, "read")
			}
		}
		record, err := c.next()
		if err != nil {
			return err
		}
		p.got.Add(uint64(len(record) + recordHead + sealSize))
		for len(record) > 0 {
			if len(record) < packetHead {
				return fmt.Errorf("%w: %d bytes behind the last packet", ErrProtocol, len(record))
			}
			n := packetHead + int(binary.BigEndian.Uint16(record[2:]))
			if n > len(record) {
				return fmt.Errorf("%w: a packet of %d bytes in a record with %d left", ErrProtocol, n, len(record))
			}
			if err := p.packet(record[0], record[1], record[packetHead:n]); err != nil {
				return err
			}
			record = record[n:]
		}
	}
}

func (p *Peer) packet(kind, channel byte, payload []byte) error {
	switch kind {
	case packetMore, packetLast:
		return p.piece(kind == packetLast, channel, payload)
	case packetPing:
		p.pong.Store(true)
		p.wakeUp()
	case packetPong:
		if at := p.pinged.Swap(0); at != 0 {
			p.rtt.Store(time.Now().UnixNano() - at)
		}
	case packetFarewell:
		return told(payload)
	default:
		return fmt.Errorf("%w: a packet of kind %d", ErrProtocol, kind)
	}
	return nil
}

// piece puts messages together. A message has its space once it is known to be one packet, or grows with what has come.
func (p *Peer) piece(last bool, channel byte, payload []byte) error {
	l := p.lane(channel)
	if l == nil {
		return fmt.Errorf("%w: a message on channel %#x, which this node does not have", ErrProtocol, channel)
	}
	if len(payload) == 0 && !last {
		return fmt.Errorf("%w: an empty piece of a message on channel %#x", ErrProtocol, channel)
	}
	limit := l.MaxMessage
	if l.Limit != nil {
		limit = min(limit, l.Limit(p))
	}
	if len(l.partial)+len(payload) > limit {
		return fmt.Errorf("%w: on channel %#x, more than %d bytes", ErrTooLarge, channel, limit)
	}
	l.partial = append(l.partial, payload...)
	if !last {
		return nil
	}
	msg := l.partial
	l.partial = nil
	if err := l.inbox.put(msg, l.WhenFull); err != nil {
		return fmt.Errorf("on channel %#x: %w", channel, err)
	}
	return nil
}
