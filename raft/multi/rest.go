package multi

import "github.com/flagship-go/flagship/raft"

// Sleep (rules M3 to M6). A group without work costs heartbeats and ticks for
// nothing: what they find out, whether the leader is alive, is the same for all
// groups of one host, and the hosts' own signs of life tell it.
//
//	leader                              follower
//	awake   no command for RestTicks,
//	        all followers have all
//	  | ----- rest: last=7 commit=7 ---->  has 7 and applied it: asleep, no answer
//	asleep                                 has not: awake, and answers
//	  | <---------- an answer -----------
//	  | what it says is old news: the word again; otherwise awake
//
// It wakes by a command or read, by a message that says something new, when the
// leader's host has been silent for an election timeout, and when a host that
// the leader may owe something comes back.

// mayRest lets a leader's group sleep when it is time.
func (c *Core) mayRest(r *replica) bool {
	if int(r.idle) < c.cfg.RestTicks || c.cfg.NeverRest {
		return false
	}
	st := r.core.Status()
	if st.Role != raft.Leader {
		return false
	}
	peers := r.core.Peers()
	for _, p := range peers {
		// M4: nobody is left behind, but for hosts that do not answer anyway:
		// when they do again, the group wakes.
		if p.ID != c.cfg.ID && p.MatchIndex < st.Last && !c.peer(p.ID).silentFor(c.cfg.Raft.ElectionTicks) {
			r.idle = 0
			return false
		}
	}
	if !c.sleep(r) {
		r.idle = 0
		return false
	}
	for _, p := range peers {
		if p.ID != c.cfg.ID {
			c.tellRest(r, p.ID)
		}
	}
	return true
}

// sleep puts a replica away, if it has nothing to do.
func (c *Core) sleep(r *replica) bool {
	asleep, ok := r.core.Sleep()
	if !ok {
		return false
	}
	r.core, r.asleep = nil, asleep
	c.unrouse(r)
	c.emit(r.id, EventSlept, raft.None, "M3")
	return true
}

// tellRest tells a follower that its leader sleeps. It is a heartbeat: who has
// not got everything, or forgot who leads, learns it.
func (c *Core) tellRest(r *replica, to raft.NodeID) {
	st := r.asleep.Status()
	p := c.peer(to)
	p.now = append(p.now, Message{Group: r.id, Rest: true, Raft: raft.Message{
		Type: raft.AppendEntries, From: c.cfg.ID, To: to, Term: st.Term,
		Index: st.Last, LogTerm: st.LastTerm, Commit: st.Commit,
	}})
}

// followRest lets a follower sleep whose leader does: when it follows that
// leader, and has applied everything.
func (c *Core) followRest(r *replica) bool {
	return r.rest && r.core.Status().Role == raft.Follower && c.sleep(r)
}

// restAnswer says whether a message only repeats to the leader what it knew
// when it went to sleep.
func (r *replica) restAnswer(m *raft.Message) bool {
	return r.rest && m.Type == raft.AppendEntriesReply && !m.Reject
}

// sleepOn says whether a sleeping replica need not wake for a message (M5).
func (c *Core) sleepOn(r *replica, m *Message) bool {
	st := r.asleep.Status()
	switch {
	case m.Raft.Term != st.Term:
		return false
	case m.Rest:
		return m.Raft.From == st.Leader && m.Raft.Index == st.Last
	case st.Role == raft.Leader && m.Raft.Type == raft.AppendEntriesReply && !m.Raft.Reject && m.Raft.Index == st.Last:
		c.tellRest(r, m.Raft.From) // it answers, so it has not heard
		return true
	}
	return false
}

// wake builds the core of a sleeping replica again, and lets the time pass for
// it that its leader's host has been silent: it would have counted it (M6).
func (c *Core) wake(r *replica, by raft.NodeID) {
	if r.core != nil {
		return
	}
	core, err := raft.Wake(c.groupConfig(r.id), r.asleep)
	if err != nil {
		panic("raft/multi: broken invariant: a sleeping group does not wake: " + err.Error())
	}
	leader := r.asleep.Status().Leader
	r.core, r.asleep = core, nil
	c.rouse(r)
	c.mark(r)
	c.emit(r.id, EventWoke, by, "M5")
	if leader != c.cfg.ID {
		for range min(c.peer(leader).silent, uint64(c.cfg.Raft.ElectionTicks)) {
			core.Tick()
		}
	}
}
