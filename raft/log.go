package raft

import "fmt"

// raftLog is the replicated log as one node holds it: a suffix of entries in
// memory, and five marks that only ever move as drawn.
//
//	compacted |  first .................................... last
//	----------+--------------------------------------------------
//	     offset|  e   e   e   e   e   e   e   e   e   e   e   e
//	              ^applied    ^commit     ^durable  ^saved
//
//	applied <= commit      the state machine runs behind what is committed
//	durable <= saved <= last   saved: handed to storage; durable: it said done
//	applied <= durable     nothing is applied that this disk could lose
//
// commit and durable are not ordered: a leader commits what a majority holds,
// and its own disk may not be among them yet.
//
// The log since the last compaction stays in memory: followers read it from
// there, and the disk is read only at a restart.
type raftLog struct {
	offset     uint64 // index of the last compacted entry, 0 when none
	offsetTerm uint64 // its term
	entries    entryList

	commit  uint64 // highest index known to be committed
	handed  uint64 // highest index handed out in Ready.Committed
	applied uint64 // highest index the state machine has applied
	saved   uint64 // highest index handed out in Ready.Entries
	durable uint64 // highest index known to be on this node's disk
}

func (l *raftLog) first() uint64 { return l.offset + 1 }
func (l *raftLog) last() uint64  { return l.offset + uint64(l.entries.len()) }

// entry returns the entry at an index that the log holds.
func (l *raftLog) entry(index uint64) *Entry { return l.entries.at(int(index - l.first())) }

func (l *raftLog) lastTerm() uint64 {
	term, _ := l.term(l.last())
	return term
}

// term returns the term of the entry at index. It is not known for compacted
// entries (but the last of them) nor for entries beyond the end.
func (l *raftLog) term(index uint64) (term uint64, known bool) {
	switch {
	case index == l.offset:
		return l.offsetTerm, true
	case index < l.offset || index > l.last():
		return 0, false
	}
	return l.entry(index).Term, true
}

func (l *raftLog) matches(index, term uint64) bool {
	t, known := l.term(index)
	return known && t == term
}

// slice returns the entries lo..hi inclusive, as many as are in one piece of
// memory and fit into maxBytes, but at least one. The result shares memory with
// the log; entries are immutable.
func (l *raftLog) slice(lo, hi uint64, maxBytes int) []Entry {
	if lo > hi {
		return nil
	}
	es := l.entries.run(int(lo-l.first()), int(hi-l.first()+1))
	bytes := 0
	for i := range es {
		if bytes += es[i].size(); bytes > maxBytes && i > 0 {
			es = es[:i]
			break
		}
	}
	return es[:len(es):len(es)]
}

// upToDate compares a candidate's log with ours by the last entry's term and
// then by length (§5.4.1). Length alone would elect a node that has many
// entries of a lost term.
func (l *raftLog) upToDate(lastIndex, lastTerm uint64) bool {
	ours := l.lastTerm()
	return lastTerm > ours || lastTerm == ours && lastIndex >= l.last()
}

// add puts a leader's new entry at the end.
func (l *raftLog) add(e Entry) { l.entries.add(e) }

// merge makes the log agree with entries that follow a matching entry, and
// returns the index of the first one it had to remove, or 0.
//
// Only a conflict removes anything (§5.3): a delayed message with a prefix of
// what we have must not cost us the rest, which may be acknowledged already.
//
//	ours    1 1 2 2 2      message 1 1 2      nothing to do
//	ours    1 1 2 2 2      message     3 3    -> 1 1 3 3
func (l *raftLog) merge(entries []Entry) (removedFrom uint64) {
	for i := range entries {
		index := entries[i].Index
		if l.matches(index, entries[i].Term) {
			continue
		}
		if index <= l.last() {
			l.truncate(index)
			removedFrom = index
		}
		l.entries.add(entries[i:]...)
		return removedFrom
	}
	return 0
}

// truncate removes index and everything behind it. A Ready or a message under
// way may still point at what is removed.
func (l *raftLog) truncate(index uint64) {
	if index <= l.commit {
		panic(fmt.Sprintf("raft: broken invariant: removing entry %d, committed up to %d", index, l.commit))
	}
	l.entries.truncate(int(index - l.first()))
	l.saved = min(l.saved, index-1)
	l.durable = min(l.durable, index-1)
}

// commitTo moves the commit index forward; it never goes back.
func (l *raftLog) commitTo(index uint64) bool {
	if index <= l.commit {
		return false
	}
	l.commit = index
	return true
}

// unsaved returns what storage has not been given yet.
func (l *raftLog) unsaved() []Entry {
	if l.saved >= l.last() {
		return nil
	}
	return l.entries.slice(int(l.saved+1-l.first()), l.entries.len())
}

// applicable is the highest index that may be given to the state machine.
func (l *raftLog) applicable() uint64 { return min(l.commit, l.durable) }

// compact forgets the entries up to index, which a snapshot now stands for.
func (l *raftLog) compact(index uint64) {
	term, _ := l.term(index)
	l.entries.drop(int(index - l.offset))
	l.offset, l.offsetTerm = index, term
}

// restore replaces the whole log by a snapshot (§7).
func (l *raftLog) restore(index, term uint64) {
	*l = raftLog{
		offset: index, offsetTerm: term,
		commit: index, handed: index, applied: l.applied,
		saved: index, durable: 0, // until storage says that it holds the snapshot
	}
}

// hint answers a leader's probe that did not match: the highest index, not
// above the probe's, whose term is not above the probe's term. Everything
// between it and the probe certainly differs, so one answer skips a whole
// term (§5.3, the optimisation at its end).
//
//	leader    1 1 1 3 3 3 [3]   probe at 7, term 3
//	follower  1 1 1 2 2 2  2    hint: index 7, term 2; the leader looks for
//	                            the last entry of its own with term <= 2: 3
func (l *raftLog) hint(index, term uint64) (uint64, uint64) {
	index = min(index, l.last())
	for index > l.offset {
		if t := l.entry(index).Term; t <= term {
			return index, t
		}
		index--
	}
	return l.offset, l.offsetTerm
}
