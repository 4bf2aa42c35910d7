package rafttest

import "github.com/flagship-go/flagship/raft"

// Election priority: who should lead, for its place or its power, waits less
// than the others when a leader is gone. It is a preference and no more.
func priorityRules() []Rule {
	return claimed("Priority", []Rule{
		{ID: "priority-first", Section: "Config.ElectionDelay", story: priorityFirst,
			Text: "The node with the smallest ElectionDelay, by a timeout or more, is elected first."},
		{ID: "priority-yields", Section: "Config.ElectionDelay", story: priorityYields,
			Text: "Without it another is elected, and it does not depose that one when it is back."},
	})
}

// favourite is the node without a delay; it has not the lowest ID, which a
// core may prefer for other reasons.
const favourite raft.NodeID = 2

// favoured starts a cluster in which everybody else waits longer.
func (w *world) favoured(size int) {
	w.clear()
	w.voters(size)
	for _, id := range w.config.Voters {
		w.config.ElectionDelay = 2 * election
		if id == favourite {
			w.config.ElectionDelay = 0
		}
		w.start(id)
	}
}

func priorityFirst(w *world) {
	for _, size := range []int{3, 5} {
		for seed := range uint64(8) {
			w.config.Seed = seed
			w.favoured(size)
			leader := w.awaitLeader()
			w.check(leader.id == favourite, "%s is elected first of %d with ElectionDelay %d, %s has none", leader.id, size, 2*election, favourite)
		}
	}
}

func priorityYields(w *world) {
	w.favoured(3)
	first := w.awaitLeader()
	term := first.status().Term
	w.isolate(first.id)
	w.until(func() bool {
		l := w.leader()
		return l != nil && l.id != first.id && l.status().Term > term
	}, "%s is cut off, and nobody else is ever elected, with an ElectionDelay of %d", first.id, 2*election)
	next := w.leader()
	w.heal()
	w.tick(10 * election)
	w.check(w.leader() == next && first.status().Leader == next.id, "%s leads, %s is back, and follows %s", next.id, first.id, first.status().Leader)
}
