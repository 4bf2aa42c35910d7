package raft

import "fmt"

// Replication (§5.3): the leader sends each follower what follows nextIndex-1,
// the follower accepts only behind a matching entry, and what a majority holds
// is committed (§5.4.2).
//
// Sending is put off until the shell asks for a Ready: all proposals and
// answers that arrived meanwhile share one message to each follower.

// heartbeat makes a message due to every follower; where there are entries to
// send, they are the heartbeat. It also asks again where an answer was lost.
func (c *Core) heartbeat() {
	for i := range c.members {
		p := &c.members[i]
		p.due = true
		if p.state != SnapshotSent {
			continue
		}
		// A snapshot may be lost like any message, and its answer as well.
		if p.silent++; int(p.silent)*c.cfg.HeartbeatTicks > c.cfg.ElectionTicks {
			c.changeState(p, Probe)
		}
	}
	c.startRound(true)
	c.dirty = true
}

// flush turns what has become due into messages.
func (c *Core) flush() {
	if !c.dirty || c.role != Leader {
		return
	}
	c.dirty = false
	c.startRound(false)
	for i := range c.members {
		if p := &c.members[i]; p.id != c.cfg.ID {
			c.sendTo(p)
		}
	}
}

func (c *Core) sendTo(p *progress) {
	switch p.state {
	case Probe:
		if p.due || !p.probing {
			c.sendAppend(p, true)
		}
	case Replicate:
		for p.nextIndex <= c.log.last() && !p.inflight.full(c.cfg.MaxInflight, c.cfg.MaxInflightBytes) {
			if !c.sendAppend(p, true) {
				return
			}
		}
		if p.due || p.sentCommit < min(c.log.commit, p.nextIndex-1) {
			c.sendAppend(p, false)
		}
	case SnapshotSent:
		if p.due {
			p.due = false
			// Index 0 matches every log: a sign of life and nothing more.
			c.send(Message{Type: AppendEntries, To: p.id, Round: c.reads.newest()})
		}
	}
}

// sendAppend sends one AppendEntries at nextIndex, or a snapshot when the
// entry before it is compacted away; then it returns false.
func (c *Core) sendAppend(p *progress, withEntries bool) bool {
	prev := p.nextIndex - 1
	prevTerm, known := c.log.term(prev)
	if !known {
		c.sendSnapshot(p)
		return false
	}
	m := Message{
		Type: AppendEntries, To: p.id, Index: prev, LogTerm: prevTerm,
		Commit: c.log.commit, Round: c.reads.newest(),
	}
	if p.state == Probe && p.bisect {
		m.Mid = c.middle(p)
		m.MidTerm, _ = c.log.term(m.Mid)
		withEntries = false // most likely in vain
	}
	if withEntries && p.nextIndex <= c.log.last() {
		m.Entries = c.log.slice(p.nextIndex, c.log.last(), c.cfg.MaxMessageBytes)
	}
	c.send(m)
	p.due = false
	upTo := prev + uint64(len(m.Entries))
	if p.state == Probe {
		p.probing = true
	} else if len(m.Entries) > 0 {
		bytes := 0
		for i := range m.Entries {
			bytes += m.Entries[i].size()
		}
		if p.inflight == nil {
			p.inflight = &window{}
		}
		p.inflight.add(upTo, bytes)
		p.nextIndex = upTo + 1
	}
	p.sentCommit = max(p.sentCommit, min(c.log.commit, upTo))
	return true
}

// onAppendEntries accepts what a leader of this term sends (Figure 2,
// AppendEntries RPC, receiver).
func (c *Core) onAppendEntries(m *Message) {
	// What is committed agrees with every later leader's log (§5.4): a probe
	// inside it matches, and entries inside it are those we have.
	if l := &c.log; m.Index < l.commit {
		skip := min(l.commit-m.Index, uint64(len(m.Entries)))
		m.Entries = m.Entries[skip:]
		m.Index = l.commit
		m.LogTerm, _ = l.term(l.commit)
	}
	if !c.log.matches(m.Index, m.LogTerm) {
		c.reject(m)
		return
	}
	last := c.log.last()
	if removed := c.log.merge(m.Entries); removed > 0 {
		c.out.sinkWrites(removed - 1)
		c.revertConfigs(removed)
		c.emit(EventTruncated, m.From, removed, "§5.3")
		last = removed - 1
	}
	if n := int(c.log.last() - last); n > 0 {
		c.adoptEntries(m.Entries[len(m.Entries)-n:])
		c.emit(EventAppended, m.From, c.log.last(), "§5.3")
	}
	// The leader's commit index may lie beyond what this message vouches for:
	// entries behind it may be of a deposed leader.
	upTo := m.Index + uint64(len(m.Entries))
	c.commitTo(min(m.Commit, upTo))
	c.send(Message{Type: AppendEntriesReply, To: m.From, Index: upTo, Round: m.Round})
}

// reject says that the logs differ at the probe, and all that this node can
// tell about where they agree: the hint, and whether they match at the probe's
// second place.
func (c *Core) reject(m *Message) {
	reply := Message{Type: AppendEntriesReply, To: m.From, Reject: true, Index: m.Index, Round: m.Round}
	index, term := m.Index, m.LogTerm
	if m.Mid > 0 {
		if m.Mid <= c.log.commit || c.log.matches(m.Mid, m.MidTerm) {
			reply.Mid = m.Mid
		} else {
			index, term = m.Mid, m.MidTerm
		}
	}
	reply.Hint, reply.LogTerm = c.log.hint(index, term)
	c.emit(EventRejected, m.From, m.Index, "§5.3")
	c.send(reply)
}

