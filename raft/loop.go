package raft

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// The loop of a node: each turn takes what has gathered, gives it to the core,
// and does what the core says.

// run is the loop.
func (n *Node) run() {
	n.due = time.Now().Add(n.opts.TickInterval)
	ticker := time.NewTicker(n.opts.TickInterval)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-n.stopping:
			err = ErrStopped
		case <-ticker.C:
			n.passTime()
		case <-n.inbox.wake:
			// Whoever is about to put something in may do so first: what one
			// turn takes shares messages, a sync, and the cost of the turn.
			runtime.Gosched()
			n.passTime()
			err = n.feed()
		}
		for err == nil && n.core.HasReady() {
			err = n.handle(n.core.Ready())
		}
		if err != nil {
			n.halt(err)
			return
		}
		n.finishRequests()
		n.publish()
	}
}

// stalled says whether the disk has not answered for an election timeout: a
// leader that cannot write must fall silent, whatever its clients ask of it, so
// that the others replace it.
func (n *Node) stalled() bool {
	return n.writer.stalled(time.Duration(n.opts.ElectionTicks) * n.opts.TickInterval)
}

// tick lets time pass for the core, unless the disk has stalled: then it must
// not campaign either.
func (n *Node) tick() {
	if n.stalled() {
		n.counters.stalled.Add(1)
		n.core.DropLease() // its ticks do not count any more
		return
	}
	n.core.Tick()
}

// passTime gives the core the ticks that are due by the clock, and not those
// that a ticker happened to deliver: a lease counts them, so they come before
// anything else of a turn. After a longer standstill they are too many to catch
// up with, an election would follow; then the lease is given up.
func (n *Node) passTime() {
	now := time.Now()
	if now.Sub(n.due) > 2*n.opts.TickInterval {
		n.core.DropLease()
		n.due = now
	}
	for !n.due.After(now) {
		n.tick()
		n.due = n.due.Add(n.opts.TickInterval)
	}
}

func (n *Node) finishRequests() {
	n.asked = slices.DeleteFunc(n.asked, func(r *request) bool {
		finished, err := r.finished(n.core)
		if finished {
			r.done <- answer{err: err}
		}
		return finished
	})
}

// feed gives the core what has gathered in the inbox.
func (n *Node) feed() error {
	m := &n.mail
	n.inbox.take(m)
	if m.failed != nil {
		n.turnAway(m, fmt.Errorf("%w: %w", ErrStopped, m.failed))
		return m.failed
	}
	for i := range m.messages {
		n.counters.received.Add(1)
		if err := n.core.Step(m.messages[i]); err != nil {
			n.counters.refused.Add(1)
			n.opts.Logger.Error("raft: message refused", "node", n.opts.ID, "err", err)
		}
	}
	for _, r := range m.reports {
		n.core.ReportSnapshot(r.to, r.failed)
	}
	if m.installed != nil {
		n.apply(m.installed, nil)
	}
	if m.synced > 0 {
		n.core.Synced(m.synced)
	}
	n.releaseReads()
	if m.snapshot != nil {
		if err := n.compact(*m.snapshot); err != nil {
			n.turnAway(m, fmt.Errorf("%w: %w", ErrStopped, err))
			return err
		}
	}
	n.enter(m.proposals)
	n.read(m.reads)
	n.finishRequests() // of a change that the next one would hide
	for _, r := range m.requests {
		if err := r.start(n.core); err != nil || r.finished == nil {
			r.done <- answer{err: err}
		} else {
			n.asked = append(n.asked, r)
		}
	}
	return nil
}

// enter puts proposals into the log.
func (n *Node) enter(ps []*proposal) {
	for _, p := range ps {
		index, term, err := n.core.propose(p.kind, p.command)
		if err != nil {
			p.done <- answer{err: err}
			continue
		}
		p.index, p.term = index, term
		// Those of an earlier reign may wait at higher indexes, in entries
		// that are gone here but may be committed by another leader yet.
		if k := len(n.waiting); k > 0 && n.waiting[k-1].index > index {
			k, _ = slices.BinarySearchFunc(n.waiting, index+1, func(p *proposal, i uint64) int { return cmp.Compare(p.index, i) })
			n.waiting = slices.Insert(n.waiting, k, p)
			continue
		}
		n.waiting = append(n.waiting, p)
	}
}

// read asks the core once for all reads that gathered.
func (n *Node) read(ws []*waiter) {
	if len(ws) == 0 {
		return
	}
	n.readID++
	if err := n.core.ReadIndex(n.readID); err != nil {
		for _, w := range ws {
			w.done <- answer{err: err}
		}
		return
	}
	n.reads[n.readID] = slices.Clone(ws)
}

// handle does what a Ready asks for, in the order in which it asks. A received
// snapshot goes to the state machine when it is on the disk.
func (n *Node) handle(rd Ready) error {
	if len(rd.Messages) > 0 && !n.stalled() {
		n.send(rd.Messages)
	}
	n.decideReads(rd.Reads)
	if len(rd.Committed) > 0 {
		n.apply(nil, rd.Committed)
	}
	return n.store(rd)
}

