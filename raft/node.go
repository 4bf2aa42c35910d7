package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Node is a member of a cluster that runs by itself: a [Core] driven by real
// time, a disk and a network. It is safe for concurrent use.
//
//	Propose --+                       +--> writer  --> Storage.Save (one fsync for all)
//	Read -----+--> inbox --> loop ----+--> Transport.Send
//	messages -+      ^     Core.Step  +--> applier --> StateMachine.Apply
//	ticks ----+      |     Core.Ready |       |
//	                 +----------------+-------+ synced, snapshot taken
//
// One goroutine, the loop, owns the core; everything it does for one turn
// starts with one look into the inbox. The disk and the state machine have one
// each, so that neither delays a heartbeat.
type Node struct {
	opts      Options
	core      *Core
	inbox     inbox
	applier   applier
	writer    writer
	memory    bool      // Storage is a MemStorage
	proposals sync.Pool // of *proposal, for Propose
	counters  counters
	statusMu  sync.Mutex
	status    Status

	mail    mail        // of the present turn
	waiting []*proposal // in the log, by index
	settled uint64      // term of the last committed entry: none of before waits
	readID  uint64
	reads   map[uint64][]*waiter // asked of the core
	ready   []readyRead          // waiting for the state machine
	asked   []*request           // started, not finished
	due     time.Time            // of the next tick

	stop       context.CancelFunc
	stopping   <-chan struct{}
	stopped    chan struct{} // the loop has ended
	err        error         // why, valid once stopped is closed
	background sync.WaitGroup
}

// readyRead is a read that may be answered once index is applied.
type readyRead struct {
	index   uint64
	waiters []*waiter
}

// Start runs a node on what its storage holds. It fails with ErrInvalid on
// options that cannot work, and with the storage's or transport's error. The
// node runs until Close, or until its storage fails; it then owns the Storage
// and Transport, and closes them in any case.
func Start(o Options) (*Node, error) {
	n, err := newNode(o)
	if err != nil {
		if o.Transport != nil {
			err = errors.Join(err, o.Transport.Close())
		}
		if o.Storage != nil {
			err = errors.Join(err, o.Storage.Close())
		}
		return nil, err
	}
	return n, nil
}

func newNode(o Options) (*Node, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	st, err := opts.Storage.Load()
	if err != nil {
		return nil, fmt.Errorf("raft: load the stored state of %s: %w", opts.ID, err)
	}
	n := &Node{opts: opts, stopped: make(chan struct{}), reads: map[uint64][]*waiter{}}
	// Reads of an earlier life may still be answered: their numbers must not
	// come again.
	n.readID = mix(opts.Seed ^ uint64(time.Now().UnixNano()))
	n.proposals.New = func() any { return &proposal{waiter: waiter{make(chan answer, 1)}} }
	n.inbox.wake = make(chan struct{}, 1)
	_, n.memory = opts.Storage.(*MemStorage)
	n.writer = writer{node: n, wake: make(chan struct{}, 1)}
	n.applier = applier{node: n, wake: make(chan struct{}, 1), applied: opts.Applied, sessions: sessions{max: opts.MaxSessions}}
	if s := st.Snapshot; s != nil && s.Index > opts.Applied {
		if err := n.applier.restore(s); err != nil {
			return nil, err
		}
	}
	n.applier.done.Store(n.applier.applied)
	cfg := opts.Config
	cfg.Trace = n.traced(opts.Trace)
	if n.core, err = NewCore(cfg, st); err != nil {
		return nil, err
	}
	// Of the entries up to here the state machine will not be told again.
	n.applier.membership = n.core.MembershipAt(n.applier.applied)
	n.publish()
	if t, ok := opts.Transport.(SnapshotReporter); ok {
		t.OnSnapshot(n.reportSnapshot)
	}
	if err := opts.Transport.Start(n.inbox.deliver); err != nil {
		return nil, fmt.Errorf("raft: start the transport of %s: %w", opts.ID, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop, n.stopping = stop, ctx.Done()
	n.background.Go(n.run)
	n.background.Go(n.applier.run)
	n.background.Go(n.writer.run)
	return n, nil
}

// Propose asks for command to be appended to the log, waits until it is
// applied here, and returns the state machine's result. It keeps command,
// which must not be changed afterwards.
//
// ErrNotLeader (a *NotLeaderError naming the leader, if known): nothing was
// done. ErrDropped: it will never be applied. ErrOutcomeUnknown: it may be
// applied yet, because ctx ended, the node stopped or a snapshot jumped over
// it; a command proposed again may then run twice.
func (n *Node) Propose(ctx context.Context, command []byte) ([]byte, error) {
	return n.propose(ctx, EntryCommand, command)
}

func (n *Node) propose(ctx context.Context, kind EntryType, data []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := n.proposals.Get().(*proposal)
	p.kind, p.command = kind, data
	if err := n.inbox.put(func(m *mail) { m.proposals = append(m.proposals, p) }); err != nil {
		return nil, err
	}
	select {
	case a := <-p.done:
		*p = proposal{waiter: p.waiter}
		n.proposals.Put(p)
		return a.value, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, ctx.Err())
	}
}

// Read waits until the state machine of this node reflects every command that
// was committed anywhere before the call: what is read from it afterwards is
// linearizable. A follower asks its leader; without one the error is
// ErrNotLeader, and a later call may succeed. It writes nothing to the log, and
// concurrent reads share one round of messages.
func (n *Node) Read(ctx context.Context) error {
	w := &waiter{make(chan answer, 1)}
	if err := n.inbox.put(func(m *mail) { m.reads = append(m.reads, w) }); err != nil {
		return err
	}
	select {
	case a := <-w.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Status returns the node's state as of the last turn of its loop; Applied is
// what the state machine has applied by now.
func (n *Node) Status() Status {
	n.statusMu.Lock()
	st := n.status
	n.statusMu.Unlock()
	st.Applied = max(st.Applied, min(n.applier.done.Load(), st.Commit))
	return st
}

// Done is closed when the node has stopped; Err then says why.
func (n *Node) Done() <-chan struct{} { return n.stopped }

// Err returns why the node stopped: ErrStopped after Close, an ErrStorage
// after its disk failed; nil while it runs.
func (n *Node) Err() error {
	select {
	case <-n.stopped:
		return n.err
	default:
		return nil
	}
}

// Close stops the node and waits for its goroutines. Whoever waits gets
// ErrStopped, and ErrOutcomeUnknown where that is so. It may be called twice.
func (n *Node) Close() error {
	n.stop()
	n.background.Wait()
	return errors.Join(n.opts.Transport.Close(), n.opts.Storage.Close())
}
