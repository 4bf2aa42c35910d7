package rafttest

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Snapshots (§7): a prefix of the log is replaced by the state it led to.
func snapshotRules() []Rule {
	return claimed("Snapshots", []Rule{
		{ID: "snapshot-to-laggard", Section: "§7", story: snapshotToLaggard,
			Text: "A follower that needs compacted entries is sent the snapshot, and then the entries behind it."},
		{ID: "compaction-keeps-suffix", Section: "§7", story: compactionKeepsSuffix,
			Text: "Entries behind the compacted ones stay and serve followers as before."},
		{ID: "compaction-covered", Section: "§7", story: compactionCovered,
			Text: "Nothing is compacted that the state machine has not applied or the snapshot does not cover."},
		{ID: "stale-snapshot-ignored", Section: "§7", story: staleSnapshotIgnored,
			Text: "A snapshot of less than is committed here changes nothing."},
		{ID: "snapshot-keeps-suffix", Section: "Figure 13, 6", story: snapshotKeepsSuffix,
			Text: "If the log agrees with the snapshot's last entry, the entries behind it stay."},
		{ID: "snapshot-drops-conflict", Section: "Figure 13, 7", story: snapshotDropsConflict,
			Text: "If it does not agree, the whole log gives way."},
		{ID: "snapshot-ack-after-sync", Section: "§7", story: snapshotAckAfterSync,
			Text: "A snapshot is acknowledged only when it is durable."},
		{ID: "lost-snapshot-sent-again", Section: "§7", story: lostSnapshotSentAgain,
			Text: "A snapshot that was lost on its way, or whose answer was, is sent again."},
		{ID: "restart-from-snapshot", Section: "§7", story: restartFromSnapshot,
			Text: "A node restarts from its snapshot and the entries behind it, and applies nothing twice."},
		{ID: "snapshot-membership", Section: "§7", story: snapshotMembership,
			Text: "The cluster's members are those of the snapshot, not those of the first start."},
	})
}

// snapshotOf is what a leader's shell sends: the state after index entries.
func snapshotOf(index, term uint64, voters ...raft.NodeID) *raft.Snapshot {
	var state []string
	for i := range index {
		state = append(state, fmt.Sprintf("s%d", i+1))
	}
	return &raft.Snapshot{Index: index, Term: term, Data: encode(state), Membership: raft.Membership{Voters: voters}}
}

func install(from raft.NodeID, term uint64, s *raft.Snapshot) raft.Message {
	return raft.Message{Type: raft.InstallSnapshot, From: from, Term: term, Snapshot: s}
}

// lag makes n1 the leader of three, commits commands while n3 is away and
// compacts them.
func (w *world) lag(commands int) (leader, far *node) {
	w.group(3)
	leader, far = w.elect(1), w.nodes[3]
	leader.propose("first")
	w.settle()
	w.isolate(3)
	for i := range commands {
		leader.propose(fmt.Sprintf("x%d", i))
		w.settle()
	}
	last := leader.status().Applied
	w.check(last == uint64(commands)+2 || last == uint64(commands)+1, "two of three nodes hold %d commands, and n1 applied %d entries", commands+1, last)
	leader.compact(last - 2)
	w.check(leader.status().First == last-1, "n1 compacted up to %d and its log begins at %d", last-2, leader.status().First)
	return leader, far
}

func snapshotToLaggard(w *world) {
	leader, far := w.lag(10)
	leader.take()
	w.heal()
	w.until(func() bool { return far.status().Commit == leader.status().Commit }, "n3 does not catch up with n1")
	w.check(len(leader.sent(raft.InstallSnapshot)) > 0, "n3 needed compacted entries and was sent no snapshot")
	w.check(far.disk.Snapshot != nil, "n3 was sent a snapshot and stored none")
	leader.propose("last")
	w.settle()
	w.tick(2)
	w.agree("first", "x0", "x9", "last")
	for i := range far.applied[1:] {
		w.check(far.applied[i].Index < far.applied[i+1].Index, "n3 applied entry %d after %d", far.applied[i+1].Index, far.applied[i].Index)
	}
	far.crash()
	far.restart()
	w.until(func() bool { return slices.Equal(far.state, leader.state) }, "n3, which was sent a snapshot and restarted, holds %q, and n1 %q", far.state, leader.state)
}