// apply hands work to the state machine, and with it those who wait for it.
func (n *Node) apply(s *Snapshot, entries []Entry) {
	b := batch{snapshot: s, entries: entries}
	if s != nil {
		k := 0
		for k < len(n.waiting) && n.waiting[k].index <= s.Index {
			n.waiting[k].done <- answer{err: fmt.Errorf("%w: entry %d came with a snapshot", ErrOutcomeUnknown, n.waiting[k].index)}
			k++
		}
		n.waiting = slices.Delete(n.waiting, 0, k)
		n.settle(s.Term)
	}
	if k := len(entries); k > 0 {
		n.counters.committed.Add(uint64(k))
		last, w := entries[k-1].Index, 0
		for w < len(n.waiting) && n.waiting[w].index <= last {
			w++
		}
		if w > 0 {
			b.waiting = slices.Clone(n.waiting[:w])
			n.waiting = slices.Delete(n.waiting, 0, w)
		}
		n.settle(entries[k-1].Term)
	}
	n.applier.put(b)
}

// settle answers those who wait behind a committed entry of term in one of an
// earlier term. Terms never fall along a log, so no log will have it there, and
// it may be long until another entry stands at its index.
//
//	committed   1 1 3
//	waiting             2 2 2    of the leader of term 2, who was deposed
func (n *Node) settle(term uint64) {
	if term == n.settled {
		return
	}
	n.settled = term
	n.waiting = slices.DeleteFunc(n.waiting, func(p *proposal) bool {
		if p.term >= term {
			return false
		}
		p.done <- p.dropped() // from here on it is its owner's again
		return true
	})
}

func (n *Node) decideReads(reads []Read) {
	if len(reads) == 0 {
		return
	}
	for _, r := range reads {
		ws := n.reads[r.ID]
		delete(n.reads, r.ID)
		if r.Lost {
			for _, w := range ws {
				w.done <- answer{err: &NotLeaderError{n.core.Status().Leader}}
			}
			continue
		}
		n.ready = append(n.ready, readyRead{r.Index, ws})
	}
	n.releaseReads()
}

// releaseReads takes note of what is applied, and answers the reads that wait
// for it.
func (n *Node) releaseReads() {
	// Said before looking, or the applier could go by between the two.
	n.applier.awaited.Store(len(n.ready) > 0)
	applied := n.applier.done.Load()
	n.core.Applied(applied)
	n.ready = slices.DeleteFunc(n.ready, func(r readyRead) bool {
		if r.index > applied {
			return false
		}
		for _, w := range r.waiters {
			w.done <- answer{}
		}
		return true
	})
}

// send gives messages to the transport. Snapshots go their own way: their data
// is read from storage first.
func (n *Node) send(messages []Message) {
	if len(messages) == 0 {
		return
	}
	n.counters.sent.Add(uint64(len(messages)))
	if i := slices.IndexFunc(messages, isSnapshot); i >= 0 {
		for _, m := range messages {
			if isSnapshot(m) {
				n.background.Go(func() { n.sendSnapshot(m) })
			}
		}
		messages = slices.DeleteFunc(slices.Clone(messages), isSnapshot)
	}
	n.opts.Transport.Send(messages)
}

func isSnapshot(m Message) bool { return m.Type == InstallSnapshot }

func (n *Node) sendSnapshot(m Message) {
	s, err := n.opts.Storage.Snapshot()
	if err != nil || s == nil {
		n.opts.Logger.Error("raft: no snapshot to send", "node", n.opts.ID, "to", m.To, "err", err)
		n.reportSnapshot(m.To, true)
		return
	}
	m.Snapshot = s // at least as new as the one the core named
	n.opts.Transport.Send([]Message{m})
}

// reportSnapshot tells the core how sending a snapshot goes.
func (n *Node) reportSnapshot(to NodeID, failed bool) {
	n.inbox.put(func(m *mail) { m.reports = append(m.reports, sendReport{to, failed}) })
}

// compact cuts the log behind a snapshot that is stored.
func (n *Node) compact(s Snapshot) error {
	st := n.core.Status()
	if s.Index < st.Snapshot {
		return nil // a newer one came from the leader meanwhile
	}
	upTo := max(st.First-1, s.Index-min(s.Index, n.opts.KeepEntries))
	if err := n.core.Compact(s, upTo); err != nil {
		return err
	}
	n.counters.snapshots.Add(1)
	if n.memory {
		return n.writer.write([]job{{compact: upTo}})
	}
	n.writer.put(job{compact: upTo})
	return nil
}

// halt ends the node: it tells all who wait, and lets nobody in any more.
func (n *Node) halt(err error) {
	if !errors.Is(err, ErrStopped) {
		n.opts.Logger.Error("raft: node stops", "node", n.opts.ID, "err", err)
		err = fmt.Errorf("%w: %w", ErrStopped, err)
	}
	n.err = err
	rest := n.inbox.close(err)
	n.turnAway(&rest, err)
	lost := fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	for _, p := range n.waiting {
		p.done <- answer{err: lost}
	}
	for _, r := range n.asked {
		r.done <- answer{err: err}
	}
	for _, ws := range n.reads {
		n.failReads(ws, err)
	}
	for _, r := range n.ready {
		n.failReads(r.waiters, err)
	}
	n.publish()
	n.stop()
	close(n.stopped)
}

// turnAway answers those whose mail will not be dealt with any more.
func (n *Node) turnAway(m *mail, err error) {
	for _, p := range m.proposals {
		p.done <- answer{err: fmt.Errorf("%w: %w", ErrDropped, err)} // never reached the log
	}
	for _, r := range m.requests {
		r.done <- answer{err: err}
	}
	n.failReads(m.reads, err)
}

func (n *Node) failReads(ws []*waiter, err error) {
	for _, w := range ws {
		w.done <- answer{err: err}
	}
}

func (n *Node) publish() {
	st := n.core.Status()
	n.statusMu.Lock()
	n.status = st
	n.statusMu.Unlock()
}
