package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// PreVote (dissertation §9.6): who cannot win does not raise the term.
func preVoteRules() []Rule {
	rules := []Rule{
		{ID: "prevote-first", Section: "D§9.6", story: preVoteFirst,
			Text: "A node asks whether it would win, in the term to come, before it enters that term."},
		{ID: "prevote-isolated", Section: "D§9.6", story: preVoteIsolated,
			Text: "A node that nobody hears does not raise its term."},
		{ID: "prevote-returns", Section: "D§9.6", story: preVoteReturns,
			Text: "A node that comes back from a partition deposes nobody."},
		{ID: "prevote-binds-nobody", Section: "D§9.6", story: preVoteBindsNobody,
			Text: "Saying yes to a pre-vote changes neither term nor vote, and may be said to several."},
		{ID: "prevote-old-log", Section: "D§9.6, §5.4.1", story: preVoteOldLog,
			Text: "A pre-vote is denied as a vote would be: to a log that is behind."},
		{ID: "prevote-counted-once", With: "Strict", Section: "D§9.6", story: preVoteCountedOnce,
			Text: "A pre-vote that arrives several times, or belongs to an older question, does not make a majority."},
		{ID: "prevote-lower-term-answered", Section: "D§9.6", story: preVoteLowerTermAnswered,
			Text: "Who asks for pre-votes in an old term is told the newer one, or it would ask for ever."},
		{ID: "prevote-replaces-leader", Section: "D§9.6", story: leaderReplaced,
			Text: "When the leader dies, the others elect another."},
	}
	return claimed("PreVote", rules)
}

// claimed marks rules as belonging to a capability.
func claimed(capability string, rules []Rule) []Rule {
	for i := range rules {
		rules[i].Capability = capability
	}
	return rules
}

func preVote(from raft.NodeID, term uint64) raft.Message {
	return raft.Message{Type: raft.RequestPreVoteReply, From: from, Term: term}
}

func (n *node) preGranted(to raft.NodeID, term uint64) bool {
	return slices.ContainsFunc(n.out, func(m raft.Message) bool {
		return m.Type == raft.RequestPreVoteReply && m.To == to && m.Term == term && !m.Reject
	})
}

func preVoteFirst(w *world) {
	n := w.solo(3, 1, 1)
	n.silence()
	asked := n.sent(raft.RequestPreVote)
	w.check(len(asked) > 0 && len(n.sent(raft.RequestVote)) == 0, "n1 in term 1 asks for votes and not for pre-votes first")
	for _, m := range asked {
		w.check(m.Term == 2 && m.Index == 2 && m.LogTerm == 1, "n1 in term 1 with a log up to 2 of term 1 asks: %s", m)
	}
	w.check(n.status().Term == 1, "n1 only asked for pre-votes and is in term %d", n.status().Term)
	_ = n.step(preVote(2, 2))
	w.check(n.status().Term == 2 && len(n.sent(raft.RequestVote)) > 0, "n1 would win term 2, and is in term %d", n.status().Term)
}

func preVoteIsolated(w *world) {
	n := w.solo(3, 1)
	asked := 0
	for range 10 * election {
		n.tick(1)
		asked += len(n.sent(raft.RequestPreVote))
		n.take()
	}
	w.check(n.status().Term == 1, "n1, which nobody answered for %d ticks, went from term 1 to %d", 10*election, n.status().Term)
	w.check(asked > 2, "n1, which nobody answered for %d ticks, asked %d times for pre-votes", 10*election, asked)
}

func preVoteReturns(w *world) {
	w.group(3)
	leader := w.elect(1)
	term := leader.status().Term
	w.isolate(3)
	leader.propose("x")
	w.settle()
	w.tick(10 * election)
	w.heal()
	back := w.nodes[3]
	for range 3 * election {
		w.tick(1)
		s := leader.status()
		w.check(s.Role == raft.Leader && s.Term == term, "n3 came back, and n1, which led term %d, is a %s of term %d", term, s.Role, s.Term)
	}
	s := back.status()
	w.check(s.Leader == 1 && slices.Contains(back.state, "x"), "n3 came back to n1 of term %d; it follows %s in term %d and applied %q", term, s.Leader, s.Term, back.state)
}

func preVoteBindsNobody(w *world) {
	n := w.solo(3, 1)
	for _, from := range []raft.NodeID{2, 3} {
		_ = n.step(raft.Message{Type: raft.RequestPreVote, From: from, Term: 5, Index: 1, LogTerm: 1})
		w.check(n.preGranted(from, 5), "n1 in term 1 would be free to vote for %s in term 5, and denies the pre-vote", from)
	}
	s := n.status()
	w.check(s.Term == 1 && s.VotedFor == raft.None, "pre-votes in term 5 moved n1 to term %d with a vote for %s", s.Term, s.VotedFor)
	_ = n.step(requestVote(3, 5, 1, 1))
	w.check(n.granted(3, 5), "n1 said yes to n2's pre-vote in term 5, and denies n3 its vote")
}

func preVoteOldLog(w *world) {
	n := w.solo(3, 1, 1, 2)
	_ = n.step(raft.Message{Type: raft.RequestPreVote, From: 2, Term: 5, Index: 9, LogTerm: 1})
	w.check(!n.preGranted(2, 5), "n1's log ends in term 2; it gives a pre-vote to a log that ends in term 1")
	_ = n.step(raft.Message{Type: raft.RequestPreVote, From: 2, Term: 5, Index: 3, LogTerm: 2})
	w.check(n.preGranted(2, 5), "n1 denies a pre-vote in term 5 to a log equal to its own")
}

func preVoteCountedOnce(w *world) {
	n := w.solo(5, 1)
	n.silence()
	for range 4 {
		_ = n.step(preVote(2, 2))
	}
	w.check(n.status().Term == 1, "n1 of five voters entered term %d with four copies of n2's pre-vote", n.status().Term)
	_ = n.step(preVote(3, 2))
	w.check(n.status().Term == 2, "n1 has the pre-votes of n1, n2 and n3 of five, and is in term %d", n.status().Term)

	// n1 fails in term 2 and asks again, for term 3. The answers are old.
	for range 4 * election {
		n.take()
		n.tick(1)
		if len(n.sent(raft.RequestPreVote)) > 0 {
			break
		}
	}
	w.check(len(n.sent(raft.RequestPreVote)) > 0, "n1, not elected in term 2, does not ask for pre-votes again")
	_ = n.step(preVote(4, 2))
	_ = n.step(preVote(5, 2))
	w.check(n.status().Term == 2, "n1 entered term %d with pre-votes for term 2", n.status().Term)
}

func preVoteLowerTermAnswered(w *world) {
	n := w.solo(3, 1, 5)
	_ = n.step(raft.Message{Type: raft.RequestPreVote, From: 2, Term: 3, Index: 1, LogTerm: 1})
	w.check(!n.preGranted(2, 3), "n1 of term 5 gives a pre-vote in term 3")
	w.check(n.told(2) == 5, "n1 of term 5 does not tell n2 its term in answer to a pre-vote in term 3")
}