func compactionKeepsSuffix(w *world) {
	w.group(3)
	leader, far := w.elect(1), w.nodes[3]
	for i := range 5 {
		leader.propose(fmt.Sprintf("x%d", i))
	}
	w.settle()
	w.tick(2)
	w.isolate(3)
	leader.propose("y", "z")
	w.settle()
	// n3 holds everything up to here.
	held := far.status().Last
	leader.compact(held)
	w.check(leader.status().First == held+1 && leader.status().Last > held, "n1 compacted up to %d and holds %d..%d", held, leader.status().First, leader.status().Last)
	leader.take()
	w.heal()
	w.until(func() bool { return slices.Contains(far.state, "z") }, "n3 is not sent the entries behind the compacted ones")
	w.check(len(leader.sent(raft.InstallSnapshot)) == 0, "n3 lacks no compacted entry and was sent a snapshot")
	w.agree("x0", "y", "z")
}

func compactionCovered(w *world) {
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 2, 1, 1, 1, 1))
	for _, c := range []struct{ snapshot, upTo uint64 }{{3, 3}, {2, 3}, {9, 1}} {
		err := n.core.Compact(*snapshotOf(c.snapshot, 1, 1, 2, 3), c.upTo)
		w.check(err != nil, "n1 applied 2 of 4 entries, and compacts up to %d with a snapshot of %d", c.upTo, c.snapshot)
		w.check(n.status().First == 1 && n.status().Last == 4, "a refused compaction left n1 the entries %d..%d of 1..4", n.status().First, n.status().Last)
	}
	n.compact(2)
	w.check(n.status().First == 3 && n.status().Last == 4, "n1 compacted up to 2 and holds %d..%d", n.status().First, n.status().Last)
}

func staleSnapshotIgnored(w *world) {
	for _, compacted := range []bool{false, true} {
		n := w.solo(3)
		_ = n.step(appendEntries(2, 1, 0, 0, 4, 1, 1, 1, 1, 1))
		if compacted { // so that the log cannot tell whether it agrees
			n.compact(4)
		}
		before, held := slices.Clone(n.state), n.disk.Snapshot
		for _, index := range []uint64{2, 4} {
			_ = n.step(install(2, 1, snapshotOf(index, 1, 1, 2, 3)))
			s := n.status()
			w.check(s.Commit == 4 && s.Last == 5, "n1 committed 4 of 5 entries; a snapshot of %d leaves commit %d and last entry %d", index, s.Commit, s.Last)
			w.check(slices.Equal(n.state, before) && n.disk.Snapshot == held, "n1 committed 4 entries and installed a snapshot of %d", index)
		}
		_ = n.step(install(2, 1, snapshotOf(8, 1, 1, 2, 3)))
		w.check(n.status().Commit == 8 && len(n.state) == 8, "n1 was sent a snapshot of 8 and is at commit %d with %d commands", n.status().Commit, len(n.state))
	}
}

func snapshotKeepsSuffix(w *world) {
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 2, 1, 1, 1, 1, 1, 1))
	w.check(n.acked(2, 1) == 6, "n1 was sent 6 entries and vouches for %d", n.acked(2, 1))
	_ = n.step(install(2, 1, snapshotOf(4, 1, 1, 2, 3)))
	s := n.status()
	w.check(s.Last == 6, "n1 vouched for 6 entries; a snapshot that agrees with entry 4 leaves it %d", s.Last)
	w.check(s.Commit == 4, "n1 was sent a snapshot of 4, so 4 is committed, and n1 committed %d", s.Commit)
	n.crash()
	n.restart()
	w.check(n.status().Last == 6, "n1 vouched for 6 entries, took a snapshot of 4 and restarted with entries up to %d", n.status().Last)
}

