package tcp

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// Transport is a [raft.Transport] over TCP. It is safe for concurrent use.
type Transport struct {
	opts     Options
	listener net.Listener
	instance uint64 // of this process
	counters counters
	refused  throttle

	deliver func(raft.Message)
	report  func(to raft.NodeID, failed bool)

	ctx     context.Context // ends with Close
	close   context.CancelCauseFunc
	running sync.WaitGroup

	mu      sync.RWMutex
	started bool
	closed  bool
	peers   map[raft.NodeID]*peer
	// pending are accepted and have not introduced themselves, oldest first.
	pending  []*link
	arrivals uint64 // connections accepted
}

var (
	_ raft.Transport        = (*Transport)(nil)
	_ raft.SnapshotReporter = (*Transport)(nil)
)

// Listen takes the address and returns a transport that is ready for
// [raft.Start], which starts it; nothing is accepted or dialed before. It fails
// with raft.ErrInvalid on options that cannot work, and with the error of the
// listener.
func Listen(o Options) (*Transport, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	listener := opts.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", opts.Address); err != nil {
			return nil, fmt.Errorf("raft/tcp: listen for %s: %w", opts.ID, err)
		}
	}
	t := &Transport{
		opts: opts, listener: listener, instance: rand.Uint64() | 1, peers: map[raft.NodeID]*peer{},
		report: func(raft.NodeID, bool) {},
	}
	t.ctx, t.close = context.WithCancelCause(context.Background())
	for id, address := range opts.Peers {
		if err := t.SetPeer(id, address); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// OnSnapshot implements raft.SnapshotReporter.
func (t *Transport) OnSnapshot(report func(to raft.NodeID, failed bool)) { t.report = report }

// Start implements raft.Transport: it begins to accept and to dial.
func (t *Transport) Start(deliver func(raft.Message)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrClosed
	case t.started:
		return fmt.Errorf("%w: the transport of %s is started already", raft.ErrInvalid, t.opts.ID)
	}
	t.started, t.deliver = true, deliver
	t.running.Go(t.accept)
	for _, p := range t.peers {
		p.start()
	}
	return nil
}

// Send implements raft.Transport. What cannot be sent is dropped and counted:
// see the package comment on when, and why Raft does not mind.
func (t *Transport) Send(messages []raft.Message) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for i := range messages {
		m := &messages[i]
		p := t.peers[m.To]
		snapshot := m.Type == raft.InstallSnapshot && m.Snapshot != nil
		switch {
		case p == nil || !t.started:
			t.counters.dropped.Add(1)
			if snapshot {
				t.report(m.To, true)
			}
		case snapshot:
			p.snapshots.offer(m)
		case !p.queue.push(m, t.opts.QueueBytes):
			t.counters.dropped.Add(1)
		}
	}
}

// SetPeer adds a peer, or changes the address of one. A node talks to peers
// only, in both directions: before a node joins the cluster the others must be
// told where it is. SetPeer of the own ID does nothing. It fails with
// raft.ErrInvalid for ID 0 and an empty address, and with ErrClosed.
func (t *Transport) SetPeer(id raft.NodeID, address string) error {
	if err := checkPeer(id, address); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[id]
	switch {
	case t.closed:
		return ErrClosed
	case id == t.opts.ID:
	case p != nil:
		p.moveTo(address)
	default:
		p = newPeer(t, id, address)
		t.peers[id] = p
		if t.started {
			p.start()
		}
	}
	return nil
}

// RemovePeer ends all connections with a peer and drops what waits for it.
func (t *Transport) RemovePeer(id raft.NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.peers[id]; p != nil {
		p.stop(ErrRemoved)
		delete(t.peers, id)
	}
}

// Addr returns the address that is listened on.
func (t *Transport) Addr() net.Addr { return t.listener.Addr() }

// Close implements raft.Transport. It ends all connections, without sending
// what waits, and returns when the transport's goroutines have (T8).
func (t *Transport) Close() error {
	t.mu.Lock()
	var err error
	if !t.closed {
		t.closed = true
		err = t.listener.Close()
		t.close(ErrClosed)
		for _, p := range t.peers {
			p.stop(ErrClosed)
		}
	}
	t.mu.Unlock()
	t.running.Wait()
	return err
}

// peer returns a peer, nil when id is none.
func (t *Transport) peer(id raft.NodeID) *peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.peers[id]
}

// Peers returns how the connections to the peers are, by ID.
func (t *Transport) Peers() []PeerStatus {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []PeerStatus
	for _, p := range t.peers {
		all = append(all, p.status())
	}
	slices.SortFunc(all, func(a, b PeerStatus) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// wait waits for d, or until wake or ctx; only ctx makes it return false.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// backoff is how long to wait before the next attempt.
type backoff struct{ last, max time.Duration }

const firstBackoff = 25 * time.Millisecond

// next doubles the wait, and draws from its upper half: nodes that lost the
// same peer at the same moment must not come back at the same moment.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstBackoff), b.max)
	return b.last/2 + rand.N(b.last/2+1)
}

func (b *backoff) reset() { b.last = 0 }
