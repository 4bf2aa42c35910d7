package multi

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// The loop of a host: each turn takes what has gathered for all groups, gives it
// to the core, and does what the core says.

// run is the loop.
func (h *Host) run() {
	h.due = time.Now().Add(h.opts.TickInterval)
	ticker := time.NewTicker(h.opts.TickInterval)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-h.stopping:
			err = raft.ErrStopped
		case <-ticker.C:
			h.passTime()
		case <-h.inbox.wake:
			// Whoever is about to put something in may do so first.
			runtime.Gosched()
			h.passTime()
			err = h.feed()
		}
		for err == nil && h.core.HasReady() {
			err = h.handle(h.core.Ready())
		}
		if err != nil {
			h.halt(err)
			return
		}
		h.finishRequests()
	}
}

// passTime gives the core the ticks that are due by the clock, before anything
// else of a turn: a lease counts them. After a longer standstill they are too
// many to catch up with, an election would follow; then leases are given up. So
// are they, and no time passes, while the disk does not answer: a host that
// cannot write must fall silent, so that others lead (M11).
func (h *Host) passTime() {
	now := time.Now()
	if now.Sub(h.due) > 2*h.opts.TickInterval {
		h.core.DropLease()
		h.due = now
	}
	for !h.due.After(now) {
		if h.stalled() {
			h.core.DropLease()
		} else {
			h.core.Tick()
		}
		h.due = h.due.Add(h.opts.TickInterval)
	}
}

func (h *Host) stalled() bool {
	return h.writer.stalled(time.Duration(h.opts.Raft.ElectionTicks) * h.opts.TickInterval)
}

// feed gives the core what has gathered in the inbox.
func (h *Host) feed() error {
	m := &h.mail
	h.inbox.take(m)
	if m.failed != nil {
		h.turnAway(m, fmt.Errorf("%w: %w", raft.ErrStopped, m.failed))
		return m.failed
	}
	for i := range m.envelopes {
		h.counters.received.Add(1)
		h.core.Step(m.envelopes[i])
	}
	for i := range m.installed {
		if g := h.groups[m.installed[i].Group]; g != nil {
			h.install(g, m.installed[i].Snapshot)
		}
	}
	h.synced(m.synced)
	for _, g := range m.applied {
		h.progress(g)
	}
	for i := range m.captured {
		if err := h.onCaptured(&m.captured[i]); err != nil {
			h.turnAway(m, fmt.Errorf("%w: %w", raft.ErrStopped, err))
			return err
		}
	}
	for _, g := range m.pinned {
		if gr := h.groups[g]; gr != nil {
			h.cut(gr)
		}
	}
	h.enter(m.proposals)
	h.read(m.reads)
	h.finishRequests() // of a change that the next one would hide
	for _, r := range m.requests {
		h.begin(r)
	}
	return nil
}

// synced tells the core what is on the disk.
func (h *Host) synced(seq uint64) {
	if seq > 0 {
		h.stored = max(h.stored, seq)
		h.core.Synced(seq)
	}
}

// enter puts proposals into the logs.
func (h *Host) enter(ps []*proposal) {
	for _, p := range ps {
		index, term, err := h.core.Propose(p.group, p.command)
		if err != nil {
			p.done <- answer{err: err}
			continue
		}
		p.index, p.term = index, term
		g := h.groups[p.group]
		// Those of an earlier reign may wait at higher indexes, in entries
		// that are gone here but may be committed by another leader yet.
		k := len(g.waiting)
		if k > 0 && g.waiting[k-1].index > index {
			k, _ = slices.BinarySearchFunc(g.waiting, index+1, func(p *proposal, i uint64) int { return cmp.Compare(p.index, i) })
		}
		g.waiting = slices.Insert(g.waiting, k, p)
	}
}

// read asks the core once for all reads of a group that gathered.
func (h *Host) read(rs []*reader) {
	for _, r := range rs {
		g := h.groups[r.group]
		if g == nil {
			r.done <- h.core.absent(r.group)
			continue
		}
		if g.reading == nil {
			h.readID++
			if err := h.core.ReadIndex(g.id, h.readID); err != nil {
				r.done <- err
				continue
			}
			g.reading = &groupRead{group: g}
			h.reads[h.readID] = g.reading
		}
		g.reading.waiters = append(g.reading.waiters, r)
	}
	for _, r := range rs {
		if g := h.groups[r.group]; g != nil {
			g.reading = nil
		}
	}
}

// handle does what a Ready asks for, in the order in which it asks. A received
// snapshot goes to the state machine when it is on the disk.
func (h *Host) handle(rd Ready) error {
	if len(rd.Send) > 0 && !h.stalled() { // what clients ask for is a sign of life too (M11)
		h.send(rd.Send)
	}
	h.decideReads(rd.Reads)
	for _, c := range rd.Committed {
		h.apply(h.groups[c.Group], c.Entries)
	}
	for _, l := range rd.Leads {
		h.counters.leads.Add(1)
		h.opts.Logger.Info("raft/multi: leadership", "host", h.opts.ID, "group", uint64(l.Group), "leads", l.Leads, "term", l.Term)
		if h.opts.OnLeader != nil {
			h.opts.OnLeader(l.Group, l.Term, l.Leads)
		}
	}
	for i := range rd.Snapshots {
		h.capture(rd.Snapshots[i])
	}
	for _, g := range rd.Joining {
		if err := h.join(g); err != nil {
			return err
		}
	}
	for _, r := range h.asked { // what they caused is in this Ready at the latest
		if r.stored && r.seq == 0 {
			r.seq = rd.Seq
		}
	}
	return h.store(rd)
}

