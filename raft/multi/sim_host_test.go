package multi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
)

// simHost is the shell of a core in the simulator: one life of a host. It does
// what Host does, with a real Disk on a disk that fails, on one goroutine and in
// virtual time.
type simHost struct {
	s      *simulation
	p      *sim.Process
	id     raft.NodeID
	core   *Core
	disk   *Disk
	groups map[GroupID]*simGroup
	reads  map[uint64]simRead
	readID uint64
	jobs   []job
	busy   bool // the disk will answer
	due    time.Duration
}

// simGroup is one group's state machine: the set of the numbers that were
// written.
type simGroup struct {
	set     map[uint64]bool
	applied uint64
	cutAt   uint64
	waiting map[uint64]simWrite // by index
	queue   []Committed         // committed, and not applied yet
	slow    bool                // the queue has a timer
	ready   []simRead
}

type simWrite struct {
	term, number uint64
}

type simRead struct {
	group GroupID
	index uint64
	floor uint64 // what was acknowledged when the read began
}

const simTick = 100 * time.Millisecond

// boot starts a life.
func (s *simulation) boot(p *sim.Process) sim.Handler {
	id := raft.NodeID(p.ID())
	s.hosts[id], s.lives[p.ID()] = nil, p.Life()
	h := &simHost{s: s, p: p, id: id, groups: map[GroupID]*simGroup{}, reads: map[uint64]simRead{}, readID: uint64(p.Life()) << 32}
	var err error
	h.disk, err = OpenDisk("d", DiskOptions{Node: id, FS: p.Disk(), SegmentSize: 4 << 10, MaxSegments: 3})
	if err != nil {
		return h.die(err)
	}
	stored, err := h.disk.Load()
	if err != nil {
		return h.die(err)
	}
	h.core, err = NewCore(Config{ID: id, Life: stored.Life, Raft: raft.Config{Seed: s.seed + uint64(p.Life()), Lease: s.lease}, Trace: h.trace})
	if err != nil {
		s.fail("M2", "%s does not start: %v", id, err)
		return nil
	}
	h.core.spy = s.observe
	for _, g := range stored.Removed {
		h.core.Forget(g)
	}
	for _, g := range stored.Groups {
		st := g.State
		gr := h.adopt(g.ID, 0)
		if st.Snapshot != nil {
			gr.restore(st.Snapshot.Data)
			gr.applied, gr.cutAt = st.Snapshot.Index, st.Snapshot.Index
			st.Snapshot.Data = nil
		}
		s.check(s.checker(g.ID).Started(id, st))
		if err := h.core.Restore(g.ID, st, 0); err != nil {
			s.fail("M2", "%s does not start on what its disk holds: %v", id, err)
			return nil
		}
	}
	s.kept(h, stored)
	s.hosts[id] = h
	first := time.Duration(p.Rand().IntN(int(simTick)))
	h.due = p.Now() + first
	p.After(first, h.tick)
	if p.Life() == 1 {
		for g := GroupID(1); g <= simGroups; g++ {
			if slices.Contains(s.first, id) {
				h.create(g)
			}
		}
	}
	h.drain()
	return h
}

func (h *simHost) create(g GroupID) {
	if err := h.core.Create(g, raft.Membership{Voters: h.s.first}, []byte{}); err != nil {
		h.s.fail("M7", "%s cannot create %s: %v", h.id, g, err)
		return
	}
	h.begun(g)
}

// begun tells the checker of a group that was made.
func (h *simHost) begun(g GroupID) {
	m, _ := h.core.Membership(g)
	h.s.check(h.s.checker(g).Started(h.id, raft.State{HardState: raft.HardState{Commit: firstIndex}, Snapshot: &raft.Snapshot{Index: firstIndex, Membership: m}}))
	if h.groups[g] == nil {
		h.adopt(g, firstIndex)
	}
}

func (h *simHost) adopt(g GroupID, applied uint64) *simGroup {
	gr := &simGroup{set: map[uint64]bool{}, applied: applied, cutAt: applied, waiting: map[uint64]simWrite{}}
	h.groups[g] = gr
	return gr
}

// die ends a life on an error of the disk; a supervisor starts the next.
func (h *simHost) die(err error) sim.Handler {
	h.s.hosts[h.id] = nil
	h.p.Exit(err.Error())
	if !errors.Is(err, vfs.ErrPowerCut) && !errors.Is(err, vfs.ErrIO) {
		h.s.fail("M2", "%s stops on an error that its disk did not make: %v", h.id, err)
	}
	h.s.supervise(h.p)
	return nil
}

