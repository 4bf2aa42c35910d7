package rafttest

import (
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Reads on followers (dissertation §6.4, end): the follower asks its leader
// for the index, and answers from its own state machine.
//
//	n2  --ReadRequest-->  n1, leader  --a round to a majority-->
//	    <--ReadReply----
func followerReadRules() []Rule {
	return claimed("FollowerReads", []Rule{
		{ID: "follower-read-after-round", Section: "D§6.4", story: followerReadAfterRound,
			Text: "A leader answers a follower's read, and no sooner than it would answer its own."},
		{ID: "follower-read-covers", Section: "D§6.4", story: followerReadCovers,
			Text: "A follower's read covers what its leader had committed, though the follower has not heard of it."},
		{ID: "follower-read-deposed", Section: "D§6.4", story: followerReadDeposed,
			Text: "A follower whose leader was replaced, unknown to both, gets no index."},
		{ID: "follower-read-lost", Section: "D§6.4", story: followerReadLost,
			Text: "When the question or the answer is lost, the read is given up."},
		{ID: "follower-read-leader-change", Section: "D§6.4", story: followerReadLeaderChange,
			Text: "When the leader that was asked is replaced, the read is given up."},
		{ID: "follower-read-refused", With: "Strict", Section: "D§6.4", story: followerReadRefused,
			Text: "Who is asked and does not lead says so, and who asked gives the read up."},
		{ID: "follower-read-stray-reply", Section: "§5.1, D§6.4", story: followerReadStrayReply,
			Text: "An answer to another read, or of another term, decides nothing."},
	})
}

// followed makes n1 the leader of all nodes, with an entry of its term
// committed everywhere, and n2 the follower that the story is about.
func (w *world) followed(size int) (leader, follower *node) {
	w.group(size)
	leader = w.elect(1)
	leader.propose("x")
	w.settle()
	w.tick(2)
	w.agree("x")
	leader.take()
	w.nodes[2].take()
	return leader, w.nodes[2]
}

// askAsFollower asks for a read, and fails if the node refuses.
func (n *node) askAsFollower(id uint64) {
	err := n.core.ReadIndex(id)
	n.w.check(err == nil, "%s follows %s and refuses a read: %v", n.id, n.status().Leader, err)
	n.pump()
	r := n.answered(id)
	n.w.check(r == nil, "%s follows %s and answers a read by itself: %v", n.id, n.status().Leader, r)
}

func followerReadAfterRound(w *world) {
	leader, n := w.followed(3)
	n.askAsFollower(7)
	w.isolate(3)
	w.wire = nil
	requests := n.sent(raft.ReadRequest)
	w.check(len(requests) == 1 && requests[0].To == 1 && requests[0].ID == 7, "n2 follows n1, and asks for read 7 by %v", requests)
	_ = leader.step(requests[0])
	w.check(len(leader.sent(raft.ReadReply)) == 0, "n1, one of three, answers n2's read before anybody confirmed that it leads")
	w.settle()
	r := n.answered(7)
	w.check(r != nil && !r.Lost, "n1 leads, n2 confirms it, and n2's read is not answered: %v", r)
	w.check(r.Index >= leader.status().Commit, "n1 committed %d, and n2's read is answered at index %d", leader.status().Commit, r.Index)
}

func followerReadCovers(w *world) {
	leader, n := w.followed(3)
	w.isolate(2)
	leader.propose("y")
	w.settle()
	commit := leader.status().Commit
	w.check(commit > n.status().Commit, "n1 committed %d with n3, and n2, cut off, knows of %d", commit, n.status().Commit)
	w.heal()
	n.askAsFollower(7)
	w.settle()
	r := n.answered(7)
	w.check(r != nil && !r.Lost && r.Index >= commit, "n1 had committed %d when n2 asked, and n2's read is answered so: %v", commit, r)
	w.until(func() bool { return n.status().Applied >= r.Index }, "n2's read waits for index %d, and n2 has applied %d", r.Index, n.status().Applied)
	w.check(slices.Contains(n.state, "y"), "n2 may answer its read, and has not applied %q, committed before it asked", "y")
}

func followerReadDeposed(w *world) {
	leader, n := w.followed(5)
	w.split(1, 2)
	w.elect(3).propose("y")
	w.settle()
	n.askAsFollower(7)
	w.settle()
	leader.tick(2)
	w.settle()
	r := n.answered(7)
	w.check(r == nil || r.Lost, "n3 leads and committed on; n2, cut off with the old leader n1, answers a read: %v", r)
	w.heal()
	w.until(func() bool { return n.answered(7) != nil }, "n2 is back under n3 and never says what became of its read")
	w.check(n.answered(7).Lost, "n2's leader was deposed while a read waited, and n2 answers it at index %d", n.answered(7).Index)
	w.tick(2)
	n.askAsFollower(8)
	w.settle()
	r = n.answered(8)
	w.check(r != nil && !r.Lost, "n2 follows the new leader, and its read is not answered: %v", r)
}

func followerReadLost(w *world) {
	for _, lost := range []raft.MessageType{raft.ReadRequest, raft.ReadReply} {
		leader, n := w.followed(3)
		n.askAsFollower(7)
		gone := false
		for range 2*election + 1 {
			for len(w.wire) > 0 {
				w.wire = slices.DeleteFunc(w.wire, func(m raft.Message) bool {
					gone = gone || m.Type == lost
					return m.Type == lost
				})
				w.deliver()
			}
			leader.tick(1)
			n.tick(1)
		}
		w.check(gone, "n2 asked its leader for a read, and no %s was sent", lost)
		r := n.answered(7)
		w.check(r != nil && r.Lost, "a %s was lost, and %d ticks later n2 says of its read: %v; ElectionTicks is %d", lost, 2*election+1, r, election)
		n.askAsFollower(8)
		w.settle()
		r = n.answered(8)
		w.check(r != nil && !r.Lost, "n2's next read is not answered: %v", r)
	}
}

func followerReadLeaderChange(w *world) {
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 1, 1))
	n.askAsFollower(7)
	_ = n.step(appendEntries(3, 2, 1, 1, 1))
	r := n.answered(7)
	w.check(r != nil && r.Lost, "n1 asked n2 of term 1 for a read, then n3 leads term 2, and n1 says of the read: %v", r)
	_ = n.step(raft.Message{Type: raft.ReadReply, From: 2, Term: 1, ID: 7, Index: 1})
	w.check(len(n.reads) == 1, "n1's read was given up, and a late answer decides it again: %v", n.reads)

	// It may come to lead itself.
	n = w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 1, 1))
	n.take()
	id := uint64(7)
	for ; !n.asksForVotes() && id < 3*election+7; id++ {
		n.askAsFollower(id)
		n.tick(1)
	}
	for _, from := range []raft.NodeID{2, 3} {
		_ = n.step(vote(from, n.status().Term))
	}
	w.check(n.status().Role == raft.Leader, "n1 has all votes of term %d and is a %s", n.status().Term, n.status().Role)
	n.obey(2, 3)
	n.tick(2*election + 1)
	for id--; id >= 7; id-- {
		r := n.answered(id)
		w.check(r != nil && r.Lost, "n1 asked n2 for read %d, then came to lead term %d itself, and says of the read: %v", id, n.status().Term, r)
	}
}

