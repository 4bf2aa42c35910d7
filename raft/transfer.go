package raft

import "fmt"

// Giving leadership away (dissertation §3.10): the leader stops taking
// proposals, waits until its heir has everything, and tells it to campaign at
// once. Voters let it, although they hear a leader, because the leader asked.

// TransferLeadership hands over to a voter. It returns at once; whether it
// came to be shows when this node follows. After an election timeout without
// it the leader goes on as before. The error is a *NotLeaderError on a node
// that does not lead, ErrInvalid for an heir that is no voter, ErrPending
// while another transfer is under way.
func (c *Core) TransferLeadership(to NodeID) error {
	p := c.member(to)
	switch {
	case c.role != Leader:
		return &NotLeaderError{c.leader}
	case p == nil || !p.voter:
		return fmt.Errorf("%w: leadership cannot go to %s, who is no voter", ErrInvalid, to)
	case to == c.cfg.ID:
		return nil
	case c.transferee != None:
		return fmt.Errorf("%w: leadership is being given to %s", ErrPending, c.transferee)
	}
	c.transferee = to
	c.electionElapsed = 0
	// For the rest of the term: the word to campaign may arrive late, when
	// this leader has long gone on, and elect another in spite of any lease.
	if c.lease != nil {
		c.lease.ended = true
	}
	c.emit(EventTransfer, to, c.log.last(), "D§3.10")
	c.dirty = true
	c.maybeHandOver()
	return nil
}

// maybeHandOver speaks the word once the heir's log is complete.
func (c *Core) maybeHandOver() {
	if c.role != Leader || c.transferee == None {
		return
	}
	if p := c.member(c.transferee); p != nil && p.matchIndex == c.log.last() {
		c.send(Message{Type: TimeoutNow, To: p.id})
	}
}
