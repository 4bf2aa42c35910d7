package rafttest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

func replicationRules() []Rule {
	return []Rule{
		{ID: "append-consistency", Section: "§5.3", story: appendConsistency,
			Text: "A follower takes entries only behind an entry that matches; it refuses gaps and foreign terms."},
		{ID: "append-idempotent", Section: "§5.3", story: appendIdempotent,
			Text: "The same AppendEntries twice leaves the log as once."},
		{ID: "append-keeps-matching", Section: "Figure 2, AppendEntries 3", story: appendKeepsMatching,
			Text: "A delayed AppendEntries that matches a prefix of the log removes nothing."},
		{ID: "append-removes-conflict", Section: "Figure 2, AppendEntries 3", story: appendRemovesConflict,
			Text: "An entry that conflicts is replaced, together with all behind it."},
		{ID: "leader-append-only", Section: "§5.3", story: leaderAppendOnly,
			Text: "A leader never changes or removes entries of its own log."},
		{ID: "propose-to-leader", Section: "§5.1", story: proposeToLeader,
			Text: "Only a leader takes commands; others say so and append nothing."},
		{ID: "lost-append-repaired", Section: "§5.3", story: lostAppendRepaired,
			Text: "Entries whose messages were lost are sent again."},
		{ID: "log-repair", Section: "§5.3, Figure 7", story: logRepair,
			Text: "Whatever a follower's log looks like, it ends equal to the leader's."},
		{ID: "match-monotonic", Section: "Figure 2, matchIndex", story: matchMonotonic,
			Text: "Late, repeated and reordered answers never take back what a follower acknowledged."},
		{ID: "late-rejection", Section: "§5.3", story: lateRejection,
			Text: "A rejection that arrives late does not stop the flow of entries."},
	}
}

func appendConsistency(w *world) {
	for _, m := range []raft.Message{
		appendEntries(2, 3, 5, 2, 0, 3), // a gap
		appendEntries(2, 3, 3, 2, 0, 3), // one entry too far
		appendEntries(2, 3, 2, 1, 0, 3), // entry 2 is of term 2
	} {
		n := w.solo(3, 1, 2)
		_ = n.step(m)
		w.check(slices.Equal(n.log(), []uint64{1, 2}), "n1's log of terms [1 2] became %d by entries behind index %d of term %d", n.log(), m.Index, m.LogTerm)
		w.check(n.acked(2, 3) == 0, "n1 holds terms [1 2] and vouches up to %d for entries behind index %d of term %d", n.acked(2, 3), m.Index, m.LogTerm)
	}
	n := w.solo(3, 1, 2)
	_ = n.step(appendEntries(2, 3, 2, 2, 0, 3, 3))
	w.check(slices.Equal(n.log(), []uint64{1, 2, 3, 3}), "n1's log of terms [1 2] became %d by two entries of term 3 behind its end", n.log())
	w.check(n.acked(2, 3) == 4, "n1 took entries up to 4 and vouches up to %d", n.acked(2, 3))
}

func appendIdempotent(w *world) {
	n := w.solo(3)
	for range 3 {
		_ = n.step(appendEntries(2, 1, 0, 0, 0, 1, 1))
		w.check(slices.Equal(n.log(), []uint64{1, 1}), "two entries of term 1, sent again, make n1's log %d", n.log())
	}
	_ = n.step(appendEntries(2, 1, 2, 1, 0, 1))
	_ = n.step(appendEntries(2, 1, 1, 1, 0, 1, 1))
	w.check(slices.Equal(n.log(), []uint64{1, 1, 1}), "overlapping entries up to 3 make n1's log %d", n.log())
}

func appendKeepsMatching(w *world) {
	for _, m := range []raft.Message{
		appendEntries(2, 2, 0, 0, 0, 1),
		appendEntries(2, 2, 1, 1, 0, 1),
		appendEntries(2, 2, 1, 1, 0), // no entries at all
		appendEntries(2, 2, 3, 2, 0),
	} {
		n := w.solo(3, 1, 1, 2, 2)
		_ = n.step(appendEntries(2, 2, 4, 2, 0))
		w.check(n.acked(2, 2) == 4, "n1 holds four entries of its leader n2 and vouches up to %d", n.acked(2, 2))
		_ = n.step(m)
		s := n.status()
		w.check(s.Last == 4 && slices.Equal(n.log(), []uint64{1, 1, 2, 2}),
			"n1 acknowledged 4 entries; a delayed message with %d entries behind %d leaves it %d", len(m.Entries), m.Index, s.Last)
	}
}

func appendRemovesConflict(w *world) {
	n := w.solo(3, 1, 1, 2, 2, 2)
	_ = n.step(appendEntries(2, 3, 2, 1, 0, 3))
	w.check(slices.Equal(n.log(), []uint64{1, 1, 3}), "entry 3 of term 3 makes n1's log of terms [1 1 2 2 2] to %d", n.log())
	w.check(n.status().Last == 3, "n1 took entry 3 of term 3 and still counts entries up to %d", n.status().Last)

	// The conflict may lie behind entries that match.
	n = w.solo(3, 1, 1, 2, 2, 2)
	_ = n.step(appendEntries(2, 3, 0, 0, 0, 1, 1, 2, 3))
	w.check(slices.Equal(n.log(), []uint64{1, 1, 2, 3}), "entries of terms [1 1 2 3] make n1's log of terms [1 1 2 2 2] to %d", n.log())
}

