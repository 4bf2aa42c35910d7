package raft

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Node is a member of a cluster that runs by itself: a [Core] driven by real
// time, a disk and a network. It is safe for concurrent use.
//
//	Propose --+                       +--> writer  --> Storage.Save (one fsync for all)
//	Read -----+--> inbox --> loop ----+--> Transport.Send
//	messages -+      ^     Core.Step  +--> applier --> StateMachine.Apply
//	ticks ----+      |     Core.Ready |       |
//	                 +----------------+-------+ synced, applied, snapshot taken
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
	status    atomic.Pointer[Status]

	mail    mail        // of the present turn
	waiting []*proposal // in the log, by index
	readID  uint64
	reads   map[uint64][]*waiter // asked of the core
	ready   []readyRead          // waiting for the state machine
	asked   []*request           // started, not finished
	turned  time.Time            // when the last turn of the loop began

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
	n := &Node{opts: opts, stopped: make(chan struct{}), reads: map[uint64][]*waiter{}, turned: time.Now()}
	// Reads of an earlier life may still be answered: their numbers must not
	// come again.
	n.readID = mix(opts.Seed ^ uint64(time.Now().UnixNano()))
	n.proposals.New = func() any { return &proposal{waiter: waiter{make(chan answer, 1)}} }
	n.inbox.wake = make(chan struct{}, 1)
	_, n.memory = opts.Storage.(*MemStorage)
	n.writer = writer{node: n, wake: make(chan struct{}, 1)}
	n.applier = applier{node: n, wake: make(chan struct{}, 1), applied: opts.Applied, sessions: sessions{max: opts.MaxSessions}}
	n.applier.membership = Membership{Voters: opts.Voters}
	if s := st.Snapshot; s != nil && s.Index > opts.Applied {
		if err := n.applier.restore(s); err != nil {
			return nil, err
		}
	}
	cfg := opts.Config
	cfg.Trace = n.traced(opts.Trace)
	if n.core, err = NewCore(cfg, st); err != nil {
		return nil, err
	}
	n.publish()
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

// Status returns the node's state as of the last turn of its loop.
func (n *Node) Status() Status { return *n.status.Load() }

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

// run is the loop.
func (n *Node) run() {
	ticker := time.NewTicker(n.opts.TickInterval)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-n.stopping:
			err = ErrStopped
		case <-ticker.C:
			n.watchClock()
			n.tick()
		case <-n.inbox.wake:
			n.watchClock()
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

// tick lets time pass for the core, unless the disk has not answered for an
// election timeout: a leader that cannot write must fall silent, so that the
// others replace it, and must not campaign either.
func (n *Node) tick() {
	if n.writer.stalled(time.Duration(n.opts.ElectionTicks) * n.opts.TickInterval) {
		n.counters.stalled.Add(1)
		n.core.DropLease() // its ticks do not count any more
		return
	}
	n.core.Tick()
}

// watchClock gives up the lease when the loop has stood still: the ticks that
// were missed would have ended it.
func (n *Node) watchClock() {
	if n.opts.Lease == 0 {
		return
	}
	now := time.Now()
	if now.Sub(n.turned) > 2*n.opts.TickInterval {
		n.core.DropLease()
	}
	n.turned = now
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
	if m.applied > 0 {
		n.core.Applied(m.applied)
		n.releaseReads()
	}
	if m.snapshot != nil {
		if err := n.compact(*m.snapshot); err != nil {
			return err
		}
	}
	n.enter(m.proposals)
	n.read(m.reads)
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
	n.send(rd.Messages)
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
	}
	n.applier.put(b)
}

func (n *Node) decideReads(reads []Read) {
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

// releaseReads answers the reads whose index is applied.
func (n *Node) releaseReads() {
	applied := n.core.Status().Applied
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
		n.inbox.put(func(mail *mail) { mail.reports = append(mail.reports, sendReport{m.To, true}) })
		return
	}
	m.Snapshot = s // at least as new as the one the core named
	n.opts.Transport.Send([]Message{m})
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
	for _, p := range rest.proposals {
		p.done <- answer{err: fmt.Errorf("%w: %w", ErrDropped, err)} // never reached the log
	}
	lost := fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	for _, p := range n.waiting {
		p.done <- answer{err: lost}
	}
	for _, r := range slices.Concat(rest.requests, n.asked) {
		r.done <- answer{err: err}
	}
	n.failReads(rest.reads, err)
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

func (n *Node) failReads(ws []*waiter, err error) {
	for _, w := range ws {
		w.done <- answer{err: err}
	}
}

func (n *Node) publish() {
	if st := n.core.Status(); n.status.Load() == nil || *n.status.Load() != st {
		n.status.Store(&st)
	}
}
