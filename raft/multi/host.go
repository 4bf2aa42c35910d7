package multi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// Host is one process's share of many groups, running by itself: a [Core] driven
// by real time, a disk and a network. It is safe for concurrent use.
//
//	Propose --+                       +--> writer  --> Storage.Save (one sync, all groups)
//	Read -----+--> inbox --> loop ----+--> Transport.Send (one envelope a host)
//	envelopes +      ^     Core.Step  +--> workers --> StateMachine.Apply, of one
//	ticks ----+      |     Core.Ready |       |        group at a time each
//	                 +----------------+-------+ synced, applied, snapshot made
type Host struct {
	opts      Options
	core      *Core
	inbox     inbox
	pool      pool
	writer    writer
	memory    bool      // Storage is a MemStorage
	proposals sync.Pool // of *proposal
	counters  counters

	mail   mail // of the present turn
	groups map[GroupID]*group
	readID uint64
	reads  map[uint64]*groupRead // asked of the core
	asked  []*request            // started, not finished
	stored uint64                // the last Ready that is on the disk
	due    time.Time             // of the next tick

	stop       context.CancelFunc
	stopping   <-chan struct{}
	stopped    chan struct{} // the loop has ended
	err        error         // why, valid once stopped is closed
	background sync.WaitGroup
}

// group is the shell around one group's replica.
type group struct {
	id      GroupID
	machine raft.StateMachine
	waiting []*proposal // in the log, by index
	settled uint64      // term of the last committed entry: none of before waits
	reads   []readyRead // waiting for the state machine
	reading *groupRead  // asked in this turn
	cutAt   uint64      // applied at the last cut
	cutting bool
	line    // its work for the state machine: see apply.go
}

// groupRead are reads of a group that share an answer of the core.
type groupRead struct {
	group   *group
	waiters []*reader
}

// readyRead is a read that may be answered once index is applied.
type readyRead struct {
	index   uint64
	waiters []*reader
}

// reader is a caller who waits to read.
type reader struct {
	group GroupID
	done  chan error // holds one
}

// Start runs a host on what its storage holds. It fails with raft.ErrInvalid on
// options that cannot work, and with the error of storage, transport or a state
// machine. The host runs until Close, or until its storage fails; it owns the
// Storage and the Transport, and closes them in any case.
func Start(o Options) (*Host, error) {
	h, err := newHost(o)
	if err != nil {
		if o.Transport != nil {
			err = errors.Join(err, o.Transport.Close())
		}
		if o.Storage != nil {
			err = errors.Join(err, o.Storage.Close())
		}
		return nil, err
	}
	return h, nil
}

