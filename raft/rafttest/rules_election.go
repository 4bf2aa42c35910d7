package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

func electionRules() []Rule {
	return []Rule{
		{ID: "election-safety", Section: "§5.2", story: electionSafety,
			Text: "At most one leader is elected in a term, whoever hears of which candidate first."},
		{ID: "vote-once", Section: "§5.2", story: voteOnce,
			Text: "A node gives one vote a term, and may repeat it to the same candidate."},
		{ID: "vote-survives-restart", Section: "Figure 2, persistent state", story: voteSurvivesRestart,
			Text: "A node that voted, crashed and came back does not vote for another in that term."},
		{ID: "term-survives-restart", Section: "Figure 2, persistent state", story: termSurvivesRestart,
			Text: "A node never returns to a term below one in which it has answered."},
		{ID: "vote-after-sync", Section: "Figure 2, persistent state", story: voteAfterSync,
			Text: "No vote leaves a node before the vote and its term are durable."},
		{ID: "log-up-to-date", Section: "§5.4.1", story: logUpToDate,
			Text: "A voter compares the last entry's term first and the length second, and votes only for a log not behind its own."},
		{ID: "vote-counted-once", Section: "§5.2", story: voteCountedOnce,
			Text: "A vote that arrives several times counts once."},
		{ID: "vote-of-stranger", Section: "§5.2", story: voteOfStranger,
			Text: "Who is no voter of the cluster does not count."},
		{ID: "own-vote-after-sync", Section: "§5.2", story: ownVoteAfterSync,
			Text: "A candidate's own vote counts only when it is durable, even if nobody else votes."},
		{ID: "stale-reply", Section: "§5.1", story: staleReply,
			Text: "Votes and acknowledgements of an older term count for nothing."},
		{ID: "stale-term", Section: "§5.1", story: staleTerm,
			Text: "A request of an older term changes nothing, and is not agreed to."},
		{ID: "higher-term", Section: "§5.1", story: higherTerm,
			Text: "Any node that sees a higher term enters it as a follower."},
		{ID: "candidate-yields", Section: "§5.2", story: candidateYields,
			Text: "A candidate that hears from the leader of its term follows it."},
		{ID: "leader-replaced", Section: "§5.2", story: leaderReplaced,
			Text: "When the leader dies, the others elect another and go on."},
	}
}

// Two candidates of one term ask three voters, who may hear either first.
func electionSafety(w *world) {
	for order := range 8 {
		w.group(5)
		first, second := w.nodes[1], w.nodes[5]
		term := first.campaign()
		w.check(second.campaign() == term, "n1 and n5 start alike, but n1 campaigns in term %d and n5 in %d", term, second.status().Term)
		w.wire = nil // the rule delivers by hand
		for i := range 3 {
			voter := raft.NodeID(i + 2)
			a, b := first, second
			if order>>i&1 == 1 {
				a, b = b, a
			}
			_ = w.nodes[voter].step(requestVote(a.id, term, 0, 0))
			_ = w.nodes[voter].step(requestVote(b.id, term, 0, 0))
		}
		var leaders int
		for range 5 {
			w.deliver()
			leaders = 0
			for _, n := range w.all() {
				if s := n.status(); s.Role == raft.Leader && s.Term == term {
					leaders++
				}
			}
			w.check(leaders < 2, "term %d has two leaders, n1 and n5: a voter voted twice", term)
		}
		w.check(leaders == 1, "every voter was free in term %d, yet no candidate won", term)
	}
}

func voteOnce(w *world) {
	n := w.solo(3)
	_ = n.step(requestVote(2, 1, 0, 0))
	w.check(n.granted(2, 1), "n1 is free in term 1 and did not vote for n2")
	_ = n.step(requestVote(3, 1, 0, 0))
	w.check(!n.granted(3, 1), "n1 voted for n2 and for n3 in term 1")
	_ = n.step(requestVote(3, 1, 9, 1))
	w.check(!n.granted(3, 1), "n1 voted for n2 in term 1 and then for n3, whose log is longer")
	_ = n.step(requestVote(3, 2, 0, 0))
	w.check(n.granted(3, 2), "n1 is free in term 2 and did not vote for n3")
}

