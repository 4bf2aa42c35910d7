package raft

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// The state machine runs on a goroutine of its own, so that a slow command
// delays no heartbeat. It takes committed entries from the loop in batches and
// answers those who proposed them.

// waiter is a caller who waits for an answer.
type waiter struct {
	done chan answer // holds one
}

type answer struct {
	value []byte
	err   error
}

// proposal is a command on its way, and who waits for its result.
type proposal struct {
	waiter
	kind    EntryType
	command []byte
	index   uint64 // its place, once the core gave it one
	term    uint64
}

// dropped is the answer of one whose entry will never be committed.
func (p *proposal) dropped() answer {
	return answer{err: fmt.Errorf("%w: the leader of term %d was deposed before it committed entry %d", ErrDropped, p.term, p.index)}
}

// batch is one piece of work for the state machine.
type batch struct {
	snapshot *Snapshot // replaces the state first
	entries  []Entry
	waiting  []*proposal // by index, all at or before the last entry
}

type applier struct {
	node    *Node
	mu      sync.Mutex
	queue   []batch
	wake    chan struct{} // holds one token while queue is not empty
	applied uint64
	term    uint64 // of the last applied entry

	membership   Membership // as of the last applied entry
	sessions     sessions
	lastSnapshot uint64
	snapshotting bool // one is being written; guarded by mu

	// For the loop, which looks each turn and is woken only while a read waits:
	// to learn of every batch at once would cost it a turn for each.
	done    atomic.Uint64 // what is applied
	awaited atomic.Bool
}

func (a *applier) put(b batch) {
	a.mu.Lock()
	a.queue = append(a.queue, b)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *applier) run() {
	defer a.drain()
	for {
		select {
		case <-a.node.stopped:
			return
		case <-a.wake:
		}
		for {
			b, ok := a.next()
			if !ok {
				break
			}
			if err := a.apply(&b); err != nil {
				a.node.inbox.put(func(m *mail) { m.failed = err })
				<-a.node.stopped
				return
			}
			// Each time, for while clients go on there may always be a next one.
			a.done.Store(a.applied)
			if a.awaited.Load() {
				a.node.inbox.signal()
			}
			a.maybeSnapshot()
		}
	}
}

func (a *applier) next() (batch, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		return batch{}, false
	}
	b := a.queue[0]
	a.queue = slices.Delete(a.queue, 0, 1)
	return b, true
}

// drain answers those whose commands are committed but not applied any more.
func (a *applier) drain() {
	for b, ok := a.next(); ok; b, ok = a.next() {
		for _, p := range b.waiting {
			p.done <- answer{err: fmt.Errorf("%w: %w", ErrOutcomeUnknown, a.node.err)}
		}
	}
}

func (a *applier) apply(b *batch) error {
	if s := b.snapshot; s != nil {
		if err := a.restore(s); err != nil {
			return err
		}
	}
	waiting := b.waiting
	for i := range b.entries {
		e := &b.entries[i]
		result, err := a.execute(e)
		a.applied, a.term = e.Index, e.Term
		// Several may have proposed for this index, in different terms; the
		// one whose term was committed succeeded, the others never will.
		for len(waiting) > 0 && waiting[0].index <= e.Index {
			p := waiting[0]
			waiting = waiting[1:]
			if p.index == e.Index && p.term == e.Term {
				p.done <- answer{result, err}
			} else {
				p.done <- p.dropped()
			}
		}
	}
	return nil
}

// execute does what an entry says.
func (a *applier) execute(e *Entry) (result []byte, err error) {
	sm := a.node.opts.StateMachine
	switch e.Type {
	case EntryCommand:
		return sm.Apply(e.Index, e.Data), nil
	case EntrySession:
		return a.sessions.apply(e.Index, e.Data, func(command []byte) []byte { return sm.Apply(e.Index, command) })
	case EntryMembership:
		a.membership, err = DecodeMembership(e.Data)
	}
	return nil, err
}

// restore replaces sessions and state by a snapshot's.
func (a *applier) restore(s *Snapshot) error {
	r := bytes.NewReader(s.Data)
	err := a.sessions.decode(r)
	if err == nil {
		err = a.node.opts.StateMachine.Restore(r)
	}
	if err != nil {
		return fmt.Errorf("raft: restore the snapshot at %d: %w", s.Index, err)
	}
	a.applied, a.term, a.lastSnapshot, a.membership = s.Index, s.Term, s.Index, s.Membership
	return nil
}

// maybeSnapshot takes a snapshot when it is time, one at a time. The state is
// captured here, between two commands, and written beside them.
func (a *applier) maybeSnapshot() {
	n := a.node
	a.mu.Lock()
	busy := a.snapshotting
	a.mu.Unlock()
	if busy || a.applied-a.lastSnapshot < n.opts.SnapshotEvery {
		return
	}
	if len(a.membership.Voters) == 0 {
		// A node that joined and replays the log from its beginning does not
		// know the first members, which are in no entry. A snapshot without
		// them would make whoever installs it a member of nothing.
		return
	}
	state, err := n.opts.StateMachine.Snapshot()
	if err != nil {
		n.noSnapshot(a.applied, err)
		a.lastSnapshot = a.applied
		return
	}
	a.lastSnapshot = a.applied
	a.snapshotting = true
	s := Snapshot{Index: a.applied, Term: a.term, Membership: a.membership}
	table := a.sessions.encode()
	n.background.Go(func() {
		buf := bytes.NewBuffer(table)
		_, unwritten := state.WriteTo(buf)
		var err error
		if unwritten == nil {
			s.Data = buf.Bytes()
			err = n.opts.Storage.SaveSnapshot(s)
		}
		a.mu.Lock()
		a.snapshotting = false
		a.mu.Unlock()
		if unwritten != nil {
			n.noSnapshot(s.Index, unwritten)
			return
		}
		s.Data = nil
		n.inbox.put(func(m *mail) {
			if err != nil {
				m.failed = fmt.Errorf("%w: snapshot at %d: %w", ErrStorage, s.Index, err)
				return
			}
			m.snapshot = &s
		})
	})
}

// noSnapshot reports what a state machine says against one. It is tried again
// after as many entries.
func (n *Node) noSnapshot(index uint64, err error) {
	n.opts.Logger.Warn("raft: no snapshot, the log keeps growing", "node", n.opts.ID, "index", index, "err", err)
}
