package rafttest

import (
	"errors"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Membership changes by joint consensus (§6): from the moment a node holds the
// entry of a change, each decision needs a majority of the old voters and a
// majority of the new ones.
//
//	old   n1 n2 n3           n2 and n3 with n1 are a majority of the old, and
//	new   n1       n4 n5     three of all five, but one alone of the new
func membershipRules() []Rule {
	return claimed("Membership", slices.Concat([]Rule{
		{ID: "one-change-at-a-time", Section: "§6", story: oneChangeAtATime,
			Text: "A change is refused while another is under way, and by who does not lead."},
		{ID: "change-after-own-commit", Section: "D§4.1, erratum", story: changeAfterOwnCommit,
			Text: "A leader refuses a change before it has committed an entry of its term."},
		{ID: "joint-commit", Section: "§6", story: jointCommit,
			Text: "During a change an entry is committed by a majority of the old voters and one of the new, not of their union."},
		{ID: "joint-election", Section: "§6", story: jointElection,
			Text: "During a change a leader is elected by a majority of the old voters and one of the new."},
		{ID: "joint-read", Section: "§6, D§6.4", With: "ReadIndex", story: jointRead,
			Text: "During a change a read needs the word of a majority of the old voters and one of the new."},
		{ID: "joint-check-quorum", Section: "§6, D§6.2", With: "CheckQuorum", story: jointCheckQuorum,
			Text: "During a change a leader steps down that does not hear a majority of both, and stays while it does."},
		{ID: "joint-prevote", Section: "§6, D§9.6", With: "PreVote", story: jointPreVote,
			Text: "Long logs of a low term and short logs of a high one do not block each other's pre-votes during a change."},
		{ID: "joint-finished-by-successor", Section: "§6", story: jointFinishedBySuccessor,
			Text: "When the leader dies during a change, the next one finishes it."},
		{ID: "membership-from-append", Section: "§6", story: membershipFromAppend,
			Text: "A node uses the newest membership in its log, committed or not, also after a restart."},
		{ID: "membership-undone", Section: "§6", story: membershipUndone,
			Text: "When the entry of a change is replaced, the membership before it is in force again."},
	}, leavingRules(), joiningRules()))
}

// of is a membership of these voters.
func of(voters ...raft.NodeID) raft.Membership { return raft.Membership{Voters: voters} }

// change asks a leader for another membership and returns the index of its
// entry; it fails if the leader refuses.
func (n *node) change(m raft.Membership) uint64 {
	index, _, err := as[MembershipCore](n).ChangeMembership(m)
	n.w.check(err == nil, "%s leads term %d and refuses a change to voters %d, learners %d: %v", n.id, n.status().Term, m.Voters, m.Learners, err)
	n.w.check(index == n.status().Last, "%s says that the change is entry %d, and its log ends at %d", n.id, index, n.status().Last)
	n.pump()
	return index
}

// refusesChange fails unless the leader refuses to change its membership now.
func (n *node) refusesChange(m raft.Membership, when string) {
	last := n.status().Last
	_, _, err := as[MembershipCore](n).ChangeMembership(m)
	n.pump()
	n.w.check(errors.Is(err, raft.ErrPending), "%s answers a change to voters %d with %v, not with ErrPending, %s", n.id, m.Voters, err, when)
	n.w.check(n.status().Last == last, "%s refused a change %s, and its log grew from %d to %d", n.id, when, last, n.status().Last)
}

// members is the membership that the node uses.
func (n *node) members() raft.Membership { return as[MembershipCore](n).Membership() }

// sorted puts a membership's sets in order, so that they can be compared.
func sorted(ids []raft.NodeID) []raft.NodeID { return slices.Sorted(slices.Values(ids)) }

// uses says whether the node uses exactly this membership.
func (n *node) uses(m raft.Membership) bool {
	now := n.members()
	return slices.Equal(sorted(now.Voters), sorted(m.Voters)) && slices.Equal(sorted(now.Learners), sorted(m.Learners)) &&
		slices.Equal(sorted(now.Outgoing), sorted(m.Outgoing))
}

// become lets a leader's change go through: all nodes in m hold it.
func (w *world) become(leader *node, m raft.Membership) {
	leader.change(m)
	w.settle()
	w.until(func() bool { return leader.uses(m) && leader.status().Commit == leader.status().Last },
		"%s does not finish a change to voters %d, learners %d: %v", leader.id, m.Voters, m.Learners, leader.members())
	w.tick(2)
}

// joint makes n1 the leader of n1, n2, n3 in the midst of a change to n1, n4,
// n5, of which only n1 holds the entry.
func (w *world) joint() (n *node, index uint64) {
	n = w.reign(3)
	index = n.change(of(1, 4, 5))
	return n, index
}

// depose lets a node know of a higher term.
func (n *node) depose() {
	term := n.status().Term + 1
	_ = n.step(raft.Message{Type: raft.AppendEntriesReply, From: 2, Term: term, Reject: true})
	n.w.check(n.status().Role == raft.Follower && n.status().Term == term, "%s heard of term %d and is a %s of term %d", n.id, term, n.status().Role, n.status().Term)
	n.take()
}

func oneChangeAtATime(w *world) {
	n, index := w.joint()
	term := n.status().Term
	n.refusesChange(of(1, 2, 3), "while the entry of another change is not committed")
	_ = n.step(accept(2, term, index, 0))
	_ = n.step(accept(4, term, index, 0))
	w.check(n.status().Commit == index, "a majority of both holds entry %d of the change, and n1 committed %d", index, n.status().Commit)
	n.refusesChange(of(1, 2, 3), "while a change is under way, and its first entry committed")
	n.obey(2, 3, 4, 5)
	w.check(n.uses(of(1, 4, 5)), "everybody agreed to the change to n1, n4, n5, and n1 uses %v", n.members())
	n.change(raft.Membership{Voters: []raft.NodeID{1, 4, 5}, Learners: []raft.NodeID{2}})
	n.refusesChange(of(1, 4, 5), "while a change of the learners is not committed")
	n.obey(2, 4, 5)
	n.change(of(1, 2, 3))

	n.depose()
	_, _, err := as[MembershipCore](n).ChangeMembership(of(1))
	w.check(errors.Is(err, raft.ErrNotLeader), "n1, a follower, answers a change with %v, not with ErrNotLeader", err)
}

// The change of an earlier term may be committed elsewhere, or not; until an
// entry of its own term is committed, the leader cannot know.
func changeAfterOwnCommit(w *world) {
	n := w.solo(3, 1, 1)
	n.lead()
	n.own()
	n.refusesChange(of(1, 2), "though nothing of its term is committed")
	_ = n.step(accept(2, n.status().Term, 2, 0)) // n2 holds the entries of term 1
	n.refusesChange(of(1, 2), "though nothing of its term is committed")
	n.obey(2, 3)
	n.change(of(1, 2))
}

func jointCommit(w *world) {
	for _, c := range []struct {
		first []raft.NodeID // all others of the one set
		last  raft.NodeID   // one of the other
		what  string
	}{{[]raft.NodeID{2, 3}, 4, "old"}, {[]raft.NodeID{4, 5}, 2, "new"}} {
		n, index := w.joint()
		term := n.status().Term
		for _, from := range c.first {
			_ = n.step(accept(from, term, index, 0))
			w.check(n.status().Commit < index, "n1 committed entry %d of its change, which only %s voters hold beside n1", index, c.what)
		}
		_ = n.step(accept(c.last, term, index, 0))
		w.check(n.status().Commit >= index, "a majority of both holds entry %d of the change, and n1 committed %d", index, n.status().Commit)
	}
}

func jointElection(w *world) {
	for _, c := range []struct {
		votes []raft.NodeID
		last  raft.NodeID
		what  string
	}{{[]raft.NodeID{2, 3}, 4, "old"}, {[]raft.NodeID{4, 5}, 3, "new"}} {
		n, _ := w.joint()
		n.depose()
		term := n.campaign()
		for _, from := range c.votes {
			_ = n.step(vote(from, term))
			w.check(n.status().Role != raft.Leader, "n1, in the midst of a change, leads term %d by its own vote and those of %s voters", term, c.what)
		}
		_ = n.step(vote(c.last, term))
		w.check(n.status().Role == raft.Leader, "n1 has a majority of the old and of the new voters in term %d and is a %s", term, n.status().Role)
	}
}

func jointRead(w *world) {
	for _, c := range []struct {
		first []raft.NodeID
		last  raft.NodeID
		what  string
	}{{[]raft.NodeID{2, 3}, 4, "old"}, {[]raft.NodeID{4, 5}, 2, "new"}} {
		n, index := w.joint()
		n.take()
		n.ask(7)
		for range 3 {
			n.confirm(index-1, c.first...) // without the entry, so that the change goes on
			w.check(n.answered(7) == nil, "n1, in the midst of a change, answers a read by the word of %s voters alone", c.what)
			n.tick(1)
		}
		for range 3 {
			n.confirm(index-1, append(c.first, c.last)...)
			n.tick(1)
		}
		r := n.answered(7)
		w.check(r != nil && !r.Lost, "a majority of both confirms n1, and the read is not answered: %v", r)
	}
}

func jointCheckQuorum(w *world) {
	for _, one := range [][]raft.NodeID{{2, 3}, {4, 5}} {
		n, index := w.joint()
		term := n.status().Term
		for range 5 * election {
			n.confirm(index-1, 2, 4)
			n.tick(1)
		}
		w.check(n.status().Role == raft.Leader, "n1, whom a majority of the old and one of the new voters answer, is a %s", n.status().Role)
		for range 2*election + 1 {
			n.confirm(index-1, one...)
			n.tick(1)
		}
		w.check(n.status().Role != raft.Leader || n.status().Term != term,
			"n1, in the midst of a change, leads term %d still; for %d ticks only %d answered, ElectionTicks is %d", term, 2*election+1, one, election)
	}
}

// openraft#1796: n1 and n2 hold the entry of the change; n3 was a candidate of
// a term that they never heard of, and lacks the entry. n4 and n5 are down. n3
// cannot win, and the others cannot win without n3.
func jointPreVote(w *world) {
	w.group(4)
	leader := w.elect(1)
	leader.own()
	w.settle()
	w.tick(2)
	w.isolate(3, 4)
	leader.change(of(1, 2, 3, 4, 5))
	w.settle()
	w.check(w.nodes[2].members().Joint(), "n2 was sent a change by its leader n1, and uses %v", w.nodes[2].members())
	for _, n := range w.all() {
		n.crash()
	}
	w.wire = nil
	w.heal()
	w.nodes[3].disk.HardState.Term += 8
	w.nodes[3].disk.HardState.VotedFor = 3
	for id := range raft.NodeID(3) {
		w.nodes[id+1].restart()
	}
	w.until(func() bool { return w.finished(of(1, 2, 3, 4, 5), 1, 2, 3) },
		"n1, n2 and n3, of which n3 has the highest term and n1 the longest log, finish no change")
}

// finished says whether the cluster has a leader, who commits what it has, and
// these nodes use the membership. A leader of a new term is given a command.
func (w *world) finished(m raft.Membership, ids ...raft.NodeID) bool {
	leader := w.leader()
	if leader == nil {
		return false
	}
	leader.own()
	w.settle()
	for _, id := range ids {
		if n := w.nodes[id]; !n.uses(m) || n.status().Commit != w.leader().status().Last {
			return false
		}
	}
	return true
}

func jointFinishedBySuccessor(w *world) {
	w.group(3)
	w.join(4)
	leader := w.elect(1)
	leader.own()
	w.settle()
	w.become(leader, raft.Membership{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}})
	for id := raft.NodeID(2); id <= 4; id++ {
		w.cut[link{id, 1}] = true // they hear n1, and it does not hear them
	}
	leader.change(of(2, 3, 4))
	w.settle()
	for _, n := range w.all() {
		w.check(n.members().Joint(), "n1 sent a change to all, and %s uses %v", n.id, n.members())
	}
	leader.crash()
	w.heal()
	w.until(func() bool { return w.finished(of(2, 3, 4), 2, 3, 4) }, "n1 died during a change to n2, n3, n4, and its successor does not finish it: n2 uses %v", w.nodes[2].members())
	w.leader().propose("y")
	w.settle()
	w.tick(2)
	w.agree("y")
}

