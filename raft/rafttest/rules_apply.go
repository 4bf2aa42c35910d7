package rafttest

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

func applyRules() []Rule {
	return []Rule{
		{ID: "apply-in-order", Section: "§5.3, State Machine Safety", story: applyInOrder,
			Text: "Entries are applied in the order of their indexes, each exactly once."},
		{ID: "apply-committed-only", Section: "§5.3", story: applyCommittedOnly,
			Text: "Nothing is applied before it is committed."},
		{ID: "apply-durable-only", Section: "§5.3", story: applyDurableOnly,
			Text: "Nothing is applied that a crash of this node could still take from its log."},
		{ID: "apply-after-restart", Section: "§5.3", story: applyAfterRestart,
			Text: "After a restart, application goes on behind what the state machine holds."},
	}
}

// contiguous fails unless the node has applied the indexes from first on.
func (n *node) contiguous(first uint64) {
	for i, e := range n.applied {
		n.w.check(e.Index == first+uint64(i), "%s applied entry %d where %d was due", n.id, e.Index, first+uint64(i))
	}
}

func applyInOrder(w *world) {
	w.config.MaxApplyBytes = 100 // a few entries each time
	w.group(3)
	leader := w.elect(1)
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("x%d", i))
	}
	for _, command := range all[:5] {
		leader.propose(command)
		w.settle()
	}
	leader.propose(all[5:]...) // committed all at once, more than fits a batch
	w.settle()
	w.tick(3)
	for _, n := range w.all() {
		n.contiguous(1)
		w.check(slices.Equal(n.state, all), "%s applied %q of the proposals %q", n.id, n.state, all)
	}
}

func applyCommittedOnly(w *world) {
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 1, 1, 1, 1))
	w.check(len(n.applied) == 1, "n1 holds 3 entries, of which n2 committed 1, and applied %d", len(n.applied))
	_ = n.step(appendEntries(2, 1, 3, 1, 2))
	w.check(len(n.applied) == 2, "n1 holds 3 entries, of which n2 committed 2, and applied %d", len(n.applied))

	n = w.solo(3)
	term := n.lead()
	n.propose("x")
	w.check(len(n.state) == 0, "n1 leads term %d and applied a command that only it holds", term)
	n.obey(2)
	w.check(len(n.state) == 1, "n1 leads term %d, n2 holds its command, and n1 applied %d commands", term, len(n.state))
}

func applyDurableOnly(w *world) {
	n := w.solo(3)
	n.slow = true
	_ = n.step(appendEntries(2, 1, 0, 0, 0, 1, 1))
	_ = n.step(appendEntries(2, 1, 2, 1, 2)) // both are committed elsewhere
	w.check(len(n.rash) == 0, "n1 applied %s before its disk held it", brief(n.rash))
	n.sync()
	w.check(len(n.rash) == 0, "n1 applied %s before its disk held it", brief(n.rash))
	w.check(len(n.applied) == 2, "n1 holds two committed entries and applied %d", len(n.applied))
}

func applyAfterRestart(w *world) {
	// A state machine without a memory gets everything again.
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 3, 1, 1, 1))
	n.crash()
	n.restart()
	_ = n.step(appendEntries(2, 1, 3, 1, 4, 1))
	n.contiguous(1)
	w.check(len(n.applied) == 4, "n1 restarted, all 4 entries are committed, and it applied %d of them", len(n.applied))

	// One that remembers gets what it misses.
	w.clear()
	w.config.Applied = 2
	n = w.startFrom(1, raft.State{HardState: raft.HardState{Term: 1}, Entries: logOf(1, 1, 1, 1)})
	_ = n.step(appendEntries(2, 1, 3, 1, 4, 1))
	n.contiguous(3)
	w.check(len(n.applied) == 2, "n1 started with 2 of 4 entries applied, and then applied %d", len(n.applied))
}
