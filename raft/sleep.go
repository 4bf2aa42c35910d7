package raft

// Sleep. A process may hold thousands of groups of which most have nothing to
// do for hours (package raft/multi). A core without work can be put away: what
// is left of it is what it must not forget, and of a leader, that it leads.
//
//	Core, about 1 KB            Asleep, about 200 B
//	term, vote, commit    -->   term, vote, commit
//	log in chunks         -->   log, encoded
//	memberships, progress -->   membership, encoded
//	timers, lease, reads        (given up)
//
// While it sleeps it hears nothing and counts no ticks, so whoever puts it away
// must see to it that it is woken when its leader may be dead.

// Asleep is a core that was put away by [Core.Sleep]. It is immutable.
type Asleep struct {
	hard        HardState
	leader      NodeID
	index, term uint64 // of the last snapshot
	lastTerm    uint64
	rng         uint64
	// Rounds are numbered within the term: an answer to one of before must not
	// count for one to come (reads.go).
	round   uint64
	members []byte // at index
	log     []byte // the entries behind index
	id      NodeID
	ended   bool // the lease, for this term (lease.go)
	quiet   bool
}

// Sleep returns what is left of a core that has nothing to do, and false for one
// that has: everything must be committed, applied and durable, nobody may wait,
// and a leader must be known. The core is not to be used any more.
//
// A lease ends with it: nobody counts its ticks.
func (c *Core) Sleep() (*Asleep, bool) {
	l, q := &c.log, c.reads
	last := l.last()
	settled := l.commit == last && l.applied == last && l.durable == last && len(c.out.writes) == 0
	waited := q != nil && len(q.waiting)+len(q.asked) > 0
	follows := c.role == Leader || c.role == Follower && c.leader != None
	if !settled || waited || !follows || c.joint || c.transferee != None || c.HasReady() {
		return nil, false
	}
	a := &Asleep{
		hard: c.hardState(), leader: c.leader, id: c.cfg.ID,
		index: c.lastIncludedIndex, term: c.lastIncludedTerm, lastTerm: l.lastTerm(),
		rng: c.rng, round: c.reads.newest(),
		members: EncodeMembership(c.MembershipAt(c.lastIncludedIndex)),
	}
	// What is kept behind the snapshot for slow followers is given up.
	if last > a.index {
		entries := l.entries.slice(int(a.index-l.offset), l.entries.len())
		a.log = append([]byte(nil), EncodeEntries(nil, entries)...)
	}
	if c.lease != nil {
		a.ended, a.quiet = c.lease.ended, c.lease.quiet
	}
	return a, true
}

// Wake builds the core again. Cfg must be the one that it was made with;
// Voters and Applied are not looked at. A leader still leads, without knowing
// what its followers hold; a follower's timer begins anew: the caller lets the
// ticks pass that the leader has been silent.
func Wake(cfg Config, a *Asleep) (*Core, error) {
	members, err := DecodeMembership(a.members)
	if err != nil {
		return nil, err
	}
	st := State{HardState: a.hard, Snapshot: &Snapshot{Index: a.index, Term: a.term, Membership: members}}
	if a.log != nil {
		if st.Entries, _, err = DecodeEntries(a.log); err != nil {
			return nil, err
		}
	}
	cfg.Voters, cfg.Applied = nil, a.hard.Commit
	c, err := NewCore(cfg, st)
	if err != nil {
		return nil, err
	}
	c.rng, c.leader = a.rng, a.leader
	c.resetTimeout()
	if c.lease != nil {
		*c.lease = lease{ended: a.ended, quiet: a.quiet}
	}
	if a.round > 0 {
		c.readQueue().round = a.round
	}
	if a.leader == c.cfg.ID {
		c.role = Leader
		for i := range c.members {
			c.members[i].reset(c.log.last())
		}
		if p := c.own(); p != nil {
			p.advanceTo(c.log.durable)
		}
	}
	c.dirty = false // there is nothing to say before the next tick or command
	return c, nil
}

// Status is the core's when it was put away.
func (a *Asleep) Status() Status {
	st := Status{
		ID: a.id, Role: Follower, Term: a.hard.Term, VotedFor: a.hard.VotedFor, Leader: a.leader,
		Commit: a.hard.Commit, Applied: a.hard.Commit, First: a.index + 1,
		Last: a.hard.Commit, LastTerm: a.lastTerm, Durable: a.hard.Commit, Snapshot: a.index,
	}
	if a.leader == a.id {
		st.Role = Leader
	}
	return st
}

// Begin starts a node of a group that has just been made, with the state that
// all its members begin with. As nobody can have promised anything in it yet,
// the node votes at once where a restarted one would wait for old leases to end.
// Storage must hold the snapshot before the node's messages leave.
func Begin(cfg Config, initial Snapshot) (*Core, error) {
	initial.Data = nil
	c, err := NewCore(cfg, State{HardState: HardState{Commit: initial.Index}, Snapshot: &initial})
	if err == nil && c.lease != nil {
		c.lease.quiet = false
	}
	return c, err
}

// Campaign starts an election now, where no leader is known: whoever has just
// made a group need not wait for a silence to know that nobody leads it.
func (c *Core) Campaign() {
	if c.role != Leader && c.leader == None && c.mayCampaign() {
		c.campaign()
	}
}

// Membership returns the membership in force.
func (a *Asleep) Membership() Membership {
	at := configAt{encoded: a.members}
	if a.log != nil {
		entries, _, _ := DecodeEntries(a.log)
		for i := range entries {
			if entries[i].Type == EntryMembership {
				at.encoded = entries[i].Data
			}
		}
	}
	return at.membership()
}
