package rafttest

import (
	"errors"
	"slices"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
)

// simNode is the shell of a core in the simulator: one life of a node. It does
// what [raft.Node] does, but on one goroutine and in virtual time.
type simNode struct {
	s       *simulation
	p       *sim.Process
	id      raft.NodeID
	core    Core
	disk    simDisk
	state   simState
	onTick  func()
	onSync  func()
	waiting map[uint64]simWaiter  // proposed here, by index
	asked   map[uint64]simRequest // reads given to the core
	decided []simRead             // reads that wait for the state machine
	readID  uint64
	fresh   uint64 // the read that the present message asked for
	// snapshotAt is the index of the last snapshot.
	snapshotAt uint64

	due time.Duration // of the next tick
}

// simWaiter is a client who waits for what it proposed.
type simWaiter struct {
	term   uint64
	client sim.ID
}

type simRead struct {
	index   uint64
	request simRequest
}

const (
	tickLength = 100 * time.Millisecond
	// restartDelay is how long the supervisor of a node waits before it starts
	// a node again that stopped by itself.
	restartDelay = time.Second
)

// boot starts a life.
func (s *simulation) boot(p *sim.Process) sim.Handler {
	h := s.host(raft.NodeID(p.ID()))
	h.node, h.life = nil, p.Life()
	switch {
	case h.gone:
		return nil
	case !h.joined:
		return sim.HandlerFunc(func(sim.ID, any) {})
	case h.started:
		s.stats.Crashes++
	}
	h.started = true
	n := &simNode{
		s: s, p: p, id: raft.NodeID(p.ID()), state: newSimState(),
		waiting: map[uint64]simWaiter{}, asked: map[uint64]simRequest{},
		// A read of an earlier life may still be answered: its number must
		// not come again.
		readID: uint64(p.Life()) << 32,
	}
	st, err := n.disk.open(n)
	if err != nil {
		n.die(err)
		return nil
	}
	if err := h.promise.kept(st); err != nil {
		s.failWith(err)
		return nil
	}
	h.promise.loaded(st)
	if !n.start(st) {
		return nil
	}
	h.node = n
	n.onTick, n.onSync = n.tick, n.sync
	first := time.Duration(p.Rand().IntN(100_000)) * time.Microsecond // ticks are not in step
	n.due = p.Now() + first
	p.After(first, n.onTick)
	n.drain()
	return n
}

// start makes the core and the state machine from what the disk held.
func (n *simNode) start(st raft.State) bool {
	s := n.s
	if st.Snapshot != nil && !n.restore(st.Snapshot) {
		return false
	}
	cfg := raft.Config{
		ID: n.id, Seed: s.seed<<16 + uint64(n.p.Life()), Trace: n.trace,
		NoPreVote: s.opts.NoPreVote, NoCheckQuorum: s.opts.NoCheckQuorum, Lease: max(0, s.opts.Lease),
	}
	if slices.Contains(s.first, n.id) { // who joins is told nothing, and learns
		cfg.Voters = slices.Clone(s.first)
	}
	if s.seed%3 == 0 { // small messages and windows, so that their limits are met
		cfg.MaxMessageBytes, cfg.MaxInflight, cfg.MaxApplyBytes = 400, 2, 600
	}
	core, err := s.opts.NewCore(cfg, st)
	if err != nil {
		s.fail("restart", "Figure 2", "%s does not start on what its disk holds: %v", n.id, err)
		return false
	}
	n.core = core
	if _, ok := core.(MembershipCore); !ok {
		s.rigid = true
	}
	s.failWith(s.checker.Started(n.id, st))
	return true
}

// trace counts what the core tells, and passes it on.
func (n *simNode) trace(e raft.Event) {
	switch {
	case e.Kind == raft.EventRole && e.Role == raft.Leader:
		n.s.stats.Elections++
	case e.Kind == raft.EventSnapshotTaken:
		n.s.stats.SnapshotsInstalled++
	case e.Kind == raft.EventTransfer:
		n.s.stats.Transfers++
	}
	if n.s.loud {
		n.p.Note("raft", e)
	}
}

