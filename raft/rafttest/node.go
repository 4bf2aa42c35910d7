package rafttest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/raft"
)

// node is a core in the hands of the kit, which plays its shell: it owns the
// disk, so that a crash loses exactly what was never synced.
//
//	Ready --> Messages ------------------------------> out, wire
//	      \-> pending --sync()--> disk, then AfterSync > out, wire
//	                    crash() forgets pending
type node struct {
	w    *world
	id   raft.NodeID
	core Core
	up   bool

	joins   bool         // started without voters
	slow    bool         // writes wait for sync; else the disk is at once done
	disk    raft.State   // what a crash leaves
	pending []raft.Ready // under way to the disk, in order

	out     []raft.Message // all it sent since the last take
	reads   []raft.Read
	applied []raft.Entry // handed to the state machine since the start
	state   []string     // the state machine: the commands, in order
	rash    []raft.Entry // applied while a crash could still take them
}

// restart starts the node on what its disk holds. The state machine has no
// memory of its own: it begins with the snapshot.
func (n *node) restart() {
	st := raft.State{HardState: n.disk.HardState, Entries: slices.Clone(n.disk.Entries)}
	if s := n.disk.Snapshot; s != nil {
		st.Snapshot = new(raft.Snapshot)
		*st.Snapshot = *s
	}
	cfg := n.w.config
	cfg.ID = n.id
	cfg.Voters = slices.Clone(cfg.Voters)
	if n.joins {
		cfg.Voters = nil
	}
	core, err := n.w.impl.NewCore(cfg, st)
	n.w.check(err == nil, "%s does not start on what its disk holds: %v", n.id, err)
	n.core, n.up = core, true
	n.pending, n.out, n.reads, n.applied, n.rash = nil, nil, nil, nil, nil
	n.state = nil
	if st.Snapshot != nil {
		n.state = decode(st.Snapshot.Data)
	}
	n.pump()
}

// crash stops the node; what was not synced is gone.
func (n *node) crash() {
	n.up, n.core, n.pending = false, nil, nil
}

func (n *node) status() raft.Status { return n.core.Status() }

// tick passes time, for this node alone.
func (n *node) tick(ticks int) {
	for range ticks {
		if n.up {
			n.core.Tick()
			n.pump()
		}
	}
}

// step gives the node a message, whatever it then does.
func (n *node) step(m raft.Message) error {
	m.To = n.id
	m.Entries = slices.Clone(m.Entries)
	err := n.core.Step(m)
	n.pump()
	return err
}

// propose gives a leader commands, and fails if it refuses.
func (n *node) propose(commands ...string) {
	var data [][]byte
	for _, c := range commands {
		data = append(data, []byte(c))
	}
	_, _, err := n.core.Propose(data...)
	n.w.check(err == nil, "%s leads term %d and refuses a proposal: %v", n.id, n.status().Term, err)
	n.pump()
}

// pump plays the shell until the core has nothing more to ask.
func (n *node) pump() {
	for range 1000 {
		if !n.core.HasReady() {
			return
		}
		rd := n.core.Ready()
		rd.Messages, rd.AfterSync = slices.Clone(rd.Messages), slices.Clone(rd.AfterSync)
		n.reads = append(n.reads, rd.Reads...)
		n.send(rd.Messages)
		rd.Messages = nil
		if !rd.MustSync {
			// No wait is asked for, so the state machine does not wait either.
			n.apply(rd.Committed)
			rd.Committed = nil
		}
		n.pending = append(n.pending, rd)
		if !n.slow || !rd.MustSync && len(n.pending) == 1 {
			n.drain()
		}
	}
	n.w.failf("%s still HasReady after 1000 Readys", n.id)
}

// sync lets the disk finish all writes under way, and those that a core asks
// for only then, because it has no more than one under way.
func (n *node) sync() {
	for range 1000 {
		n.drain()
		n.pump()
		if len(n.pending) == 0 {
			return
		}
	}
	n.w.failf("%s writes without end", n.id)
}

