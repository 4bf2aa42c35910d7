package multi

import (
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/raft"
)

// Transport carries one host's envelopes to the others. It may lose, repeat and
// reorder them, but not change them. [NewNetwork] connects hosts in one process;
// [Over] makes a Transport of package raft carry envelopes.
type Transport interface {
	// Start begins to deliver what others send to this host. deliver is safe
	// for concurrent use and never waits; it keeps the envelope's messages.
	Start(deliver func(Envelope)) error
	// Send sends envelopes, each to its To. It must not wait for the network. It
	// may keep the messages, but not the slice of envelopes, and must not change
	// either.
	Send(envelopes []Envelope)
	// Close stops delivering; none is under way when it returns. It may be
	// called twice.
	Close() error
}

// Network connects hosts in one process. Links can be cut, to try out what a
// cluster does then. It is safe for concurrent use.
type Network struct {
	mu    sync.RWMutex
	hosts map[raft.NodeID]func(Envelope)
	cut   map[[2]raft.NodeID]bool
}

// NewNetwork returns a network in which everybody reaches everybody.
func NewNetwork() *Network {
	return &Network{hosts: map[raft.NodeID]func(Envelope){}, cut: map[[2]raft.NodeID]bool{}}
}

// Join returns the transport of a host. A host that is started again joins
// again.
func (n *Network) Join(id raft.NodeID) Transport { return &port{network: n, id: id} }

// Cut stops all traffic between the hosts of one side and those of the other,
// in both directions.
func (n *Network) Cut(side, other []raft.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range side {
		for _, b := range other {
			n.cut[[2]raft.NodeID{a, b}], n.cut[[2]raft.NodeID{b, a}] = true, true
		}
	}
}

// Heal restores all links.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}

type port struct {
	network *Network
	id      raft.NodeID
	started bool // guarded by network.mu
}

func (p *port) Start(deliver func(Envelope)) error {
	n := p.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[p.id] != nil {
		return fmt.Errorf("%w: host %s is on this network already", raft.ErrInvalid, p.id)
	}
	n.hosts[p.id], p.started = deliver, true
	return nil
}

func (p *port) Send(envelopes []Envelope) {
	n := p.network
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, e := range envelopes {
		deliver := n.hosts[e.To]
		if deliver != nil && n.hosts[p.id] != nil && !n.cut[[2]raft.NodeID{p.id, e.To}] {
			deliver(e)
		}
	}
}

func (p *port) Close() error {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	if p.started {
		delete(p.network.hosts, p.id)
		p.started = false
	}
	return nil
}
