package disk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

const testDir = "node1"

func options(fs FS) *Options { return &Options{FS: fs, Node: 1, Cluster: "test", SegmentSize: 4 << 10} }

// broken reports a broken rule in the form that the kill matrix reads.
func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Errorf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

// call is one call of a storage.
type call struct {
	hard     raft.HardState
	entries  []raft.Entry
	snapshot *raft.Snapshot // SaveSnapshot; otherwise Save
}

// model is a node that keeps to the protocol, and all that its storage was
// asked to keep: what a crash may leave follows from the calls.
type model struct {
	rng   *rand.Rand
	calls []call
	done  int // calls that returned
	safe  int // calls that a power cut must not take

	hard     raft.HardState
	entries  []raft.Entry // all, from index 1, compacted or not
	snapshot raft.Snapshot
	serial   int
}

func newModel(seed uint64) *model {
	return &model{rng: rand.New(rand.NewPCG(seed, 1)), hard: raft.HardState{Term: 1}}
}

func (m *model) last() uint64 { return uint64(len(m.entries)) }

func (m *model) newEntry(index uint64) raft.Entry {
	m.serial++
	e := raft.Entry{Index: index, Term: m.hard.Term}
	if m.rng.IntN(8) == 0 {
		e.Type = raft.EntryNoop
	} else {
		e.Data = append(fmt.Appendf(nil, "%d ", m.serial), make([]byte, m.rng.IntN(300))...)
	}
	return e
}

func (m *model) save(s raft.Storage, sync bool, entries ...raft.Entry) error {
	m.calls = append(m.calls, call{hard: m.hard, entries: entries})
	err := s.Save(m.hard, entries, sync)
	if err == nil {
		m.done = len(m.calls)
		if sync {
			m.safe = m.done
		}
	}
	return err
}

func (m *model) saveSnapshot(s raft.Storage, index, term uint64) error {
	m.serial++
	m.snapshot = raft.Snapshot{Index: index, Term: term,
		Membership: raft.Membership{Voters: []raft.NodeID{1, 2, 3}}, Data: fmt.Appendf(nil, "state %d of %d", m.serial, index)}
	switch m.rng.IntN(4) {
	case 0: // in the middle of a change
		m.snapshot.Membership.Outgoing = []raft.NodeID{1, 2, 4}
	case 1:
		m.snapshot.Membership.Learners = []raft.NodeID{5}
	}
	snap := m.snapshot
	m.calls = append(m.calls, call{snapshot: &snap})
	err := s.SaveSnapshot(snap)
	if err == nil {
		m.done = len(m.calls)
	}
	return err
}

// step does what a node may do next.
func (m *model) step(s raft.Storage) error {
	sync := m.rng.IntN(3) > 0
	switch what := m.rng.IntN(20); {
	case what < 10: // entries, some in the place of others
		first := m.last() + 1
		if m.rng.IntN(4) == 0 && m.last() > m.hard.Commit {
			first -= 1 + m.rng.Uint64N(m.last()-m.hard.Commit)
			m.hard.Term++
			m.hard.VotedFor = raft.None
		}
		m.entries = m.entries[:first-1]
		for range 1 + m.rng.IntN(4) {
			m.entries = append(m.entries, m.newEntry(m.last()+1))
		}
		return m.save(s, sync, slices.Clone(m.entries[first-1:])...)
	case what < 14: // a vote
		m.hard.Term++
		m.hard.VotedFor = raft.NodeID(1 + m.rng.IntN(3))
		return m.save(s, sync)
	case what < 17: // a commit
		m.hard.Commit += m.rng.Uint64N(m.last() - m.hard.Commit + 1)
		return m.save(s, m.rng.IntN(4) == 0)
	case what < 19: // a snapshot of our own
		if m.hard.Commit <= m.snapshot.Index {
			return nil
		}
		index := m.snapshot.Index + 1 + m.rng.Uint64N(m.hard.Commit-m.snapshot.Index)
		if err := m.saveSnapshot(s, index, m.entries[index-1].Term); err != nil {
			return err
		}
		return s.Compact(index - m.rng.Uint64N(min(index, 4)))
	default: // a leader's: behind the log, or in conflict with it
		return m.install(s)
	}
}

// install takes a leader's snapshot. What was saved before is made safe first,
// as a shell does that takes further Readys while the disk is busy.
func (m *model) install(s raft.Storage) error {
	if err := m.save(s, true); err != nil {
		return err
	}
	index := m.hard.Commit + 1 + m.rng.Uint64N(6)
	m.hard.Term++
	m.hard.VotedFor, m.hard.Commit = raft.None, index
	term := m.hard.Term
	m.entries = m.entries[:min(m.last(), index-1)]
	for m.last() < index { // stand-ins: the snapshot covers them
		m.entries = append(m.entries, raft.Entry{Index: m.last() + 1, Term: term})
	}
	if err := m.saveSnapshot(s, index, term); err != nil {
		return err
	}
	return m.save(s, m.rng.IntN(2) == 0)
}