func (n *node) drain() {
	for len(n.pending) > 0 {
		n.syncOne()
	}
}

// syncOne lets the disk finish the oldest write.
func (n *node) syncOne() {
	rd := n.pending[0]
	n.pending = n.pending[1:]
	if rd.MustSync {
		n.store(rd)
	}
	n.send(rd.AfterSync)
	if rd.Seq != 0 {
		n.core.Synced(rd.Seq)
	}
	if rd.Snapshot != nil {
		n.state = decode(rd.Snapshot.Data)
	}
	n.apply(rd.Committed)
}

// store makes a Ready durable. A Ready that did not ask for a sync leaves
// nothing behind: the worst that a crash may do.
func (n *node) store(rd raft.Ready) {
	d := &n.disk
	if s := rd.Snapshot; s != nil {
		if e := n.stored(s.Index); e == nil || e.Term != s.Term {
			d.Entries = nil
		}
		d.Snapshot = s
	}
	if len(rd.Entries) > 0 {
		first := uint64(1)
		if len(d.Entries) > 0 {
			first = d.Entries[0].Index
		} else if d.Snapshot != nil {
			first = d.Snapshot.Index + 1
		}
		keep := rd.Entries[0].Index - first
		n.w.check(rd.Entries[0].Index >= first && keep <= uint64(len(d.Entries)),
			"%s stores entries from %d on, but its disk holds %d..%d", n.id, rd.Entries[0].Index, first, first+uint64(len(d.Entries))-1)
		d.Entries = append(slices.Clone(d.Entries[:keep]), rd.Entries...)
	}
	d.HardState = rd.HardState
}

// stored returns the entry that the disk holds at index, nil if none.
func (n *node) stored(index uint64) *raft.Entry {
	for i := range n.disk.Entries {
		if n.disk.Entries[i].Index == index {
			return &n.disk.Entries[i]
		}
	}
	return nil
}

func (n *node) send(messages []raft.Message) {
	for _, m := range messages {
		if m.Type == raft.InstallSnapshot && m.Snapshot != nil {
			// The shell attaches the state.
			held := n.disk.Snapshot
			n.w.check(held != nil, "%s sends a snapshot of index %d, but was never given one", n.id, m.Snapshot.Index)
			s := *held
			m.Snapshot = &s
		}
		n.out = append(n.out, m)
		if n.w.nodes[m.To] != nil {
			n.w.wire = append(n.w.wire, m)
		}
	}
}

// apply is the state machine.
func (n *node) apply(entries []raft.Entry) {
	for _, e := range entries {
		if held := n.stored(e.Index); held == nil || held.Term != e.Term {
			n.rash = append(n.rash, e)
		}
		if e.Type == raft.EntryCommand {
			n.state = append(n.state, string(e.Data))
		}
	}
	n.applied = append(n.applied, entries...)
	if k := len(entries); k > 0 {
		n.core.Applied(entries[k-1].Index)
	}
}

// compact makes a snapshot of the state machine, stores it, and lets the core
// forget entries up to upTo.
func (n *node) compact(upTo uint64) {
	index := n.status().Applied
	e := n.stored(index)
	n.w.check(e != nil, "%s has applied %d, which its disk does not hold", n.id, index)
	s := raft.Snapshot{
		Index: index, Term: e.Term, Data: encode(n.state),
		Membership: raft.Membership{Voters: slices.Clone(n.w.config.Voters)},
	}
	if n.w.rule.uses("Membership") {
		s.Membership = as[MembershipCore](n).MembershipAt(index)
	}
	stored := s
	n.disk.Snapshot = &stored
	err := n.core.Compact(s, upTo)
	n.w.check(err == nil, "%s, which has applied %d, refuses to compact to %d: %v", n.id, index, upTo, err)
	n.disk.Entries = slices.DeleteFunc(slices.Clone(n.disk.Entries), func(e raft.Entry) bool { return e.Index <= upTo })
	n.pump()
}

func encode(state []string) []byte { return []byte(strings.Join(state, "\n")) }

func decode(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(string(bytes.Clone(data)), "\n")
}
