package raft

import (
	"fmt"
	"slices"
)

// Ready is what a core asks of its shell. The shell
//
//  1. may send Messages at once,
//  2. stores Snapshot, then HardState and Entries, and waits for the disk if
//     MustSync,
//  3. then sends AfterSync and calls Synced(Seq),
//  4. hands Snapshot, then Committed to the state machine and calls Applied.
//
// Writes must reach the disk in the order of their Readys. A shell may take
// the next Ready before the disk has answered the last; AfterSync must then
// wait for all writes before it.
//
// Messages, AfterSync and Reads are valid until the core is called again;
// Entries, Committed and all they point to stay valid and must not be changed.
type Ready struct {
	// Seq names this Ready in Synced. 0 when there is nothing to store.
	Seq uint64
	// HardState is what to store; it is always filled.
	HardState HardState
	// MustSync: a promise is in it (a term, a vote, entries, a snapshot) that
	// answers will rely on. Otherwise only HardState.Commit may have moved.
	MustSync bool
	// Entries go to the log; the first replaces what is stored at its index
	// and behind.
	Entries []Entry
	// Snapshot, from the leader, replaces the whole log and state; its Data is
	// the state machine's.
	Snapshot *Snapshot
	// Messages do not depend on what is being stored.
	Messages []Message
	// AfterSync are the promises: acknowledgements and votes.
	AfterSync []Message
	// Committed entries to apply, in order, each exactly once.
	Committed []Entry
	// Reads that were asked for with ReadIndex and are decided.
	Reads []Read
}

// outbox gathers a Ready, and remembers which writes are under way.
type outbox struct {
	messages  []Message
	afterSync []Message
	snapshot  *Snapshot
	hard      HardState // as given to storage
	seq       uint64
	writes    []write
}

// write is one Ready under way to the disk: what will be durable with it. When
// the log is truncated meanwhile, last sinks with it: the answer of the disk
// then speaks of entries that are gone, and an entry that took their place is
// not durable yet (the ABA race).
type write struct {
	seq      uint64
	last     uint64
	term     uint64
	votedFor NodeID
}

// send queues a message. A leader's word binds nobody but itself, and its
// term and log are durable where it counts them, so it goes out at once, in
// parallel with the leader's own disk (dissertation §10.2.1). Everybody
// else's word is a promise and waits for the disk.
func (c *Core) send(m Message) {
	m.From = c.cfg.ID
	if m.Term == 0 {
		m.Term = c.term
	}
	c.drop()
	mine, other := &c.out.afterSync, &c.out.messages
	if c.role == Leader {
		mine, other = other, mine
	}
	if cap(*mine) == 0 && len(*other) == 0 { // one buffer does for both roles
		*mine, *other = *other, nil
	}
	*mine = append(*mine, m)
}

// drop forgets what the last Ready handed out, keeping the memory.
func (c *Core) drop() {
	if !c.taken {
		return
	}
	o := &c.out
	clear(o.messages)
	clear(o.afterSync)
	o.messages, o.afterSync, c.taken = o.messages[:0], o.afterSync[:0], false
	if c.reads != nil {
		c.reads.decided = c.reads.decided[:0]
	}
}

func (c *Core) hardState() HardState {
	return HardState{Term: c.term, VotedFor: c.votedFor, Commit: c.log.commit}
}

// HasReady says whether Ready has anything in it.
func (c *Core) HasReady() bool {
	c.flush()
	o := &c.out
	pending := !c.taken && len(o.messages)+len(o.afterSync)+len(c.reads.done()) > 0
	return pending || o.snapshot != nil || o.hard != c.hardState() ||
		c.log.saved < c.log.last() || c.log.handed < c.log.applicable()
}

// Ready takes what there is to do. Each thing is handed out once.
func (c *Core) Ready() Ready {
	c.flush()
	o, l := &c.out, &c.log
	c.drop()
	hard := c.hardState()
	rd := Ready{
		HardState: hard,
		Entries:   l.unsaved(),
		Snapshot:  o.snapshot,
		Messages:  o.messages,
		AfterSync: o.afterSync,
		Reads:     c.reads.done(),
	}
	rd.MustSync = len(rd.Entries) > 0 || rd.Snapshot != nil || hard.Term != o.hard.Term || hard.VotedFor != o.hard.VotedFor
	if rd.MustSync || hard != o.hard {
		o.seq++
		rd.Seq = o.seq
		o.writes = append(o.writes, write{o.seq, l.last(), c.term, c.votedFor})
	}
	if to := l.applicable(); l.handed < to {
		rd.Committed = l.slice(l.handed+1, to, c.cfg.MaxApplyBytes)
		l.handed += uint64(len(rd.Committed))
	}
	l.saved = l.last()
	o.hard, o.snapshot, c.taken = hard, nil, true
	return rd
}

// sinkWrites caps what the writes under way will have made durable, after the
// log lost everything above index.
func (o *outbox) sinkWrites(index uint64) {
	for i := range o.writes {
		o.writes[i].last = min(o.writes[i].last, index)
	}
}

// Synced tells that the writes of all Readys up to seq are durable.
func (c *Core) Synced(seq uint64) {
	o := &c.out
	done := 0
	for _, w := range o.writes {
		if w.seq > seq {
			break
		}
		done++
		c.log.durable = max(c.log.durable, w.last)
		// A candidate's own vote counts when it cannot be forgotten: else a
		// crash would free it to vote for another in the same term (§5.2).
		if c.role == Candidate && w.term == c.term && w.votedFor == c.cfg.ID {
			c.countOwnVote()
		}
	}
	if done == 0 {
		return
	}
	o.writes = slices.Delete(o.writes, 0, done)
	if p := c.own(); c.role == Leader && p != nil && p.advanceTo(c.log.durable) {
		c.maybeCommit()
	}
}

// Applied tells that the state machine has applied everything up to index.
func (c *Core) Applied(index uint64) {
	c.log.applied = max(c.log.applied, min(index, c.log.handed))
}

// Compact forgets log entries up to upTo, which snapshot covers: storage holds
// it. Entries behind upTo, even if the snapshot covers them, stay for slow
// followers. It fails with ErrInvalid when the snapshot is ahead of the state
// machine or behind the last one, or does not cover upTo.
func (c *Core) Compact(snapshot Snapshot, upTo uint64) error {
	l := &c.log
	if snapshot.Index > l.applied || snapshot.Index < c.lastIncludedIndex || upTo > snapshot.Index {
		return fmt.Errorf("%w: cannot compact to %d with a snapshot at %d: applied is %d, the last snapshot %d",
			ErrInvalid, upTo, snapshot.Index, l.applied, c.lastIncludedIndex)
	}
	c.lastIncludedIndex, c.lastIncludedTerm = snapshot.Index, snapshot.Term
	if upTo > l.offset {
		l.compact(upTo)
		c.forgetConfigs(upTo)
		c.emit(EventCompacted, None, upTo, "§7")
	}
	return nil
}
