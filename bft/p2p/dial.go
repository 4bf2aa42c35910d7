package p2p

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Dial connects to a node, "id@host:port", once. If there is a link to it already, that one is returned.
func (s *Switch) Dial(ctx context.Context, address string) (*Peer, error) {
	id, hostport, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	if p := s.Peer(id); p != nil {
		return p, nil
	}
	s.mu.Lock()
	ready := s.started && !s.closed
	if ready {
		s.running.Add(1)
	}
	s.mu.Unlock()
	if !ready {
		return nil, fmt.Errorf("%w, or not started", ErrClosed)
	}
	defer s.running.Done()
	p, err := s.dial(ctx, id, hostport)
	if errors.Is(err, ErrDuplicate) {
		if p := s.Peer(id); p != nil { // it has dialed us meanwhile
			return p, nil
		}
	}
	return p, err
}

func (s *Switch) dial(ctx context.Context, id ID, hostport string) (*Peer, error) {
	p, err := s.connect(ctx, id, hostport)
	if err != nil {
		err = fmt.Errorf("dial %s at %s: %w", id, hostport, err)
		s.tell(Event{Kind: Refused, Peer: id, Address: hostport, Outbound: true, Err: err})
	}
	return p, err
}

func (s *Switch) connect(ctx context.Context, id ID, hostport string) (*Peer, error) {
	if id == s.id {
		return nil, fmt.Errorf("%w: %s", ErrSelf, id)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.HandshakeTimeout, ErrTimeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	conn, err := s.opts.Dial(ctx, hostport)
	if err != nil {
		return nil, explain(err, "connect")
	}
	release := context.AfterFunc(ctx, func() { conn.Close() })
	g, err := greet(conn, &s.opts, &s.own, id, true)
	if !release() && err == nil {
		err = fmt.Errorf("%w: given up", ErrTimeout)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s.admit(g)
}

// keep notes a persistent peer.
func (s *Switch) keep(address string) error {
	id, hostport, err := ParseAddress(address)
	if err != nil {
		return err
	}
	if id != s.id { // so that all nodes can be given the same list
		s.kept[id] = hostport
	}
	return nil
}

// redial keeps a link to a persistent peer, whoever of the two has dialed. It waits longer after each
// attempt that failed or lasted shortly, and not as long as others do that have lost the same peer.
func (s *Switch) redial(id ID, hostport string) {
	wait := s.opts.MinBackoff
	for s.ctx.Err() == nil {
		p := s.Peer(id)
		if p == nil {
			p, _ = s.dial(s.ctx, id, hostport) // the error was told
		}
		if p != nil {
			began := time.Now()
			select {
			case <-p.done:
			case <-s.ctx.Done():
				return
			}
			if time.Since(began) > s.opts.MaxBackoff {
				wait = s.opts.MinBackoff // it was of some use
			}
		}
		s.sleep(time.Duration(float64(wait) * (1 - s.opts.Random()/2)))
		wait = min(2*wait, s.opts.MaxBackoff)
	}
}

// sleep waits, or until the switch is closed.
func (s *Switch) sleep(d time.Duration) {
	select {
	case <-s.opts.After(d):
	case <-s.ctx.Done():
	}
}
