package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// A Switch keeps a node's links. It is safe for concurrent use. The order is New, Channel for each, Start, Close.
type Switch struct {
	opts     Options
	id       ID
	own      Hello
	listener net.Listener

	ctx     context.Context // ends with Close
	cancel  context.CancelCauseFunc
	running sync.WaitGroup

	mu       sync.Mutex
	started  bool
	closed   bool
	channels []*channel
	peers    map[ID]*Peer
	kept     map[ID]string // persistent peers and their addresses
	banned   map[ID]time.Time
	pending  []net.Conn // accepted, and in their handshake; the oldest first
}

// New makes a switch, which listens, and accepts from Start on. ErrOptions: something in o cannot work.
func New(o Options) (*Switch, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Switch{
		opts: opts, id: IDOf(opts.Key.Public().(ed25519.PublicKey)), listener: opts.Listener,
		peers: map[ID]*Peer{}, kept: map[ID]string{}, banned: map[ID]time.Time{},
	}
	for _, address := range opts.Persistent {
		if err := s.keep(address); err != nil {
			return nil, err
		}
	}
	if s.listener == nil && opts.Listen != "" {
		if s.listener, err = net.Listen("tcp", opts.Listen); err != nil {
			return nil, fmt.Errorf("p2p: listen: %w", err)
		}
	}
	s.own = Hello{Version: Version, Network: opts.Network, Moniker: opts.Moniker}
	if s.listener != nil {
		s.own.Listen = s.listener.Addr().String()
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// Channel adds a channel, before Start.
func (s *Switch) Channel(o ChannelOptions, h Handler) error {
	opts, err := o.withDefaults()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case h == nil || s.started || len(s.channels) == maxChannels || slices.Contains(s.own.Channels, o.ID):
		return fmt.Errorf("%w: channel %#x comes twice, after Start, without a handler, or is one of more than %d", ErrOptions, o.ID, maxChannels)
	case s.closed:
		return ErrClosed
	}
	s.channels = append(s.channels, &channel{opts, h})
	s.own.Channels = append(s.own.Channels, o.ID)
	return nil
}

// Start begins to accept, and to dial the persistent peers.
func (s *Switch) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.started:
		return fmt.Errorf("%w: the switch is started already", ErrOptions)
	}
	s.started = true
	if s.listener != nil {
		s.running.Go(s.accept)
	}
	for id, address := range s.kept {
		s.running.Go(func() { s.redial(id, address) })
	}
	return nil
}

// ID is this node's name.
func (s *Switch) ID() ID { return s.id }

// Addr is where the switch listens; nil: nowhere.
func (s *Switch) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Address is "id@host:port" for others to dial; "": the switch does not listen.
func (s *Switch) Address() string {
	if s.listener == nil {
		return ""
	}
	return string(s.id) + "@" + s.listener.Addr().String()
}

// Peer is a connected peer; nil: there is no link.
func (s *Switch) Peer(id ID) *Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[id]
}

// Peers are all that are connected, by id.
func (s *Switch) Peers() []*Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Peer, 0, len(s.peers))
	for _, p := range s.peers {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Peer) int {
		if a.link.id < b.link.id {
			return -1
		}
		return 1
	})
	return all
}

// Stop ends a peer's link, for a reason that it is told. A persistent peer is dialed again. It does not wait.
func (s *Switch) Stop(p *Peer, reason error) {
	if !slices.ContainsFunc(reasons[1:], func(target error) bool { return errors.Is(reason, target) }) {
		reason = fmt.Errorf("%w: %w", ErrStopped, reason)
	}
	p.stop(reason)
}

// Ban ends the link with a node, if there is one, and makes none with it for a while.
func (s *Switch) Ban(id ID, d time.Duration, reason error) {
	s.mu.Lock()
	now := time.Now()
	for other, until := range s.banned {
		if now.After(until) {
			delete(s.banned, other)
		}
	}
	s.banned[id] = now.Add(d)
	p := s.peers[id]
	s.mu.Unlock()
	if p != nil {
		p.stop(fmt.Errorf("%w for %v: %w", ErrBanned, d, reason))
	}
}

// Close ends all links, and returns when all handlers have let go of them.
func (s *Switch) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	pending := slices.Clone(s.pending)
	s.mu.Unlock()
	var err error
	if first {
		s.cancel(ErrClosed)
		if s.listener != nil {
			err = s.listener.Close()
		}
		for _, conn := range pending {
			conn.Close()
		}
	}
	s.running.Wait()
	return err
}

