package raft

import (
	"fmt"
	"sync"
)

// Transport carries one node's messages to the others. It may lose, repeat and
// reorder them, but not change them; Raft needs no more. Package raft/tcp has
// one for processes; a [Network] connects nodes inside one.
type Transport interface {
	// Start begins to deliver what others send to this node. deliver is safe
	// for concurrent use and never waits; it keeps the message's entries.
	Start(deliver func(Message)) error
	// Send sends messages, each to its To. It must not wait for the network: a
	// slow peer's messages are dropped. It may keep what the messages point
	// to, but not the slice, and must not change either.
	Send(messages []Message)
	// Close stops delivering; none is under way when it returns. It may be
	// called twice.
	Close() error
}

// SnapshotReporter is a Transport that takes its time over snapshots and tells
// how each one goes. A leader that hears nothing takes a snapshot for lost
// after an election timeout, and sends it anew.
type SnapshotReporter interface {
	// OnSnapshot is called once, before Start. report is called with failed
	// false whenever an InstallSnapshot to a node has come further, and once
	// with true when it is given up. report is safe for concurrent use, never
	// waits, and does not call the transport; see [Core.ReportSnapshot].
	OnSnapshot(report func(to NodeID, failed bool))
}

// Network connects nodes in one process. Links can be cut, to try out what a
// cluster does then. It is safe for concurrent use.
type Network struct {
	mu    sync.RWMutex
	nodes map[NodeID]func(Message)
	cut   map[link]bool
}

type link struct{ from, to NodeID }

// NewNetwork returns a network in which everybody reaches everybody.
func NewNetwork() *Network {
	return &Network{nodes: map[NodeID]func(Message){}, cut: map[link]bool{}}
}

// Join returns the transport of a node. A node that is started again joins
// again.
func (n *Network) Join(id NodeID) Transport { return &port{network: n, id: id} }

// Cut stops all traffic between the nodes of one group and those of the other,
// in both directions.
func (n *Network) Cut(group, other []NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range group {
		for _, b := range other {
			n.cut[link{a, b}], n.cut[link{b, a}] = true, true
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
	id      NodeID
	started bool // guarded by network.mu
}

func (p *port) Start(deliver func(Message)) error {
	n := p.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nodes[p.id] != nil {
		return fmt.Errorf("%w: %s is on this network already", ErrInvalid, p.id)
	}
	n.nodes[p.id], p.started = deliver, true
	return nil
}

func (p *port) Send(messages []Message) {
	n := p.network
	n.mu.RLock()
	defer n.mu.RUnlock()
	for i := range messages {
		to := messages[i].To
		if deliver := n.nodes[to]; deliver != nil && !n.cut[link{p.id, to}] && n.nodes[p.id] != nil {
			deliver(messages[i])
		}
	}
}

func (p *port) Close() error {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	if p.started {
		delete(p.network.nodes, p.id)
		p.started = false
	}
	return nil
}
