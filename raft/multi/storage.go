package multi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/raft"
)

// Storage keeps what one host must not forget, of all its groups. [OpenDisk]
// returns the durable one; [MemStorage] is the default of a host that may
// forget. Its methods are called one at a time.
type Storage interface {
	// Load returns what is stored, at start, and begins another life: the number
	// is stored durably before it is told. What it returns belongs to the caller.
	Load() (Stored, error)
	// Save stores writes in order, all of them or none; on return with sync they
	// and all earlier ones survive a power cut. An error is final: what is on
	// the disk is not known any more, and the host stops.
	Save(writes []Write, sync bool) error
	// Pinned returns groups, at most limit, whose records are the oldest, when
	// the log has grown longer than it should: a Snapshot of each in its place
	// gives the room back.
	Pinned(limit int) []GroupID
	// Close releases what the storage holds. It may be called twice.
	Close() error
}

// Stored is what a storage holds.
type Stored struct {
	Life    uint64
	Groups  []StoredGroup // by ID
	Removed []GroupID     // for ever
}

// StoredGroup is one group's state. The Data of its snapshot is nil when its
// state machine keeps the state itself, and at the beginning of a group.
type StoredGroup struct {
	ID    GroupID
	State raft.State
}

// ledger is what records come to, in memory.
type ledger struct {
	life   uint64
	groups map[GroupID]*raft.State
	gone   map[GroupID]struct{}
}

func newLedger() *ledger {
	return &ledger{groups: map[GroupID]*raft.State{}, gone: map[GroupID]struct{}{}}
}

// add enters a write. Entries that do not join the log are damage: no core asks
// for that.
func (l *ledger) add(w *Write) error {
	if w.Remove {
		delete(l.groups, w.Group)
		l.gone[w.Group] = struct{}{}
		return nil
	}
	if w.Snapshot != nil {
		s := *w.Snapshot
		l.groups[w.Group] = &raft.State{HardState: w.HardState, Snapshot: &s, Entries: slices.Clone(w.Entries)}
		return nil
	}
	st := l.groups[w.Group]
	if st == nil {
		st = &raft.State{}
		l.groups[w.Group] = st
	}
	st.HardState = w.HardState
	if len(w.Entries) == 0 {
		return nil
	}
	first, next := uint64(1), w.Entries[0].Index
	if st.Snapshot != nil {
		first = st.Snapshot.Index + 1
	}
	if next < first || next > first+uint64(len(st.Entries)) {
		return fmt.Errorf("%w: entry %d of %s does not join its log, %d to %d", raft.ErrCorrupt, next, w.Group, first, first+uint64(len(st.Entries))-1)
	}
	st.Entries = append(st.Entries[:next-first:next-first], w.Entries...)
	return nil
}

// stored returns the whole, for the caller to keep.
func (l *ledger) stored() Stored {
	out := Stored{Life: l.life}
	for g, st := range l.groups {
		state := *st
		state.Entries = slices.Clone(st.Entries)
		out.Groups = append(out.Groups, StoredGroup{g, state})
	}
	slices.SortFunc(out.Groups, func(a, b StoredGroup) int { return cmp.Compare(a.ID, b.ID) })
	out.Removed = l.removed()
	return out
}

func (l *ledger) removed() []GroupID { return slices.Sorted(maps.Keys(l.gone)) }

// MemStorage keeps a host's state in memory. The zero value is empty and ready;
// it outlives the host that uses it, so a host can be restarted on it. It is
// safe for concurrent use.
type MemStorage struct {
	mu     sync.Mutex
	ledger *ledger
}

func (s *MemStorage) open() *ledger {
	if s.ledger == nil {
		s.ledger = newLedger()
	}
	return s.ledger
}

// Load implements Storage.
func (s *MemStorage) Load() (Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.open()
	l.life++
	return l.stored(), nil
}

// Save implements Storage.
func (s *MemStorage) Save(writes []Write, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.open()
	for i := range writes {
		if err := l.add(&writes[i]); err != nil {
			return err
		}
	}
	return nil
}

// Pinned implements Storage: memory is not cut by the group.
func (s *MemStorage) Pinned(int) []GroupID { return nil }

// Close implements Storage; the contents stay.
func (s *MemStorage) Close() error { return nil }
