package p2p

import (
	"context"
	"time"
)

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
