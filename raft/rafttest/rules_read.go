package rafttest

import (
	"errors"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// Linearizable reads without a log entry (§8; dissertation §6.4).
func readRules() []Rule {
	return claimed("ReadIndex", []Rule{
		{ID: "read-needs-own-commit", Section: "D§6.4, step 1", story: readNeedsOwnCommit,
			Text: "A leader answers no read before it has committed an entry of its term."},
		{ID: "read-needs-majority", Section: "D§6.4, step 3", story: readNeedsMajority,
			Text: "A read is answered when a majority has confirmed the leader, each node counted once."},
		{ID: "read-needs-new-round", Section: "D§6.4, step 3", story: readNeedsNewRound,
			Text: "What was sent before a read was asked for confirms nothing for it."},
		{ID: "read-index-covers", Section: "D§6.4, step 2", story: readIndexCovers,
			Text: "A read's index covers all that was committed when it was asked for."},
		{ID: "read-deposed-leader", Section: "D§6.4", story: readDeposedLeader,
			Text: "A leader that was replaced without knowing it answers no read, and reports the read lost when it learns."},
		{ID: "read-of-stopped-leader", Section: "D§6.4, D§6.2", With: "CheckQuorum", story: readOfStoppedLeader,
			Text: "A leader that steps down by itself gives up the reads that wait."},
		{ID: "read-round-shared", With: "SharedReads", Section: "D§6.4", story: readRoundShared,
			Text: "Many reads that wait together cost one round of messages."},
		{ID: "read-not-leader", Section: "D§6.4", story: readNotLeader,
			Text: "A node that does not lead answers no read by itself, and refuses it when it knows no leader."},
		{ID: "read-single-voter", Section: "D§6.4", story: readSingleVoter,
			Text: "A cluster of one answers reads by itself."},
	})
}

// ask asks for a read.
func (n *node) ask(id uint64) {
	err := n.core.ReadIndex(id)
	n.w.check(err == nil, "%s leads term %d and refuses a read: %v", n.id, n.status().Term, err)
	n.pump()
}

// answered returns the answer to a read, nil while there is none.
func (n *node) answered(id uint64) *raft.Read {
	i := slices.IndexFunc(n.reads, func(r raft.Read) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &n.reads[i]
}

// confirm answers each AppendEntries sent since the last take, in the name of
// these followers, as one who holds no more than index.
func (n *node) confirm(index uint64, followers ...raft.NodeID) {
	n.reply(n.take(), index, followers...)
}

// reply is confirm for messages that were taken before.
func (n *node) reply(sent []raft.Message, index uint64, followers ...raft.NodeID) {
	for _, m := range sent {
		if m.Type == raft.AppendEntries && slices.Contains(followers, m.To) {
			_ = n.step(accept(m.To, m.Term, min(index, m.Index+uint64(len(m.Entries))), m.Round))
		}
	}
}

// reign makes n1 the leader of a cluster, with an entry of its term committed.
func (w *world) reign(size int) *node {
	n := w.solo(size)
	n.lead()
	n.own()
	followers := w.config.Voters[1:]
	n.obey(followers...)
	n.tick(1)
	n.obey(followers...)
	w.check(n.status().Commit == n.status().Last, "all followers acknowledged everything, and n1 committed %d of %d", n.status().Commit, n.status().Last)
	return n
}

func readNeedsOwnCommit(w *world) {
	n := w.solo(3, 1, 1)
	term := n.lead()
	own := n.own()
	n.ask(7)
	for range 5 {
		n.confirm(2, 2, 3) // they follow n1, but hold the old entries only
		n.tick(1)
	}
	w.check(n.answered(7) == nil, "n1 leads term %d, has committed nothing in it, and answers a read", term)
	for range 5 {
		n.obey(2, 3)
		n.tick(1)
	}
	r := n.answered(7)
	w.check(r != nil && !r.Lost, "n1 committed %d in term %d, its followers answer, and the read is not answered: %v", n.status().Commit, term, r)
	w.check(r.Index >= own, "n1's first commit in term %d is %d, and a read is answered at index %d", term, own, r.Index)
}

func readNeedsMajority(w *world) {
	n := w.reign(5)
	n.ask(7)
	sent := n.take()
	w.check(n.answered(7) == nil, "n1, one of five, answers a read without a word of the others")
	for range 4 {
		for _, m := range sent {
			if m.To == 2 && m.Type == raft.AppendEntries {
				_ = n.step(accept(2, m.Term, m.Index, m.Round))
			}
		}
		n.take()
	}
	w.check(n.answered(7) == nil, "n1, one of five, answers a read with four copies of n2's word")
	for range 3 {
		n.tick(1)
		n.obey(2, 3)
	}
	r := n.answered(7)
	w.check(r != nil && !r.Lost, "n2 and n3 of five confirm that n1 leads, and the read is not answered: %v", r)
}

func readNeedsNewRound(w *world) {
	n := w.reign(3)
	n.take()
	n.tick(2)
	old := n.take()
	w.check(len(old) > 0, "n1 leads and sent no heartbeat in two ticks")
	n.ask(7)
	n2 := n.take()
	for _, m := range old {
		if m.Type == raft.AppendEntries {
			_ = n.step(accept(m.To, m.Term, m.Index+uint64(len(m.Entries)), m.Round))
		}
	}
	w.check(n.answered(7) == nil, "n1 answers a read by replies to messages that it sent before the read")
	n.out = append(n2, n.out...)
	for range 3 {
		n.obey(2, 3)
		n.tick(1)
	}
	w.check(n.answered(7) != nil, "n1's followers answer what it sent after the read, and the read is not answered")
}

func readIndexCovers(w *world) {
	n := w.reign(3)
	for id := range uint64(5) {
		n.propose("x")
		n.obey(2, 3)
		commit := n.status().Commit
		n.ask(id)
		n.obey(2, 3)
		n.tick(1)
		n.obey(2, 3)
		r := n.answered(id)
		w.check(r != nil && !r.Lost, "n1's followers confirm it, and read %d is not answered", id)
		w.check(r.Index >= commit, "n1 had committed %d when read %d was asked for, and answers it at index %d", commit, id, r.Index)
		w.check(r.Index <= n.status().Commit, "n1 committed %d and answers read %d at index %d", n.status().Commit, id, r.Index)
	}
}

func readDeposedLeader(w *world) {
	w.group(3)
	old := w.elect(1)
	old.propose("x")
	w.settle()
	w.tick(2)
	w.isolate(1)
	next := w.elect(2)
	next.propose("y")
	w.settle()
	old.ask(7)
	old.tick(3)
	w.settle()
	r := old.answered(7)
	w.check(r == nil || r.Lost, "n2 leads term %d and committed on; n1 of term %d, cut off, answers a read: %v", next.status().Term, old.status().Term, r)
	w.heal()
	w.until(func() bool { return old.status().Term == next.status().Term && old.answered(7) != nil },
		"n1 is back under n2 in term %d and never says what became of its read", next.status().Term)
	w.check(old.answered(7).Lost, "n1 was deposed while a read waited, and answers it at index %d", old.answered(7).Index)
}

func readOfStoppedLeader(w *world) {
	n := w.reign(3)
	term := n.status().Term
	n.ask(7)
	n.tick(2*election + 1)
	w.check(n.status().Role != raft.Leader || n.status().Term != term, "nobody answered n1 for %d ticks, ElectionTicks is %d, and it leads", 2*election+1, election)
	r := n.answered(7)
	w.check(r != nil && r.Lost, "n1, whom nobody answered, leads no more, and says of the read that waited: %v", r)
}

func readRoundShared(w *world) {
	n := w.reign(3)
	n.take()
	for id := range uint64(100) {
		err := n.core.ReadIndex(id)
		w.check(err == nil, "n1 leads and refuses a read: %v", err)
	}
	n.pump()
	sent := 0
	for range 3 {
		sent += len(n.out)
		n.obey(2, 3)
	}
	for id := range uint64(100) {
		w.check(n.answered(id) != nil, "n1's followers answered its messages, and of 100 reads %d waits", id)
	}
	w.check(sent <= 8, "n1 sent %d messages for 100 reads that waited together, to two followers", sent)
}

func readNotLeader(w *world) {
	// It may refuse, or ask its leader; here nobody answers.
	n := w.solo(3)
	_ = n.step(appendEntries(2, 1, 0, 0, 1, 1))
	err := n.core.ReadIndex(7)
	n.pump()
	w.check(err == nil || errors.Is(err, raft.ErrNotLeader), "n1 follows n2 and answers a read with %v, which is not ErrNotLeader", err)
	r := n.answered(7)
	w.check(r == nil || r.Lost, "n1 follows n2, of whom it has not heard since, and answers a read: %v", r)

	n = w.solo(3)
	err = n.core.ReadIndex(8)
	n.pump()
	w.check(errors.Is(err, raft.ErrNotLeader), "n1 knows no leader and answers a read with %v, not with ErrNotLeader", err)
}

func readSingleVoter(w *world) {
	n := w.solo(1)
	n.lead()
	n.own()
	n.ask(7)
	n.tick(1)
	r := n.answered(7)
	w.check(r != nil && !r.Lost && r.Index >= 1, "n1, alone in its cluster, does not answer a read: %v", r)
}
