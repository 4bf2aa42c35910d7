package p2p

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Peer is another node, as long as the link with it lasts. It is safe for concurrent use.
type Peer struct {
	sw     *Switch
	link   *greeted
	since  time.Time
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed after all RemovePeer
	lanes  []*lane
	wake   chan struct{} // there may be something to write

	mu      sync.Mutex // guards the outbound halves of lanes, and what follows
	room    sync.Cond
	now     uint64 // the scheduler's virtual time
	stopped bool

	pong      atomic.Bool // is owed
	pinged    atomic.Int64
	rtt       atomic.Int64
	sent, got atomic.Uint64 // bytes
	writes    atomic.Uint64
}

// A record's plain bytes are packets, each whole:
//
//	packet   | kind 1 | channel 1 | length 2 | bytes |
const packetHead = 4

const (
	packetMore     byte = iota + 1 // a piece of a message, and not the last
	packetLast                     // the last
	packetPing                     // with nothing
	packetPong                     // with nothing
	packetFarewell                 // why the link ends
)

const (
	// maxPacket is what a more urgent message may have to wait for.
	maxPacket = 16 << 10
	// writeSize is how much is gathered for one write, at most.
	writeSize = 128 << 10
	// grace is for the farewell.
	grace = 250 * time.Millisecond
)

func appendPacket(b []byte, kind, channel byte, payload []byte) []byte {
	b = append(b, kind, channel, byte(len(payload)>>8), byte(len(payload)))
	return append(b, payload...)
}

