package raft

// Snapshots (§7): when the entries a follower needs are compacted away, it is
// sent the state instead. The core moves only the snapshot's name, index and
// term; the shell attaches and stores the data.

// sendSnapshot tells the shell to send the newest snapshot.
func (c *Core) sendSnapshot(p *progress) {
	c.changeState(p, SnapshotSent)
	p.due = false
	s := &Snapshot{Index: c.lastIncludedIndex, Term: c.lastIncludedTerm, Membership: c.MembershipAt(c.lastIncludedIndex)}
	c.send(Message{Type: InstallSnapshot, To: p.id, Snapshot: s, Round: c.reads.newest()})
	c.emit(EventSnapshotSent, p.id, s.Index, "§7")
}

// ReportSnapshot tells a leader how sending a snapshot to a follower goes:
// failed, so that it is sent again at the next heartbeat, or still under way,
// so that it is not given up for lost.
func (c *Core) ReportSnapshot(to NodeID, failed bool) {
	p := c.member(to)
	if c.role != Leader || p == nil || p.state != SnapshotSent {
		return
	}
	p.silent = 0
	if failed {
		c.changeState(p, Probe)
		p.probing = true // not before the next heartbeat
	}
}

// onInstallSnapshot replaces log and state, unless we have as much already.
func (c *Core) onInstallSnapshot(m *Message) error {
	s := m.Snapshot
	reply := Message{Type: AppendEntriesReply, To: m.From, Index: s.Index, Round: m.Round}
	switch {
	case s.Index <= c.log.commit:
		// A late one: going back would undo what was applied.
		reply.Index = c.log.commit
	case c.log.matches(s.Index, s.Term):
		// §7: our log reaches beyond it and agrees; keep what follows.
		c.commitTo(s.Index)
	default:
		if err := s.Membership.validate("the snapshot"); err != nil {
			return err
		}
		c.log.restore(s.Index, s.Term)
		c.out.sinkWrites(0)
		c.out.snapshot = s
		c.lastIncludedIndex, c.lastIncludedTerm = s.Index, s.Term
		c.resetConfigs(s.Index, s.Membership)
		c.emit(EventSnapshotTaken, m.From, s.Index, "§7")
	}
	c.send(reply)
	return nil
}