// changing makes n1 the leader of three voters in the midst of a change to
// five, and gives n2 the entry of the change. The rule plays the others.
func (w *world) changing() (leader, follower *node, index uint64) {
	w.clear()
	w.voters(3)
	leader, follower = w.start(1), w.start(2)
	w.elect(1)
	leader.own()
	w.settle()
	w.tick(1)
	index = leader.change(of(1, 2, 3, 4, 5))
	w.settle()
	s := follower.status()
	w.check(s.Last == index && s.Commit < index, "n1 sent n2 entry %d of a change, of which two of five new voters know: n2's log ends at %d, commit %d", index, s.Last, s.Commit)
	return leader, follower, index
}

func membershipFromAppend(w *world) {
	for _, restart := range []bool{false, true} {
		leader, follower, index := w.changing()
		if restart {
			follower.crash()
			follower.restart()
		}
		joint := raft.Membership{Voters: []raft.NodeID{1, 2, 3, 4, 5}, Outgoing: []raft.NodeID{1, 2, 3}}
		for _, n := range []*node{leader, follower} {
			w.check(n.uses(joint), "%s holds entry %d of a change from n1, n2, n3 to five voters, and uses %v", n.id, index, n.members())
		}
		w.isolate(1, 2)
		term := follower.campaign()
		_ = follower.step(vote(1, term))
		w.check(follower.status().Role != raft.Leader, "n2 holds a change to five voters, and leads term %d with two votes", term)
		_ = follower.step(vote(3, term))
		w.check(follower.status().Role == raft.Leader, "n2 has three votes of three old and of five new voters and is a %s", follower.status().Role)

	}
}

func membershipUndone(w *world) {
	for _, restart := range []bool{false, true} {
		_, n, index := w.changing()
		w.isolate(1, 2)
		term, prev := n.status().Term+1, n.stored(index-1)
		_ = n.step(appendEntries(3, term, index-1, prev.Term, 0, term))
		if restart {
			n.crash()
			n.restart()
		}
		w.check(n.uses(of(1, 2, 3)), "n3 of term %d replaced entry %d, which was a change to five voters, and n2 uses %v", term, index, n.members())
		term = n.campaign()
		_ = n.step(vote(3, term))
		w.check(n.status().Role == raft.Leader, "n2 has two votes of three in term %d, after a change to five was undone, and is a %s", term, n.status().Role)
	}
}
