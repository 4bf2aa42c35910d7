package raft

import "fmt"

// Role is what a node is in its term (Figure 4).
type Role uint8

// The roles. A PreCandidate asks whether it could win before it disturbs
// anybody with a new term (dissertation §9.6).
const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

func (r Role) String() string {
	return [...]string{"follower", "pre-candidate", "candidate", "leader"}[r]
}

// Core is the Raft algorithm of one node as a deterministic value: no
// goroutine, clock, random source or I/O. The same calls in the same order
// give the same outputs. It is not safe for concurrent use; [Node] is.
type Core struct {
	cfg Config

	role  Role
	joint bool // a change of voters is under way: two majorities decide (§6)
	dirty bool // a leader may have something to send
	taken bool // what out and reads hold was handed out

	electionElapsed  int32 // ticks since a sign of life, or since the last CheckQuorum
	heartbeatElapsed int32
	timeout          int32 // ticks of silence this node accepts
	rng              uint64

	term     uint64 // currentTerm
	votedFor NodeID
	leader   NodeID // of this term, None while unknown
	log      raftLog
	// The last snapshot this node holds (Figure 13); 0 when there is none.
	lastIncludedIndex, lastIncludedTerm uint64

	configs []configAt // the memberships in the log, oldest first
	members []progress // of all who take part, by ID

	uncommitted int // bytes a leader has taken and not committed
	transferee  NodeID
	reads       *readQueue // nil until there is one
	lease       *lease     // nil without Config.Lease
	out         outbox
}

// State is what storage held when the node stopped: its HardState, the newest
// snapshot (nil when there is none) and the entries behind it, in order and
// without a gap. Entries may start before the snapshot's end.
type State struct {
	HardState HardState
	Snapshot  *Snapshot
	Entries   []Entry
}

// NewCore starts a node from what its storage held; the zero State is a new
// node. It fails with ErrInvalid or, when the state contradicts itself, with
// ErrCorrupt.
func NewCore(cfg Config, st State) (*Core, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	// Mixed, or nodes with near seeds would draw from one sequence, shifted, and
	// could fall into step for ever.
	c := &Core{cfg: cfg, rng: mix(mix(cfg.Seed) ^ uint64(cfg.ID))}
	c.term, c.votedFor = st.HardState.Term, st.HardState.VotedFor
	c.out.hard = st.HardState
	membership := Membership{Voters: cfg.Voters}
	c.cfg.Voters = nil // what is in the log counts from now on
	if st.Snapshot != nil {
		c.lastIncludedIndex, c.lastIncludedTerm = st.Snapshot.Index, st.Snapshot.Term
		membership = st.Snapshot.Membership
		if err := membership.validate("the snapshot"); err != nil {
			return nil, err
		}
	}
	if err := c.load(st); err != nil {
		return nil, err
	}
	c.resetConfigs(c.lastIncludedIndex, membership)
	for i := range st.Entries {
		if st.Entries[i].Index > c.lastIncludedIndex {
			c.adoptEntries(st.Entries[i:])
			break
		}
	}
	if cfg.Lease > 0 {
		c.lease = &lease{quiet: true}
	}
	c.resetTimeout()
	return c, nil
}

// load fills the log, refusing what no node can have written.
func (c *Core) load(st State) error {
	l := &c.log
	base := c.lastIncludedIndex
	if len(st.Entries) > 0 && st.Entries[0].Index <= base {
		// The entry at the snapshot's end tells that the log belongs to it.
		skip := base + 1 - st.Entries[0].Index
		if skip > uint64(len(st.Entries)) || st.Entries[skip-1].Term != c.lastIncludedTerm {
			return fmt.Errorf("%w: stored log does not join the snapshot at %d/t%d", ErrCorrupt, base, c.lastIncludedTerm)
		}
		// Entries the snapshot covers are kept for slow followers. The term
		// before the first of them is not known, so it serves as the base.
		l.offset, l.offsetTerm = st.Entries[0].Index, st.Entries[0].Term
		st.Entries = st.Entries[1:]
	} else {
		l.offset, l.offsetTerm = base, c.lastIncludedTerm
	}
	l.entries.add(st.Entries...)
	if err := checkEntries(st.Entries, l.offset, l.offsetTerm, c.term); err != nil {
		return fmt.Errorf("%w: stored log: %w", ErrCorrupt, err)
	}
	// A state machine with a memory of its own may know of a commit that the
	// stored HardState does not: Commit alone is stored without a sync.
	l.applied = max(c.cfg.Applied, base)
	l.commit = max(st.HardState.Commit, l.applied)
	l.handed = l.applied
	l.saved, l.durable = l.last(), l.last()
	if l.commit > l.last() {
		return fmt.Errorf("%w: applied %d and committed %d, but the stored log ends at %d", ErrCorrupt, l.applied, l.commit, l.last())
	}
	return nil
}

