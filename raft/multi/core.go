package multi

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Core is one host's share of all groups as a deterministic value: no
// goroutine, clock, random source or I/O. It holds a [raft.Core] for each group
// that has something to do, and what is left of one for each that has not. It
// decides which groups are ticked, what shares an envelope, and who wakes. The
// same calls in the same order give the same outputs. It is not safe for
// concurrent use; [Host] is.
type Core struct {
	cfg Config
	now uint64 // ticks

	replicas []*replica // all, by ID
	awake    []*replica // those that are ticked, in no order that matters
	changed  []*replica // those that Ready looks at
	peers    []*peer    // by ID
	recount  bool       // who shares groups with whom may have changed

	gone      map[GroupID]struct{} // removed from this host for ever
	strangers map[GroupID]stranger // groups we lack whose members talk to us

	out      outbox
	inflight []flight // writes under way

	spy func(GroupID, raft.Status, *raft.Ready) // tests watch every group
}

// replica is one group's member on this host: awake with a core, or asleep with
// what is left of it.
type replica struct {
	id     GroupID
	core   *raft.Core // nil while asleep
	asleep *raft.Asleep

	place   int32 // in Core.awake; -1 while asleep
	idle    int32 // ticks since a command or read came
	eager   int32 // ticks to go on campaigning in a group that was just made
	writing int32 // Readys that the disk has not answered

	marked bool // in Core.changed
	ticked bool // since the last Ready,
	urgent bool // and something came since then that should not wait for a tick
	rest   bool // its leader sleeps, and this log is the leader's
	gone   bool // removed: what still speaks of it is too late
	led    bool // as last told in Ready.Leads
}

// NewCore returns a host without groups. It fails with raft.ErrInvalid.
func NewCore(cfg Config) (*Core, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Core{cfg: cfg, gone: map[GroupID]struct{}{}, strangers: map[GroupID]stranger{}}, nil
}

// groupConfig is the configuration of one group's core. The seed is mixed in
// package raft with the host's ID, here with the group's: groups that lost one
// leader must not all time out at once.
func (c *Core) groupConfig(g GroupID) raft.Config {
	cfg := c.cfg.Raft
	cfg.Seed += uint64(g) * 0x9e3779b97f4a7c15
	return cfg
}

// find returns where a group is in c.replicas, or would be.
func (c *Core) find(g GroupID) (int, bool) {
	return slices.BinarySearchFunc(c.replicas, g, func(r *replica, g GroupID) int { return cmp.Compare(r.id, g) })
}

// replica returns a group's replica, nil when there is none.
func (c *Core) replica(g GroupID) *replica {
	if i, ok := c.find(g); ok {
		return c.replicas[i]
	}
	return nil
}

// absent is the error for a group that is not here.
func (c *Core) absent(g GroupID) error {
	if _, ok := c.gone[g]; ok {
		return fmt.Errorf("%w: %s on %s", ErrRemoved, g, c.cfg.ID)
	}
	return fmt.Errorf("%w: %s on %s", ErrNoGroup, g, c.cfg.ID)
}

// add puts a new replica among the others, awake.
func (c *Core) add(g GroupID, core *raft.Core) (*replica, error) {
	i, exists := c.find(g)
	switch _, removed := c.gone[g]; {
	case g == 0:
		return nil, fmt.Errorf("%w: a group's ID is not 0", raft.ErrInvalid)
	case exists:
		return nil, fmt.Errorf("%w: %s on %s", ErrExists, g, c.cfg.ID)
	case removed:
		return nil, c.absent(g)
	}
	delete(c.strangers, g)
	r := &replica{id: g, core: core}
	c.replicas = slices.Insert(c.replicas, i, r)
	c.rouse(r)
	c.meet(core.Membership())
	c.mark(r)
	return r, nil
}

// rouse makes a replica one of those that are ticked.
func (c *Core) rouse(r *replica) {
	r.place, r.idle, r.rest = int32(len(c.awake)), 0, false
	c.awake = append(c.awake, r)
}

// unrouse takes it out again.
func (c *Core) unrouse(r *replica) {
	last := c.awake[len(c.awake)-1]
	c.awake[r.place], last.place = last, r.place
	c.awake[len(c.awake)-1] = nil
	c.awake = c.awake[:len(c.awake)-1]
	r.place = -1
}

// mark has Ready look at a replica.
func (c *Core) mark(r *replica) {
	if !r.marked {
		r.marked = true
		c.changed = append(c.changed, r)
	}
}

// status is a replica's, asleep or not.
func (r *replica) status() raft.Status {
	if r.core != nil {
		return r.core.Status()
	}
	return r.asleep.Status()
}

// Restore adds a group as storage held it; applied is the last index that its
// state machine holds. It fails as raft.NewCore does, and with ErrExists.
func (c *Core) Restore(g GroupID, st raft.State, applied uint64) error {
	cfg := c.groupConfig(g)
	cfg.Applied = applied
	core, err := raft.NewCore(cfg, st)
	if err != nil {
		return fmt.Errorf("raft/multi: %s of %s: %w", g, c.cfg.ID, err)
	}
	_, err = c.add(g, core)
	return err
}

// Forget notes, at start, that a group was removed from this host (M9).
func (c *Core) Forget(g GroupID) { c.gone[g] = struct{}{} }

