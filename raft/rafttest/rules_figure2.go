package rafttest

import "github.com/flagship-go/flagship/raft"

// What Figure 2 asks for and safety does not need: it brings a deposed leader
// and a hopeless candidate to rest sooner. etcd does neither, and relies on
// PreVote and CheckQuorum instead.
func figure2Rules() []Rule {
	return claimed("Figure2", []Rule{
		{ID: "stale-term-answered", Section: "§5.1", story: staleTermAnswered,
			Text: "A request of an older term is answered with the newer one."},
		{ID: "new-term-keeps-timer", Section: "Figure 2, Followers", story: newTermKeepsTimer,
			Text: "A candidate that comes back with a new term each time, and cannot win, does not keep others from campaigning."},
	})
}

func staleTermAnswered(w *world) {
	for _, m := range []raft.Message{
		requestVote(2, 3, 9, 3),
		appendEntries(2, 3, 1, 1, 3, 3, 3),
	} {
		n := w.solo(3, 1, 1, 5)
		n.take()
		_ = n.step(m)
		w.check(n.told(2) == 5, "n1 of term 5 does not tell n2 its term in answer to %s of term 3", m.Type)
	}
}

func newTermKeepsTimer(w *world) {
	n := w.solo(3, 1, 1)
	n.take()
	for range 3 * election {
		n.tick(1)
		if n.asksForVotes() {
			return
		}
		_ = n.step(requestVote(2, n.status().Term+1, 0, 0))
	}
	w.failf("n1 denied n2 its vote in each of %d terms and never campaigned itself, though n2 cannot win", n.status().Term)
}