// checkEntries verifies that entries follow index/term without a gap, in terms
// that never fall and do not exceed maxTerm, and that memberships are such.
func checkEntries(entries []Entry, index, term, maxTerm uint64) error {
	for i := range entries {
		e := &entries[i]
		if e.Index != index+1 || e.Term < term || e.Term > maxTerm {
			return fmt.Errorf("entry %d/t%d cannot follow %d/t%d in term %d", e.Index, e.Term, index, term, maxTerm)
		}
		if e.Type == EntryMembership {
			if _, err := DecodeMembership(e.Data); err != nil {
				return err
			}
		}
		index, term = e.Index, e.Term
	}
	return nil
}

// member returns the progress of a member, nil when id is none.
func (c *Core) member(id NodeID) *progress {
	for i := range c.members {
		if c.members[i].id == id {
			return &c.members[i]
		}
	}
	return nil
}

// own is what this node knows of itself: nil when it does not take part.
func (c *Core) own() *progress { return c.member(c.cfg.ID) }

// Tick tells the core that one unit of its time has passed.
func (c *Core) Tick() {
	if c.role == Leader {
		c.tickLeader()
		return
	}
	c.electionElapsed++
	if c.quiet() && int(c.electionElapsed) >= c.cfg.ElectionTicks {
		c.lease.quiet = false
	}
	c.expireReads()
	if c.electionElapsed >= c.timeout && c.mayCampaign() {
		c.campaign()
	}
}

// Step takes a message from another node. It returns ErrMisaddressed or
// ErrCorrupt for one that no correct peer sends, and has then done nothing.
func (c *Core) Step(m Message) error {
	if err := c.checkMessage(&m); err != nil {
		return err
	}
	switch {
	case m.Term > c.term:
		if !c.onHigherTerm(&m) {
			return nil
		}
	case m.Term < c.term:
		c.onLowerTerm(&m)
		return nil
	}
	return c.handle(&m)
}

// handle is Raft's table: what each role does with each message of its own
// term. An empty cell is ignored, it answers a question not asked any more;
// what a message of another term does is decided before, in Step.
//
//	                    follower   pre-cand.  candidate  leader
//	RequestPreVote      answer     answer     answer     answer
//	RequestPreVoteReply            count
//	RequestVote         answer     answer     answer     answer
//	RequestVoteReply                          count
//	AppendEntries       accept     accept     accept     two leaders: corrupt
//	AppendEntriesReply                                   advance or back up
//	InstallSnapshot     accept     accept     accept     two leaders: corrupt
//	TimeoutNow          campaign
//	ReadRequest         refuse     refuse     refuse     ask a majority
//	ReadReply           answer
func (c *Core) handle(m *Message) error {
	switch m.Type {
	case RequestPreVote:
		c.onRequestPreVote(m)
	case RequestVote:
		c.onRequestVote(m)
	case RequestPreVoteReply:
		if c.role == PreCandidate {
			c.onVoteReply(m)
		}
	case RequestVoteReply:
		if c.role == Candidate {
			c.onVoteReply(m)
		}
	case AppendEntries, InstallSnapshot:
		if c.role == Leader {
			return fmt.Errorf("%w: %s leads term %d and received %s: two leaders in one term (§5.2)", ErrCorrupt, c.cfg.ID, c.term, *m)
		}
		c.follow(m.From)
		if m.Type == AppendEntries {
			c.onAppendEntries(m)
			return nil
		}
		return c.onInstallSnapshot(m)
	case AppendEntriesReply:
		if c.role == Leader {
			return c.onAppendEntriesReply(m)
		}
	case TimeoutNow:
		if c.role == Follower && c.mayCampaign() {
			c.becomeCandidate(true)
		}
	case ReadRequest:
		c.onReadRequest(m)
	case ReadReply:
		c.onReadReply(m)
	}
	return nil
}

func (c *Core) checkMessage(m *Message) error {
	switch {
	case m.Type == 0 || m.Type >= numMessageTypes:
		return fmt.Errorf("%w: %s from %s", ErrMisaddressed, m.Type, m.From)
	case m.To != c.cfg.ID || m.From == c.cfg.ID || m.From == None:
		return fmt.Errorf("%w: %s is %s", ErrMisaddressed, c.cfg.ID, *m)
	case m.Type == AppendEntries:
		if err := checkEntries(m.Entries, m.Index, m.LogTerm, m.Term); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrCorrupt, *m, err)
		}
	case m.Type == InstallSnapshot && (m.Snapshot == nil || m.Snapshot.Index == 0 || m.Snapshot.Term > m.Term):
		return fmt.Errorf("%w: %s without a snapshot", ErrCorrupt, *m)
	}
	return nil
}

