package multi

import (
	"context"
	"sync/atomic"

	"github.com/flagship-go/flagship/raft"
)

// Status is a group's state on a host.
type Status struct {
	Group GroupID
	raft.Status
	// Asleep says that the group has nothing to do, and costs nothing.
	Asleep bool
	// Lease says that a leader may answer reads without a message, now.
	Lease      bool
	Membership raft.Membership
}

// GroupStatus returns a group's state, from outside the core.
func (c *Core) GroupStatus(g GroupID) (Status, error) {
	r := c.replica(g)
	if r == nil {
		return Status{}, c.absent(g)
	}
	return Status{Group: g, Status: r.status(), Asleep: r.core == nil, Lease: r.core != nil && r.core.HasLease(), Membership: r.membership()}, nil
}

// Membership returns a group's membership in force.
func (c *Core) Membership(g GroupID) (raft.Membership, error) {
	r := c.replica(g)
	if r == nil {
		return raft.Membership{}, c.absent(g)
	}
	return r.membership(), nil
}

// transferring says whether a group's leadership is being given away.
func (c *Core) transferring(g GroupID) bool {
	r := c.replica(g)
	return r != nil && r.core != nil && r.core.Transferee() != raft.None
}

// settled says whether a group's members are m, and this is committed.
func (c *Core) settled(g GroupID, m raft.Membership) bool {
	r := c.replica(g)
	if r == nil || !sameMembers(r.membership(), m) {
		return false
	}
	return r.core == nil || sameMembers(r.core.MembershipAt(r.core.Status().Commit), m)
}

// Groups returns the groups that have a replica here, by ID.
func (c *Core) Groups() []GroupID {
	ids := make([]GroupID, len(c.replicas))
	for i, r := range c.replicas {
		ids[i] = r.id
	}
	return ids
}

// Awake returns how many groups are not asleep.
func (c *Core) Awake() int { return len(c.awake) }

// Status returns the state of a group on this host; ErrNoGroup where there is
// none.
func (h *Host) Status(ctx context.Context, g GroupID) (Status, error) {
	got := make(chan Status, 1) // the loop may answer when ctx has ended
	err := h.ask(ctx, &request{start: func() error {
		st, err := h.groupStatus(g)
		got <- st
		return err
	}})
	if err != nil {
		return Status{}, err
	}
	return <-got, nil
}

// Groups returns the state of all groups on this host, by ID.
func (h *Host) Groups(ctx context.Context) ([]Status, error) {
	got := make(chan []Status, 1)
	err := h.ask(ctx, &request{start: func() error {
		var all []Status
		for _, g := range h.core.Groups() {
			st, _ := h.groupStatus(g)
			all = append(all, st)
		}
		got <- all
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return <-got, nil
}

// groupStatus is the core's, with what the state machine has applied by now.
func (h *Host) groupStatus(g GroupID) (Status, error) {
	st, err := h.core.GroupStatus(g)
	if gr := h.groups[g]; err == nil && gr != nil {
		st.Applied = max(st.Applied, min(gr.applied.Load(), st.Commit))
	}
	return st, err
}

// Peers returns what this host knows of the other members of a group that it
// leads, by ID; nothing of one that sleeps, whose members have everything.
func (h *Host) Peers(ctx context.Context, g GroupID) ([]raft.PeerStatus, error) {
	got := make(chan []raft.PeerStatus, 1)
	err := h.ask(ctx, &request{start: func() error {
		r := h.core.replica(g)
		if r == nil {
			return h.core.absent(g)
		}
		if st := r.status(); st.Role != raft.Leader {
			return &raft.NotLeaderError{Leader: st.Leader}
		}
		if r.core == nil {
			got <- nil
			return nil
		}
		got <- r.core.Peers()
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return <-got, nil
}

// Metrics are counts since the host started, over all groups.
type Metrics struct {
	Committed    uint64 // entries given to state machines
	Sent         uint64 // envelopes
	Received     uint64
	Refused      uint64 // messages that no correct host sends
	Writes       uint64 // records of groups that were stored
	Syncs        uint64 // times the log was made durable, for how many groups so ever
	Slept, Woken uint64 // groups
	LeadChanges  uint64
	Splits       uint64
	Cuts         uint64 // logs that were cut
	Installed    uint64 // snapshots received from leaders
}

type counters struct {
	committed, sent, received, refused, writes, syncs, slept, woken, leads, splits, cuts, installed atomic.Uint64
}

// Metrics returns the host's counts.
func (h *Host) Metrics() Metrics {
	c := &h.counters
	return Metrics{
		Committed: c.committed.Load(), Sent: c.sent.Load(), Received: c.received.Load(), Refused: c.refused.Load(),
		Writes: c.writes.Load(), Syncs: c.syncs.Load(), Slept: c.slept.Load(), Woken: c.woken.Load(),
		LeadChanges: c.leads.Load(), Splits: c.splits.Load(), Cuts: c.cuts.Load(), Installed: c.installed.Load(),
	}
}

// trace counts what the core's events tell, and passes them on.
func (h *Host) trace(e Event) {
	switch e.Kind {
	case EventSlept:
		h.counters.slept.Add(1)
	case EventWoke:
		h.counters.woken.Add(1)
	case EventRefused:
		h.counters.refused.Add(1)
		h.opts.Logger.Error("raft/multi: message refused", "host", h.opts.ID, "group", uint64(e.Group), "peer", e.Peer, "err", e.Err)
	case EventSuspected, EventReturned:
		h.opts.Logger.Warn("raft/multi: host "+e.Kind.String(), "host", h.opts.ID, "peer", e.Peer)
	}
	if h.opts.Trace != nil {
		h.opts.Trace(e)
	}
}