// supervise starts a host again whose life p has ended. A stall of the disk may
// keep it from ending for a while.
func (s *simulation) supervise(p *sim.Process) {
	w := s.world
	w.At(w.Now()+time.Second, func() {
		switch {
		case s.lives[p.ID()] != p.Life():
			// Somebody else has started it.
		case w.Running(p.ID()):
			s.supervise(p)
		default:
			w.Restart(p.ID())
		}
	})
}

func (h *simHost) trace(e Event) {
	if e.Kind == EventRefused {
		h.s.fail("M12", "%s", e)
	}
	h.s.stats[e.Kind]++
	h.p.Note("multi", e)
}

func (h *simHost) tick() {
	h.passTime()
	h.drain()
	h.p.After(h.due-h.p.Now(), h.tick)
}

func (h *simHost) passTime() {
	now := h.p.Now()
	if now-h.due > 2*simTick {
		h.core.DropLease()
		h.due = now
	}
	for h.due <= now {
		h.core.Tick()
		h.due += simTick
	}
}

// Receive takes an envelope of a host, or an operation of the world.
func (h *simHost) Receive(_ sim.ID, payload any) {
	h.passTime()
	switch m := payload.(type) {
	case Envelope:
		h.core.Step(m)
	case simOp:
		h.operate(m)
	}
	h.drain()
}

// drain does what the core asks for.
func (h *simHost) drain() {
	for h.core.HasReady() {
		rd := h.core.Ready()
		h.send(rd.Send)
		for _, r := range rd.Reads {
			if asked, ok := h.reads[r.ID]; ok && !r.Lost {
				asked.index = r.Index
				gr := h.groups[asked.group]
				gr.ready = append(gr.ready, asked)
				h.answerReads(gr)
			}
			delete(h.reads, r.ID)
		}
		for _, c := range rd.Committed {
			h.later(c)
		}
		for _, m := range rd.Snapshots {
			h.sendSnapshot(m)
		}
		for _, g := range rd.Joining {
			if err := h.core.Join(g); err == nil {
				h.adopt(g, 0)
				h.s.check(h.s.checker(g).Started(h.id, raft.State{}))
			}
		}
		if rd.Seq > 0 || len(rd.AfterSync) > 0 {
			h.jobs = append(h.jobs, job{rd.Seq, rd.Writes, rd.MustSync, rd.AfterSync})
			h.write()
		}
	}
}

func (h *simHost) send(envelopes []Envelope) {
	for _, e := range envelopes {
		h.s.sent++
		h.p.Send(sim.ID(e.To), e)
	}
}

// write has the disk work, at once or, in every other run, a little later.
func (h *simHost) write() {
	if h.s.seed%2 == 0 {
		h.flush()
		return
	}
	if !h.busy {
		h.busy = true
		h.p.After(time.Duration(h.p.Rand().IntN(int(20*time.Millisecond))), func() {
			h.busy = false
			h.passTime()
			h.flush()
			h.drain()
		})
	}
}

func (h *simHost) flush() {
	jobs := h.jobs
	h.jobs = nil
	var writes []Write
	sync, seq := false, uint64(0)
	for _, j := range jobs {
		writes = append(writes, j.writes...)
		sync, seq = sync || j.sync, max(seq, j.seq)
	}
	if err := h.disk.Save(writes, sync); err != nil {
		h.die(err)
		return
	}
	if sync {
		h.s.promised(h, writes)
	}
	for _, j := range jobs {
		h.send(j.afterSync)
	}
	for _, w := range writes {
		if gr := h.groups[w.Group]; w.Install && gr != nil {
			gr.queue = nil
			gr.restore(w.Snapshot.Data)
			gr.applied, gr.cutAt = w.Snapshot.Index, w.Snapshot.Index
			h.core.Applied(w.Group, gr.applied)
		}
	}
	h.core.Synced(seq)
	for _, g := range h.disk.Pinned(4) {
		h.cut(g)
	}
}

// later applies entries, at once or a little later.
func (h *simHost) later(c Committed) {
	gr := h.groups[c.Group]
	if gr == nil {
		return
	}
	gr.queue = append(gr.queue, c)
	if h.p.Rand().IntN(4) > 0 && !gr.slow {
		h.applyAll(c.Group, gr)
		return
	}
	if !gr.slow {
		gr.slow = true
		h.p.After(time.Duration(h.p.Rand().IntN(int(300*time.Millisecond))), func() {
			gr.slow = false
			if h.groups[c.Group] == gr {
				h.passTime()
				h.applyAll(c.Group, gr)
				h.drain()
			}
		})
	}
}

func (h *simHost) applyAll(g GroupID, gr *simGroup) {
	queue := gr.queue
	gr.queue = nil
	for _, c := range queue {
		for i := range c.Entries {
			h.apply(g, gr, &c.Entries[i])
		}
	}
	h.core.Applied(g, gr.applied)
	h.answerReads(gr)
	if gr.applied-gr.cutAt >= 20 {
		h.cut(g)
	}
}

