package raft

import "fmt"

// The five properties that the paper promises at all times (Figure 3), as
// functions over a cluster. A [Checker] watches every node from outside, by
// its Status and its Readys, so it judges any implementation of a core.
//
//	election-safety       at most one leader in a term                        §5.2
//	leader-append-only    a leader never overwrites or removes its entries    §5.3
//	log-matching          same index and term: same entry, same log before it §5.3
//	leader-completeness   what was committed is in every later leader's log   §5.4
//	state-machine-safety  no two nodes apply different entries at an index    §5.4.3
//
// The checks are incremental: each looks only at what the last step changed,
// so they can run after every step of every test.

// Violation is a broken property.
type Violation struct {
	Rule    string // as listed above
	Section string // of the paper
	Detail  string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("RULE %s: %s (%s)", v.Rule, v.Detail, v.Section)
}

// Checker remembers what a cluster did, and says when it contradicts itself.
// The zero value is ready. It is not safe for concurrent use.
type Checker struct {
	nodes   map[NodeID]*witness
	leaders map[uint64]NodeID // by term
	links   map[slotKey]slot  // every entry ever seen in a log
	chosen  []choice          // every committed entry, by index-1
	applied []slot            // every applied entry, by index-1
}

type slotKey struct{ index, term uint64 }

// slot is an entry as far as the properties care.
type slot struct {
	term     uint64
	prevTerm uint64 // of the entry before it
	content  uint64 // hash of type and data
}

type choice struct {
	slot
	inTerm uint64 // term of the node that was first to know
}

// witness mirrors one node.
type witness struct {
	id         NodeID
	role       Role
	term       uint64
	commit     uint64
	applied    uint64
	offset     uint64 // index before log[0]
	offsetTerm uint64
	log        []slot
}

func (w *witness) last() uint64 { return w.offset + uint64(len(w.log)) }

func (w *witness) at(index uint64) (slot, bool) {
	if index <= w.offset || index > w.last() {
		return slot{}, false
	}
	return w.log[index-w.offset-1], true
}

func (c *Checker) witness(id NodeID) *witness {
	if c.nodes == nil {
		c.nodes, c.leaders, c.links = map[NodeID]*witness{}, map[uint64]NodeID{}, map[slotKey]slot{}
	}
	if c.nodes[id] == nil {
		c.nodes[id] = &witness{id: id}
	}
	return c.nodes[id]
}

// Started tells that a node starts from what its storage held, at first or
// after a crash.
func (c *Checker) Started(id NodeID, st State) error {
	w := c.witness(id)
	*w = witness{id: id}
	if s := st.Snapshot; s != nil {
		w.offset, w.offsetTerm = s.Index, s.Term
		w.commit, w.applied = s.Index, s.Index
	}
	entries := st.Entries
	for len(entries) > 0 && entries[0].Index <= w.offset {
		entries = entries[1:]
	}
	if err := c.logMatching(w, entries); err != nil {
		return err
	}
	w.term, w.commit = st.HardState.Term, max(w.commit, st.HardState.Commit)
	return nil
}

// Observe looks at a node after a step: the Ready it gave, nil if it had none,
// and its status. To see everything it must be called after every step, and
// every Ready must be shown to it once. The error is a *Violation.
func (c *Checker) Observe(st Status, rd *Ready) error {
	w := c.witness(st.ID)
	if rd != nil {
		if s := rd.Snapshot; s != nil {
			w.offset, w.offsetTerm, w.log = s.Index, s.Term, nil
			w.applied = s.Index
		}
		if err := c.leaderAppendOnly(w, st, rd.Entries); err != nil {
			return err
		}
		if err := c.logMatching(w, rd.Entries); err != nil {
			return err
		}
	}
	if st.Term < w.term || st.Commit < w.commit {
		return &Violation{"monotonic", "Figure 2", fmt.Sprintf("%s went back from term %d, commit %d to term %d, commit %d",
			st.ID, w.term, w.commit, st.Term, st.Commit)}
	}
	elected := st.Role == Leader && (w.role != Leader || w.term != st.Term)
	w.role, w.term = st.Role, st.Term
	if elected {
		if err := c.electionSafety(w); err != nil {
			return err
		}
		if err := c.leaderCompleteness(w); err != nil {
			return err
		}
	}
	if err := c.choose(w, st.Commit); err != nil {
		return err
	}
	if rd != nil {
		return c.stateMachineSafety(w, rd.Committed)
	}
	return nil
}

// electionSafety: at most one leader in a term (§5.2).
func (c *Checker) electionSafety(w *witness) error {
	if other, ok := c.leaders[w.term]; ok && other != w.id {
		return &Violation{"election-safety", "§5.2", fmt.Sprintf("%s and %s both lead term %d", other, w.id, w.term)}
	}
	c.leaders[w.term] = w.id
	return nil
}

