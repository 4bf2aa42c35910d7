package rafttest

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// What is promised must be on the disk before the promise leaves. The kit owns
// the disk and may crash a node at any moment, so it sees each promise that
// was made too early.
func durabilityRules() []Rule {
	return []Rule{
		{ID: "ack-after-sync", Section: "Figure 2, persistent state", story: ackAfterSync,
			Text: "No acknowledgement leaves before the entries it vouches for are durable, not even a heartbeat's."},
		{ID: "acked-survives-any-crash", Section: "Figure 2, persistent state", story: ackedSurvivesAnyCrash,
			Text: "Whatever the moment of a crash, what was acknowledged is there after the restart."},
		{ID: "late-sync", Section: "§5.3", story: lateSync,
			Text: "That a disk has written an entry says nothing of the entry that took its place meanwhile (the ABA race)."},
		{ID: "leader-counts-durable", Section: "D§10.2.1", story: leaderCountsDurable,
			Text: "A leader counts its own copy of an entry only when its disk holds it."},
		{ID: "single-voter-sync", Section: "D§10.2.1", story: singleVoterSync,
			Text: "A cluster of one commits nothing before its disk has written."},
		{ID: "restart-keeps-log", Section: "Figure 2, persistent state", story: restartKeepsLog,
			Text: "A restarted node holds the log that it had made durable, and can go on from it."},
		{ID: "all-restart", Section: "§5.4", story: allRestart,
			Text: "Committed commands survive a crash of all nodes at once."},
	}
}

func ackAfterSync(w *world) {
	n := w.solo(3)
	n.slow = true
	story := []raft.Message{
		appendEntries(2, 1, 0, 0, 0, 1, 1),
		appendEntries(2, 1, 0, 0, 0, 1, 1), // sent again: nothing new to store
		appendEntries(2, 1, 2, 1, 0),       // a heartbeat behind them
		appendEntries(2, 1, 2, 1, 1, 1),
	}
	for _, m := range story {
		_ = n.step(m)
		held := uint64(len(n.disk.Entries))
		w.check(n.acked(2, 1) <= held, "after %s, n1 vouches up to %d and its disk holds %d entries", m, n.acked(2, 1), held)
	}
	for len(n.pending) > 0 {
		n.syncOne()
		held := uint64(len(n.disk.Entries))
		w.check(n.acked(2, 1) <= held, "n1 vouches up to %d and its disk holds %d entries", n.acked(2, 1), held)
	}
	n.sync()
	w.check(n.acked(2, 1) == 3 && len(n.disk.Entries) == 3, "n1 was sent 3 entries; it vouches up to %d and its disk holds %d", n.acked(2, 1), len(n.disk.Entries))
}

// The disk finishes only so many writes, then the power goes.
func ackedSurvivesAnyCrash(w *world) {
	story := []raft.Message{
		appendEntries(2, 1, 0, 0, 0, 1),
		appendEntries(2, 1, 1, 1, 0, 1, 1),
		appendEntries(2, 1, 3, 1, 2, 1),
		appendEntries(3, 2, 2, 1, 2, 2, 2), // a new leader replaces entries 3 and 4
		appendEntries(3, 2, 4, 2, 4, 2),
	}
	most := uint64(0)
	for writes := range 2*len(story) + 1 {
		n := w.solo(3)
		n.slow = true
		for _, m := range story {
			_ = n.step(m)
		}
		for range writes {
			if len(n.pending) > 0 {
				n.syncOne()
				n.pump()
			}
		}
		first, second := n.acked(2, 1), n.acked(3, 2)
		most = max(most, second)
		n.crash()
		n.restart()
		s := n.status()
		w.check(s.Last >= second && s.Last >= min(first, 2), "n1 acknowledged up to %d in term 1 and up to %d in term 2, crashed after %d writes, and its log ends at %d",
			first, second, writes, s.Last)
		if second > 0 {
			terms := n.log()[:second]
			w.check(slices.Equal(terms, []uint64{1, 1, 2, 2, 2}[:second]), "n1 acknowledged entries up to %d of n3, crashed after %d writes, and holds terms %d", second, writes, terms)
		}
	}
	w.check(most == 5, "n1's disk has written everything and n1 vouches for %d entries of 5", most)
}

