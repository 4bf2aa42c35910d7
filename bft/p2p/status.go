package p2p

import "time"

// Status is a node's place in the network, for people and for net_info.
type Status struct {
	ID        ID
	Network   string
	Moniker   string
	Listening bool
	Address   string // host:port
	Peers     []PeerStatus
}

// PeerStatus is how a link is.
type PeerStatus struct {
	ID       ID
	Address  string
	Moniker  string
	Listen   string // where it says that it listens
	Outbound bool
	Since    time.Time
	RTT      time.Duration // of the last ping; 0: none has come back
	// Bytes in both directions, with all overhead, and how many writes the sent ones took.
	Sent, Received, Writes uint64
	Channels               []ChannelStatus
}

// ChannelStatus is what waits on a channel.
type ChannelStatus struct {
	ID      byte
	Queued  int // bytes to send
	Inbox   int // bytes to be received by the handler
	Dropped int // messages that did not fit into the inbox
}

// Status is how the links are now.
func (s *Switch) Status() Status {
	st := Status{ID: s.id, Network: s.opts.Network, Moniker: s.opts.Moniker, Listening: s.listener != nil, Address: s.own.Listen}
	for _, p := range s.Peers() {
		st.Peers = append(st.Peers, p.status())
	}
	return st
}

func (p *Peer) status() PeerStatus {
	st := PeerStatus{
		ID: p.link.id, Address: p.link.address, Moniker: p.link.hello.Moniker, Listen: p.link.hello.Listen, Outbound: p.link.outbound,
		Since: p.since, RTT: time.Duration(p.rtt.Load()), Sent: p.sent.Load(), Received: p.got.Load(), Writes: p.writes.Load(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lanes {
		held, dropped := l.inbox.size()
		st.Channels = append(st.Channels, ChannelStatus{ID: l.ID, Queued: l.queued, Inbox: held, Dropped: dropped})
	}
	return st
}