// outcomes are the states that storage may hold when at least the calls up to
// least happened: the log keeps some prefix of the calls, and a snapshot is
// there when its call returned, perhaps also when it did not.
func (m *model) outcomes(least int) []raft.State {
	var out []raft.State
	var newest, begun *raft.Snapshot
	for i, c := range m.calls {
		if c.snapshot != nil && i < m.done {
			newest = c.snapshot
		} else if c.snapshot != nil {
			begun = c.snapshot
		}
	}
	for n := least; n <= len(m.calls); n++ {
		out = append(out, outcome(m.calls[:n], newest))
		if begun != nil {
			out = append(out, outcome(m.calls[:n], begun))
		}
	}
	return out
}

// outcome is what a storage in memory makes of the calls, and of a snapshot that
// was stored behind them.
func outcome(calls []call, newest *raft.Snapshot) raft.State {
	var mem raft.MemStorage
	for _, c := range calls {
		if c.snapshot != nil {
			mem.SaveSnapshot(*c.snapshot)
		} else if err := mem.Save(c.hard, c.entries, true); err != nil {
			panic(err)
		}
	}
	if s, _ := mem.Snapshot(); newest != nil && (s == nil || s.Index < newest.Index) {
		mem.SaveSnapshot(*newest)
	}
	st, _ := mem.Load()
	return normal(st)
}

// normal leaves out what may differ: entries that the snapshot covers, and the
// term of a snapshot whose hard state did not follow.
func normal(st raft.State) raft.State {
	if st.Snapshot != nil {
		st.Entries = slices.DeleteFunc(slices.Clone(st.Entries), func(e raft.Entry) bool { return e.Index <= st.Snapshot.Index })
		if st.HardState.Term < st.Snapshot.Term {
			st.HardState.Term, st.HardState.VotedFor = st.Snapshot.Term, raft.None
		}
	}
	return st
}

func same(a, b raft.State) bool {
	snaps := a.Snapshot == nil && b.Snapshot == nil || a.Snapshot != nil && b.Snapshot != nil &&
		a.Snapshot.Index == b.Snapshot.Index && a.Snapshot.Term == b.Snapshot.Term && bytes.Equal(a.Snapshot.Data, b.Snapshot.Data) &&
		reflect.DeepEqual(a.Snapshot.Membership, b.Snapshot.Membership)
	return snaps && a.HardState == b.HardState && slices.EqualFunc(a.Entries, b.Entries, func(x, y raft.Entry) bool {
		return x.Index == y.Index && x.Term == y.Term && x.Type == y.Type && bytes.Equal(x.Data, y.Data)
	})
}

// check opens the storage in fs and holds it against the model.
func (m *model) check(t testing.TB, fs FS, rule string, least int, when string) {
	t.Helper()
	s, err := Open(testDir, options(fs))
	if errors.Is(err, raft.ErrCorrupt) {
		broken(t, rule, "the storage does not open %s: %v", when, err)
		return
	}
	require.NoError(t, err, when)
	defer s.Close()
	got, err := s.Load()
	require.NoError(t, err, when)
	m.compare(t, got, rule, least, when)
	if _, err := raft.NewCore(raft.Config{ID: 1, Voters: []raft.NodeID{1, 2, 3}}, got); err != nil {
		broken(t, rule, "no node starts %s: %v", when, err)
	}
}

func (m *model) compare(t testing.TB, got raft.State, rule string, least int, when string) {
	t.Helper()
	st := normal(got)
	outcomes := m.outcomes(least)
	if !slices.ContainsFunc(outcomes, func(want raft.State) bool { return same(st, want) }) {
		broken(t, rule, "it found %s %s; at least %s was promised", brief(st), when, brief(outcomes[0]))
	}
}

func brief(st raft.State) string {
	s := fmt.Sprintf("term %d vote %d commit %d", st.HardState.Term, st.HardState.VotedFor, st.HardState.Commit)
	if st.Snapshot != nil {
		s += fmt.Sprintf(" snapshot %d/t%d", st.Snapshot.Index, st.Snapshot.Term)
	}
	if n := len(st.Entries); n > 0 {
		s += fmt.Sprintf(" entries %d/t%d..%d/t%d", st.Entries[0].Index, st.Entries[0].Term, st.Entries[n-1].Index, st.Entries[n-1].Term)
	}
	return s
}
