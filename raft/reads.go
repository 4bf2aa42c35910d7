package raft

import "slices"

// Linearizable reads without writing to the log (§8; dissertation §6.4). A
// leader may answer from its state machine once it knows
//
//   - what is committed: only after it committed an entry of its own term;
//   - that it still leads: a majority answers in its term after it was asked;
//   - that the state machine has applied what was committed at the asking.
//
// The second costs a round of messages. Rounds are numbered within the term,
// every message to a follower carries the newest number and every answer
// repeats it. All reads that come before a round starts share it: a thousand
// reads cost as many messages as one, and none when entries flow anyway.
//
// A follower asks its leader for the index, and answers from its own state
// machine. With a lease a leader skips the round (lease.go).

// Read is a decided read: from Index on, the state machine may answer it.
type Read struct {
	ID    uint64 // as given to ReadIndex
	Index uint64
	// Lost: no leader can be asked any more; ask again.
	Lost bool
}

// readQueue holds the reads of one reign. A node of which no read was asked has
// none: idle groups are many.
type readQueue struct {
	round   uint64        // the newest round started
	waiting []pendingRead // as leader, by round; round 0, not started yet, last
	asked   []askedRead   // as follower: of the leader
	decided []Read        // for the next Ready
}

// newest is the number of the newest round, which messages carry.
func (q *readQueue) newest() uint64 {
	if q == nil {
		return 0
	}
	return q.round
}

// done are the reads that are decided.
func (q *readQueue) done() []Read {
	if q == nil {
		return nil
	}
	return q.decided
}

// restart begins another reign; what is decided stays.
func (q *readQueue) restart() {
	if q != nil {
		*q = readQueue{decided: q.decided}
	}
}

func (c *Core) readQueue() *readQueue {
	if c.reads == nil {
		c.reads = &readQueue{}
	}
	return c.reads
}

type pendingRead struct {
	id, index, round uint64
	from             NodeID // who asked; None: this node
}

type askedRead struct {
	id   uint64
	left int // ticks until it is given up
}

// ReadIndex asks when a read that starts now may be answered; the answer comes
// in Ready.Reads under the same id. A node must never use an id twice, not
// even after a restart. On a node that knows no leader, the error is a
// *NotLeaderError.
func (c *Core) ReadIndex(id uint64) error {
	switch {
	case c.role == Leader:
		c.askRound(pendingRead{id: id})
	case c.leader == None:
		return &NotLeaderError{}
	default:
		q := c.readQueue()
		q.asked = append(q.asked, askedRead{id, c.cfg.ElectionTicks})
		c.send(Message{Type: ReadRequest, To: c.leader, ID: id})
	}
	return nil
}

func (c *Core) askRound(r pendingRead) {
	if c.lease.holds(c.cfg.Lease) && c.termCommitted() {
		r.index = c.log.commit
		c.decide(r)
		return
	}
	q := c.readQueue()
	q.waiting = append(q.waiting, r)
	c.dirty = true
}

// termCommitted says whether this leader has committed an entry of its own
// term. Before, it may not know of entries that its predecessor has committed
// (dissertation §6.4, step 1).
func (c *Core) termCommitted() bool {
	term, _ := c.log.term(c.log.commit)
	return term == c.term
}

// hasNew says whether reads wait for a round to start.
func (q *readQueue) hasNew() bool {
	return q != nil && len(q.waiting) > 0 && q.waiting[len(q.waiting)-1].round == 0
}

// startRound gives the reads that wait for one a round of their own. With
// leases every heartbeat starts one.
func (c *Core) startRound(heartbeat bool) {
	asked := c.reads.hasNew() && c.termCommitted()
	if !asked && (!heartbeat || c.lease == nil) {
		return
	}
	q := c.readQueue()
	q.round++
	if asked {
		for i := len(q.waiting) - 1; i >= 0 && q.waiting[i].round == 0; i-- {
			q.waiting[i].index, q.waiting[i].round = c.log.commit, q.round
		}
		for i := range c.members {
			c.members[i].due = true
		}
	}
	c.lease.start(q.round)
	if p := c.own(); p != nil {
		c.answered(p, q.round)
	}
}

// answered notes that a member still followed us when it answered a round.
func (c *Core) answered(p *progress, round uint64) {
	q := c.reads
	if round <= p.round || round > q.newest() {
		return
	}
	p.round = round
	confirmed := c.reached(func(p *progress) uint64 { return p.round })
	c.lease.confirm(confirmed)
	done := 0
	for done < len(q.waiting) && q.waiting[done].round != 0 && q.waiting[done].round <= confirmed {
		c.decide(q.waiting[done])
		done++
	}
	q.waiting = q.waiting[:copy(q.waiting, q.waiting[done:])]
}

func (c *Core) decide(r pendingRead) {
	if r.from == None {
		c.answer(Read{ID: r.id, Index: r.index})
		return
	}
	c.send(Message{Type: ReadReply, To: r.from, ID: r.id, Index: r.index})
}

// onReadRequest takes a follower's read; who does not lead says so.
func (c *Core) onReadRequest(m *Message) {
	if c.role != Leader {
		c.send(Message{Type: ReadReply, To: m.From, ID: m.ID, Reject: true})
		return
	}
	c.askRound(pendingRead{id: m.ID, from: m.From})
}

func (c *Core) onReadReply(m *Message) {
	q := c.readQueue()
	i := slices.IndexFunc(q.asked, func(r askedRead) bool { return r.id == m.ID })
	if i < 0 {
		return
	}
	q.asked = slices.Delete(q.asked, i, i+1)
	c.answer(Read{ID: m.ID, Index: m.Index, Lost: m.Reject})
}

// expireReads gives up those whose question or answer was lost.
func (c *Core) expireReads() {
	q := c.reads
	if q == nil {
		return
	}
	q.asked = slices.DeleteFunc(q.asked, func(r askedRead) bool { return r.left <= 0 && c.lose(r.id) })
	for i := range q.asked {
		q.asked[i].left--
	}
}

func (c *Core) lose(id uint64) bool {
	c.answer(Read{ID: id, Lost: true})
	return true
}

// failReads tells all who wait here that the leader they asked leads no more,
// and ends the lease.
func (c *Core) failReads() {
	if q := c.reads; q != nil {
		for _, r := range q.waiting {
			if r.from == None {
				c.lose(r.id)
			}
		}
		for _, r := range q.asked {
			c.lose(r.id)
		}
		q.restart()
	}
	c.lease.reset(c.quiet())
}

// answer hands a decided read out with the next Ready.
func (c *Core) answer(r Read) {
	c.drop()
	q := c.readQueue()
	q.decided = append(q.decided, r)
}
