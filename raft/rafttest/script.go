package rafttest

import (
	"reflect"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// What rules say about a single node. They look at the effect of what it
// sends, not at its form: a vote is a vote whether other messages come before
// it, and an acknowledgement vouches for all entries up to its index.

// take returns what the node sent since the last take.
func (n *node) take() []raft.Message {
	out := n.out
	n.out = nil
	return out
}

// sent returns what the node sent of one type, since the last take.
func (n *node) sent(kind raft.MessageType) []raft.Message {
	return slices.DeleteFunc(slices.Clone(n.out), func(m raft.Message) bool { return m.Type != kind })
}

// granted says whether the node gave its vote of a term to a candidate.
func (n *node) granted(to raft.NodeID, term uint64) bool {
	return slices.ContainsFunc(n.out, func(m raft.Message) bool {
		return m.Type == raft.RequestVoteReply && m.To == to && m.Term == term && !m.Reject
	})
}

// acked is the highest index for which the node vouched to a leader of a term.
func (n *node) acked(to raft.NodeID, term uint64) uint64 {
	var index uint64
	for _, m := range n.sent(raft.AppendEntriesReply) {
		if m.To == to && m.Term == term && !m.Reject {
			index = max(index, m.Index)
		}
	}
	return index
}

// told is the highest term that the node named in an answer to another.
func (n *node) told(to raft.NodeID) uint64 {
	var term uint64
	for _, m := range n.out {
		if m.To == to {
			term = max(term, m.Term)
		}
	}
	return term
}

// log is the node's log as its disk holds it.
func (n *node) log() []uint64 { return termsOf(n.disk.Entries) }

// asksForVotes says whether the node has begun an election since the last take.
func (n *node) asksForVotes() bool {
	return len(n.sent(raft.RequestVote))+len(n.sent(raft.RequestPreVote)) > 0
}

// as returns the node's core with the methods that a capability needs.
func as[T Core](n *node) T {
	core, ok := n.core.(T)
	n.w.check(ok, "the capability is claimed, but the core has not all methods of %s", reflect.TypeFor[T]())
	return core
}

// silence lets ticks pass until the node begins an election, and returns how
// many it took; it fails after three election timeouts, one more than any
// node may wait.
func (n *node) silence() int {
	n.take()
	for ticks := 1; ticks <= 3*election; ticks++ {
		n.tick(1)
		if n.asksForVotes() {
			return ticks
		}
	}
	n.w.failf("%s does not campaign within %d ticks of silence", n.id, 3*election)
	return 0
}

// requestVote is a candidate's question.
func requestVote(from raft.NodeID, term, lastIndex, lastTerm uint64) raft.Message {
	return raft.Message{Type: raft.RequestVote, From: from, To: 1, Term: term, Index: lastIndex, LogTerm: lastTerm}
}

// vote is a voter's yes.
func vote(from raft.NodeID, term uint64) raft.Message {
	return raft.Message{Type: raft.RequestVoteReply, From: from, Term: term}
}

// appendEntries is what a leader sends: entries of these terms behind prev.
func appendEntries(from raft.NodeID, term, prev, prevTerm, commit uint64, terms ...uint64) raft.Message {
	return raft.Message{
		Type: raft.AppendEntries, From: from, To: 1, Term: term,
		Index: prev, LogTerm: prevTerm, Commit: commit, Entries: logOf(prev+1, terms...),
	}
}

// accept is a follower's acknowledgement of everything up to index.
func accept(from raft.NodeID, term, index, round uint64) raft.Message {
	return raft.Message{Type: raft.AppendEntriesReply, From: from, Term: term, Index: index, Round: round}
}

// campaign lets ticks pass until the node is a candidate of a new term. Should
// it ask first whether it would win, the others say yes.
func (n *node) campaign() (term uint64) {
	n.take()
	for range 3 * election {
		n.tick(1)
		for _, m := range n.sent(raft.RequestPreVote) {
			_ = n.step(raft.Message{Type: raft.RequestPreVoteReply, From: m.To, Term: m.Term})
		}
		if asked := n.sent(raft.RequestVote); len(asked) > 0 || n.status().Role == raft.Leader {
			return n.status().Term
		}
	}
	n.w.failf("%s does not campaign within %d ticks of silence", n.id, 3*election)
	return 0
}

// lead makes the node leader by the votes of all others, who are played by the
// rule, and returns its term. What it sends them at once is left in out.
func (n *node) lead() (term uint64) {
	term = n.campaign()
	requests := n.sent(raft.RequestVote)
	n.out = slices.DeleteFunc(n.out, func(m raft.Message) bool { return m.Type == raft.RequestVote })
	for _, m := range requests {
		_ = n.step(vote(m.To, m.Term))
	}
	s := n.status()
	n.w.check(s.Role == raft.Leader && s.Term == term, "%s has all votes of term %d and is a %s of term %d", n.id, term, s.Role, s.Term)
	return term
}

// obey answers, in the name of these followers, everything that the leader
// sends them, until it has nothing more to say. They agree with all of it.
func (n *node) obey(followers ...raft.NodeID) {
	for range 1000 {
		messages := n.take()
		if len(messages) == 0 {
			return
		}
		for _, m := range messages {
			if !slices.Contains(followers, m.To) {
				continue
			}
			switch m.Type {
			case raft.AppendEntries:
				_ = n.step(accept(m.To, m.Term, m.Index+uint64(len(m.Entries)), m.Round))
			case raft.InstallSnapshot:
				_ = n.step(accept(m.To, m.Term, m.Snapshot.Index, m.Round))
			}
		}
	}
	n.w.failf("%s goes on sending though everything is acknowledged", n.id)
}

// own returns the index of an entry of the leader's own term, proposing one
// if it has made none.
func (n *node) own() uint64 {
	if s := n.status(); s.LastTerm != s.Term {
		n.propose("own")
	}
	return n.status().Last
}
