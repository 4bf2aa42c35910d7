package raft

import "github.com/flagship-go/flagship/raft/quorum"

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

// Read is a decided read: from Index on, the state machine may answer it.
type Read struct {
	ID    uint64 // as given to ReadIndex
	Index uint64
	// Lost: the node stopped leading before it could tell; ask its successor.
	Lost bool
}

type readQueue struct {
	round   uint64        // the newest round started
	waiting []pendingRead // by round; round 0, not started yet, last
}

type pendingRead struct {
	id, index, round uint64
}

// ReadIndex asks when a read that starts now may be answered; the answer comes
// in Ready.Reads under the same id, which the caller chooses. On a node that
// does not lead, the error is a *NotLeaderError.
func (c *Core) ReadIndex(id uint64) error {
	if c.role != Leader {
		return &NotLeaderError{c.leader}
	}
	c.reads.waiting = append(c.reads.waiting, pendingRead{id: id})
	c.dirty = true
	return nil
}

// startRound gives the reads that wait for one a round of their own.
func (c *Core) startRound() {
	q := &c.reads
	n := len(q.waiting)
	if n == 0 || q.waiting[n-1].round != 0 {
		return
	}
	// Before the term's first commit a leader may not know of entries that
	// its predecessor has committed (dissertation §6.4, step 1).
	if term, _ := c.log.term(c.log.commit); term != c.term {
		return
	}
	q.round++
	for i := n - 1; i >= 0 && q.waiting[i].round == 0; i-- {
		q.waiting[i].index, q.waiting[i].round = c.log.commit, q.round
	}
	for i := range c.members {
		c.members[i].due = true
	}
	c.answered(&c.members[c.self], q.round)
}

// answered notes that a member still followed us when it answered a round.
func (c *Core) answered(p *progress, round uint64) {
	q := &c.reads
	if round <= p.round || round > q.round {
		return
	}
	p.round = round
	var stack [7]uint64
	rounds := stack[:0]
	for i := range c.members {
		rounds = append(rounds, c.members[i].round)
	}
	confirmed := quorum.Index(rounds)
	done := 0
	for done < len(q.waiting) && q.waiting[done].round != 0 && q.waiting[done].round <= confirmed {
		r := q.waiting[done]
		c.out.read(Read{ID: r.id, Index: r.index})
		done++
	}
	q.waiting = q.waiting[:copy(q.waiting, q.waiting[done:])]
}

// fail tells all who wait that this node stopped leading.
func (q *readQueue) fail(o *outbox) {
	for _, r := range q.waiting {
		o.read(Read{ID: r.id, Lost: true})
	}
	*q = readQueue{}
}

func (o *outbox) read(r Read) {
	o.drop()
	o.reads = append(o.reads, r)
}
