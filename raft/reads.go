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
// machine. With a lease (Config.Lease) a leader skips the round while the
// clocks say that nobody else can have been elected: voters that answered a
// round turn candidates away for an election timeout from then on.

// Read is a decided read: from Index on, the state machine may answer it.
type Read struct {
	ID    uint64 // as given to ReadIndex
	Index uint64
	// Lost: no leader can be asked any more; ask again.
	Lost bool
}

// readQueue holds the reads that are not decided.
type readQueue struct {
	round   uint64        // the newest round started
	waiting []pendingRead // as leader, by round; round 0, not started yet, last
	asked   []askedRead   // as follower: of the leader

	now      int       // ticks of this reign
	starts   []started // rounds that may still extend the lease, with Lease
	leased   int       // the lease began at this tick
	hasLease bool
	noLease  bool // given up for this reign
	quiet    bool // just restarted: who had our word may hold a lease
}

type pendingRead struct {
	id, index, round uint64
	from             NodeID // who asked; None: this node
}

type askedRead struct {
	id   uint64
	left int // ticks until it is given up
}

type started struct {
	round uint64
	tick  int
}

// lead starts the queue of a new reign.
func (q *readQueue) lead() { *q = readQueue{} }

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
		c.reads.asked = append(c.reads.asked, askedRead{id, c.cfg.ElectionTicks})
		c.send(Message{Type: ReadRequest, To: c.leader, ID: id})
	}
	return nil
}

func (c *Core) askRound(r pendingRead) {
	q := &c.reads
	// Between ticks it may be up to one later than now says, and the first tick
	// that a voter counts after its answer may come at once: of E ticks it keeps
	// its word for as little as E-1. So the last tick of the lease is not used.
	if q.hasLease && !q.noLease && q.now-q.leased < c.cfg.Lease-1 && c.termCommitted() {
		r.index = c.log.commit
		c.decide(r)
		return
	}
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

// startRound gives the reads that wait for one a round of their own. With
// leases every heartbeat starts one.
func (c *Core) startRound(heartbeat bool) {
	q := &c.reads
	n := len(q.waiting)
	asked := n > 0 && q.waiting[n-1].round == 0 && c.termCommitted()
	lease := heartbeat && c.cfg.Lease > 0
	if !asked && !lease {
		return
	}
	q.round++
	if asked {
		for i := n - 1; i >= 0 && q.waiting[i].round == 0; i-- {
			q.waiting[i].index, q.waiting[i].round = c.log.commit, q.round
		}
		for i := range c.members {
			c.members[i].due = true
		}
	}
	if c.cfg.Lease > 0 {
		q.starts = append(q.starts, started{q.round, q.now})
	}
	if c.self >= 0 {
		c.answered(&c.members[c.self], q.round)
	}
}

// answered notes that a member still followed us when it answered a round.
func (c *Core) answered(p *progress, round uint64) {
	q := &c.reads
	if round <= p.round || round > q.round {
		return
	}
	p.round = round
	confirmed := c.reached(func(p *progress) uint64 { return p.round })
	for len(q.starts) > 0 && q.starts[0].round <= confirmed {
		q.leased, q.hasLease = q.starts[0].tick, true
		q.starts = slices.Delete(q.starts, 0, 1)
	}
	done := 0
	for done < len(q.waiting) && q.waiting[done].round != 0 && q.waiting[done].round <= confirmed {
		c.decide(q.waiting[done])
		done++
	}
	q.waiting = q.waiting[:copy(q.waiting, q.waiting[done:])]
}

func (c *Core) decide(r pendingRead) {
	if r.from == None {
		c.out.read(Read{ID: r.id, Index: r.index})
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
	q := &c.reads
	i := slices.IndexFunc(q.asked, func(r askedRead) bool { return r.id == m.ID })
	if i < 0 {
		return
	}
	q.asked = slices.Delete(q.asked, i, i+1)
	c.out.read(Read{ID: m.ID, Index: m.Index, Lost: m.Reject})
}

// expire gives up reads whose question or answer was lost.
func (q *readQueue) expire(c *Core) {
	q.asked = slices.DeleteFunc(q.asked, func(r askedRead) bool { return r.left <= 0 && c.lose(r.id) })
	for i := range q.asked {
		q.asked[i].left--
	}
}

func (c *Core) lose(id uint64) bool {
	c.out.read(Read{ID: id, Lost: true})
	return true
}

// fail tells all who wait here that the leader they asked leads no more.
func (q *readQueue) fail(c *Core) {
	for _, r := range q.waiting {
		if r.from == None {
			c.lose(r.id)
		}
	}
	for _, r := range q.asked {
		c.lose(r.id)
	}
	*q = readQueue{quiet: q.quiet}
}

// DropLease makes a leader prove itself anew before it answers reads without
// a round. The shell calls it when its clock may have stood still: after a
// pause of the process longer than a tick or two.
func (c *Core) DropLease() {
	c.reads.hasLease = false
	c.reads.starts = c.reads.starts[:0]
}

func (o *outbox) read(r Read) {
	o.drop()
	o.reads = append(o.reads, r)
}