func newPeer(s *Switch, g *greeted) *Peer {
	p := &Peer{sw: s, link: g, since: time.Now(), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	p.room.L = &p.mu
	p.ctx, p.cancel = context.WithCancelCause(s.ctx)
	for _, c := range s.channels {
		for _, id := range g.hello.Channels {
			if id == c.ID {
				l := &lane{channel: c}
				l.inbox.init(c.Inbox)
				p.lanes = append(p.lanes, l)
				break
			}
		}
	}
	return p
}

// ID is the peer's name, which it has proved.
func (p *Peer) ID() ID { return p.link.id }

// Key is its public key.
func (p *Peer) Key() ed25519.PublicKey { return p.link.key }

// Hello is what it says of itself.
func (p *Peer) Hello() Hello { return p.link.hello }

// Address is where it was dialed, or where it has dialed from.
func (p *Peer) Address() string { return p.link.address }

// Outbound tells whether this side has dialed.
func (p *Peer) Outbound() bool { return p.link.outbound }

// Context ends with the link; its cause is why.
func (p *Peer) Context() context.Context { return p.ctx }

// String is the beginning of the id, for people.
func (p *Peer) String() string { return string(p.link.id[:8]) }

func (p *Peer) lane(channel byte) *lane {
	for _, l := range p.lanes {
		if l.ID == channel {
			return l
		}
	}
	return nil
}

// Send queues a message, and waits for room. It tells whether it was queued: it is not if the link ends, the
// peer has no such channel, or the message is too long. msg must not be changed afterwards. A Receive should not wait for
// room, lest two nodes wait for each other.
func (p *Peer) Send(channel byte, msg []byte) bool { return p.send(channel, msg, true) }

// TrySend is Send, and false in place of waiting.
func (p *Peer) TrySend(channel byte, msg []byte) bool { return p.send(channel, msg, false) }

func (p *Peer) send(channel byte, msg []byte, wait bool) bool {
	l := p.lane(channel)
	if l == nil || len(msg) > l.MaxMessage {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.stopped {
		if l.put(msg) {
			p.wakeUp()
			return true
		}
		if !wait {
			return false
		}
		p.room.Wait()
	}
	return false
}

// Wake has the channel's Next asked for what to send.
func (p *Peer) Wake(channel byte) {
	l := p.lane(channel)
	if l == nil || l.Next == nil {
		return
	}
	p.mu.Lock()
	l.asked = true
	p.mu.Unlock()
	p.wakeUp()
}

func (p *Peer) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run is the life of a link.
func (p *Peer) run() {
	_ = p.link.conn.SetDeadline(time.Time{}) // the handshake's; fails if the link is closed
	for _, l := range p.lanes {
		l.handler.AddPeer(p)
	}
	var loops sync.WaitGroup
	for _, l := range p.lanes {
		loops.Go(func() { p.serve(l) })
	}
	loops.Go(func() { p.stop(p.read()) })
	loops.Go(func() {
		err := p.write()
		select { // if the other side has closed the link, its farewell is to be read still, and says more than a failed write
		case <-p.ctx.Done():
		case <-time.After(grace):
		}
		p.stop(err)
		p.link.conn.Close()
	})
	context.AfterFunc(p.ctx, func() { p.stop(context.Cause(p.ctx)) })
	loops.Wait()
	for _, l := range p.lanes {
		l.handler.RemovePeer(p, context.Cause(p.ctx))
	}
}

// stop ends the link for the first reason that is given, and does not wait for it.
func (p *Peer) stop(why error) {
	p.cancel(why)
	p.mu.Lock()
	if !p.stopped {
		p.stopped = true
		_ = p.link.conn.SetWriteDeadline(time.Now().Add(grace)) // fails if it is closed
	}
	p.room.Broadcast()
	p.mu.Unlock()
	for _, l := range p.lanes {
		l.inbox.close()
	}
}

// serve gives one channel's messages to its handler.
func (p *Peer) serve(l *lane) {
	var batch [][]byte
	for {
		var open bool
		if batch, open = l.inbox.take(batch); !open {
			return
		}
		for _, msg := range batch {
			if p.ctx.Err() != nil {
				return
			}
			l.handler.Receive(p, msg)
			l.inbox.release(msg)
		}
	}
}

// write sends what there is until the link ends. Its error is why.
func (p *Peer) write() error {
	buf := make([]byte, 0, writeSize+2*maxRecord)
	tick := p.sw.opts.After(p.sw.opts.Ping)
	ping := false
	for {
		buf = p.fill(buf[:0], ping)
		ping = false
		if len(buf) > 0 {
			if err := p.flush(buf); err != nil {
				return err
			}
			continue
		}
		select {
		case <-p.wake:
		case <-tick:
			ping = true
			tick = p.sw.opts.After(p.sw.opts.Ping)
		case <-p.ctx.Done():
			why := context.Cause(p.ctx)
			b := appendPacket(beginRecord(buf[:0]), packetFarewell, 0, farewell(why))
			_, _ = p.link.conn.Write(p.link.conn.endRecord(b, 0)) // it ends in any case
			return why
		}
	}
}

func (p *Peer) flush(b []byte) error {
	var err error
	p.mu.Lock()
	if !p.stopped { // else there is the grace that stop has given
		err = p.link.conn.SetWriteDeadline(time.Now().Add(p.sw.opts.Timeout))
	}
	p.mu.Unlock()
	if err == nil {
		_, err = p.link.conn.Write(b)
	}
	p.sent.Add(uint64(len(b)))
	p.writes.Add(1)
	return explain(err, "write")
}

// fill makes records of what there is to send, as much as fits into one write.
func (p *Peer) fill(b []byte, ping bool) []byte {
	for len(b) < writeSize && p.ctx.Err() == nil {
		at := len(b)
		b = beginRecord(b)
		if ping {
			ping = false
			p.pinged.Store(time.Now().UnixNano())
			b = appendPacket(b, packetPing, 0, nil)
		}
		if p.pong.CompareAndSwap(true, false) {
			b = appendPacket(b, packetPong, 0, nil)
		}
		b = p.packets(b, at+recordHead+maxRecord)
		if len(b) == at+recordHead {
			return b[:at]
		}
		b = p.link.conn.endRecord(b, at)
	}
	return b
}

// packets appends packets up to a limit.
func (p *Peer) packets(b []byte, limit int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for limit-len(b) > packetHead {
		l := p.pick()
		if l == nil {
			break
		}
		n := min(len(l.sending), maxPacket, limit-len(b)-packetHead)
		kind := packetMore
		if n == len(l.sending) {
			kind = packetLast
		}
		b = appendPacket(b, kind, l.ID, l.sending[:n])
		l.sending = l.sending[n:]
		l.busy = kind == packetMore
		l.pass += uint64(n+packetHead) << 10 / uint64(l.Priority)
	}
	return b
}

// pick finds the lane that has had the least for its priority, among those with something to send. A lane
// that had nothing for a while does not get its share of that while: it begins at the present.
func (p *Peer) pick() *lane {
	for {
		var best *lane
		for _, l := range p.lanes {
			if !l.busy && len(l.queue) == 0 && !l.asked {
				l.pass = max(l.pass, p.now)
			} else if best == nil || l.pass < best.pass {
				best = l
			}
		}
		if best == nil || p.load(best) {
			return best
		}
	}
}

// load finds the lane's message to send. Next is asked without the lock, since it may lock what a caller of Wake has locked.
func (p *Peer) load(l *lane) bool {
	p.now = l.pass
	switch {
	case l.busy:
	case len(l.queue) > 0:
		l.pop()
		p.room.Broadcast()
	default:
		l.asked = false // before it is asked: what comes meanwhile wakes it anew
		p.mu.Unlock()
		msg := l.Next(p)
		p.mu.Lock()
		if msg == nil {
			return false
		}
		l.asked, l.sending, l.busy = true, msg, true
	}
	return true
}

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
	if len(l.partial)+len(payload) > l.MaxMessage {
		return fmt.Errorf("%w: on channel %#x, more than %d bytes", ErrTooLarge, channel, l.MaxMessage)
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