// accept takes connections until the switch is closed.
func (s *Switch) accept() {
	for {
		conn, err := s.listener.Accept()
		switch {
		case s.ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return
		case errors.Is(err, net.ErrClosed):
			s.opts.Logger.Error("p2p: the listener was closed: nobody can dial this node any more", "err", err)
			return
		case err != nil: // out of descriptors, say: others may be closed meanwhile
			s.opts.Logger.Error("p2p: cannot accept", "err", err)
			s.sleep(s.opts.MinBackoff)
			continue
		}
		if s.pend(conn) {
			s.running.Go(func() { s.incoming(conn) })
		}
	}
}

// pend notes a connection in its handshake, and pushes out the oldest if there are too many: whoever holds them
// open does not keep others out.
func (s *Switch) pend(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return false
	}
	if len(s.pending) == s.opts.MaxPending {
		s.pending[0].Close()
		s.pending = slices.Delete(s.pending, 0, 1)
	}
	s.pending = append(s.pending, conn)
	return true
}

func (s *Switch) unpend(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.pending, conn); i >= 0 {
		s.pending = slices.Delete(s.pending, i, i+1)
	}
}

// incoming makes a link of an accepted connection, or says why not.
func (s *Switch) incoming(conn net.Conn) {
	g, err := greet(conn, &s.opts, &s.own, "", false)
	s.unpend(conn)
	if err == nil {
		_, err = s.admit(g)
	} else {
		conn.Close()
	}
	if err != nil {
		e := Event{Kind: Refused, Address: conn.RemoteAddr().String(), Err: err}
		if g != nil {
			e.Peer = g.id
		}
		s.tell(e)
	}
}

// admit makes a peer of a greeted node, or tells it why not.
func (s *Switch) admit(g *greeted) (*Peer, error) {
	for {
		p, rival, err := s.place(g)
		if err != nil {
			g.refuse(err)
			return nil, err
		}
		if rival == nil {
			return p, nil
		}
		rival.stop(fmt.Errorf("%w: both sides have dialed, and the other link stays", ErrDuplicate))
		<-rival.done
	}
}

// place adds a peer. A rival is a link that has to end first.
func (s *Switch) place(g *greeted) (p, rival *Peer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.peers[g.id]; old != nil && !s.closed {
		if old.ctx.Err() == nil && (old.link.outbound == g.outbound || !g.wins(s.id)) {
			return nil, nil, fmt.Errorf("%w: to %s at %s", ErrDuplicate, g.id, old.link.address)
		}
		return nil, old, nil
	}
	_, kept := s.kept[g.id]
	switch {
	case s.closed:
		return nil, nil, ErrClosed
	case time.Now().Before(s.banned[g.id]):
		return nil, nil, fmt.Errorf("%w: %s until %v", ErrBanned, g.id, s.banned[g.id].Format(time.TimeOnly))
	case !g.outbound && !kept && s.inbound() >= s.opts.MaxInbound:
		return nil, nil, fmt.Errorf("%w: %d have dialed this node", ErrFull, s.opts.MaxInbound)
	}
	p = newPeer(s, g)
	s.peers[g.id] = p
	s.tell(Event{Kind: Connected, Peer: g.id, Address: g.address, Outbound: g.outbound})
	s.running.Go(func() { s.live(p) })
	return p, nil, nil
}

// live runs a peer and forgets it.
func (s *Switch) live(p *Peer) {
	p.run()
	s.mu.Lock()
	delete(s.peers, p.link.id)
	s.mu.Unlock()
	s.tell(Event{Kind: Disconnected, Peer: p.link.id, Address: p.link.address, Outbound: p.link.outbound, Err: context.Cause(p.ctx)})
	close(p.done)
}

// wins tells which of two links stays when both sides dial at once: that of the lower id. Both sides come to the same.
func (g *greeted) wins(self ID) bool { return g.outbound == (self < g.id) }

func (s *Switch) inbound() int {
	n := 0
	for _, p := range s.peers {
		if _, kept := s.kept[p.link.id]; !p.link.outbound && !kept {
			n++
		}
	}
	return n
}

// tell may be called with s.mu held: OnEvent must not call back.
func (s *Switch) tell(e Event) {
	log := s.opts.Logger.With("peer", e.Peer, "address", e.Address, "outbound", e.Outbound)
	if e.Err != nil {
		log.Warn("p2p: "+e.Kind.String(), "err", e.Err)
	} else {
		log.Info("p2p: " + e.Kind.String())
	}
	s.opts.OnEvent(e)
}