// follow acknowledges the leader of this term, which restarts the timer.
func (c *Core) follow(leader NodeID) {
	if c.role != Follower {
		c.becomeFollower(c.term, leader)
	}
	c.leader = leader
	c.electionElapsed = 0
}

// onAppendEntriesReply moves a follower's matchIndex forward or its nextIndex
// back.
func (c *Core) onAppendEntriesReply(m *Message) error {
	p := c.member(m.From)
	if p == nil {
		return nil // removed meanwhile
	}
	if !m.Reject && m.Index > c.log.last() {
		return fmt.Errorf("%w: %s, but the leader's log ends at %d", ErrCorrupt, *m, c.log.last())
	}
	p.active = true
	c.answered(p, m.Round)
	c.dirty = true
	if m.Reject {
		c.backUp(p, m)
		return nil
	}
	news := p.advanceTo(m.Index)
	switch p.state {
	case Probe:
		// Only the answer says where the logs agree, not the guess.
		c.changeState(p, Replicate)
	case SnapshotSent:
		if p.matchIndex+1 >= c.log.first() {
			c.changeState(p, Replicate)
		}
	}
	if news {
		c.maybeCommit()
		c.maybeHandOver()
	}
	return nil
}

// backUp moves nextIndex to where the logs can agree at best (§5.3). Late
// answers to earlier probes move nothing.
//
// The follower's hint says that the logs differ behind it, and what its term
// is there. If ours is the same, they match up to it. If not, they differ
// there too, and of our own log only entries of that term or older can be
// shared: the next probe asks at the last of them. One answer skips a term.
//
// Where terms alternate that is no help, so a probe asks about a second place,
// halfway between what matches and what may match, as in a binary search:
//
//	matchIndex               mid                nextIndex-1
//	    |  matches            ?                      ?    | differs
//	----+---------------------+----------------------+----+--------
//
// n entries of doubt are settled in at most ceil(log2 n)+1 probes, and never
// in more than the hint alone needs.
func (c *Core) backUp(p *progress, m *Message) {
	switch p.state {
	case Replicate:
		if m.Index <= p.matchIndex {
			return
		}
		c.changeState(p, Probe)
	case Probe:
		if m.Index != p.nextIndex-1 || m.Index <= p.matchIndex {
			return
		}
	case SnapshotSent:
		return
	}
	if m.Hint < p.matchIndex {
		// An old answer, or one of a node that has lost its disk and kept its
		// name: no hurry to ask again, the next heartbeat will.
		p.probing = true
		return
	}
	news := m.Mid > 0 && m.Mid < m.Index && p.advanceTo(m.Mid)
	hint := min(m.Hint, m.Index-1)
	if term, known := c.log.term(hint); known && term == m.LogTerm && hint == m.Hint {
		// Same index, same term: Log Matching says the rest.
		news = p.advanceTo(hint) || news
		c.changeState(p, Replicate)
	} else {
		index, _ := c.log.hint(hint, m.LogTerm)
		if index == m.Hint && index > 0 {
			index-- // our term there is older, so the entries differ
		}
		index = min(index, m.Hint) // of compacted entries our log names only the last
		p.bisect = true
		p.nextIndex = max(p.matchIndex+1, min(m.Index, index+1))
		p.probing = false
		if p.nextIndex == p.matchIndex+1 { // nothing is left in doubt
			c.changeState(p, Replicate)
		}
	}
	c.emit(EventBackedUp, p.id, p.nextIndex, "§5.3")
	if news {
		c.maybeCommit()
	}
}

// middle is the second place that a probe asks about; 0 when there is none.
func (c *Core) middle(p *progress) uint64 {
	low, high := max(p.matchIndex, c.log.offset), p.nextIndex-1
	if high <= low+1 {
		return 0
	}
	return low + (high-low)/2
}

func (c *Core) changeState(p *progress, s ProgressState) {
	p.become(s)
	c.emit(EventProgress, p.id, p.matchIndex, "§5.3")
}

// maybeCommit commits what a majority holds on its disks. Only an entry of
// the leader's own term commits by counting, and those before it with it
// (§5.4.2): an older one that a majority holds may still be replaced.
//
//	          1 2 3
//	S1 leader 1 2 4     Figure 8: entry 2/t2 is on S1, S2, S3, a majority;
//	S2        1 2       yet S5 can be elected in term 5 and overwrite it,
//	S3        1 2       until 3/t4 is on a majority too.
//	S5        1 3
func (c *Core) maybeCommit() {
	index := c.reached(func(p *progress) uint64 { return p.matchIndex })
	if term, _ := c.log.term(index); term != c.term {
		return
	}
	c.commitTo(index)
}

func (c *Core) commitTo(index uint64) {
	from := c.log.commit
	if !c.log.commitTo(index) {
		return
	}
	c.emit(EventCommitted, None, index, "§5.4.2")
	if c.role != Leader {
		return
	}
	for i := from + 1; i <= index; i++ {
		c.uncommitted -= c.log.entry(i).size()
	}
	c.dirty = true
	c.settleConfig()
}
