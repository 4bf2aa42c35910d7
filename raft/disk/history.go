package disk

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// history is the log's records folded into what they come to. It follows the
// rules that a node follows when it writes them:
//
//	Save at an index held      replaces that entry and all behind it
//	Save behind the last       goes on
//	snapshot held by the log   changes nothing
//	snapshot the log lacks     drops the log, which goes on behind it (§7)
//
// "Held" means an entry with the snapshot's index and term. That is why the
// note of a snapshot is in the log, between the saves: later, after other
// entries took their places, nobody could tell any more which way it was.
//
// The records may begin anywhere, because old ones are dropped. Then the history
// begins with the first entries seen: what was before them is covered by a
// snapshot, and so is all that the notes before them may have dropped.
type history struct {
	hard    raft.HardState
	entries []raft.Entry
	// begun says that the log's extent is known. base is the index of the
	// snapshot that dropped the log last, behind which it goes on.
	begun bool
	base  uint64

	owner *identity // as the last forced cluster left it, nil without one

	noted     uint64 // index of the newest snapshot noted, 0 for none
	notedTerm uint64
}

func (h *history) first() uint64 {
	if len(h.entries) > 0 {
		return h.entries[0].Index
	}
	return h.base + 1
}

// next is the index behind the log.
func (h *history) next() uint64 { return h.first() + uint64(len(h.entries)) }

// holds reports whether the log has an entry of that index and term. The entry
// before the first counts: it was compacted.
func (h *history) holds(index, term uint64) bool {
	first := h.first()
	if index+1 == first {
		return true
	}
	return index >= first && index < h.next() && h.entries[index-first].Term == term
}

func (h *history) add(r record) error {
	if r.kind == kindSnapshot {
		h.note(r.index, r.term)
		return nil
	}
	if r.kind == kindForce {
		h.owner = &r.owner
	}
	h.hard = r.hard
	if len(r.entries) == 0 {
		return nil
	}
	index := r.entries[0].Index
	switch {
	case index == 0, h.begun && (index <= h.base || index > h.next()):
		return fmt.Errorf("entry %d cannot follow a log of %d to %d", index, h.first(), h.next()-1)
	case h.begun && index > h.first():
		h.entries = append(h.entries[:index-h.first()], r.entries...)
	default:
		h.begun, h.entries = true, r.entries
	}
	return nil
}

// note applies the storing of a snapshot.
func (h *history) note(index, term uint64) {
	if index > h.noted {
		h.noted, h.notedTerm = index, term
	}
	if h.begun && index >= h.first() && !h.holds(index, term) {
		h.entries, h.base = nil, index
	}
}

// begin tells a history without entries that it stands behind a snapshot.
func (h *history) begin(s *raft.Snapshot) {
	if !h.begun && s != nil && s.Index >= h.noted {
		h.begun, h.base = true, s.Index
	}
}

// reaches reports whether the log, behind a snapshot at from, has everything
// that a snapshot at index and term stands for.
func (h *history) reaches(from, index, term uint64) bool {
	return h.first() <= from+1 && (index <= from || index >= h.first() && h.holds(index, term))
}

// state is what a node starts with.
func (h *history) state(s *raft.Snapshot) raft.State {
	st := raft.State{HardState: h.hard, Snapshot: s, Entries: slices.Clip(h.entries)}
	// A leader's snapshot is stored before the HardState that came with it. If
	// power went between the two, the term is the snapshot's, and in a term
	// that it did not store the node has not voted.
	if s != nil && st.HardState.Term < s.Term {
		st.HardState.Term, st.HardState.VotedFor = s.Term, raft.None
	}
	return st
}
