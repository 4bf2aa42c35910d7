package service

import (
	"context"
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/raft"
)

// Local connects the members of one process, as raft.Network connects their
// nodes. The zero value is ready.
type Local struct {
	mu      sync.RWMutex
	members map[raft.NodeID]*Member
	cut     map[raft.NodeID]bool
}

// Peers returns what a member reaches the others with.
func (l *Local) Peers(id raft.NodeID) Peers { return localPeers{l, id} }

// Join makes a member reachable; nil: it is not any more.
func (l *Local) Join(id raft.NodeID, m *Member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.members == nil {
		l.members, l.cut = map[raft.NodeID]*Member{}, map[raft.NodeID]bool{}
	}
	l.members[id] = m
}

// Cut takes a member off the network, or puts it back.
func (l *Local) Cut(id raft.NodeID, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut[id] = cut
}

type localPeers struct {
	local *Local
	from  raft.NodeID
}

func (p localPeers) Call(ctx context.Context, to raft.NodeID, call string, body []byte) ([]byte, error) {
	p.local.mu.RLock()
	m, cut := p.local.members[to], p.local.cut[to] || p.local.cut[p.from]
	p.local.mu.RUnlock()
	if m == nil || cut {
		return nil, fmt.Errorf("%w: %s", ErrNotSent, to)
	}
	b, err := m.Serve(ctx, call, body)
	if err != nil {
		return nil, DecodeError(EncodeError(err)) // as between processes
	}
	return b, nil
}

func (localPeers) Update(map[raft.NodeID][]string) {}
