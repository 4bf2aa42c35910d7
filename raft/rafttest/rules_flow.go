package rafttest

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// How fast entries flow: one probe a term where logs differ, and several
// messages under way where they agree.

func fastBackupRules() []Rule {
	return claimed("FastBackup", []Rule{
		{ID: "one-probe-per-term", Section: "§5.3, end", story: oneProbePerTerm,
			Text: "Where logs differ, the leader skips a whole term with each rejection."},
		{ID: "one-probe-for-gap", Section: "§5.3, end", story: oneProbeForGap,
			Text: "A follower whose log is short says so once."},
	})
}

// backup lets n1 lead n2 to agreement and counts n2's rejections.
func (w *world) backup(leaderLog, followerLog []uint64) (rejections int) {
	w.clear()
	w.voters(3)
	term := max(leaderLog[len(leaderLog)-1], followerLog[len(followerLog)-1])
	leader := w.startFrom(1, raft.State{HardState: raft.HardState{Term: term}, Entries: logOf(1, leaderLog...)})
	follower := w.startFrom(2, raft.State{HardState: raft.HardState{Term: term}, Entries: logOf(1, followerLog...)})
	leader.lead()
	leader.own()
	for range patience {
		w.settle()
		leader.tick(1)
	}
	w.settle()
	w.check(slices.Equal(follower.log(), leader.log()), "n1 leads with terms %d, and n2 holds %d", leader.log(), follower.log())
	for _, m := range follower.sent(raft.AppendEntriesReply) {
		if m.Reject {
			rejections++
		}
	}
	return rejections
}

// times repeats each term, so that logs of many entries stay readable.
func times(n int, terms ...uint64) []uint64 {
	var log []uint64
	for _, t := range terms {
		log = append(log, slices.Repeat([]uint64{t}, n)...)
	}
	return log
}

func oneProbePerTerm(w *world) {
	for _, c := range []struct {
		leader, follower []uint64
		most             int // conflicting terms of either log, and one for the end
	}{
		{times(20, 1, 4), times(20, 1, 2, 3), 3},
		{times(20, 1, 2, 6), times(20, 1, 3, 4, 5), 4},
		{times(20, 1, 1, 5), times(20, 1, 2, 3), 3},
		{times(20, 1, 2, 3, 4, 6), times(20, 1, 5), 3},
	} {
		got := w.backup(c.leader, c.follower)
		w.check(got <= c.most, "n2 rejected %d probes of n1 until %d entries agreed, %d would do", got, len(c.leader), c.most)
	}
}

func oneProbeForGap(w *world) {
	got := w.backup(times(100, 1, 2), times(30, 1))
	w.check(got <= 2, "n2, whose log is short by 170 entries, rejected %d probes of n1", got)
}

func logProbesRules() []Rule {
	return claimed("LogProbes", []Rule{
		{ID: "probes-logarithmic", Section: "raft.Message.Mid", story: probesLogarithmic,
			Text: "Whatever the terms are, n entries of doubt are settled in at most ceil(log2 n)+1 probes."},
		{ID: "probes-not-above-hint", Section: "§5.3, end", story: probesNotAboveHint,
			Text: "And never in more than skipping a whole term with each rejection needs."},
	})
}

// alternate returns logs that are equal for some entries, and then go on for n
// entries each in terms of which no two neighbours belong to one log.
func alternate(common, n int) (leader, follower []uint64) {
	leader, follower = times(common, 1), times(common, 1)
	for i := range uint64(n) {
		leader, follower = append(leader, 2*i+2), append(follower, 2*i+3)
	}
	return leader, follower
}

func probesLogarithmic(w *world) {
	for _, n := range []int{1, 2, 10, 100, 1000} {
		for _, common := range []int{0, 7} {
			leader, follower := alternate(common, n)
			most := bits.Len(uint(common+n-1)) + 1
			got := w.backup(leader, follower)
			w.check(got <= most, "n1 and n2 differ in %d of %d entries, each in a term of its own; n2 rejected %d probes, %d would do", n, common+n, got, most)
		}
	}
}

