package p2p

import (
	"context"
	"crypto/ed25519"
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