// die stops the node on an error of its disk. A supervisor starts it again,
// unless it has found that its disk has lost what it once held: then nothing
// that it says can be trusted any more.
func (n *simNode) die(err error) {
	n.p.Exit(err.Error())
	switch {
	case errors.Is(err, vfs.ErrPowerCut):
		return // it is the world that stops the node, and starts it again
	case errors.Is(err, vfs.ErrIO) || errors.Is(err, vfs.ErrNoSpace):
	case n.s.host(n.id).rotten:
		n.s.bury(n.id)
		n.s.stats.Corruptions++
		return
	default:
		n.s.fail("disk-sound", "raft/disk", "%s stops on an error that its disk did not make: %v", n.id, err)
	}
	n.s.stats.DiskFailures++
	n.s.supervise(n.p)
}

// supervise starts a node again when the life p has ended. A stall of the disk
// may keep it from ending for a while.
func (s *simulation) supervise(p *sim.Process) {
	w := s.world
	w.At(w.Now()+restartDelay, func() {
		switch {
		case s.host(raft.NodeID(p.ID())).life != p.Life():
			// Somebody else has started it.
		case w.Running(p.ID()):
			s.supervise(p)
		default:
			w.Restart(p.ID())
		}
	})
}

func (n *simNode) tick() {
	n.passTime()
	n.drain()
	n.p.After(n.due-n.p.Now(), n.onTick)
}

// Receive takes a message of a node or a client.
func (n *simNode) Receive(_ sim.ID, payload any) {
	n.passTime()
	switch m := payload.(type) {
	case raft.Message:
		if err := n.core.Step(m); err != nil {
			n.s.fail("refused", "§5", "%s refuses a message: %v", n.id, err)
			return
		}
	case simRequest:
		n.request(m)
	case simWish:
		n.grant(m)
	}
	n.drain()
}

// passTime gives the core the ticks that are due, as raft.Node does: all of
// them, before anything else, and after a longer standstill one, with the lease
// given up.
func (n *simNode) passTime() {
	now := n.p.Now()
	if now-n.due > 2*tickLength {
		if c, ok := n.core.(LeaseCore); ok && n.s.opts.Lease > 0 {
			n.s.stats.LeasesDropped++
			c.DropLease()
		}
		n.due = now
	}
	for n.due <= now {
		n.core.Tick()
		n.due += tickLength
	}
}

// request takes an operation of a client.
func (n *simNode) request(r simRequest) {
	if r.kind == simGet {
		n.readID++
		if err := n.core.ReadIndex(n.readID); err != nil {
			n.refuse(r.client, r.seq, err)
			return
		}
		n.asked[n.readID] = r
		n.fresh = n.readID
		return
	}
	index, term, err := n.core.Propose(r.simCommand.encode(n.s.opts.ValueBytes))
	if err != nil {
		n.refuse(r.client, r.seq, err)
		return
	}
	n.waiting[index] = simWaiter{term, r.client}
}

// refuse tells a client that nothing was done.
func (n *simNode) refuse(client sim.ID, seq uint64, err error) {
	var to *raft.NotLeaderError
	reply := simReply{seq: seq}
	switch {
	case errors.As(err, &to):
		reply.leader = to.Leader
	case errors.Is(err, raft.ErrPending): // leadership is being given away
	default:
		n.s.fail("refused", "§5", "%s refuses an operation: %v", n.id, err)
	}
	n.p.Send(client, reply)
}

// drain does what the core asks for until it asks for nothing.
func (n *simNode) drain() {
	idle := true
	for n.core.HasReady() && !n.s.failed() {
		idle = false
		rd := n.core.Ready()
		n.s.failWith(n.s.checker.Observe(n.core.Status(), &rd))
		n.send(rd.Messages)
		if err := n.disk.take(&rd); err != nil {
			n.die(err)
			return
		}
	}
	if idle {
		n.s.failWith(n.s.checker.Observe(n.core.Status(), nil))
	}
	n.releaseReads()
	n.fresh = 0
	if n.state.applied-n.snapshotAt >= n.s.opts.SnapshotEvery {
		if err := n.snapshot(); err != nil {
			n.die(err)
		}
	}
}

// sync ends the writes that were left to gather.
func (n *simNode) sync() {
	if err := n.disk.sync(); err != nil {
		n.die(err)
		return
	}
	n.drain()
}

// send puts messages on the network. A snapshot's data comes from the disk.
func (n *simNode) send(messages []raft.Message) {
	for _, m := range messages {
		if m.Type == raft.InstallSnapshot {
			snapshot, err := n.disk.storage.Snapshot()
			if err != nil || snapshot == nil {
				continue // it will be sent again; a rotten one is found at the next boot
			}
			m.Snapshot = snapshot
		}
		n.s.stats.Messages++
		n.p.Send(sim.ID(m.To), m)
	}
}
