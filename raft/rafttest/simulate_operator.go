package rafttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/raft"
)

// simOperator replaces machines and moves leadership. What it wants is a whole
// membership, not a step from the last one, so that any part of a schedule
// makes sense:
//
//	4s op "members 1,2,6+7"   voters 1, 2 and 6, and 7 as a learner; machines
//	                          that do not exist yet are started, empty
//	5s op "n2 lost"           machine 2 is gone for good
//	6s op "n3 lead"           whoever leads is to hand over to node 3
//
// It asks whoever believes to lead, again and again: a change that was taken may
// be lost with its leader, and one that was wanted before come to be late.
type simOperator struct {
	goal *raft.Membership // nil: it never wanted another

	// What is known from outside, for judging: the memberships that were
	// applied, by index, and those that a leader took and that are not known
	// to be committed.
	applied []simConfig
	taken   []simConfig
}

type simConfig struct {
	index uint64
	raft.Membership
}

// simWish is what an operator asks of the node that it is delivered to, from
// outside the network.
type simWish struct {
	lead raft.NodeID // None: the operator's goal
}

func (w simWish) String() string {
	if w.lead == raft.None {
		return "operator: other members"
	}
	return fmt.Sprintf("operator: %s is to lead", w.lead)
}

// askAgain is how long the operator waits before it asks again.
const askAgain = 300 * time.Millisecond

// config is the last membership that is known to be committed.
func (s *simulation) config() raft.Membership {
	if n := len(s.operator.applied); n > 0 {
		return s.operator.applied[n-1].Membership
	}
	return raft.Membership{Voters: s.first}
}

// want takes a new goal. Nodes that are gone, or may be, are left out of it.
func (s *simulation) want(text string) error {
	m, err := parseMembership(text)
	if err != nil {
		return err
	}
	doomed := func(id raft.NodeID) bool { return s.hosts[id-1].gone || s.hosts[id-1].rotten }
	m.Voters, m.Learners = slices.DeleteFunc(m.Voters, doomed), slices.DeleteFunc(m.Learners, doomed)
	if s.rigid || len(m.Voters) == 0 {
		return nil
	}
	for _, id := range slices.Concat(m.Voters, m.Learners) {
		s.join(id)
	}
	if s.operator.goal == nil {
		defer s.askMembers()
	}
	s.operator.goal = &m
	return nil
}

// join starts a new node, with an empty disk: it knows nobody, and waits.
func (s *simulation) join(id raft.NodeID) {
	h := &s.hosts[id-1]
	if h.joined {
		return
	}
	h.joined = true
	s.ids = append(s.ids, id)
	s.stats.Joined++
	s.world.Crash(sim.ID(id), sim.Kill) // the machine stood by until now
	s.world.Restart(sim.ID(id))
}

// askMembers is the operator's loop.
func (s *simulation) askMembers() {
	s.wish(simWish{})
	s.world.At(s.world.Now()+askAgain, s.askMembers)
}

// wish asks every node that believes to lead.
func (s *simulation) wish(w simWish) {
	for i := range s.hosts {
		if n := s.hosts[i].node; n != nil && s.world.Running(sim.ID(n.id)) && n.core.Status().Role == raft.Leader {
			s.world.Inject(sim.ID(n.id), w)
		}
	}
}

// grant tries to do what an operator wishes. A refusal is no failure: it was
// not the time, or not the node.
func (n *simNode) grant(w simWish) {
	op := &n.s.operator
	if w.lead != raft.None {
		if c, ok := n.core.(TransferCore); ok {
			c.TransferLeadership(w.lead)
		}
		return
	}
	c, ok := n.core.(MembershipCore)
	if !ok {
		return
	}
	now := c.Membership()
	if sameMembers(now, *op.goal) {
		return
	}
	if index, _, err := c.ChangeMembership(*op.goal); err == nil {
		op.taken = append(op.taken, simConfig{index, raft.Membership{Voters: op.goal.Voters, Outgoing: now.Voters}})
	}
}

