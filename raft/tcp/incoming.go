package tcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// maxPending bounds the connections that have not introduced themselves (T4). The
// oldest makes room: a node says hello within a few round trips, so the oldest
// is the least likely to be one.
const maxPending = 64

// accept takes connections until the listener is closed.
func (t *Transport) accept() {
	retry := backoff{max: t.opts.MaxBackoff}
	for {
		conn, err := t.listener.Accept()
		switch {
		case t.ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return
		case err != nil: // no file descriptors, most likely: that may pass
			t.refused.warn(t.opts.Logger, "raft/tcp: cannot accept", "err", err)
			wait(t.ctx, retry.next(), nil)
			continue
		}
		retry.reset()
		l := newLink(t.ctx, conn, &t.opts)
		t.mu.Lock()
		t.arrivals++
		l.arrival = t.arrivals
		t.pending = append(t.pending, l)
		if len(t.pending) > maxPending {
			t.pending[0].Close() // its serve does the rest
			t.pending = slices.Delete(t.pending, 0, 1)
		}
		t.mu.Unlock()
		t.running.Go(func() { t.serve(l) })
	}
}

// serve talks with whoever dialed.
func (t *Transport) serve(l *link) {
	defer l.Close()
	from := l.raw.RemoteAddr()
	h, p, err := t.welcome(l)
	t.mu.Lock()
	t.pending = slices.DeleteFunc(t.pending, func(o *link) bool { return o == l })
	t.mu.Unlock()
	if err != nil {
		if t.ctx.Err() == nil {
			t.counters.refused.Add(1)
			t.refused.warn(t.opts.Logger, "raft/tcp: connection refused", "from", addressOf(from), "err", err)
		}
		return
	}
	// Whatever ends the peer ends this connection.
	stop := context.AfterFunc(p.ctx, func() { l.Close() })
	defer stop()
	leave, err := p.incoming.enter(&h, l)
	if err == nil {
		defer leave()
	}
	if answered := l.answer(err); err == nil {
		err = answered
	}
	if err != nil {
		t.counters.refused.Add(1)
		t.refused.warn(t.opts.Logger, "raft/tcp: connection refused", "from", addressOf(from), "peer", p.id, "err", err)
		return
	}
	t.counters.accepted.Add(1)
	p.callBack()
	if h.stream == streamSnapshots {
		l.establish(&t.opts, t.opts.Timeout)
		err = p.receiveSnapshot(l)
	} else {
		l.establish(&t.opts, 0)
		err = p.receive(l)
	}
	if err != nil && p.ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.counters.broken.Add(1)
		t.refused.warn(t.opts.Logger, "raft/tcp: peer's connection ended", "peer", p.id, "stream", h.stream.String(), "err", err)
	}
}

func addressOf(a net.Addr) string {
	if a == nil {
		return "unknown"
	}
	return a.String()
}

// welcome does the listener's part of the handshake but for the answer, which
// it gives only to whom it refuses.
func (t *Transport) welcome(l *link) (h hello, p *peer, err error) {
	o := &t.opts
	var secured *tls.Conn
	if o.TLS != nil {
		secured = tls.Server(l.raw, o.tlsServer())
		if err := l.secure(t.ctx, secured); err != nil {
			return h, nil, err
		}
	}
	l.listen()
	payload, err := l.receive(kindHello)
	if err != nil {
		if errors.Is(err, ErrVersion) {
			l.answer(err)
		}
		return h, nil, err // not of our kind: nothing to say
	}
	if h, err = decodeHello(payload); err == nil {
		l.version, err = h.judge(o)
	}
	if err == nil {
		if p = t.peer(h.from); p == nil {
			err = fmt.Errorf("%w: %s does not know %s: if it belongs to the cluster, tell %[2]s where it is, with SetPeer", ErrUnknownPeer, o.ID, h.from)
		}
	}
	if err == nil && secured != nil {
		err = t.verify(h.from, secured)
	}
	if err != nil {
		l.answer(err)
	}
	return h, p, err
}

