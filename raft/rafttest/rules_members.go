package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Who leaves and who joins (§6, its three issues; D§4.2): removed leaders and
// voters, new nodes and learners, and the membership across restarts.

func leavingRules() []Rule {
	return []Rule{
		{ID: "removed-leader-does-not-count", Section: "§6, second issue", story: removedLeaderDoesNotCount,
			Text: "A leader that is not among the new voters replicates the change without counting itself."},
		{ID: "removed-leader-steps-down", Section: "§6, second issue", story: removedLeaderStepsDown,
			Text: "It leads until the new membership is committed, then steps down and campaigns no more."},
		{ID: "removed-voter-campaigns", Section: "D§4.2.2", story: removedVoterCampaigns,
			Text: "A voter that a change removes campaigns until it knows the change to be committed: only it may hold the entries."},
		{ID: "removed-node-disrupts-nobody", Section: "§6, third issue", With: "CheckQuorum", story: removedNodeDisruptsNobody,
			Text: "A removed node that does not know it, and campaigns, deposes nobody."},
	}
}

func joiningRules() []Rule {
	return []Rule{
		{ID: "new-node-waits", Section: "D§4.4", story: newNodeWaits,
			Text: "A node that knows no voters does not campaign, and takes part when a leader calls it."},
		{ID: "learner-does-not-count", Section: "D§4.2.1", story: learnerDoesNotCount,
			Text: "A learner receives the log; neither its copies nor its votes count."},
		{ID: "learner-does-not-campaign", Section: "D§4.2.1", story: learnerDoesNotCampaign,
			Text: "A learner does not campaign, however long its leader is silent."},
		{ID: "learner-promoted", Section: "D§4.2.1", story: learnerPromoted,
			Text: "A learner that is made a voter counts as one."},
		{ID: "membership-survives-restart", Section: "§6", story: membershipSurvivesRestart,
			Text: "After a restart of all nodes the changed membership counts, not that of the first start."},
		{ID: "membership-in-snapshot", Section: "§7", With: "Snapshots", story: membershipInSnapshot,
			Text: "A snapshot carries the membership as of its index, whoever takes or installs it."},
		{ID: "membership-of-the-past", Section: "§7", With: "Snapshots", story: membershipOfThePast,
			Text: "A snapshot of entries before a change carries the membership before it."},
	}
}

func removedLeaderDoesNotCount(w *world) {
	n := w.reign(3)
	term := n.status().Term
	index := n.change(of(2, 3, 4))
	_ = n.step(accept(2, term, index, 0))
	w.check(n.status().Commit < index, "n1 and n2 hold entry %d of a change to n2, n3, n4; one of the new voters, and n1 committed it", index)
	_ = n.step(accept(3, term, index, 0))
	last := n.status().Last
	w.check(n.status().Commit == index && last > index, "n2 and n3 hold entry %d of the change; n1 committed %d, and its log ends at %d", index, n.status().Commit, last)
	_ = n.step(accept(2, term, last, 0))
	w.check(n.status().Commit < last, "n1, not among the voters n2, n3, n4, committed entry %d with its own copy and n2's", last)
	_ = n.step(accept(4, term, last, 0))
	w.check(n.status().Commit == last, "n2 and n4 of n2, n3, n4 hold entry %d, and n1 committed %d", last, n.status().Commit)
}

func removedLeaderStepsDown(w *world) {
	n := w.reign(3)
	term := n.status().Term
	index := n.change(of(2, 3, 4))
	for _, from := range []raft.NodeID{2, 3} {
		_ = n.step(accept(from, term, index, 0))
	}
	last := n.status().Last
	w.check(last > index && n.uses(of(2, 3, 4)), "a majority of both holds the change to n2, n3, n4, and n1 uses %v", n.members())
	n.tick(3)
	w.check(n.status().Role == raft.Leader, "entry %d of the new membership is not committed, and n1 is a %s", last, n.status().Role)
	n.take()
	for _, from := range []raft.NodeID{3, 4} {
		_ = n.step(accept(from, term, last, 0))
	}
	w.check(n.status().Commit == last, "n3 and n4 hold entry %d of the new membership, and n1 committed %d", last, n.status().Commit)
	n.tick(1)
	w.check(n.status().Role != raft.Leader, "n1 is no member any more since entry %d, which is committed, and is a leader of term %d", last, n.status().Term)
	told := slices.ContainsFunc(n.sent(raft.AppendEntries), func(m raft.Message) bool { return m.Commit == last && m.Index+uint64(len(m.Entries)) >= last })
	w.check(told, "n1 committed entry %d, left, and told nobody", last)
	n.take()
	n.tick(5 * election)
	w.check(!n.asksForVotes() && n.status().Term == term, "n1 left the cluster in term %d, and campaigns in term %d", term, n.status().Term)
}

