package rafttest

import (
	"errors"

	"github.com/flagship-go/flagship/raft"
)

// What a leader takes is bounded, or a cluster that cannot commit ends with a
// leader that is out of memory.
func boundsRules() []Rule {
	return claimed("Bounds", []Rule{
		{ID: "uncommitted-bounded", Section: "Config.MaxUncommittedBytes", story: uncommittedBounded,
			Text: "A leader refuses commands over MaxUncommittedBytes with ErrBusy, appends nothing of them, and takes them again when others are committed."},
		{ID: "uncommitted-counted-anew", With: "Strict", Section: "Config.MaxUncommittedBytes", story: uncommittedCountedAnew,
			Text: "What a deposed leader could not commit does not count when it leads again; what is in its log does."},
		{ID: "large-alone-passes", Section: "Config.MaxUncommittedBytes", story: largeAlonePasses,
			Text: "A command larger than MaxUncommittedBytes passes when nothing else waits."},
		{ID: "too-large-refused", Section: "Config.MaxEntryBytes", story: tooLargeRefused,
			Text: "A command over MaxEntryBytes is refused with ErrTooLarge, and so are those proposed with it; nothing is appended."},
	})
}

// fill proposes commands of 100 bytes until the leader refuses one, and
// returns how many it took.
func (n *node) fill() (taken int) {
	for ; taken < 100; taken++ {
		last := n.status().Last
		_, _, err := n.core.Propose(make([]byte, 100))
		n.pump()
		if err != nil {
			n.w.check(errors.Is(err, raft.ErrBusy), "%s, with %d commands of 100 bytes uncommitted, refuses one with %v, not with ErrBusy", n.id, taken, err)
			n.w.check(n.status().Last == last, "%s refused a command with ErrBusy, and its log grew from %d to %d", n.id, last, n.status().Last)
			return taken
		}
	}
	n.w.failf("%s took %d commands of 100 bytes, nothing is committed, and MaxUncommittedBytes is %d", n.id, taken, n.w.config.MaxUncommittedBytes)
	return 0
}

func uncommittedBounded(w *world) {
	w.config.MaxUncommittedBytes = 1000
	n := w.reign(3)
	for range 5 {
		taken := n.fill()
		w.check(taken >= 5 && taken <= 10, "n1 took %d commands of 100 bytes, and MaxUncommittedBytes is 1000", taken)
		n.obey(2, 3)
		w.check(n.status().Commit == n.status().Last, "n1's followers hold all of %d entries, and n1 committed %d", n.status().Last, n.status().Commit)
	}
}

func uncommittedCountedAnew(w *world) {
	w.config.MaxUncommittedBytes = 1000
	n := w.reign(3)
	commit := n.status().Commit
	full := n.fill()
	n.depose()
	_ = n.lead() // with all of it still in its log
	_, _, err := n.core.Propose(make([]byte, 100), make([]byte, 100))
	n.pump()
	w.check(errors.Is(err, raft.ErrBusy), "n1 leads again, with %d commands of 100 bytes uncommitted in its log, and answers two more with %v, not with ErrBusy", full, err)
	n.depose()
	term, prev := n.status().Term, n.stored(commit)
	_ = n.step(appendEntries(3, term, commit, prev.Term, commit, term)) // n3 replaces it
	w.check(n.status().Last == commit+1, "n3 of term %d replaced n1's entries behind %d, and its log ends at %d", term, commit, n.status().Last)
	_ = n.lead()
	n.own()
	n.obey(2, 3)
	w.check(n.status().Commit == n.status().Last, "n1's followers hold all of %d entries, and n1 committed %d", n.status().Last, n.status().Commit)
	taken := n.fill()
	w.check(taken == full, "n1 could take %d commands of 100 bytes; it was deposed, what it could not commit was replaced, and it takes %d", full, taken)
}

func largeAlonePasses(w *world) {
	w.config.MaxUncommittedBytes = 1000
	n := w.reign(3)
	n.propose(string(make([]byte, 5000)))
	_, _, err := n.core.Propose([]byte("x"))
	n.pump()
	w.check(errors.Is(err, raft.ErrBusy), "n1 holds an uncommitted command of 5000 bytes, MaxUncommittedBytes is 1000, and it answers another with %v, not with ErrBusy", err)
	n.obey(2, 3)
	w.check(n.status().Commit == n.status().Last, "n1's followers hold all of %d entries, and n1 committed %d", n.status().Last, n.status().Commit)
	n.propose("x")
}

func tooLargeRefused(w *world) {
	w.config.MaxEntryBytes = 100
	n := w.reign(3)
	last := n.status().Last
	small, large := make([]byte, 100), make([]byte, 101)
	for _, commands := range [][][]byte{{large}, {small, large}, {large, small}} {
		_, _, err := n.core.Propose(commands...)
		n.pump()
		w.check(errors.Is(err, raft.ErrTooLarge), "MaxEntryBytes is 100, and n1 answers a command of 101 bytes with %v, not with ErrTooLarge", err)
		w.check(n.status().Last == last, "n1 refused commands with ErrTooLarge, and its log grew from %d to %d", last, n.status().Last)
	}
	n.propose(string(small))
	n.obey(2, 3)
	w.check(n.status().Commit == last+1, "n1's followers hold a command of the largest size, and n1 committed %d of %d", n.status().Commit, last+1)
}
