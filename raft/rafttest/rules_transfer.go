package rafttest

import (
	"errors"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Giving leadership away (dissertation §3.10).
func transferRules() []Rule {
	return claimed("Transfer", []Rule{
		{ID: "transfer-completes", Section: "D§3.10", story: transferCompletes,
			Text: "Leadership goes to whom it is given, at once, also to a node that lacks the last entries, and nothing is lost."},
		{ID: "transfer-caught-up", Section: "D§3.10, step 2", story: transferCaughtUp,
			Text: "The heir is told to campaign only when it holds the leader's whole log."},
		{ID: "transfer-refuses-proposals", Section: "D§3.10, step 1", story: transferRefusesProposals,
			Text: "While leadership is given away, commands and other transfers are refused and leave no trace."},
		{ID: "transfer-gives-up", Section: "D§3.10", story: transferGivesUp,
			Text: "When the heir does not take over within about an election timeout, the leader leads on."},
		{ID: "transfer-to-voter", Section: "D§3.10", story: transferToVoter,
			Text: "Leadership is given to voters only, and by who has it."},
		{ID: "transfer-passes-stickiness", Section: "D§4.2.3", With: "CheckQuorum", story: transferPassesStickiness,
			Text: "Who hears a leader votes all the same for a candidate whom that leader asked to campaign."},
		{ID: "transfer-late-word", Section: "§5.1", story: transferLateWord,
			Text: "The word of an earlier term's leader makes nobody campaign."},
		{ID: "transfer-not-to-learner", Section: "D§4.2.1", With: "Membership", story: transferNotToLearner,
			Text: "A learner is given no leadership, and does not campaign whoever asks it to."},
	})
}

// give asks a leader to hand over, and fails if it refuses.
func (n *node) give(to raft.NodeID) {
	err := as[TransferCore](n).TransferLeadership(to)
	n.w.check(err == nil, "%s leads term %d and refuses to give leadership to %s: %v", n.id, n.status().Term, to, err)
	n.pump()
}

// toldToCampaign says whether the node asked another to campaign at once,
// since the last take.
func (n *node) toldToCampaign(to raft.NodeID) bool {
	return slices.ContainsFunc(n.sent(raft.TimeoutNow), func(m raft.Message) bool { return m.To == to })
}

func timeoutNow(from raft.NodeID, term uint64) raft.Message {
	return raft.Message{Type: raft.TimeoutNow, From: from, To: 1, Term: term}
}

func transferCompletes(w *world) {
	for _, behind := range []bool{false, true} {
		w.group(3)
		leader, heir := w.elect(1), w.nodes[2]
		leader.propose("x")
		w.settle()
		w.tick(2)
		term := leader.status().Term
		if behind { // its messages are lost
			w.isolate(2)
			leader.propose("y", "z")
			w.settle()
			w.heal()
		}
		leader.give(2)
		w.settle()
		w.tick(2)
		s := heir.status()
		w.check(s.Role == raft.Leader && s.Term == term+1, "n1 of term %d gave leadership to n2, and two ticks later n2 is a %s of term %d", term, s.Role, s.Term)
		heir.propose("last")
		w.settle()
		w.tick(2)
		w.agree("x", "last")
		if behind {
			w.agree("y", "z")
		}
	}
}

func transferCaughtUp(w *world) {
	n := w.reign(3)
	term := n.status().Term
	n.propose("x", "y")
	last := n.status().Last
	n.give(2)
	_ = n.step(accept(3, term, last, 0))
	_ = n.step(accept(2, term, last-1, 0))
	n.tick(1)
	w.check(!n.toldToCampaign(2), "n2 holds entries up to %d of %d, and n1 tells it to campaign", last-1, last)
	_ = n.step(accept(2, term, last, 0))
	w.check(n.toldToCampaign(2), "n2 holds all %d entries, and n1 does not tell it to campaign", last)
	w.check(!n.toldToCampaign(3), "n1 gives leadership to n2 and tells n3 to campaign")
}

func transferRefusesProposals(w *world) {
	n := w.reign(3)
	last := n.status().Last
	n.give(2)
	_, _, err := n.core.Propose([]byte("x"))
	n.pump()
	w.check(errors.Is(err, raft.ErrPending) && n.status().Last == last,
		"n1 is giving leadership away and answers a command with %v, not with ErrPending; its log grew from %d to %d", err, last, n.status().Last)
	err = as[TransferCore](n).TransferLeadership(3)
	n.pump()
	w.check(errors.Is(err, raft.ErrPending) && !n.toldToCampaign(3), "n1 is giving leadership to n2, and answers a transfer to n3 with %v, not with ErrPending", err)
	n.take()
	n.tick(2*election + 1)
	n.obey(3)
	n.propose("x")
}

func transferGivesUp(w *world) {
	n := w.reign(3)
	term := n.status().Term
	n.give(2)
	for range 2*election + 1 {
		n.tick(1)
		n.obey(3)
	}
	s := n.status()
	w.check(s.Role == raft.Leader && s.Term == term, "n2 did not take over from n1 of term %d, which is a %s of term %d", term, s.Role, s.Term)
	_, _, err := n.core.Propose([]byte("x"))
	n.pump()
	w.check(err == nil, "n2 did not take over for %d ticks, ElectionTicks is %d, and n1 refuses a command: %v", 2*election+1, election, err)
	n.obey(3)
	w.check(n.status().Commit == n.status().Last, "n1 leads on, n3 agrees, and n1 committed %d of %d", n.status().Commit, n.status().Last)
	// Nor is the old wish carried out when the heir is back.
	n.take()
	_ = n.step(accept(2, term, n.status().Last, 0))
	w.check(!n.toldToCampaign(2), "n1 gave up to hand over to n2, and tells it to campaign when it is back")
	n.give(3)
	w.check(n.toldToCampaign(3), "n1, whose first heir did not take over, does not hand over to n3")
}

func transferToVoter(w *world) {
	n := w.reign(3)
	err := as[TransferCore](n).TransferLeadership(9)
	n.pump()
	w.check(errors.Is(err, raft.ErrInvalid), "n1 is to give leadership to n9, a stranger, and answers %v, not ErrInvalid", err)
	n.propose("x") // as if nothing had been asked
	n.depose()
	err = as[TransferCore](n).TransferLeadership(2)
	w.check(errors.Is(err, raft.ErrNotLeader), "n1, a follower, is to give leadership to n2, and answers %v, not ErrNotLeader", err)
}

func transferPassesStickiness(w *world) {
	for _, to := range []raft.NodeID{2, 3} {
		w.group(3)
		leader := w.elect(1)
		leader.own()
		w.settle()
		w.tick(2*election + 3) // everybody has heard from n1 lately
		leader.give(to)
		w.settle()
		s := w.nodes[to].status()
		w.check(s.Role == raft.Leader, "n1 told %s to campaign, and the others, who hear n1, do not vote for it: it is a %s of term %d", to, s.Role, s.Term)
	}
}

func transferLateWord(w *world) {
	n := w.solo(3, 1, 5)
	_ = n.step(appendEntries(3, 5, 2, 5, 0))
	n.take()
	_ = n.step(timeoutNow(2, 4))
	w.check(!n.asksForVotes() && n.status().Term == 5, "n2 of term 4 tells n1 of term 5 to campaign, and n1 campaigns in term %d", n.status().Term)
	_ = n.step(timeoutNow(3, 5))
	w.check(n.status().Term == 6 && len(n.sent(raft.RequestVote)) > 0, "n3, the leader of term 5, tells n1 to campaign, and n1 is a %s of term %d", n.status().Role, n.status().Term)
}

func transferNotToLearner(w *world) {
	w.group(3)
	n := w.join(4)
	leader := w.elect(1)
	leader.own()
	w.settle()
	w.become(leader, raft.Membership{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}})
	err := as[TransferCore](leader).TransferLeadership(4)
	leader.pump()
	w.check(errors.Is(err, raft.ErrInvalid), "n1 is to give leadership to the learner n4, and answers %v, not ErrInvalid", err)
	term := n.status().Term
	n.take()
	_ = n.step(timeoutNow(1, term))
	w.check(!n.asksForVotes() && n.status().Term == term, "n4, a learner of term %d, is told to campaign, and is a %s of term %d", term, n.status().Role, n.status().Term)
	w.become(leader, of(1, 2, 3, 4))
	leader.give(4)
	w.settle()
	w.check(n.status().Role == raft.Leader, "n4, a voter now, was given leadership and is a %s", n.status().Role)
}