// incoming are the connections of one peer, and which process it is.
type incoming struct {
	mu       sync.Mutex
	instance uint64
	newest   uint64 // arrival of its newest connection
	// displaced are processes in whose place another came. None may return.
	displaced []uint64
	links     [numStreams]*guest
	partial   *partial
	delivered uint64 // the last snapshot transfer that was delivered
}

type guest struct {
	link *link
	left chan struct{}
}

// maxDisplaced bounds the memory of a peer's former lives.
const maxDisplaced = 64

// enter makes l the peer's connection of its kind (T5). The newest one wins, for a
// peer that crashed leaves an old one behind that looks alive; but if the old
// one is of another process which then comes back, two processes share the ID,
// and the one displaced is refused for good. The caller must leave.
//
//	process A ---- connection -------x      cut by B
//	process B            ----------- connection ------------->
//	process A                                  x refused: ErrDuplicateID
//
// Newest is what arrived last, and not what is served last: a listener that was
// paused finds the connections of a process that has ended meanwhile beside those
// of the one that came after it.
func (in *incoming) enter(h *hello, l *link) (leave func(), err error) {
	me := &guest{l, make(chan struct{})}
	in.mu.Lock()
	if h.instance != in.instance {
		if slices.Contains(in.displaced, h.instance) {
			in.mu.Unlock()
			return nil, fmt.Errorf("%w: %s runs twice; this one was started, or connected, earlier: stop one of the two", ErrDuplicateID, h.from)
		}
		if l.arrival < in.newest {
			in.mu.Unlock()
			return nil, fmt.Errorf("%w: another process of %s has connected since", ErrRemoved, h.from)
		}
		if in.instance != 0 {
			in.displaced = append(in.displaced, in.instance)
			in.displaced = in.displaced[max(0, len(in.displaced)-maxDisplaced):]
		}
		in.instance = h.instance
		for _, g := range in.links {
			if g != nil {
				g.link.Close()
			}
		}
	}
	in.newest = max(in.newest, l.arrival)
	old := in.links[h.stream]
	in.links[h.stream] = me
	in.mu.Unlock()
	if old != nil {
		old.link.Close()
		<-old.left
	}
	return func() {
		in.mu.Lock()
		if in.links[h.stream] == me {
			in.links[h.stream] = nil
		}
		in.mu.Unlock()
		close(me.left)
	}, nil
}

// receive delivers the messages of a connection until it ends.
func (p *peer) receive(l *link) error {
	t := p.t
	for {
		k, payload, err := l.frames.next()
		if err != nil {
			return explain(err)
		}
		switch k {
		case kindMessage:
			m, err := p.decode(l, payload)
			if err != nil {
				return err
			}
			t.counters.received.Add(1)
			t.counters.receivedBytes.Add(uint64(headerSize + len(payload)))
			t.deliver(m)
		case kindPing:
			l.SetWriteDeadline(time.Now().Add(t.opts.Timeout))
			if _, err := l.Write(appendFrame(nil, kindPong, nil)); err != nil {
				return explain(err)
			}
		default:
			return fmt.Errorf("%w: frame of kind %d among messages", ErrProtocol, k)
		}
	}
}

// decode decodes a message that may be kept: entries keep the frame's buffer,
// and every other message leaves it for the next frame.
func (p *peer) decode(l *link, payload []byte) (raft.Message, error) {
	decode := p.t.opts.codec.decode
	m, err := decode(payload)
	if err == nil && (len(m.Entries) > 0 || m.Snapshot != nil) && !l.frames.keep() {
		m, err = decode(bytes.Clone(payload))
	}
	return m, p.check(&m, err)
}

// check refuses messages in the name of others: the handshake said who this is
// (T3).
func (p *peer) check(m *raft.Message, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("message of %s: %w", p.id, err)
	case m.From != p.id || m.To != p.t.opts.ID:
		wrong := *m // so that only a wrong message is put on the heap
		return fmt.Errorf("%w: %s sends %s", ErrWrongNode, p.id, wrong)
	}
	return nil
}