func voteSurvivesRestart(w *world) {
	n := w.solo(3)
	_ = n.step(requestVote(2, 1, 0, 0))
	w.check(n.granted(2, 1), "n1 is free in term 1 and did not vote for n2")
	n.crash()
	n.restart()
	_ = n.step(requestVote(3, 1, 0, 0))
	w.check(!n.granted(3, 1), "n1 voted for n2 in term 1, restarted, and voted for n3 in term 1")

	// A candidate has voted as well: for itself.
	n = w.solo(3)
	term := n.campaign()
	n.crash()
	n.restart()
	_ = n.step(requestVote(3, term, 0, 0))
	w.check(!n.granted(3, term), "n1 was a candidate of term %d, restarted, and voted for n3 in it", term)
}

func termSurvivesRestart(w *world) {
	for _, m := range []raft.Message{requestVote(2, 7, 0, 0), appendEntries(2, 7, 0, 0, 0), accept(2, 7, 0, 0)} {
		n := w.solo(3)
		_ = n.step(m)
		w.check(n.status().Term == 7, "n1 received %s of term 7 and is in term %d", m.Type, n.status().Term)
		n.crash()
		n.restart()
		w.check(n.status().Term == 7, "n1 was in term 7 after %s, and is in term %d after a restart", m.Type, n.status().Term)
		_ = n.step(requestVote(3, 6, 9, 6))
		w.check(!n.granted(3, 6), "n1 was in term 7, restarted, and voted for n3 in term 6")
	}
}

func voteAfterSync(w *world) {
	n := w.solo(3)
	n.slow = true
	_ = n.step(requestVote(2, 4, 0, 0))
	h := n.disk.HardState
	w.check(!n.granted(2, 4) || h.Term == 4 && h.VotedFor == 2,
		"n1's vote for n2 in term 4 left while its disk says term %d, vote for %s", h.Term, h.VotedFor)
	// The candidate asks again while the write is under way.
	_ = n.step(requestVote(2, 4, 0, 0))
	h = n.disk.HardState
	w.check(!n.granted(2, 4) || h.Term == 4 && h.VotedFor == 2,
		"asked twice, n1 sent its vote for n2 in term 4 while its disk says term %d, vote for %s", h.Term, h.VotedFor)
	n.sync()
	w.check(n.granted(2, 4), "n1's disk has written, but its vote for n2 in term 4 does not leave")
	h = n.disk.HardState
	w.check(h.Term == 4 && h.VotedFor == 2, "n1 voted for n2 in term 4, but its disk says term %d, vote for %s", h.Term, h.VotedFor)
}

func logUpToDate(w *world) {
	for _, c := range []struct {
		log         []uint64
		index, term uint64
		want        bool
	}{
		{[]uint64{}, 0, 0, true},
		{[]uint64{1, 1, 1}, 3, 1, true},
		{[]uint64{1, 1, 1}, 4, 1, true},
		{[]uint64{1, 1, 1}, 2, 1, false},    // same term, shorter
		{[]uint64{1, 1, 1}, 2, 2, true},     // shorter, but newer
		{[]uint64{1, 1, 3}, 9, 2, false},    // longer, but older
		{[]uint64{1, 1, 3, 3}, 3, 3, false}, // same last term, shorter
		{[]uint64{1, 1, 3}, 1, 4, true},
		{[]uint64{1}, 0, 0, false},
	} {
		n := w.solo(3, c.log...)
		_ = n.step(requestVote(2, 5, c.index, c.term))
		got := n.granted(2, 5)
		w.check(got == c.want, "n1 holds entries of terms %d; asked to vote in term 5 for a log that ends at index %d of term %d, it votes: %t",
			c.log, c.index, c.term, got)
	}
}

func voteCountedOnce(w *world) {
	n := w.solo(5)
	term := n.campaign()
	for range 4 {
		_ = n.step(vote(2, term))
	}
	w.check(n.status().Role != raft.Leader, "n1 leads term %d of five voters with its own vote and four copies of n2's", term)
	_ = n.step(vote(3, term))
	w.check(n.status().Role == raft.Leader, "n1 has the votes of n1, n2 and n3 in term %d of five voters, and is a %s", term, n.status().Role)
}

func voteOfStranger(w *world) {
	n := w.solo(3)
	term := n.campaign()
	_ = n.step(vote(9, term))
	w.check(n.status().Role != raft.Leader, "n1 leads term %d with the vote of n9, who is no voter", term)
	_ = n.step(vote(2, term))
	w.check(n.status().Role == raft.Leader, "n1 has two votes of three in term %d and is a %s", term, n.status().Role)
}

