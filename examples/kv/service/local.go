package service

import (
	"context"
	"fmt"
	"io"
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

// reach returns a member that can be reached.
func (p localPeers) reach(to raft.NodeID) (*Member, error) {
	p.local.mu.RLock()
	defer p.local.mu.RUnlock()
	m := p.local.members[to]
	if m == nil || p.local.cut[to] || p.local.cut[p.from] {
		return nil, fmt.Errorf("%w: %s", ErrNotSent, to)
	}
	return m, nil
}

func (p localPeers) Call(ctx context.Context, to raft.NodeID, call string, body []byte) ([]byte, error) {
	m, err := p.reach(to)
	if err != nil {
		return nil, err
	}
	b, err := m.Serve(ctx, call, body)
	if err != nil {
		return nil, DecodeError(EncodeError(err)) // as between processes
	}
	return b, nil
}

func (p localPeers) SendSnapshot(ctx context.Context, to raft.NodeID, head []byte, body io.WriterTo) error {
	m, err := p.reach(to)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	ended := context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	defer ended()
	var writing sync.WaitGroup
	writing.Go(func() {
		_, err := body.WriteTo(&wire{w, p, to})
		w.CloseWithError(err)
	})
	err = m.Receive(ctx, head, r)
	r.Close()
	writing.Wait()
	return err
}

// wire is cut when the network is.
type wire struct {
	io.Writer
	peers localPeers
	to    raft.NodeID
}

func (w *wire) Write(b []byte) (int, error) {
	if _, err := w.peers.reach(w.to); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}

func (localPeers) Update(map[raft.NodeID][]string) {}
