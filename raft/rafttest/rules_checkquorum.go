package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// CheckQuorum (dissertation §6.2, and §6 of the paper): a leader that nobody
// hears stops by itself; in return, who hears a leader ignores candidates.
func checkQuorumRules() []Rule {
	return claimed("CheckQuorum", []Rule{
		{ID: "isolated-leader-stops", Section: "D§6.2", story: isolatedLeaderStops,
			Text: "A leader that no majority answers steps down within two election timeouts."},
		{ID: "heard-leader-stays", Section: "D§6.2", story: heardLeaderStays,
			Text: "A leader that a majority answers goes on, though a minority is silent."},
		{ID: "sticky-follower", Section: "§6, end", story: stickyFollower,
			Text: "A follower that hears its leader neither votes nor enters a candidate's term."},
		{ID: "dead-leader-replaced", Section: "§6, end", story: deadLeaderReplaced,
			Text: "When the leader was silent for the shortest election timeout, its followers vote again."},
		{ID: "frozen-node-freed", Section: "§6, end", story: frozenNodeFreed,
			Text: "A node that comes back with a higher term, and is ignored as a candidate, follows again in the end."},
	})
}

func isolatedLeaderStops(w *world) {
	n := w.solo(3)
	term := n.lead()
	for range 5 * election { // answered, it stays
		n.obey(2, 3)
		n.tick(1)
	}
	w.check(n.status().Role == raft.Leader, "n1, whom all answer, is a %s of term %d, and led term %d", n.status().Role, n.status().Term, term)
	n.obey(2, 3)
	for range 2*election + 1 {
		n.tick(1)
	}
	w.check(n.status().Role != raft.Leader || n.status().Term != term, "n1 leads term %d still, %d ticks after the last answer; ElectionTicks is %d", term, 2*election+1, election)
}

func heardLeaderStays(w *world) {
	w.group(5)
	leader := w.awaitLeader()
	term := leader.status().Term
	var away []raft.NodeID
	for _, n := range w.all() {
		if n != leader && len(away) < 2 {
			away = append(away, n.id)
		}
	}
	w.isolate(away...)
	w.tick(10 * election)
	s := leader.status()
	w.check(s.Role == raft.Leader && s.Term == term, "%s led term %d and two of four followers answer: it is a %s of term %d", leader.id, term, s.Role, s.Term)
}

func stickyFollower(w *world) {
	n := w.solo(3, 1)
	for range 3 * election {
		_ = n.step(appendEntries(2, 1, 1, 1, 0))
		_ = n.step(requestVote(3, 9, 9, 8))
		w.check(!n.granted(3, 9), "n1 hears its leader n2 of term 1, and votes for n3 in term 9")
		w.check(n.status().Term == 1, "n1 hears its leader n2 of term 1, and goes to term %d with the candidate n3", n.status().Term)
		n.tick(1)
	}
	// The leader falls silent: then it listens.
	for range 2 * election {
		n.tick(1)
		_ = n.step(requestVote(3, 99, 9, 8))
		if n.granted(3, 99) {
			return
		}
	}
	w.failf("n1 has not heard its leader for %d ticks and still ignores the candidate n3 of term 99", 2*election)
}

func deadLeaderReplaced(w *world) {
	waited := false
	for seed := range uint64(8) {
		w.config.Seed = seed
		n := w.solo(3, 1)
		_ = n.step(appendEntries(2, 1, 1, 1, 0))
		n.tick(election + 1)
		if n.asksForVotes() {
			continue // it did not wait for n3
		}
		waited = true
		_ = n.step(requestVote(3, 9, 1, 1))
		w.check(n.granted(3, 9), "n1 has not heard its leader for %d ticks, ElectionTicks is %d, and ignores the candidate n3", election+1, election)
	}
	w.check(waited, "n1 campaigns within %d ticks of silence, whatever the seed", election+1)

	w.group(5)
	for range 2 {
		leader := w.awaitLeader()
		leader.propose("x")
		w.settle()
		w.tick(1)
		leader.crash()
	}
	w.awaitLeader().propose("y")
	w.settle()
	w.tick(2)
	w.agree("x", "y")
}

// n3 was alone and campaigned, so its term is ahead. Its votes are ignored, and
// it takes no orders of a lower term: somebody has to give way.
func frozenNodeFreed(w *world) {
	w.group(3)
	w.elect(1)
	w.isolate(3)
	w.tick(10 * election)
	back := w.nodes[3]
	w.check(back.status().Term > w.nodes[1].status().Term, "n3 was alone for %d ticks and did not campaign", 10*election)
	w.heal()
	w.until(func() bool {
		leader := w.leader()
		return leader != nil && back.status().Term == leader.status().Term && back.status().Leader == leader.id
	}, "n3, back in term %d, follows no leader", back.status().Term)
	w.leader().propose("y")
	w.settle()
	w.until(func() bool { return slices.Contains(back.state, "y") }, "n3, back from a partition, applied %q and not %q", back.state, "y")
}