func snapshotDropsConflict(w *world) {
	n := w.solo(3, 1, 1, 1, 1, 1, 1)
	_ = n.step(install(2, 2, snapshotOf(4, 2, 1, 2, 3)))
	s := n.status()
	w.check(s.Last == 4 && s.Commit == 4, "n1's 6 entries of term 1 conflict with a snapshot of 4 in term 2; its log ends at %d, commit %d", s.Last, s.Commit)
	_ = n.step(appendEntries(2, 2, 4, 2, 5, 2))
	w.check(n.status().Last == 5 && len(n.applied) == 1 && n.applied[0].Index == 5,
		"n1 holds a snapshot of 4 and was sent entry 5, committed: its log ends at %d, applied %d entries", n.status().Last, len(n.applied))
	w.check(len(n.state) == 5, "after a snapshot of 4 commands and entry 5, n1's state machine holds %q", n.state)
}

func snapshotAckAfterSync(w *world) {
	n := w.solo(3)
	n.slow = true
	_ = n.step(install(2, 2, snapshotOf(4, 2, 1, 2, 3)))
	_ = n.step(appendEntries(2, 2, 4, 2, 4, 2))
	w.check(n.acked(2, 2) == 0, "n1 vouches up to %d while its disk has not written the snapshot of 4", n.acked(2, 2))
	w.check(len(n.applied) == 0, "n1 applied %s before the snapshot in front of it", brief(n.applied))
	n.sync()
	w.check(n.acked(2, 2) == 5, "n1's disk holds a snapshot of 4 and entry 5, and n1 vouches up to %d", n.acked(2, 2))
	n.crash()
	n.restart()
	w.check(n.status().Last == 5 && n.status().First == 5, "n1 acknowledged a snapshot of 4 and entry 5, restarted, and holds entries %d..%d", n.status().First, n.status().Last)
}

func lostSnapshotSentAgain(w *world) {
	for _, lost := range []raft.MessageType{raft.InstallSnapshot, raft.AppendEntriesReply} {
		leader, far := w.lag(10)
		w.heal()
		sent := false
		for range patience * election {
			if far.status().Commit == leader.status().Commit {
				break
			}
			leader.tick(1)
			// Only the first such message is lost, between n1 and n3.
			for len(w.wire) > 0 {
				if i := slices.IndexFunc(w.wire, func(m raft.Message) bool {
					return m.Type == lost && (m.To == 3 || m.From == 3) && (sent || m.Type == raft.InstallSnapshot)
				}); i >= 0 {
					w.wire = slices.Delete(w.wire, i, i+1)
					lost = 0
				}
				sent = sent || slices.ContainsFunc(w.wire, func(m raft.Message) bool { return m.Type == raft.InstallSnapshot })
				w.deliver()
			}
		}
		w.check(lost == 0, "n1 never sent n3 the snapshot it needs")
		w.check(far.status().Commit == leader.status().Commit, "one message about a snapshot was lost, and n3 stays at commit %d, while n1 has %d", far.status().Commit, leader.status().Commit)
		w.agree("x9")
	}
}

func restartFromSnapshot(w *world) {
	// The log may still hold entries that the snapshot covers.
	for _, first := range []uint64{3, 5} {
		w.clear()
		w.voters(3)
		n := w.startFrom(1, raft.State{
			HardState: raft.HardState{Term: 2, Commit: 5},
			Snapshot:  snapshotOf(4, 2, 1, 2, 3),
			Entries:   logOf(first, times(int(7-first), 2)...),
		})
		s := n.status()
		w.check(s.Last == 6 && s.Commit >= 4, "n1 restarted with a snapshot of 4 and entries up to 6; its log ends at %d, commit %d", s.Last, s.Commit)
		_ = n.step(appendEntries(2, 2, 6, 2, 6))
		n.contiguous(5)
		w.check(len(n.applied) == 2, "n1 restarted with a snapshot of 4 and entries up to 6, all committed, and applied %d entries", len(n.applied))
	}
}

func snapshotMembership(w *world) {
	w.clear()
	w.voters(3)
	n := w.startFrom(1, raft.State{HardState: raft.HardState{Term: 2}, Snapshot: snapshotOf(4, 2, 1, 2, 3, 4, 5)})
	term := n.campaign()
	_ = n.step(vote(2, term))
	w.check(n.status().Role != raft.Leader, "n1 leads term %d with two votes; its snapshot says five voters", term)
	_ = n.step(vote(5, term))
	w.check(n.status().Role == raft.Leader, "n1 has the votes of n1, n2 and n5 of the snapshot's five voters and is a %s", n.status().Role)
}