// n1 and n2 held the first entry of a change to n2 alone; the second is on n1
// only. n2 waits for the vote of n1, whose log is longer, and n1 is no voter
// by the newest entry of its own log.
func removedVoterCampaigns(w *world) {
	w.group(2)
	leader, other := w.elect(1), w.nodes[2]
	leader.own()
	w.settle()
	w.tick(2)
	leader.change(of(2))
	for range 10 {
		if leader.members().Joint() {
			w.deliver()
		}
	}
	w.check(leader.uses(of(2)) && other.members().Joint(), "both held a change to n2 alone; then n1 uses %v, and n2, to whom the rest was lost, %v", leader.members(), other.members())
	w.wire = nil
	leader.crash()
	leader.restart()
	w.until(func() bool { return other.uses(of(2)) && w.finished(of(2), 2) && w.leader() == other },
		"n1 holds the last entry of a change that removes it, n2 does not, and nobody finishes it: n1 is a %s, n2 a %s",
		leader.status().Role, other.status().Role)
}

func removedNodeDisruptsNobody(w *world) {
	w.group(4)
	leader, gone := w.elect(1), w.nodes[4]
	leader.own()
	w.settle()
	w.tick(2)
	w.isolate(4)
	w.become(leader, of(1, 2, 3))
	term := leader.status().Term
	w.tick(5 * election) // n4, alone, campaigns
	w.heal()
	for range 5 * election {
		w.tick(1)
		s := leader.status()
		w.check(s.Role == raft.Leader && s.Term == term, "n4, removed, campaigns in term %d, and n1, which led term %d, is a %s of term %d",
			gone.status().Term, term, s.Role, s.Term)
	}
	leader.propose("x")
	w.settle()
	w.tick(2)
	for _, id := range []raft.NodeID{1, 2, 3} {
		w.check(slices.Contains(w.nodes[id].state, "x"), "%s of the new voters has not applied %q", id, "x")
	}
}

func newNodeWaits(w *world) {
	w.group(3)
	n := w.join(4)
	n.tick(5 * election)
	s := n.status()
	w.check(len(n.take()) == 0 && s.Role == raft.Follower && s.Term == 0, "n4, which knows no voters, is a %s of term %d after %d ticks", s.Role, s.Term, 5*election)
	leader := w.elect(1)
	leader.propose("x")
	w.settle()
	w.become(leader, raft.Membership{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}})
	w.check(slices.Equal(n.log(), leader.log()) && slices.Equal(n.state, leader.state), "n4 was called by n1 and holds terms %d, applied %q; n1 holds %d, %q", n.log(), n.state, leader.log(), leader.state)
	w.become(leader, of(1, 2, 3, 4))
	n.crash()
	n.restart()
	leader.crash()
	w.elect(4).propose("y")
	w.settle()
	w.tick(2)
	w.agree("x", "y")
}

// learners makes n1 the leader of n1, n2, n3 with the learners n4 and n5.
func (w *world) learners() *node {
	n := w.reign(3)
	n.change(raft.Membership{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4, 5}})
	n.obey(2, 3, 4, 5)
	n.tick(1)
	n.obey(2, 3, 4, 5)
	s := n.status()
	w.check(s.Commit == s.Last && len(n.members().Learners) == 2, "n1 was asked to take two learners, to which all agree; it committed %d of %d and uses %v", s.Commit, s.Last, n.members())
	return n
}

func learnerDoesNotCount(w *world) {
	n := w.learners()
	term := n.status().Term
	n.propose("x")
	last := n.status().Last
	_, sent := n.flying(4)
	w.check(slices.Contains(sent, last), "n1 appended entry %d and does not send it to the learner n4", last)
	for _, from := range []raft.NodeID{4, 5} {
		_ = n.step(accept(from, term, last, 0))
		w.check(n.status().Commit < last, "n1 committed entry %d, which no other voter holds, with the copies of learners", last)
	}
	_ = n.step(accept(2, term, last, 0))
	w.check(n.status().Commit == last, "two of three voters hold entry %d, and n1 committed %d", last, n.status().Commit)

	n.depose()
	term = n.campaign()
	for _, from := range []raft.NodeID{4, 5} {
		_ = n.step(vote(from, term))
		w.check(n.status().Role != raft.Leader, "n1 leads term %d with the votes of learners", term)
	}
	_ = n.step(vote(2, term))
	w.check(n.status().Role == raft.Leader, "n1 has two votes of three in term %d and is a %s", term, n.status().Role)
}

func learnerDoesNotCampaign(w *world) {
	w.group(3)
	n := w.join(4)
	leader := w.elect(1)
	leader.propose("x")
	w.settle()
	w.become(leader, raft.Membership{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}})
	w.check(slices.Contains(n.state, "x"), "the learner n4 applied %q and not %q", n.state, "x")
	term := n.status().Term
	n.take()
	n.tick(5 * election)
	w.check(!n.asksForVotes() && n.status().Term == term && n.status().Role == raft.Follower,
		"n4, a learner, heard nothing for %d ticks, and is a %s of term %d", 5*election, n.status().Role, n.status().Term)
}

