package rafttest

import (
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/raft"
)

// calm ends all faults. Whoever can live must now elect a leader, become the
// cluster that the operator wanted last, serve every client and agree, within
// CalmLimit.
func (s *simulation) calm() {
	s.world.SetChaos(sim.Chaos{})
	for i := range s.hosts {
		s.world.Disk(sim.ID(i + 1)).SetCapacity(0)
	}
	s.world.Recover()
	// Every key is read once more: a write that was lost shows.
	var last []*simClient
	for key := range s.opts.Keys {
		c := s.clients[key%len(s.clients)]
		c.plan(fmt.Sprintf("get k%d", key))
		last = append(last, c)
	}
	s.clients[0].plan(fmt.Sprintf("put k0 %d", s.opts.Ops+1))
	served := func() bool {
		for _, c := range last {
			if !c.idle() {
				return false
			}
		}
		return s.agreed()
	}
	deadline := s.world.Now() + s.opts.CalmLimit
	if s.world.RunUntil(func() bool { return s.failed() || served() }, deadline) || s.err() != nil {
		s.undisturbed()
		return
	}
	s.fail("liveness", "§5.4.3, §5.6", "no agreement %v after the last fault%s", s.opts.CalmLimit, s.standing())
}

// standing describes the nodes that did not agree.
func (s *simulation) standing() string {
	text := ""
	if goal := s.operator.goal; goal != nil {
		text += fmt.Sprintf("; wanted are %s, committed %+v", formatMembership(*goal), s.config())
	}
	for i := range s.hosts {
		switch h, id := &s.hosts[i], raft.NodeID(i+1); {
		case h.gone:
			text += fmt.Sprintf("; %s is gone for good", id)
		case !h.joined:
		case !s.up(id):
			text += fmt.Sprintf("; %s is down", id)
		default:
			text += fmt.Sprintf("; %+v", h.node.core.Status())
		}
	}
	return text
}

// up tells whether a node runs.
func (s *simulation) up(id raft.NodeID) bool {
	return s.host(id).node != nil && s.world.Running(sim.ID(id))
}

// agreed tells whether the members are those that the operator wanted, and the
// living of them have one leader and one log, all of it applied, with every
// write in it that a client was told of.
func (s *simulation) agreed() bool {
	members := s.config()
	if goal := s.operator.goal; goal != nil && !sameMembers(members, *goal) {
		return false
	}
	leaders, last := 0, uint64(0)
	for _, id := range slices.Concat(members.Voters, members.Learners) {
		if s.host(id).gone {
			continue
		}
		if !s.up(id) {
			return false
		}
		n := s.host(id).node
		st := n.core.Status()
		if st.Role == raft.Leader {
			leaders++
		}
		if last == 0 {
			last = st.Last
		}
		if st.Last != last || st.Applied != last || n.state.applied != last {
			return false
		}
		if c, ok := n.core.(MembershipCore); ok && !sameMembers(c.Membership(), members) {
			return false
		}
	}
	if leaders != 1 {
		return false
	}
	if last < s.acked {
		s.fail("lost-write", "§5.4", "all agree on a log that ends at %d, but a client was told of a write at %d", last, s.acked)
	}
	return true
}

// undisturbed lets those who were removed, and do not know it, do what they do
// for some election timeouts: they campaign. Those who have a leader must not
// listen (§6, end).
func (s *simulation) undisturbed() {
	removed := 0
	for i := range s.hosts {
		if id := raft.NodeID(i + 1); s.up(id) && !s.config().Contains(id) {
			removed++
		}
	}
	s.stats.Removed += removed
	if removed == 0 || s.opts.NoPreVote || s.opts.NoCheckQuorum || s.failed() {
		return
	}
	term := func() (highest uint64) {
		for _, id := range s.config().Voters {
			if s.up(id) {
				highest = max(highest, s.host(id).node.core.Status().Term)
			}
		}
		return highest
	}
	// A transfer of leadership that was begun in time may still come to be.
	s.world.RunUntil(s.failed, s.world.Now()+2*time.Second)
	before := term()
	s.world.RunUntil(s.failed, s.world.Now()+5*time.Second)
	if after := term(); s.err() == nil && after > before {
		s.fail("removed-server", "§6", "members had a leader in term %d, and nothing happened but that a removed node campaigned; they are in term %d", before, after)
	}
}