func followerReadRefused(w *world) {
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 1, 1))
	n.take()
	_ = n.step(raft.Message{Type: raft.ReadRequest, From: 3, Term: 1, ID: 7})
	replies := n.sent(raft.ReadReply)
	w.check(len(replies) == 1 && replies[0].Reject && replies[0].ID == 7, "n1, a follower, is asked for a read by n3, and answers %v", replies)
	n.askAsFollower(8)
	_ = n.step(raft.Message{Type: raft.ReadReply, From: 2, Term: 1, ID: 8, Reject: true})
	r := n.answered(8)
	w.check(r != nil && r.Lost, "n1 asked n2 for a read, n2 refused, and n1 says of the read: %v", r)
}

func followerReadStrayReply(w *world) {
	n := w.solo(3, 1, 3)
	_ = n.step(appendEntries(2, 3, 2, 3, 2))
	n.askAsFollower(7)
	for _, stray := range []raft.Message{
		{Type: raft.ReadReply, From: 2, Term: 3, ID: 6, Index: 1},
		{Type: raft.ReadReply, From: 2, Term: 2, ID: 7, Index: 1},
		{Type: raft.ReadReply, From: 3, Term: 2, ID: 7, Index: 1},
	} {
		_ = n.step(stray)
		w.check(len(n.reads) == 0, "n1 of term 3 waits for read 7, and an answer of term %d to read %d decides %v", stray.Term, stray.ID, n.reads)
	}
	right := raft.Message{Type: raft.ReadReply, From: 2, Term: 3, ID: 7, Index: 2}
	for range 2 { // a repeated answer is an answer to nothing
		_ = n.step(right)
		w.check(len(n.reads) == 1 && n.reads[0] == raft.Read{ID: 7, Index: 2}, "n1's leader answers read 7 with index 2, and n1 says %v", n.reads)
	}
}