func newHost(o Options) (*Host, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	stored, err := opts.Storage.Load()
	if err != nil {
		return nil, fmt.Errorf("raft/multi: load the stored state of %s: %w", opts.ID, err)
	}
	h := &Host{opts: opts, groups: map[GroupID]*group{}, reads: map[uint64]*groupRead{}, stopped: make(chan struct{})}
	// Reads of an earlier life may still be answered: their numbers must not
	// come again.
	h.readID = stored.Life << 40
	h.proposals.New = func() any { return &proposal{done: make(chan answer, 1)} }
	h.inbox.wake = make(chan struct{}, 1)
	_, h.memory = opts.Storage.(*MemStorage)
	h.writer = writer{host: h, wake: make(chan struct{}, 1)}
	h.pool.wake = sync.NewCond(&h.pool.mu)
	h.core, err = NewCore(Config{
		ID: opts.ID, Life: stored.Life, Raft: opts.Raft, RestTicks: opts.RestTicks, NeverRest: opts.NeverRest, Trace: h.trace,
	})
	if err != nil {
		return nil, err
	}
	for _, g := range stored.Removed {
		h.core.Forget(g)
	}
	var lost []birth
	for i := range stored.Groups {
		births, err := h.restore(&stored.Groups[i])
		if err != nil {
			return nil, err
		}
		lost = append(lost, births...)
		stored.Groups[i] = StoredGroup{} // the state machine has it now
	}
	if err := h.redo(lost); err != nil {
		return nil, err
	}
	if err := opts.Transport.Start(h.inbox.deliver); err != nil {
		return nil, fmt.Errorf("raft/multi: start the transport of %s: %w", opts.ID, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop, h.stopping = stop, ctx.Done()
	h.background.Go(h.run)
	h.background.Go(h.writer.run)
	for range opts.Workers {
		h.background.Go(h.work)
	}
	return h, nil
}

// restore brings a stored group and its state machine to life.
func (h *Host) restore(s *StoredGroup) (lost []birth, err error) {
	machine, err := h.opts.StateMachine(s.ID)
	if err != nil {
		return nil, fmt.Errorf("raft/multi: the state machine of %s: %w", s.ID, err)
	}
	if machine == nil {
		return nil, fmt.Errorf("%w: %s is stored on %s, and Options.StateMachine has no state machine for it", raft.ErrCorrupt, s.ID, h.opts.ID)
	}
	var applied uint64
	durable, keeps := machine.(Durable)
	if keeps {
		applied = durable.Applied()
	}
	if snap := s.State.Snapshot; snap != nil && snap.Index > applied {
		if snap.Data != nil {
			if err := machine.Restore(bytes.NewReader(snap.Data)); err != nil {
				return nil, fmt.Errorf("raft/multi: restore the snapshot of %s at %d: %w", s.ID, snap.Index, err)
			}
		}
		applied = snap.Index
		snap.Data = nil
	}
	lost = lostBirths(s, applied)
	if err := h.core.Restore(s.ID, s.State, applied); err != nil {
		return nil, err
	}
	h.adopt(s.ID, machine, max(applied, firstIndex))
	return lost, nil
}

// adopt makes the shell of a group that the core has.
func (h *Host) adopt(g GroupID, machine raft.StateMachine, applied uint64) *group {
	gr := &group{id: g, machine: machine, cutAt: applied}
	gr.applied.Store(applied)
	h.groups[g] = gr
	return gr
}

// Propose asks for command to be appended to a group's log, waits until it is
// applied here, and returns the state machine's result. Command is copied.
//
// ErrNoGroup: this host has none. raft.ErrNotLeader (a *raft.NotLeaderError
// naming the leader's host, if known): nothing was done. raft.ErrDropped: it
// will never be applied. raft.ErrOutcomeUnknown: it may be applied yet, because
// ctx ended, the host stopped or a snapshot jumped over it.
func (h *Host) Propose(ctx context.Context, g GroupID, command []byte) ([]byte, error) {
	return h.propose(ctx, g, encodeCommand(command))
}

func (h *Host) propose(ctx context.Context, g GroupID, data []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := h.proposals.Get().(*proposal)
	p.group, p.command = g, data
	if err := h.inbox.put(func(m *mail) { m.proposals = append(m.proposals, p) }); err != nil {
		return nil, err
	}
	select {
	case a := <-p.done:
		*p = proposal{done: p.done}
		h.proposals.Put(p)
		return a.value, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", raft.ErrOutcomeUnknown, ctx.Err())
	}
}

// Read waits until the group's state machine here reflects every command that
// was committed anywhere before the call: what is read from it afterwards is
// linearizable. A leader with a lease answers without a message, a follower asks
// its leader; without one the error is raft.ErrNotLeader, and a later call may
// succeed.
func (h *Host) Read(ctx context.Context, g GroupID) error {
	r := &reader{g, make(chan error, 1)}
	if err := h.inbox.put(func(m *mail) { m.reads = append(m.reads, r) }); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed when the host has stopped; Err then says why.
func (h *Host) Done() <-chan struct{} { return h.stopped }

// Err returns why the host stopped: raft.ErrStopped after Close, a
// raft.ErrStorage after its disk failed; nil while it runs.
func (h *Host) Err() error {
	select {
	case <-h.stopped:
		return h.err
	default:
		return nil
	}
}

// Close stops the host and waits for its goroutines. Whoever waits gets
// raft.ErrStopped, and raft.ErrOutcomeUnknown where that is so. It may be
// called twice.
func (h *Host) Close() error {
	h.stop()
	h.background.Wait()
	return errors.Join(h.opts.Transport.Close(), h.opts.Storage.Close())
}

func randomSeed() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
