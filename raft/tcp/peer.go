package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// peer is another node: what waits to be sent to it, and who is connected from
// it. Each node dials for what it sends itself, so there is a connection in
// each direction, and nothing to decide when both dial at once.
//
//	Send -> queue -> run -> connect -> write -> frames          pongs <- heed
//	        bounded   ^        | fails                |                  |
//	                  +--------+--- backoff, reset <--+------------------+
type peer struct {
	t         *Transport
	id        raft.NodeID
	queue     queue
	snapshots snapshotSender
	incoming  incoming
	ctx       context.Context // ends with Close and RemovePeer
	cancel    context.CancelCauseFunc
	// called has a token when an attempt that waits for its time need not wait:
	// the peer has connected to us, or has another address.
	called chan struct{}

	mu        sync.Mutex
	address   string
	connected *link // for messages
	lost      error // why it is nil
	calledAt  time.Time
}

func newPeer(t *Transport, id raft.NodeID, address string) *peer {
	p := &peer{t: t, id: id, address: address, called: make(chan struct{}, 1)}
	p.queue.wake = make(chan struct{}, 1)
	p.snapshots = snapshotSender{p: p, wake: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancelCause(t.ctx)
	return p
}

func (p *peer) start() {
	p.t.running.Go(p.run)
	p.t.running.Go(p.snapshots.run)
}

// stop ends all that is under way with the peer, and forgets what came of it.
func (p *peer) stop(why error) {
	p.cancel(why)
	p.incoming.drop()
}

// run keeps a connection to the peer, and never gives up (T6).
func (p *peer) run() {
	retry := backoff{max: p.t.opts.MaxBackoff}
	for p.ctx.Err() == nil {
		l, err := p.connect(p.ctx, streamMessages)
		if err == nil {
			began := time.Now()
			p.setLink(l, nil)
			err = p.write(l)
			if time.Since(began) > p.t.opts.MaxBackoff {
				retry.reset() // it was of some use
			}
		}
		// What waited for this connection is older than what Raft will send
		// again when it notices.
		p.t.counters.dropped.Add(uint64(p.queue.reset()))
		p.setLink(nil, err)
		wait(p.ctx, retry.next(), p.called)
	}
}

// connect dials the peer and introduces this node. The link ends with ctx.
func (p *peer) connect(ctx context.Context, s stream) (*link, error) {
	o := &p.t.opts
	p.mu.Lock()
	address := p.address
	p.mu.Unlock()
	dialing, cancel := context.WithTimeoutCause(ctx, o.Timeout, ErrTimeout)
	defer cancel()
	conn, err := o.Dial(dialing, address)
	if err != nil {
		return nil, fmt.Errorf("dial %s at %s: %w", p.id, address, explain(err))
	}
	l := newLink(ctx, conn, o)
	l.dialed = address
	if err := p.introduce(dialing, l, s, address); err != nil {
		l.Close()
		return nil, fmt.Errorf("connect to %s at %s for %s: %w", p.id, address, s, err)
	}
	// Only pongs and acknowledgements come back on it.
	l.establish(o, 0)
	l.frames.max = maxHandshake
	p.t.counters.connected.Add(1)
	return l, nil
}

func (p *peer) introduce(ctx context.Context, l *link, s stream, address string) error {
	o := &p.t.opts
	if o.TLS != nil {
		c := tls.Client(l.raw, o.tlsClient(address))
		if err := l.secure(ctx, c); err != nil {
			return err
		}
		if err := p.t.verify(p.id, c); err != nil {
			return err
		}
	}
	return l.introduce(&hello{
		stream: s, oldest: o.codec.oldest, newest: o.codec.newest, instance: p.t.instance,
		from: o.ID, to: p.id, cluster: o.ClusterID,
	})
}

func (t *Transport) verify(id raft.NodeID, c *tls.Conn) error {
	if t.opts.VerifyPeer == nil {
		return nil
	}
	if err := t.opts.VerifyPeer(id, c.ConnectionState()); err != nil {
		return fmt.Errorf("%w: of %s: %w", ErrIdentity, id, err)
	}
	return nil
}

// write sends what is queued until the connection fails; it closes l.
func (p *peer) write(l *link) error {
	o := &p.t.opts
	ctx, fail := context.WithCancelCause(p.ctx)
	pongs := make(chan struct{}, 1)
	heeded := make(chan struct{})
	go func() {
		defer close(heeded)
		fail(heed(l, pongs))
		l.Close() // a write that waits would not notice
	}()
	defer func() { l.Close(); <-heeded }()

	w := writer{p: p, l: l, max: o.MaxFrame}
	ticker := time.NewTicker(o.Timeout / 2)
	defer ticker.Stop()
	var pinged time.Time // of the ping that is not answered
	for {
		select {
		case <-p.queue.wake:
			if err := w.messages(); err != nil {
				return because(ctx, err)
			}
		case <-ticker.C:
			if pinged.IsZero() {
				if err := w.send(appendFrame(nil, kindPing, nil)); err != nil {
					return because(ctx, err)
				}
				pinged = time.Now()
			} else if time.Since(pinged) >= o.Timeout {
				return fmt.Errorf("%w: %s has not answered for %v", ErrTimeout, p.id, time.Since(pinged))
			}
		case <-pongs:
			pinged = time.Time{}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// because prefers the reason why a connection was closed to the error of a
// write that found it closed.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return explain(err)
}

// heed reads what the listener says: pongs, and that it is gone.
func heed(l *link, pongs chan<- struct{}) error {
	for {
		k, _, err := l.frames.next()
		switch {
		case err != nil:
			return fmt.Errorf("the peer closed the connection: %w", explain(err))
		case k != kindPong:
			return fmt.Errorf("%w: frame of kind %d in place of a pong", ErrProtocol, k)
		}
		select {
		case pongs <- struct{}{}:
		default:
		}
	}
}

// writer encodes messages and writes as many at once as there are.
type writer struct {
	p     *peer
	l     *link
	max   int
	batch []raft.Message
	buf   []byte
}

// writeAt is how many encoded bytes are written without waiting for more.
const writeAt = 256 << 10

// messages writes all that is queued. What it does not get to is dropped by
// the reset that follows an error.
func (w *writer) messages() error {
	w.batch = w.p.queue.take(w.batch)
	count, bytes := 0, 0
	w.buf = w.buf[:0]
	for i := range w.batch {
		m := &w.batch[i]
		at := len(w.buf)
		w.buf = w.p.t.opts.codec.encode(beginFrame(w.buf), w.l.version, m)
		count++
		bytes += sizeOf(m)
		if n := len(w.buf) - at - headerSize; n > w.max {
			w.drop(m, n)
			w.buf = w.buf[:at]
			w.p.queue.release(1, sizeOf(m))
			count--
			bytes -= sizeOf(m)
		} else {
			endFrame(w.buf, at, kindMessage)
		}
		if len(w.buf) < writeAt && i < len(w.batch)-1 || count == 0 {
			continue
		}
		if err := w.send(w.buf); err != nil {
			return err
		}
		w.p.queue.release(count, bytes)
		c := &w.p.t.counters
		c.sent.Add(uint64(count))
		c.sentBytes.Add(uint64(len(w.buf)))
		c.writes.Add(1)
		count, bytes, w.buf = 0, 0, w.buf[:0]
	}
	clear(w.batch) // entries are not held while nothing is sent
	if cap(w.buf) > 4*writeAt {
		w.buf = nil
	}
	return nil
}

func (w *writer) drop(m *raft.Message, n int) {
	w.p.t.counters.dropped.Add(1)
	w.p.t.counters.tooLarge.Add(1)
	w.p.t.opts.Logger.Error("raft/tcp: message dropped, it is larger than Options.MaxFrame",
		"message", m.String(), "bytes", n, "MaxFrame", w.max)
}

func (w *writer) send(b []byte) error {
	w.l.SetWriteDeadline(time.Now().Add(w.p.t.opts.allow(len(b))))
	_, err := w.l.Write(b)
	return err
}

// setLink notes that the peer is connected by l, or why it is not, and logs
// what is new about it.
func (p *peer) setLink(l *link, err error) {
	p.mu.Lock()
	was := p.lost
	first := p.lost == nil
	p.connected, p.lost = l, err
	address := p.address
	if l != nil && l.dialed != address {
		l.Close() // it moved while it was dialed
	}
	p.mu.Unlock()
	log := p.t.opts.Logger
	switch {
	case p.ctx.Err() != nil:
	case l != nil:
		log.Info("raft/tcp: connected", "peer", p.id, "address", address, "version", l.version)
	case errors.Is(err, ErrDuplicateID):
		log.Error("raft/tcp: another process runs under this node's ID", "peer", p.id, "err", err)
	case first || kindOf(was) != kindOf(err):
		log.Warn("raft/tcp: not connected", "peer", p.id, "address", address, "err", err)
	}
}

// moveTo changes where the peer is dialed.
func (p *peer) moveTo(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address == address {
		return
	}
	p.address = address
	if p.connected != nil {
		p.connected.Close()
	}
	p.wakeUp()
}

// callBack lets an attempt that waits be made at once: the peer has connected to
// us, so it is there. One that calls and hangs up again and again would be
// called back as fast as it does, so a call soon after another counts for nothing.
func (p *peer) callBack() {
	p.mu.Lock()
	again := time.Since(p.calledAt) < firstBackoff
	p.calledAt = time.Now()
	p.mu.Unlock()
	if !again {
		p.wakeUp()
	}
}

func (p *peer) wakeUp() {
	select {
	case p.called <- struct{}{}:
	default:
	}
}

func (p *peer) status() PeerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PeerStatus{ID: p.id, Address: p.address, Connected: p.connected != nil, Err: p.lost}
	if p.connected != nil {
		s.Version = p.connected.version
	}
	s.Queued, s.Bytes = p.queue.size()
	return s
}