// Write A holds entries 1 and 2 of term 1. Before the disk answers, a new
// leader replaces entry 2 and says that it is committed: write B.
func lateSync(w *world) {
	n := w.solo(3)
	n.slow = true
	_ = n.step(appendEntries(2, 1, 0, 0, 0, 1, 1))
	_ = n.step(appendEntries(3, 2, 1, 1, 2, 2))
	w.check(len(n.pending) > 0, "n1 was sent entries of two leaders and has no write under way")
	n.syncOne()
	n.pump()
	w.check(n.acked(3, 2) < 2, "n1 vouches to n3 for entry 2 of term 2; its disk has written entry 2 of term 1")
	w.check(len(n.rash) == 0, "n1 applies %s; its disk has written another entry at that index", brief(n.rash))
	n.sync()
	w.check(n.acked(3, 2) == 2, "n1's disk has written all, and n1 vouches to n3 up to %d of 2", n.acked(3, 2))
	w.check(len(n.applied) == 2 && n.applied[1].Term == 2, "entry 2 of term 2 is durable and committed, n1 applied %v", termsOf(n.applied))
}

func leaderCountsDurable(w *world) {
	n := w.solo(3)
	term := n.lead()
	n.own()
	n.obey(2, 3)
	before := n.status().Commit
	n.slow = true
	n.propose("x")
	last := n.status().Last
	_ = n.step(accept(2, term, last, 0))
	w.check(n.status().Commit == before, "n1 committed entry %d of term %d with n2's copy and its own, which its disk does not hold", n.status().Commit, term)
	n.sync()
	w.check(n.status().Commit == last, "n1 and n2 hold entry %d durably, and n1 committed %d in term %d", last, n.status().Commit, term)
}

func singleVoterSync(w *world) {
	n := w.solo(1)
	term := n.lead()
	n.own()
	before := n.status().Commit
	n.slow = true
	n.propose("x")
	w.check(n.status().Commit == before && !slices.Contains(n.state, "x"), "n1, alone in its cluster, committed entry %d of term %d before its disk wrote it", n.status().Commit, term)
	n.sync()
	w.check(slices.Contains(n.state, "x"), "n1's disk holds entry %d of term %d, and n1, alone in its cluster, has not applied it", n.status().Last, term)
}

func restartKeepsLog(w *world) {
	n := w.solo(3)
	_ = n.step(appendEntries(2, 3, 0, 0, 0, 1, 2, 3))
	n.crash()
	n.restart()
	s := n.status()
	w.check(s.Last == 3 && s.LastTerm == 3 && s.Term == 3, "n1 held 3 entries in term 3, restarted, and its log ends at %d of term %d, in term %d", s.Last, s.LastTerm, s.Term)
	_ = n.step(requestVote(3, 4, 9, 2))
	w.check(!n.granted(3, 4), "n1 restarted with a last entry of term 3 and votes for a log that ends in term 2")
	_ = n.step(appendEntries(2, 4, 3, 3, 3, 4))
	w.check(slices.Equal(n.log(), []uint64{1, 2, 3, 4}), "n1 restarted, was sent entry 4, and holds terms %d", n.log())
}

func allRestart(w *world) {
	w.group(3)
	var all []string
	for round := range 3 {
		leader := w.awaitLeader()
		command := fmt.Sprintf("x%d", round)
		leader.propose(command)
		all = append(all, command)
		w.settle()
		w.until(func() bool { return slices.Contains(leader.state, command) }, "%s has not applied its own command %q", leader.id, command)
		for _, n := range w.all() {
			n.crash()
		}
		w.wire = nil
		for _, n := range w.all() {
			n.restart()
		}
	}
	w.awaitLeader().own()
	w.settle()
	w.until(func() bool {
		return !slices.ContainsFunc(w.all(), func(n *node) bool { return len(n.state) < len(all) })
	}, "not all nodes have applied %q again", all)
	w.agree(all...)
}
