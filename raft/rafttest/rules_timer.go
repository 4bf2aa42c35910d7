package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// The election timer (Figure 2, Followers) is where correct-looking
// implementations lose liveness without any wrong answer: no safety test sees
// a cluster that merely takes a minute to elect.
func timerRules() []Rule {
	return []Rule{
		{ID: "timeouts-differ", Section: "§5.2", story: timeoutsDiffer,
			Text: "Nodes draw election timeouts anew each time, between once and twice the shortest, and not all the same."},
		{ID: "election-ends", Section: "§5.2", story: electionEnds,
			Text: "Nodes that all start at once elect a leader in the end."},
		{ID: "leader-holds", Section: "§5.2", story: leaderHolds,
			Text: "A leader that everybody hears stays, without a new term."},
		{ID: "append-resets-timer", Section: "Figure 2, Followers", story: appendResetsTimer,
			Text: "Every AppendEntries of the current leader restarts the election timer, even one that does not match."},
		{ID: "granted-vote-resets-timer", Section: "Figure 2, Followers", story: grantedVoteResetsTimer,
			Text: "Giving a vote restarts the election timer: the candidate gets its time."},
		{ID: "denied-vote-keeps-timer", Section: "Figure 2, Followers", story: deniedVoteKeepsTimer,
			Text: "A candidate that is denied a vote does not keep others from campaigning."},
		{ID: "stale-leader-keeps-timer", Section: "Figure 2, Followers", story: staleLeaderKeepsTimer,
			Text: "The words of a deposed leader do not keep anybody from campaigning."},
	}
}

func timeoutsDiffer(w *world) {
	var first []int
	for id := raft.NodeID(1); id <= 8; id++ {
		w.clear()
		w.voters(8)
		n := w.start(id)
		var own []int
		for range 8 {
			own = append(own, n.silence())
		}
		for _, ticks := range own {
			w.check(ticks >= election && ticks <= 2*election, "%s campaigns after %d ticks of silence, ElectionTicks is %d", id, ticks, election)
		}
		w.check(slices.Min(own) < slices.Max(own), "%s draws the same timeout each time: %d ticks", id, own)
		first = append(first, own[0])
	}
	w.check(slices.Min(first) < slices.Max(first), "eight nodes draw the same first timeouts: %d ticks", first)
}

func electionEnds(w *world) {
	for _, size := range []int{2, 3, 5, 7} {
		for seed := range uint64(5) {
			w.config.Seed = seed
			w.group(size)
			leader := w.awaitLeader()
			leader.propose("x")
			w.settle()
			w.tick(2)
			w.agree("x")
		}
	}
}

func leaderHolds(w *world) {
	w.group(3)
	leader := w.awaitLeader()
	term := leader.status().Term
	w.tick(20 * election)
	for _, n := range w.all() {
		s := n.status()
		w.check(s.Term == term && s.Leader == leader.id, "%s led term %d and was heard by all; later %s follows %s in term %d", leader.id, term, n.id, s.Leader, s.Term)
	}
}

func appendResetsTimer(w *world) {
	for _, m := range []raft.Message{
		appendEntries(2, 1, 1, 1, 0),
		appendEntries(2, 1, 9, 1, 0), // does not match
	} {
		n := w.solo(3, 1)
		n.take()
		for range 10 {
			_ = n.step(m)
			n.tick(election - 1)
			w.check(!n.asksForVotes(), "n1 hears its leader every %d ticks (%s) and campaigns, ElectionTicks is %d", election-1, m, election)
		}
		n.silence()
	}
}

func grantedVoteResetsTimer(w *world) {
	// Some timeouts are long enough to hide the fault: several seeds.
	for seed := range uint64(8) {
		w.config.Seed = seed
		n := w.solo(3)
		n.take()
		n.tick(election - 1)
		_ = n.step(requestVote(2, 1, 0, 0))
		w.check(n.granted(2, 1), "n1 is free in term 1 and did not vote for n2")
		for ticks := 1; ticks < election; ticks++ {
			n.tick(1)
			w.check(!n.asksForVotes(), "n1 voted for n2 in term 1 and campaigns itself %d ticks later, ElectionTicks is %d", ticks, election)
		}
		n.silence()
	}
}

func deniedVoteKeepsTimer(w *world) {
	n := w.solo(3, 1, 1)
	n.take()
	term := n.status().Term
	for range 3 * election {
		n.tick(1)
		if n.asksForVotes() {
			return
		}
		_ = n.step(requestVote(2, term, 0, 0))
		w.check(!n.granted(2, term), "n1 voted in term %d for n2, whose log is behind", term)
	}
	w.failf("n1 denied n2 its vote at each of %d ticks in term %d and never campaigned itself", 3*election, term)
}

func staleLeaderKeepsTimer(w *world) {
	n := w.solo(3, 1, 5)
	n.take()
	for range 3 * election {
		n.tick(1)
		if n.asksForVotes() {
			return
		}
		_ = n.step(appendEntries(2, 4, 1, 1, 0))
	}
	w.failf("n1 of term 5 heard n2, the leader of term 4, at each of %d ticks and never campaigned", 3*election)
}