func (h *simHost) apply(g GroupID, gr *simGroup, e *raft.Entry) {
	if e.Index != gr.applied+1 {
		h.s.fail("M2", "%s applies entry %d of %s after %d", h.id, e.Index, g, gr.applied)
	}
	gr.applied = e.Index
	if e.Type == raft.EntryCommand {
		c, err := decodeCommand(e.Data)
		if err != nil {
			h.s.fail("M7", "%s: entry %d of %s: %v", h.id, e.Index, g, err)
			return
		}
		if c.right != 0 {
			h.split(g, gr, e.Index, c)
		} else {
			gr.set[binary.BigEndian.Uint64(c.data)] = true
		}
	}
	if w, ok := gr.waiting[e.Index]; ok {
		delete(gr.waiting, e.Index)
		if w.term == e.Term {
			h.s.acknowledged(g, e.Index, w.number)
		}
	}
}

// split gives away the numbers whose bit, named by the argument, is set.
func (h *simHost) split(g GroupID, gr *simGroup, index uint64, c command) {
	right := map[uint64]bool{}
	for n := range gr.set {
		if n>>c.data[0]&1 == 1 {
			right[n] = true
			delete(gr.set, n)
		}
	}
	data := encodeSet(right)
	made, err := h.core.Split(g, c.right, index, data)
	if err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, ErrRemoved) {
		h.s.fail("M7", "%s splits %s: %v", h.id, g, err)
	}
	if made {
		h.begun(c.right)
		h.groups[c.right].set = right
		h.s.born(c.right, index, data, h)
	}
}

func (h *simHost) answerReads(gr *simGroup) {
	gr.ready = slices.DeleteFunc(gr.ready, func(r simRead) bool {
		if r.index > gr.applied {
			return false
		}
		h.s.answered(r, gr.applied, h.id)
		return true
	})
}

func (h *simHost) cut(g GroupID) {
	if gr := h.groups[g]; gr != nil {
		gr.cutAt = gr.applied
		h.core.Applied(g, gr.applied)
		if err := h.core.Compact(g, gr.applied, encodeSet(gr.set), 5); err != nil {
			h.s.fail("M2", "%s cuts the log of %s at %d: %v", h.id, g, gr.applied, err)
		}
	}
}

func (h *simHost) sendSnapshot(m Message) {
	gr := h.groups[m.Group]
	s, ok := h.core.SnapshotAt(m.Group, gr.applied)
	if !ok {
		h.core.ReportSnapshot(m.Group, m.Raft.To, true)
		return
	}
	s.Data = encodeSet(gr.set)
	m.Raft.Snapshot = &s
	h.send([]Envelope{h.core.Envelope(m.Raft.To, []Message{m})})
}

func encodeSet(set map[uint64]bool) []byte {
	b := []byte{}
	for _, n := range slices.Sorted(maps.Keys(set)) {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func (gr *simGroup) restore(data []byte) {
	gr.set = map[uint64]bool{}
	for len(data) >= 8 {
		gr.set[binary.BigEndian.Uint64(data)] = true
		data = data[8:]
	}
}

func (gr *simGroup) same(other *simGroup) bool {
	return bytes.Equal(encodeSet(gr.set), encodeSet(other.set))
}

// simOp is an operation that a client asks of one host.
type simOp struct{ text string }

func (o simOp) String() string { return o.text }

// operate does what a client asks, if this host can: "write g n", "read g",
// "split g right bit", "transfer g to", "grow g", "remove g".
func (h *simHost) operate(o simOp) {
	var what string
	var g GroupID
	var a, b uint64
	fmt.Sscan(o.text, &what, &g, &a, &b)
	if h.groups[g] == nil {
		return
	}
	switch what {
	case "write":
		h.propose(g, a, encodeCommand(binary.BigEndian.AppendUint64(nil, a)))
	case "split":
		h.propose(g, 0, encodeSplit(GroupID(a), []byte{byte(b)}))
	case "read":
		h.readID++
		if h.core.ReadIndex(g, h.readID) == nil {
			h.reads[h.readID] = simRead{group: g, floor: h.s.floor[g]}
		}
	case "transfer":
		h.core.TransferLeadership(g, raft.NodeID(a))
	case "grow":
		h.core.ChangeMembership(g, raft.Membership{Voters: h.s.everyone})
	}
}

func (h *simHost) propose(g GroupID, number uint64, data []byte) {
	if index, term, err := h.core.Propose(g, data); err == nil {
		h.groups[g].waiting[index] = simWrite{term, number}
	}
}