func ownVoteAfterSync(w *world) {
	n := w.solo(1)
	n.slow = true
	n.tick(3 * election)
	w.check(n.status().Role != raft.Leader, "n1 leads term %d with its own vote alone, which its disk does not hold yet", n.status().Term)
	n.sync()
	w.check(n.status().Role == raft.Leader, "n1's own vote of term %d is durable and the only one needed, yet it is a %s", n.status().Term, n.status().Role)

	// Whoever asks before the disk has written may be answered before it.
	n = w.solo(3)
	n.slow = true
	n.tick(3 * election)
	term := n.status().Term
	if len(n.sent(raft.RequestVote)) > 0 {
		_ = n.step(vote(2, term))
		w.check(n.status().Role != raft.Leader, "n1 leads term %d with n2's vote and its own, which its disk does not hold yet", term)
	}
}

func staleReply(w *world) {
	n := w.solo(5)
	old := n.campaign()
	term := n.campaign()
	w.check(term > old, "n1 campaigned in term %d and then again in term %d", old, term)
	_ = n.step(vote(2, old))
	_ = n.step(vote(3, old))
	w.check(n.status().Role != raft.Leader, "n1 leads term %d with votes of term %d", term, old)

	n = w.solo(3)
	term = n.lead()
	last := n.own()
	_ = n.step(accept(2, term-1, last, 0))
	w.check(n.status().Commit < last, "n1 leads term %d and committed index %d by an acknowledgement of term %d", term, last, term-1)
	n.obey(2)
	w.check(n.status().Commit == last, "n2 acknowledged index %d to n1 in term %d, which committed only %d", last, term, n.status().Commit)
}

func staleTerm(w *world) {
	for _, m := range []raft.Message{
		requestVote(2, 3, 9, 3),
		appendEntries(2, 3, 1, 1, 3, 3, 3),
	} {
		n := w.solo(3, 1, 1, 5)
		n.take()
		_ = n.step(m)
		s := n.status()
		w.check(s.Term == 5 && s.Last == 3 && s.LastTerm == 5 && s.Commit == 0,
			"%s of term 3 moved n1 of term 5 to term %d, last entry %d of term %d, commit %d", m.Type, s.Term, s.Last, s.LastTerm, s.Commit)
		w.check(!n.granted(2, 3) && !n.granted(2, 5) && n.acked(2, 3) == 0 && n.acked(2, 5) == 0, "n1 of term 5 accepted %s of term 3", m.Type)
		_ = n.step(appendEntries(2, 5, 3, 5, 0))
		w.check(n.acked(2, 5) == 3, "n1 of term 5 heard %s of term 3, and does not follow the leader of term 5 after that", m.Type)
	}
}

func higherTerm(w *world) {
	messages := []raft.Message{
		requestVote(2, 9, 0, 0),
		{Type: raft.RequestVoteReply, From: 2, Term: 9, Reject: true},
		appendEntries(2, 9, 0, 0, 0),
		{Type: raft.AppendEntriesReply, From: 2, Term: 9, Reject: true},
	}
	for _, m := range messages {
		for _, role := range []raft.Role{raft.Follower, raft.Candidate, raft.Leader} {
			n := w.solo(3)
			switch role {
			case raft.Candidate:
				n.campaign()
			case raft.Leader:
				n.lead()
			}
			_ = n.step(m)
			s := n.status()
			w.check(s.Term == 9 && s.Role == raft.Follower, "n1 was a %s, received %s of term 9, and is a %s of term %d", role, m.Type, s.Role, s.Term)
		}
	}
}

func candidateYields(w *world) {
	n := w.solo(3)
	term := n.campaign()
	n.take()
	_ = n.step(appendEntries(2, term, 0, 0, 0, term))
	s := n.status()
	w.check(s.Role == raft.Follower && s.Term == term, "n1, a candidate of term %d, heard from its leader n2 and is a %s of term %d", term, s.Role, s.Term)
	w.check(n.acked(2, term) == 1, "n1, a candidate of term %d, does not acknowledge the entry that its leader n2 sent", term)
	_ = n.step(vote(3, term))
	w.check(n.status().Role != raft.Leader, "n1 follows n2 in term %d, and then leads the same term by a late vote", term)
}

func leaderReplaced(w *world) {
	w.group(3)
	for _, command := range []string{"a", "b", "c"} {
		leader := w.awaitLeader()
		term := leader.status().Term
		leader.propose(command)
		w.settle()
		w.tick(2)
		leader.crash()
		next := w.awaitLeader()
		w.check(next.status().Term > term, "%s succeeds the leader of term %d in term %d", next.id, term, next.status().Term)
		leader.restart()
		w.until(func() bool { return slices.Contains(leader.state, command) }, "%s, which led and restarted, has not applied %q", leader.id, command)
	}
	w.agree("a", "b", "c")
}