func learnerPromoted(w *world) {
	n := w.learners()
	n.change(of(1, 2, 3, 4))
	n.obey(2, 3, 4, 5)
	w.check(n.uses(of(1, 2, 3, 4)), "everybody agreed that n4 becomes a voter, and n1 uses %v", n.members())
	term := n.status().Term
	n.propose("x")
	last := n.status().Last
	_ = n.step(accept(3, term, last, 0))
	w.check(n.status().Commit < last, "two of four voters, of which n4 is a new one, hold entry %d, and n1 committed it", last)
	_ = n.step(accept(4, term, last, 0))
	w.check(n.status().Commit == last, "n4 was made a voter, three of four hold entry %d, and n1 committed %d", last, n.status().Commit)

	n.depose()
	term = n.campaign()
	_ = n.step(vote(2, term))
	w.check(n.status().Role != raft.Leader, "n1 leads four voters in term %d with two votes", term)
	_ = n.step(vote(4, term))
	w.check(n.status().Role == raft.Leader, "n1 has three votes of four in term %d, n4's among them, and is a %s", term, n.status().Role)
}

// replaced is a cluster in which n4 has taken the place of n3. It makes no
// more of n3, which is down.
func (w *world) replaced() *node {
	w.group(3)
	w.join(4)
	leader := w.elect(1)
	leader.propose("x")
	w.settle()
	w.become(leader, of(1, 2, 4))
	w.nodes[3].crash()
	return leader
}

func membershipSurvivesRestart(w *world) {
	w.replaced()
	for _, id := range []raft.NodeID{1, 2, 4} {
		w.nodes[id].crash()
	}
	w.wire = nil
	for _, id := range []raft.NodeID{1, 2, 4} {
		n := w.nodes[id]
		n.restart()
		w.check(n.uses(of(1, 2, 4)), "n3 was replaced by n4, all nodes restarted, and %s uses %v", id, n.members())
	}
	w.nodes[2].crash()
	// Two of the three old voters are down, and one of the three new.
	w.until(func() bool { return w.finished(of(1, 2, 4), 1, 4) }, "n1 and n4 of the voters n1, n2, n4 do not go on after a restart")
	w.agree("x")
}

func membershipInSnapshot(w *world) {
	leader := w.replaced()
	late := w.join(5)
	leader.compact(leader.status().Applied)
	got := leader.disk.Snapshot.Membership
	w.check(slices.Equal(sorted(got.Voters), []raft.NodeID{1, 2, 4}) && !got.Joint(), "n4 replaced n3, and a snapshot of all entries carries %v", got)
	w.become(leader, raft.Membership{Voters: []raft.NodeID{1, 2, 4}, Learners: []raft.NodeID{5}})
	w.check(late.disk.Snapshot != nil, "n5 joined when entry 1 was compacted away, and was sent no snapshot")
	late.compact(late.status().Applied)
	for _, n := range []*node{leader, late} {
		n.crash()
		n.restart()
		w.check(n.uses(raft.Membership{Voters: []raft.NodeID{1, 2, 4}, Learners: []raft.NodeID{5}}),
			"%s restarted from a snapshot, the voters are n1, n2, n4 and the learner n5, and it uses %v", n.id, n.members())
	}

	// n5 again, but sent nothing after the snapshot.
	leader = w.replaced()
	leader.compact(leader.status().Applied)
	late = w.join(5)
	_ = late.step(install(1, leader.status().Term, leader.disk.Snapshot))
	w.check(late.uses(of(1, 2, 4)), "n5 installed a snapshot of the voters n1, n2, n4, and uses %v", late.members())
}

func membershipOfThePast(w *world) {
	n := w.reign(3)
	n.propose("x")
	n.obey(2, 3)
	before := n.status().Applied
	index := n.change(of(1, 4, 5))
	w.check(n.status().Applied == before, "only n1 holds entry %d of a change, and applied it", index)
	// The snapshot is of the entries before the change; the change stays in
	// the log behind it.
	n.compact(before)
	got := n.disk.Snapshot.Membership
	w.check(slices.Equal(sorted(got.Voters), []raft.NodeID{1, 2, 3}) && !got.Joint(),
		"a snapshot of entries up to %d, before the change in entry %d, carries %v", before, index, got)
	n.crash()
	n.restart()
	w.check(n.members().Joint(), "n1 holds a snapshot of %d and entry %d of a change, restarted, and uses %v", before, index, n.members())
	term := n.status().Term + 1
	_ = n.step(appendEntries(2, term, before, n.disk.Snapshot.Term, 0, term))
	w.check(n.uses(of(1, 2, 3)), "entry %d, a change, was replaced behind a snapshot of n1, n2, n3, and n1 uses %v", index, n.members())
}