// join makes a replica of a group that its leader wants here, unless it was made
// in this very turn. Where there is no state machine for it the other groups go
// on; its members will ask again.
func (h *Host) join(g GroupID) error {
	if h.groups[g] != nil || errors.Is(h.core.absent(g), ErrRemoved) {
		return nil
	}
	machine, err := h.opts.StateMachine(g)
	if err != nil || machine == nil {
		h.opts.Logger.Warn("raft/multi: no state machine for a group that its leader wants here", "host", h.opts.ID, "group", uint64(g), "err", err)
		return nil
	}
	if err := h.core.Join(g); err != nil {
		return err
	}
	h.adopt(g, machine, 0)
	return nil
}

func (h *Host) send(envelopes []Envelope) {
	if len(envelopes) > 0 {
		h.counters.sent.Add(uint64(len(envelopes)))
		h.opts.Transport.Send(envelopes)
	}
}

// apply hands committed entries to the state machine, and with them those who
// wait for them.
func (h *Host) apply(g *group, entries []raft.Entry) {
	if g == nil {
		return // removed meanwhile
	}
	h.counters.committed.Add(uint64(len(entries)))
	last, w := entries[len(entries)-1].Index, 0
	for w < len(g.waiting) && g.waiting[w].index <= last {
		w++
	}
	b := batch{entries: entries, waiting: g.waiting[:w:w]}
	if g.waiting = g.waiting[w:]; len(g.waiting) == 0 {
		g.waiting = nil
	}
	g.settle(entries[len(entries)-1].Term)
	h.pool.put(g, b)
}

// settle answers those who wait behind a committed entry of term in one of an
// earlier term: terms never fall along a log, so no log will have it there.
func (g *group) settle(term uint64) {
	if term == g.settled {
		return
	}
	g.settled = term
	g.waiting = slices.DeleteFunc(g.waiting, func(p *proposal) bool {
		if p.term >= term {
			return false
		}
		p.done <- p.dropped() // from here on it is its owner's again
		return true
	})
}

// install hands a snapshot from the leader to the state machine.
func (h *Host) install(g *group, s *raft.Snapshot) {
	h.counters.installed.Add(1)
	w := 0
	for w < len(g.waiting) && g.waiting[w].index <= s.Index {
		g.waiting[w].done <- answer{err: fmt.Errorf("%w: entry %d of %s came with a snapshot", raft.ErrOutcomeUnknown, g.waiting[w].index, g.id)}
		w++
	}
	g.waiting = slices.Delete(g.waiting, 0, w)
	g.settle(s.Term)
	h.pool.put(g, batch{snapshot: s})
}

func (h *Host) decideReads(reads []Read) {
	for _, r := range reads {
		asked := h.reads[r.ID]
		delete(h.reads, r.ID)
		switch {
		case asked == nil:
		case r.Lost:
			st, _ := h.core.Status(r.Group)
			answerReads(asked.waiters, &raft.NotLeaderError{Leader: st.Leader})
		default:
			asked.group.reads = append(asked.group.reads, readyRead{r.Index, asked.waiters})
			h.releaseReads(asked.group)
		}
	}
}

func answerReads(rs []*reader, err error) {
	for _, r := range rs {
		r.done <- err
	}
}

// progress takes note of what a group has applied.
func (h *Host) progress(g *group) {
	g.told.Store(false) // before looking, or what comes between the two goes unseen
	applied := g.applied.Load()
	h.core.Applied(g.id, applied)
	h.releaseReads(g)
	if applied-min(applied, g.cutAt) >= h.opts.SnapshotEvery {
		h.cut(g)
	}
}

// releaseReads answers the reads whose index is applied.
func (h *Host) releaseReads(g *group) {
	applied := g.applied.Load()
	g.reads = slices.DeleteFunc(g.reads, func(r readyRead) bool {
		if r.index > applied {
			return false
		}
		answerReads(r.waiters, nil)
		return true
	})
	if len(g.reads) == 0 {
		g.reads = nil
	}
}

// halt ends the host: it tells all who wait, and lets nobody in any more.
func (h *Host) halt(err error) {
	if !errors.Is(err, raft.ErrStopped) {
		h.opts.Logger.Error("raft/multi: host stops", "host", h.opts.ID, "err", err)
		err = fmt.Errorf("%w: %w", raft.ErrStopped, err)
	}
	h.err = err
	rest := h.inbox.close(err)
	h.turnAway(&rest, err)
	h.pool.close()
	for _, g := range h.groups {
		g.abandon(err)
		for _, b := range h.pool.strip(g) {
			b.fail(err)
		}
	}
	for _, r := range h.asked {
		r.done <- err
	}
	for _, r := range h.reads {
		answerReads(r.waiters, err)
	}
	h.stop()
	close(h.stopped)
}

// abandon tells those who wait in a group that it ends here.
func (g *group) abandon(err error) {
	for _, p := range g.waiting {
		p.done <- answer{err: fmt.Errorf("%w: %w", raft.ErrOutcomeUnknown, err)}
	}
	for _, r := range g.reads {
		answerReads(r.waiters, err)
	}
	g.waiting, g.reads = nil, nil
}

// turnAway answers those whose mail will not be dealt with any more.
func (h *Host) turnAway(m *mail, err error) {
	for _, p := range m.proposals {
		p.done <- answer{err: fmt.Errorf("%w: %w", raft.ErrDropped, err)} // never reached a log
	}
	for _, r := range m.requests {
		r.done <- err
	}
	answerReads(m.reads, err)
}