// leaderAppendOnly: a leader only adds to its log (§5.3).
func (c *Checker) leaderAppendOnly(w *witness, st Status, entries []Entry) error {
	if len(entries) == 0 || w.role != Leader || st.Role != Leader || w.term != st.Term || entries[0].Index > w.last() {
		return nil
	}
	return &Violation{"leader-append-only", "§5.3", fmt.Sprintf("%s, leader of term %d, replaces entry %d of a log that ends at %d",
		w.id, w.term, entries[0].Index, w.last())}
}

// logMatching: an entry's index and term determine it and, through the link to
// the entry before it, the whole log up to it (§5.3).
func (c *Checker) logMatching(w *witness, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	first := entries[0].Index
	if first <= w.offset || first > w.last()+1 {
		return &Violation{"log-matching", "§5.3", fmt.Sprintf("%s stores entry %d behind a log of %d..%d", w.id, first, w.offset+1, w.last())}
	}
	w.log = w.log[:first-w.offset-1]
	prev := w.offsetTerm
	if n := len(w.log); n > 0 {
		prev = w.log[n-1].term
	}
	for i := range entries {
		e := &entries[i]
		s := slot{e.Term, prev, fingerprint(e)}
		key := slotKey{e.Index, e.Term}
		if known, ok := c.links[key]; ok && known != s {
			return &Violation{"log-matching", "§5.3", fmt.Sprintf("%s holds another entry %d/t%d, or another log before it, than a node before", w.id, e.Index, e.Term)}
		}
		c.links[key] = s
		w.log = append(w.log, s)
		prev = e.Term
	}
	return nil
}

// leaderCompleteness: a new leader holds all that was committed in the terms
// before its own (§5.4).
func (c *Checker) leaderCompleteness(w *witness) error {
	for index := w.offset + 1; index <= uint64(len(c.chosen)); index++ {
		want := c.chosen[index-1]
		if got, ok := w.at(index); want.inTerm < w.term && (!ok || got != want.slot) {
			return &Violation{"leader-completeness", "§5.4", fmt.Sprintf("%s leads term %d without entry %d/t%d, committed in term %d",
				w.id, w.term, index, want.term, want.inTerm)}
		}
	}
	return nil
}

// choose notes what a node newly knows to be committed. Two nodes that commit
// different entries at an index will apply them.
func (c *Checker) choose(w *witness, commit uint64) error {
	for index := w.commit + 1; index <= commit; index++ {
		got, ok := w.at(index)
		switch n := uint64(len(c.chosen)); {
		case !ok && index <= w.offset:
			// Covered by a snapshot.
		case !ok:
			return &Violation{"state-machine-safety", "§5.3", fmt.Sprintf("%s commits entry %d, its log ends at %d", w.id, index, w.last())}
		case index == n+1:
			c.chosen = append(c.chosen, choice{got, w.term})
		case index <= n && c.chosen[index-1].slot != got:
			return &Violation{"state-machine-safety", "§5.4.3", fmt.Sprintf("%s commits entry %d/t%d, committed before as %d/t%d in term %d",
				w.id, index, got.term, index, c.chosen[index-1].term, c.chosen[index-1].inTerm)}
		}
	}
	w.commit = max(w.commit, commit)
	return nil
}

// stateMachineSafety: all apply the same entries in the same order, each once
// (§5.4.3), and only what is committed.
func (c *Checker) stateMachineSafety(w *witness, committed []Entry) error {
	for i := range committed {
		e := &committed[i]
		if e.Index != w.applied+1 || e.Index > w.commit {
			return &Violation{"state-machine-safety", "§5.3", fmt.Sprintf("%s applies entry %d after %d; committed is %d", w.id, e.Index, w.applied, w.commit)}
		}
		w.applied = e.Index
		s := slot{term: e.Term, content: fingerprint(e)}
		for uint64(len(c.applied)) < e.Index {
			c.applied = append(c.applied, slot{})
		}
		if known := &c.applied[e.Index-1]; *known == (slot{}) {
			*known = s
		} else if *known != s {
			return &Violation{"state-machine-safety", "§5.4.3", fmt.Sprintf("%s applies entry %d/t%d, where another node applied one of term %d",
				w.id, e.Index, e.Term, known.term)}
		}
	}
	return nil
}

// fingerprint is FNV-1a over type and data.
func fingerprint(e *Entry) uint64 {
	h := uint64(14695981039346656037)
	h = (h ^ uint64(e.Type)) * 1099511628211
	for _, b := range e.Data {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
