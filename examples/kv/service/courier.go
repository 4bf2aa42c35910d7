package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// A state on a disk is a name in raft's snapshot, which is of no use elsewhere.
// So the courier stands between the node and its transport, and when the node
// sends a name it sends the state: read from the leader's tree as of now, written
// to the follower's disk as it comes, at no time in the memory of either.
//
//	leader                                             follower
//	node   InstallSnapshot 100, name
//	  |                                                Member.Receive
//	courier --- head: InstallSnapshot 100 ------------>  | a new state on the disk,
//	  |     --- rows of the state, at 117 ------------>  | complete and durable
//	  |                                                  v
//	  |                                                node   InstallSnapshot 100, own name
//	  |<-- AppendEntriesReply 100 ------------------------+-- stored, then answered
//
// The state may be newer than the snapshot that it is sent for. The log goes on
// at 101 then, and the store passes over the commands that it has.
//
// A member in memory receives the same, and has all of it in its snapshot. What
// it sends itself, raft's transport carries.
type courier struct {
	raft.Transport
	m      *Member
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	report func(to raft.NodeID, failed bool)

	mu      sync.Mutex
	deliver func(raft.Message)   // nil: not started, or closed
	under   map[raft.NodeID]bool // way are snapshots to these
	streams sync.WaitGroup
	taking  sync.Mutex // one is received at a time
}

// patience with who takes nothing: a disk that is being written to may be busy for
// a while.
const patience = time.Minute

// errBusy refuses a snapshot while another is being received.
var errBusy = errors.New("kv: another snapshot is being received")

func newCourier(m *Member, t raft.Transport) *courier {
	c := &courier{Transport: t, m: m, report: func(raft.NodeID, bool) {}, under: map[raft.NodeID]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Start implements raft.Transport.
func (c *courier) Start(deliver func(raft.Message)) error {
	c.mu.Lock()
	c.deliver = deliver
	c.mu.Unlock()
	return c.Transport.Start(deliver)
}

// OnSnapshot implements raft.SnapshotReporter.
func (c *courier) OnSnapshot(report func(to raft.NodeID, failed bool)) {
	c.report = report
	if t, ok := c.Transport.(raft.SnapshotReporter); ok {
		t.OnSnapshot(report)
	}
}

// Send implements raft.Transport.
func (c *courier) Send(messages []raft.Message) {
	// The node sends a snapshot by itself.
	if len(messages) == 1 && messages[0].Type == raft.InstallSnapshot {
		if _, ok := nameIn(messages[0].Snapshot.Data); ok {
			c.begin(messages[0])
			return
		}
	}
	c.Transport.Send(messages)
}

// begin streams a snapshot, unless one is on its way to the same member.
func (c *courier) begin(m raft.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deliver == nil || c.under[m.To] {
		return
	}
	c.under[m.To] = true
	c.streams.Go(func() {
		err := c.stream(m)
		c.mu.Lock()
		delete(c.under, m.To)
		c.mu.Unlock()
		if err != nil {
			c.m.opts.Logger.Warn("snapshot not sent", "to", m.To, "index", m.Snapshot.Index, "err", err)
			c.report(m.To, true)
		}
	})
}

func (c *courier) stream(m raft.Message) (err error) {
	if c.m.opts.Peers == nil {
		return fmt.Errorf("%w: there are no peers", ErrNotSent)
	}
	name, _ := nameIn(m.Snapshot.Data)
	state := c.m.machine.Freeze()
	defer state.Close()
	if state.Index() < name.Index {
		return fmt.Errorf("%w: the state is still being installed here", ErrNotSent)
	}
	bare := *m.Snapshot
	bare.Data, m.Snapshot = nil, &bare
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	gaveUp := time.AfterFunc(patience, cancel)
	defer gaveUp.Stop()
	return c.m.opts.Peers.SendSnapshot(ctx, m.To, raft.AppendMessage(nil, &m), progress{state, func() {
		gaveUp.Reset(patience)
		c.report(m.To, false)
	}})
}

// progress writes what another writes, and tells of each piece.
type progress struct {
	io.WriterTo
	tell func()
}

func (p progress) WriteTo(w io.Writer) (int64, error) { return p.WriterTo.WriteTo(&told{w, p.tell}) }

type told struct {
	io.Writer
	tell func()
}

func (w *told) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	w.tell()
	return n, err
}

// Close implements raft.Transport.
func (c *courier) Close() error {
	c.cancel()
	c.mu.Lock()
	c.deliver = nil
	c.mu.Unlock()
	c.streams.Wait()
	err := c.Transport.Close()
	c.taking.Lock() // whoever receives is done
	defer c.taking.Unlock()
	return err
}

// Receive takes a snapshot that another member sends: a message of raft's in
// head, and the state in body. On an error nothing has changed.
func (m *Member) Receive(ctx context.Context, head []byte, body io.Reader) error {
	message, err := raft.DecodeMessage(head)
	if err != nil {
		return fmt.Errorf("kv: receive a snapshot: %w", err)
	}
	s := message.Snapshot
	if message.Type != raft.InstallSnapshot || message.To != m.id || s == nil || m.courier == nil {
		return fmt.Errorf("kv: receive a snapshot: %w: it is a %v for %s", raft.ErrInvalid, message.Type, message.To)
	}
	c := m.courier
	if !c.taking.TryLock() {
		return errBusy
	}
	defer c.taking.Unlock()
	// What comes too late is answered without a look at its data.
	if m.node.Status().Commit < s.Index {
		if s.Data, err = m.machine.receive(&interrupted{c.ctx, ctx, body}); err != nil {
			return fmt.Errorf("kv: receive a snapshot: %w", err)
		}
	}
	c.mu.Lock()
	deliver := c.deliver
	c.mu.Unlock()
	if deliver == nil {
		return ErrStopped
	}
	deliver(message)
	return nil
}

// interrupted reads until one of two ends.
type interrupted struct {
	a, b context.Context
	io.Reader
}

func (r *interrupted) Read(p []byte) (int, error) {
	if err := errors.Join(r.a.Err(), r.b.Err()); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
