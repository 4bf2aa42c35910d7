package raft

import "github.com/flagship-go/flagship/raft/quorum"

// An election (§5.2, §5.4.1; with dissertation §9.6, PreVote):
//
//	follower --silence--> pre-candidate --a majority would vote--> candidate
//	    ^                      |                                       |
//	    |                      | a majority would not                  | a majority voted
//	    +----------------------+---------------- higher term ----------+--> leader
//
// A pre-vote changes no term and gives no vote; it only keeps a node that
// cannot win from raising the term of those who have a leader.

// leaderAlive says whether this node has reason to believe in its leader: it
// heard from it within the shortest election timeout. Only then does it turn
// away candidates, and only under CheckQuorum, which makes a leader that
// nobody hears stop by itself.
func (c *Core) leaderAlive() bool {
	return !c.cfg.NoCheckQuorum && c.leader != None && int(c.electionElapsed) < c.cfg.ElectionTicks
}

// campaign starts an election, or tries again when the last one was undecided.
func (c *Core) campaign() {
	if c.cfg.NoPreVote {
		c.becomeCandidate(false)
		return
	}
	c.role, c.leader = PreCandidate, None
	c.emit(EventRole, None, 0, "D§9.6")
	c.askForVotes(RequestPreVote, c.term+1, false)
	c.countOwnVote() // binds nobody, so needs no disk
}

// becomeCandidate campaigns; with force, because the leader itself asked.
func (c *Core) becomeCandidate(force bool) {
	c.role, c.leader = Candidate, None
	c.term++
	c.votedFor = c.cfg.ID // counted in Synced
	c.failReads()
	c.emit(EventRole, None, 0, "§5.2")
	c.askForVotes(RequestVote, c.term, force)
}

func (c *Core) askForVotes(kind MessageType, term uint64, force bool) {
	c.resetTimeout()
	for i := range c.members {
		c.members[i].vote = voteMissing
		if p := &c.members[i]; p.id != c.cfg.ID && (p.voter || p.outgoing) {
			c.send(Message{Type: kind, To: p.id, Term: term, Index: c.log.last(), LogTerm: c.log.lastTerm(), Force: force})
		}
	}
}

// onRequestPreVote answers whether we would vote in a term to come. Nothing is
// remembered, and the timer runs on.
func (c *Core) onRequestPreVote(m *Message) {
	reply := Message{Type: RequestPreVoteReply, To: m.From, Term: m.Term}
	if m.Term <= c.term || !c.log.upToDate(m.Index, m.LogTerm) {
		reply.Reject, reply.Term = true, c.term
	}
	c.send(reply)
}

// onRequestVote gives this term's only vote to the first candidate whose log
// is at least as up to date as ours (§5.2, §5.4.1).
func (c *Core) onRequestVote(m *Message) {
	free := c.votedFor == None || c.votedFor == m.From
	if !free || !c.log.upToDate(m.Index, m.LogTerm) {
		c.emit(EventVoteDenied, m.From, m.Index, "§5.4.1")
		c.send(Message{Type: RequestVoteReply, To: m.From, Reject: true})
		return
	}
	// Only a vote given restarts the timer (Figure 2, Followers): a denied
	// candidate must not be able to keep the others from campaigning.
	c.votedFor = m.From
	c.resetTimeout()
	c.emit(EventVoteGranted, m.From, m.Index, "§5.2")
	c.send(Message{Type: RequestVoteReply, To: m.From})
}

// onVoteReply counts an answer to our candidacy. Who is no voter decides
// nothing, nor does an answer to an earlier candidacy.
func (c *Core) onVoteReply(m *Message) {
	p := c.member(m.From)
	if p == nil || c.role == PreCandidate && !m.Reject && m.Term != c.term+1 {
		return
	}
	if m.Reject {
		c.countVote(p, voteDenied)
	} else {
		c.countVote(p, voteGranted)
	}
}

// countVote records the first answer of a voter, a repeated message counts
// once, and acts when the vote is decided.
func (c *Core) countVote(p *progress, v vote) {
	if p.vote == voteMissing {
		p.vote = v
	}
	switch c.tally(func(p *progress) vote { return p.vote }) {
	case quorum.Won:
		if c.role == PreCandidate {
			c.becomeCandidate(false)
		} else {
			c.becomeLeader()
		}
	case quorum.Lost:
		c.becomeFollower(c.term, None)
	}
}

// countOwnVote counts the vote for ourselves, where we have one.
func (c *Core) countOwnVote() {
	if p := c.own(); p != nil {
		c.countVote(p, voteGranted)
	}
}

// tally counts votes, among the voters and, during a change of membership,
// among the outgoing ones as well: both must agree (§6).
func (c *Core) tally(of func(*progress) vote) quorum.Result {
	count := func(in func(*progress) bool) quorum.Result {
		n, granted, denied := 0, 0, 0
		for i := range c.members {
			p := &c.members[i]
			if !in(p) {
				continue
			}
			n++
			switch of(p) {
			case voteGranted:
				granted++
			case voteDenied:
				denied++
			}
		}
		return quorum.Vote(n, granted, denied)
	}
	incoming := count(func(p *progress) bool { return p.voter })
	if !c.joint {
		return incoming
	}
	return quorum.Both(incoming, count(func(p *progress) bool { return p.outgoing }))
}

// becomeLeader starts a reign: nothing is known of the followers, and an empty
// entry of the new term is appended, with which all earlier ones commit (§8).
func (c *Core) becomeLeader() {
	c.role, c.leader = Leader, c.cfg.ID
	c.electionElapsed, c.heartbeatElapsed = 0, 0
	for i := range c.members {
		c.members[i].reset(c.log.last())
	}
	if p := c.own(); p != nil {
		p.advanceTo(c.log.durable)
	}
	c.log.add(Entry{Index: c.log.last() + 1, Term: c.term, Type: EntryNoop})
	c.reads.restart()
	c.lease.reset(false)
	c.uncommitted = 0
	for i := c.log.commit + 1; i <= c.log.last(); i++ {
		c.uncommitted += c.log.entry(i).size()
	}
	c.dirty = true
	c.emit(EventRole, None, c.log.last(), "§5.2")
}

// tickLeader sends signs of life, and steps down when a majority gave none
// for an election timeout (CheckQuorum, dissertation §6.2): a leader cut off
// must not keep its clients waiting for what cannot commit.
func (c *Core) tickLeader() {
	if c.lease != nil {
		c.lease.now++
	}
	c.heartbeatElapsed++
	if int(c.heartbeatElapsed) >= c.cfg.HeartbeatTicks {
		c.heartbeatElapsed = 0
		c.heartbeat()
	}
	c.electionElapsed++
	if int(c.electionElapsed) < c.cfg.ElectionTicks {
		return
	}
	c.electionElapsed = 0
	c.transferee = None // who did not take over by now never will
	heard := c.tally(func(p *progress) vote {
		if p.active || p.id == c.cfg.ID {
			return voteGranted
		}
		return voteDenied
	})
	for i := range c.members {
		c.members[i].active = false
	}
	if !c.cfg.NoCheckQuorum && heard != quorum.Won {
		c.emit(EventQuorumLost, None, 0, "D§6.2")
		c.becomeFollower(c.term, None)
	}
}