func probesNotAboveHint(w *world) {
	for _, c := range []struct{ leader, follower []uint64 }{
		{times(20, 1, 4), times(20, 1, 2, 3)},
		{times(100, 1, 2), times(30, 1)},
		{times(64, 1, 1, 1, 4), times(64, 1, 1, 1, 3)},
		{times(32, 1, 2, 6), times(32, 1, 2, 5)},
		{times(1, 1, 2, 3, 4, 5, 6, 9), times(1, 1, 2, 3, 4, 5, 6, 7, 8)},
		{append(times(10, 1), times(100, 4)...), append(times(10, 1), times(100, 3)...)},
	} {
		most := hintAlone(c.leader, c.follower)
		got := w.backup(c.leader, c.follower)
		w.check(got <= most, "until %d entries agreed n2 rejected %d probes of n1; skipping a term each time, %d would do", len(c.leader), got, most)
	}
}

// hintAlone counts the probes that a leader needs who skips a whole term with
// each rejection: the follower names its last entry of a term not above the
// probe's, and the leader goes on at its own last entry of a term not above
// that.
func hintAlone(leader, follower []uint64) int {
	upTo := func(log []uint64, length int, term uint64) int {
		length = min(length, len(log))
		for length > 0 && log[length-1] > term {
			length--
		}
		return length
	}
	for probes, at := 1, len(leader); ; probes++ {
		if at == 0 || at <= len(follower) && follower[at-1] == leader[at-1] {
			return probes
		}
		hint := upTo(follower, at, leader[at-1])
		if hint == at {
			hint-- // that entry differs
		}
		if hint == 0 {
			at = 0
			continue
		}
		at = upTo(leader, hint, follower[hint-1])
	}
}

func pipelineRules() []Rule {
	return claimed("Pipeline", []Rule{
		{ID: "pipeline-sends-on", Section: "D§10.2.2", story: pipelineSendsOn,
			Text: "Entries are sent before the ones before them are acknowledged."},
		{ID: "pipeline-bounded", Section: "D§10.2.2", story: pipelineBounded,
			Text: "No more messages are under way to a silent follower than the window allows; an answer opens it."},
		{ID: "pipeline-bounded-bytes", Section: "D§10.2.2", story: pipelineBoundedBytes,
			Text: "The window bounds bytes as well, and a single large entry still passes."},
	})
}

// flying lists the entries sent to a follower since the last take, by message.
func (n *node) flying(to raft.NodeID) (messages int, indexes []uint64) {
	for _, m := range n.sent(raft.AppendEntries) {
		if m.To == to && len(m.Entries) > 0 {
			messages++
			for _, e := range m.Entries {
				indexes = append(indexes, e.Index)
			}
		}
	}
	return messages, indexes
}

func pipelineSendsOn(w *world) {
	n := w.solo(3)
	term := n.lead()
	n.own()
	n.obey(2, 3)
	first := n.status().Last + 1
	for i := range 3 {
		n.propose(fmt.Sprintf("x%d", i))
	}
	_, indexes := n.flying(2)
	w.check(slices.Equal(indexes, []uint64{first, first + 1, first + 2}),
		"three proposals in term %d from index %d on, nothing answered: n1 sent n2 the entries %d", term, first, indexes)
	n.obey(2)
	w.check(n.status().Commit == first+2, "n2 acknowledged everything and n1 committed %d", n.status().Commit)
}

func pipelineBounded(w *world) {
	w.config.MaxInflight = 4
	n := w.solo(3)
	n.lead()
	n.own()
	n.obey(2, 3)
	for i := range 20 {
		n.propose(fmt.Sprintf("x%d", i))
	}
	messages, _ := n.flying(2)
	w.check(messages <= 4, "n1 has %d messages with entries under way to n2, MaxInflight is 4", messages)
	w.check(messages > 1, "n1 has %d messages with entries under way to n2, MaxInflight is 4", messages)
	for range patience {
		n.obey(2)
		n.tick(1)
	}
	w.check(n.status().Commit == n.status().Last, "n2 answers everything, and n1 committed %d of %d", n.status().Commit, n.status().Last)
}

func pipelineBoundedBytes(w *world) {
	w.config.MaxInflightBytes = 5000
	n := w.solo(3)
	n.lead()
	n.own()
	n.obey(2, 3)
	big := string(make([]byte, 2000))
	for range 20 {
		n.propose(big)
	}
	_, indexes := n.flying(2)
	w.check(len(indexes) <= 4, "n1 has %d entries of 2000 bytes under way to n2, MaxInflightBytes is 5000", len(indexes))
	n.obey(2)
	n.propose(string(make([]byte, 20000)))
	for range patience {
		n.obey(2)
		n.tick(1)
	}
	w.check(n.status().Commit == n.status().Last, "an entry larger than MaxInflightBytes is stuck: n1 committed %d of %d", n.status().Commit, n.status().Last)
}