// Tick tells the core that one unit of its time has passed: to every host that
// it shares a group with goes one envelope, and groups that are awake age.
func (c *Core) Tick() {
	c.now++
	c.count()
	c.expireStrangers()
	for i := len(c.awake) - 1; i >= 0; i-- { // one that falls asleep is replaced by one that was ticked
		r := c.awake[i]
		if c.mayRest(r) {
			continue
		}
		r.core.Tick()
		c.pressOn(r)
		r.idle++
		r.ticked = true
		c.mark(r)
	}
	c.tickPeers() // last: whom it wakes has been given this tick too
}

// Step takes an envelope from another host. Messages that no correct host sends
// are dropped, and reported as EventRefused.
func (c *Core) Step(e Envelope) {
	if e.To != c.cfg.ID || e.From == c.cfg.ID || e.From == raft.None {
		c.refuse(0, e.From, fmt.Errorf("%w: %s received an envelope from %s to %s", raft.ErrMisaddressed, c.cfg.ID, e.From, e.To))
		return
	}
	p := c.peer(e.From)
	if e.Shares {
		p.counts = c.now + uint64(c.cfg.Raft.ElectionTicks)
	}
	c.hear(p, e.Life)
	for i := range e.Messages {
		m := &e.Messages[i]
		switch r := c.replica(m.Group); {
		case m.Raft.From != e.From:
			c.refuse(m.Group, e.From, fmt.Errorf("%w: %s in an envelope of %s", raft.ErrMisaddressed, m, e.From))
		case r == nil:
			c.onStranger(m)
		case r.core == nil && c.sleepOn(r, m):
		default:
			c.step(r, m)
		}
	}
}

// step gives a message to a replica that is awake, or is to be.
func (c *Core) step(r *replica, m *Message) {
	c.wake(r, m.Raft.From)
	r.urgent = r.urgent || !m.Beat
	if calm := m.Raft.Type == raft.AppendEntriesReply || m.Raft.Type == raft.AppendEntries && len(m.Raft.Entries) == 0; !calm {
		r.idle = 0
	}
	if err := r.core.Step(m.Raft); err != nil {
		c.refuse(m.Group, m.Raft.From, err)
	}
	st := r.core.Status()
	r.rest = m.Rest && st.Leader == m.Raft.From && st.Term == m.Raft.Term && st.Last == m.Raft.Index
	c.mark(r)
}

// Propose gives a group's leader commands to append; see [raft.Core.Propose].
func (c *Core) Propose(g GroupID, commands ...[]byte) (index, term uint64, err error) {
	err = c.ask(g, true, func(core *raft.Core) (err error) {
		index, term, err = core.Propose(commands...)
		return err
	})
	return index, term, err
}

// ReadIndex asks when a read of a group may be answered; see
// [raft.Core.ReadIndex]. The answer comes in Ready.Reads.
func (c *Core) ReadIndex(g GroupID, id uint64) error {
	return c.ask(g, false, func(core *raft.Core) error { return core.ReadIndex(id) })
}

// TransferLeadership hands a group over to another of its voters; see
// [raft.Core.TransferLeadership].
func (c *Core) TransferLeadership(g GroupID, to raft.NodeID) error {
	return c.ask(g, true, func(core *raft.Core) error { return core.TransferLeadership(to) })
}

// ChangeMembership asks a group's leader for other members; see
// [raft.Core.ChangeMembership]. A host that is new in the group joins it when
// the leader has asked for it for two election timeouts.
func (c *Core) ChangeMembership(g GroupID, m raft.Membership) (index, term uint64, err error) {
	err = c.ask(g, true, func(core *raft.Core) (err error) {
		index, term, err = core.ChangeMembership(m)
		return err
	})
	return index, term, err
}

// ask wakes a group for a request. A follower that cannot help with it sleeps
// on.
func (c *Core) ask(g GroupID, leader bool, request func(*raft.Core) error) error {
	r := c.replica(g)
	if r == nil {
		return c.absent(g)
	}
	if st := r.status(); r.core == nil && leader && st.Role != raft.Leader {
		return &raft.NotLeaderError{Leader: st.Leader}
	}
	c.wake(r, raft.None)
	r.idle, r.urgent = 0, true
	err := request(r.core)
	c.mark(r)
	return err
}

// Applied tells that a group's state machine has applied everything up to index.
func (c *Core) Applied(g GroupID, index uint64) {
	if r := c.replica(g); r != nil && r.core != nil {
		r.core.Applied(index)
		if r.rest {
			c.mark(r)
		}
	}
}

// ReportSnapshot tells a leader how sending a snapshot goes; see
// [raft.Core.ReportSnapshot].
func (c *Core) ReportSnapshot(g GroupID, to raft.NodeID, failed bool) {
	if r := c.replica(g); r != nil && r.core != nil {
		r.core.ReportSnapshot(to, failed)
	}
}

// DropLease gives up all leases: the clock may have stood still.
func (c *Core) DropLease() {
	for _, r := range c.awake {
		r.core.DropLease()
	}
}

// Status returns a group's state.
func (c *Core) Status(g GroupID) (raft.Status, error) {
	r := c.replica(g)
	if r == nil {
		return raft.Status{}, c.absent(g)
	}
	return r.status(), nil
}

func (c *Core) emit(g GroupID, kind EventKind, peer raft.NodeID, rule string) {
	if c.cfg.Trace != nil {
		c.cfg.Trace(Event{Host: c.cfg.ID, Group: g, Kind: kind, Peer: peer, Rule: rule})
	}
}

func (c *Core) refuse(g GroupID, peer raft.NodeID, err error) {
	if c.cfg.Trace != nil {
		c.cfg.Trace(Event{Host: c.cfg.ID, Group: g, Kind: EventRefused, Peer: peer, Rule: "M12", Err: err})
	}
}