// applied notes a membership that a node has applied: it is committed.
func (s *simulation) applied(n *simNode, e *raft.Entry) {
	op := &s.operator
	if k := len(op.applied); k > 0 && op.applied[k-1].index >= e.Index {
		return
	}
	m, err := raft.DecodeMembership(e.Data)
	if err != nil {
		s.fail("state-machine-safety", "§6", "%s applies entry %d as a membership: %v", n.id, e.Index, err)
		return
	}
	if !m.Joint() && !sameMembers(s.config(), m) || s.config().Joint() {
		s.stats.Changes++
	}
	op.applied = append(op.applied, simConfig{e.Index, m})
	op.taken = slices.DeleteFunc(op.taken, func(c simConfig) bool { return c.index <= e.Index })
}

// membersAt returns the membership at an index that somebody has applied.
func (s *simulation) membersAt(index uint64) raft.Membership {
	for _, c := range slices.Backward(s.operator.applied) {
		if c.index <= index {
			return c.Membership
		}
	}
	return raft.Membership{Voters: s.first}
}

// canSpare tells whether a majority lives on without a node, in every
// membership that may turn out to be in force: the last one that is committed,
// all that were taken behind it, and the operator's goal.
func (s *simulation) canSpare(id raft.NodeID) bool {
	lives := func(voters []raft.NodeID) bool {
		alive := 0
		for _, v := range voters {
			if h := &s.hosts[v-1]; v != id && h.joined && !h.gone && !h.rotten {
				alive++
			}
		}
		return len(voters) == 0 || 2*alive > len(voters)
	}
	possible := []raft.Membership{s.config()}
	for _, c := range s.operator.taken {
		possible = append(possible, c.Membership)
	}
	if s.operator.goal != nil {
		possible = append(possible, *s.operator.goal)
	}
	return !slices.ContainsFunc(possible, func(m raft.Membership) bool { return !lives(m.Voters) || !lives(m.Outgoing) })
}

// lose takes a machine away, for good.
func (s *simulation) lose(id raft.NodeID) {
	if h := &s.hosts[id-1]; h.joined && !h.gone && s.canSpare(id) {
		s.stats.Lost++
		s.bury(id)
		s.world.Crash(sim.ID(id), sim.PowerCut)
	}
}

// bury notes that a node will never be back.
func (s *simulation) bury(id raft.NodeID) {
	s.hosts[id-1].gone = true
	s.ids = slices.DeleteFunc(s.ids, func(known raft.NodeID) bool { return known == id })
}

// parseMembership reads 1,2,6 or 1,2,6+7,8: voters, and learners behind a plus.
func parseMembership(text string) (m raft.Membership, err error) {
	voters, learners, _ := strings.Cut(text, "+")
	for _, set := range []struct {
		text string
		ids  *[]raft.NodeID
	}{{voters, &m.Voters}, {learners, &m.Learners}} {
		for word := range strings.FieldsFuncSeq(set.text, func(r rune) bool { return r == ',' }) {
			id, err := strconv.Atoi(word)
			if err != nil || id < 1 || id > maxNodes || m.Contains(raft.NodeID(id)) {
				return m, fmt.Errorf("rafttest: member %q", word)
			}
			*set.ids = append(*set.ids, raft.NodeID(id))
		}
	}
	return m, nil
}

// formatMembership writes what parseMembership reads.
func formatMembership(m raft.Membership) string {
	list := func(ids []raft.NodeID) string {
		var words []string
		for _, id := range ids {
			words = append(words, strconv.Itoa(int(id)))
		}
		return strings.Join(words, ",")
	}
	if len(m.Learners) == 0 {
		return list(m.Voters)
	}
	return list(m.Voters) + "+" + list(m.Learners)
}

// sameMembers tells whether a is b, and no change is under way in either.
func sameMembers(a, b raft.Membership) bool {
	same := func(x, y []raft.NodeID) bool {
		return slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	}
	return same(a.Voters, b.Voters) && same(a.Learners, b.Learners) && same(a.Outgoing, b.Outgoing)
}
