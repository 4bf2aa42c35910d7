package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

func commitRules() []Rule {
	return []Rule{
		{ID: "commit-majority", Section: "§5.3", story: commitMajority,
			Text: "An entry is committed by copies on a majority, and by no fewer."},
		{ID: "commit-own-term", Section: "§5.4.2, Figure 8", story: commitOwnTerm,
			Text: "A leader commits by counting copies only entries of its own term; older ones commit with them."},
		{ID: "commit-min", Section: "Figure 2, AppendEntries 5", story: commitMin,
			Text: "A follower commits up to leaderCommit, but not beyond the last entry that the message vouches for."},
		{ID: "commit-monotonic", Section: "§5.3", story: commitMonotonic,
			Text: "The commit index never goes back, and no committed entry is ever removed."},
		{ID: "leader-completeness", Section: "§5.4", story: leaderCompleteness,
			Text: "What is committed is in the log of every later leader."},
		{ID: "minority-commits-nothing", Section: "§5.3", story: minorityCommitsNothing,
			Text: "A leader cut off with a minority commits nothing, and its entries give way to the majority's."},
	}
}

// A leader that follows Figure 2 to the letter learns what is committed with
// its first command; one that appends an empty entry learns it at once.
func noOpRules() []Rule {
	return claimed("NoOp", []Rule{
		{ID: "noop-at-start", Section: "§8", story: noopAtStart,
			Text: "A new leader commits what its predecessors left, without waiting for a proposal."},
	})
}

func commitMajority(w *world) {
	n := w.solo(5)
	term := n.lead()
	last := n.own()
	w.check(n.status().Commit == 0, "n1 leads five voters in term %d and committed %d with its own copy", term, n.status().Commit)
	n.obey(2)
	w.check(n.status().Commit == 0, "n1 leads five voters in term %d and committed %d with two copies", term, n.status().Commit)
	n.tick(1)
	n.obey(3)
	w.check(n.status().Commit == last, "three of five voters hold entry %d of term %d and n1 committed %d", last, term, n.status().Commit)

	// With an even number, half is no majority.
	n = w.solo(4)
	n.lead()
	n.own()
	n.obey(2)
	w.check(n.status().Commit == 0, "n1 leads four voters and committed %d with two copies", n.status().Commit)
}

// Figure 8 (c): S1 of term 4 replicates entry 2 of term 2 to a majority. It
// must not take it for committed: S5 can still be elected and overwrite it.
func commitOwnTerm(w *world) {
	w.clear()
	w.voters(5)
	n := w.startFrom(1, raft.State{HardState: raft.HardState{Term: 3}, Entries: logOf(1, 1, 2)})
	term := n.lead()
	own := n.own()
	for _, from := range []raft.NodeID{2, 3} {
		_ = n.step(accept(from, term, 2, 0))
	}
	w.check(n.status().Commit < 2, "n1 leads term %d and committed entry 2 of term 2, because n2 and n3 hold copies", term)
	n.obey(2, 3)
	w.check(n.status().Commit == own, "a majority holds entry %d of n1's own term %d, which commits only %d", own, term, n.status().Commit)
}

func noopAtStart(w *world) {
	n := w.solo(3, 1, 1)
	term := n.lead()
	n.obey(2, 3)
	for range 3 {
		n.tick(1)
		n.obey(2, 3)
	}
	w.check(n.status().Commit >= 2, "n1 leads term %d, all nodes hold the two entries of term 1, and nothing was proposed: commit stays %d", term, n.status().Commit)
	w.check(n.status().LastTerm == term, "n1 committed %d in term %d without an entry of that term", n.status().Commit, term)
}

func commitMin(w *world) {
	// Entry 3 is of a deposed leader. The new one has committed 3 elsewhere,
	// but asks here about entry 1 first.
	n := w.solo(3, 1, 1, 1)
	_ = n.step(appendEntries(2, 2, 1, 1, 3))
	w.check(n.status().Commit <= 1, "a message of n2 vouches for entry 1 and says leaderCommit 3: n1 committed %d, though its entries 2 and 3 are n3's", n.status().Commit)
	w.check(n.status().Commit == 1, "entry 1 matches n2's and is committed there, n1 committed %d", n.status().Commit)
	_ = n.step(appendEntries(2, 2, 1, 1, 3, 2))
	w.check(n.status().Commit == 2, "a message of n2 brings entry 2 and says leaderCommit 3: n1, whose log ends at 2, committed %d", n.status().Commit)

	n = w.solo(3, 1, 1, 1)
	_ = n.step(appendEntries(2, 2, 3, 1, 2))
	w.check(n.status().Commit == 2, "entries 1..3 match n2's, which committed 2: n1 committed %d", n.status().Commit)
}

func commitMonotonic(w *world) {
	n := w.solo(3, 1, 1, 1)
	_ = n.step(appendEntries(2, 1, 3, 1, 3))
	w.check(n.status().Commit == 3, "n1 holds what n2 has committed, and committed %d of 3", n.status().Commit)
	for _, m := range []raft.Message{
		appendEntries(2, 1, 3, 1, 1),
		appendEntries(2, 1, 0, 0, 0, 1),
		appendEntries(2, 1, 1, 1, 1, 1),
		appendEntries(3, 2, 0, 0, 0),
	} {
		_ = n.step(m)
		s := n.status()
		w.check(s.Commit == 3 && s.Last == 3, "after 3 entries were committed, %s leaves commit %d and last entry %d", m, s.Commit, s.Last)
	}
}

// Five nodes; the entry is committed on n1..n3. Who does not hold it must not
// be elected, whatever it tries.
func leaderCompleteness(w *world) {
	w.group(5)
	leader := w.elect(1)
	w.isolate(4, 5)
	leader.propose("x")
	w.settle()
	leader.tick(2)
	w.settle()
	w.check(leader.status().Commit == leader.status().Last, "three of five nodes hold entry %d, and n1 committed %d", leader.status().Last, leader.status().Commit)
	leader.crash()
	w.heal()
	for _, id := range []raft.NodeID{4, 5} {
		n := w.nodes[id]
		for range 6 * election {
			n.tick(1)
			w.settle()
			w.check(n.status().Role != raft.Leader, "%s leads term %d without entry 2 of term 1, which is committed", id, n.status().Term)
		}
	}
	next := w.awaitLeader()
	w.until(func() bool { return len(next.state) > 0 && len(w.nodes[5].state) > 0 }, "the committed entry is not applied under leader %s", next.id)
	w.agree("x")
}

func minorityCommitsNothing(w *world) {
	w.group(5)
	old := w.elect(1)
	old.propose("before")
	w.settle()
	w.tick(2)
	w.split(1, 2)
	old.propose("lost")
	w.settle()
	for range 3 {
		old.tick(1)
		w.settle()
	}
	w.check(!slices.Contains(old.state, "lost"), "n1 applied a command that only n1 and n2 of five hold")
	next := w.elect(3)
	next.propose("kept")
	w.settle()
	next.tick(2)
	w.settle()
	w.check(slices.Contains(next.state, "kept"), "three of five nodes hold a command of their leader n3, which has not applied it")
	w.heal()
	w.until(func() bool { return slices.Contains(old.state, "kept") }, "n1, back from the minority, has not applied %q", "kept")
	w.tick(3 * election)
	w.agree("before", "kept")
	w.check(!slices.Contains(old.state, "lost"), "n1 applied %q, which only a minority held", "lost")
}