func leaderAppendOnly(w *world) {
	n := w.solo(3, 1, 1)
	term := n.lead()
	n.own()
	n.propose("a", "b")
	before := n.log()
	// An old leader's words, and an impostor's of its own term: no correct node
	// sends the latter, so it may be refused with an error.
	_ = n.step(appendEntries(2, term-1, 1, 1, 0, term-1))
	_ = n.step(appendEntries(2, term, 1, 1, 0, term))
	w.check(slices.Equal(n.log(), before), "n1 leads term %d; a foreign AppendEntries changed its log of terms %d to %d", term, before, n.log())
	n.obey(2, 3)
	w.check(n.status().Commit == uint64(len(before)), "n1's followers hold all %d entries and it committed %d", len(before), n.status().Commit)
}

func proposeToLeader(w *world) {
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 0, 1))
	_, _, err := n.core.Propose([]byte("x"))
	n.pump()
	w.check(errors.Is(err, raft.ErrNotLeader), "n1 follows n2 and answers a proposal with %v, not with ErrNotLeader", err)
	w.check(n.status().Last == 1, "n1 follows n2 and appended a proposal at %d", n.status().Last)

	n = w.solo(3)
	term := n.lead()
	index, at, err := n.core.Propose([]byte("x"), []byte("y"))
	n.pump()
	w.check(err == nil && at == term && n.status().Last == index+1,
		"n1 leads term %d; proposing two commands gives index %d, term %d, error %v, and its log ends at %d", term, index, at, err, n.status().Last)
}

// The messages of the first, the middle or all of several proposals are lost,
// with and without the rest.
func lostAppendRepaired(w *world) {
	for lost := range 4 {
		w.group(3)
		leader := w.elect(1)
		for i := range 4 {
			if i == lost || lost == 3 {
				w.isolate(3)
			} else {
				w.heal()
			}
			leader.propose(fmt.Sprintf("x%d", i))
			w.settle()
		}
		w.heal()
		far := w.nodes[3]
		w.until(func() bool { return slices.Equal(far.log(), leader.log()) },
			"n1 leads with a log of terms %d, and n3, which missed some messages, holds %d", leader.log(), far.log())
		w.tick(2)
		w.agree("x0", "x1", "x2", "x3")
	}
}

func logRepair(w *world) {
	leaderLog := []uint64{1, 1, 1, 4, 4, 5, 5, 6, 6, 6}
	w.clear()
	w.voters(7)
	leader := w.startFrom(1, raft.State{HardState: raft.HardState{Term: 7}, Entries: logOf(1, leaderLog...)})
	for i, terms := range [][]uint64{
		{1, 1, 1, 4, 4, 5, 5, 6, 6},
		{1, 1, 1, 4},
		{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
		{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
		{1, 1, 1, 4, 4, 4, 4},
		{1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
	} {
		w.startFrom(raft.NodeID(i+2), raft.State{HardState: raft.HardState{Term: 7}, Entries: logOf(1, terms...)})
	}
	w.elect(1)
	leader.own()
	for range patience {
		leader.tick(1)
		w.settle()
	}
	for i, n := range w.all() {
		w.check(slices.Equal(n.log(), leader.log()), "follower (%c) of Figure 7 ends with terms %d, its leader n1 has %d", 'a'+i-1, n.log(), leader.log())
		w.check(slices.Equal(n.log()[:10], leaderLog), "%s lost entries of the leader's log %d: %d", n.id, leaderLog, n.log())
	}
}

func matchMonotonic(w *world) {
	n := w.solo(5)
	term := n.lead()
	n.own()
	n.obey(2)
	n.propose("a", "b", "c")
	n.obey(2)
	last := n.status().Last
	w.check(n.status().Commit < last, "n1 committed %d with the copies of two nodes of five", n.status().Commit)
	for index := last; index > 0; index-- {
		_ = n.step(accept(2, term, index-1, 0))
	}
	_ = n.step(accept(3, term, last, 0))
	w.check(n.status().Commit == last,
		"n2 acknowledged up to %d, then late answers arrived, then n3 acknowledged: n1 committed %d in term %d", last, n.status().Commit, term)
}

func lateRejection(w *world) {
	n := w.solo(3)
	term := n.lead()
	n.own()
	n.propose("a", "b")
	n.obey(2, 3)
	for prev := range n.status().Last {
		_ = n.step(raft.Message{Type: raft.AppendEntriesReply, From: 2, Term: term, Reject: true, Index: prev})
	}
	n.obey(2)
	n.propose("c")
	last := n.status().Last
	for range patience {
		n.obey(2)
		n.tick(1)
	}
	n.obey(2)
	w.check(n.status().Commit == last, "after late rejections of n2 in term %d, n1 commits only %d of %d", term, n.status().Commit, last)
}