// onHigherTerm obeys the rule for all servers (Figure 2): a higher term makes
// a follower. It says whether the message is to be handled still.
func (c *Core) onHigherTerm(m *Message) bool {
	leader := None
	switch m.Type {
	case RequestPreVote, RequestVote:
		// §6, last paragraph: who hears from a leader does not listen to those
		// who do not; a removed or returning node must not depose it.
		if c.leaderAlive() && !m.Force || c.quiet() {
			c.emit(EventVoteIgnored, m.From, m.Index, "§6")
			return false
		}
		if m.Type == RequestPreVote {
			return true // asks about a term that nobody has entered yet
		}
	case RequestPreVoteReply:
		if !m.Reject {
			return true // granted for the term we asked about
		}
	case AppendEntries, InstallSnapshot:
		leader = m.From
	}
	c.becomeFollower(m.Term, leader)
	return true
}

// onLowerTerm answers requests so that their sender learns the term (§5.1).
// A leader must learn it too: after a partition this node may be ahead of a
// leader whom it cannot reach by a campaign, because the others are sticky.
func (c *Core) onLowerTerm(m *Message) {
	switch m.Type {
	case RequestPreVote:
		c.send(Message{Type: RequestPreVoteReply, To: m.From, Reject: true})
	case RequestVote:
		c.send(Message{Type: RequestVoteReply, To: m.From, Reject: true})
	case AppendEntries, InstallSnapshot:
		c.send(Message{Type: AppendEntriesReply, To: m.From, Reject: true, Index: m.Index})
	}
}

// becomeFollower enters term, if it is a later one, as a follower of leader.
// The election timer runs on: only a leader's word or a vote given restarts it.
func (c *Core) becomeFollower(term uint64, leader NodeID) {
	was := c.role
	c.role, c.leader = Follower, leader
	if term > c.term {
		c.term, c.votedFor = term, None
		c.failReads() // asked of the leader before: its answer comes too late
		c.emit(EventTerm, leader, 0, "§5.1")
	}
	if was == Leader {
		c.failReads()
		c.electionElapsed, c.dirty, c.transferee = 0, false, None
	}
	if was != Follower {
		c.emit(EventRole, leader, 0, "§5.2")
	}
}

// resetTimeout restarts the election timer with a new random length (§5.2).
func (c *Core) resetTimeout() {
	c.electionElapsed = 0
	c.rng += 0x9e3779b97f4a7c15
	c.timeout = int32(c.cfg.ElectionTicks + c.cfg.ElectionDelay + int(mix(c.rng)%uint64(c.cfg.ElectionTicks)))
}

// mix is the output function of splitmix64 (Steele et al., 2014): the seed, and
// no source of randomness, makes the choices.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Propose gives the leader commands to append; it takes ownership of data.
// Index is the place of the first, term the leader's. Each is committed when
// it comes back in Ready.Committed with this index and term; another term at
// its index means that it never will be.
//
// The error is a *NotLeaderError on a node that does not lead, ErrBusy while
// too much is uncommitted, ErrTooLarge for a command over the limit, and
// ErrPending while leadership is given away; then nothing was appended.
func (c *Core) Propose(commands ...[]byte) (index, term uint64, err error) {
	return c.propose(EntryCommand, commands...)
}

func (c *Core) propose(kind EntryType, commands ...[]byte) (index, term uint64, err error) {
	if c.role != Leader {
		return 0, 0, &NotLeaderError{c.leader}
	}
	if c.transferee != None {
		return 0, 0, fmt.Errorf("%w: leadership is being given to %s", ErrPending, c.transferee)
	}
	bytes := 0
	for _, data := range commands {
		if len(data) > c.cfg.MaxEntryBytes {
			return 0, 0, fmt.Errorf("%w: %d bytes, Config.MaxEntryBytes is %d", ErrTooLarge, len(data), c.cfg.MaxEntryBytes)
		}
		bytes += entryOverhead + len(data)
	}
	// One that is larger than the bound is taken when nothing else is there.
	if c.uncommitted > 0 && c.uncommitted+bytes > c.cfg.MaxUncommittedBytes {
		return 0, 0, fmt.Errorf("%w: %d bytes are not committed yet, Config.MaxUncommittedBytes is %d; try again later", ErrBusy, c.uncommitted, c.cfg.MaxUncommittedBytes)
	}
	c.uncommitted += bytes
	index = c.log.last() + 1
	for _, data := range commands {
		c.log.add(Entry{Index: c.log.last() + 1, Term: c.term, Type: kind, Data: data})
	}
	c.dirty = true
	c.emit(EventAppended, None, c.log.last(), "§5.3")
	return index, c.term, nil
}
