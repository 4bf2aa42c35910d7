package raft

import (
	"fmt"
	"slices"
	"sync"
)

// Storage keeps what a node must not forget. Package raft/disk is the durable
// one; [MemStorage] is the default of a node that may forget. A Storage serves
// one node. SaveSnapshot and Snapshot may be called beside the other methods,
// which are called one at a time.
//
// What was saved and what it means after a crash:
//
//	Save(sync)      on return, all that was saved so far survives a power cut
//	Save(no sync)   survives a killed process; a power cut may take it, and
//	                then takes nothing that was saved before it
//	SaveSnapshot    on return, the snapshot survives a power cut; the old one
//	                stands until the new one does
type Storage interface {
	// Load returns what is stored, at start. State.Entries belong to the
	// caller.
	Load() (State, error)
	// Save stores the hard state and appends entries; the first one replaces
	// what is stored at its index and behind it. An error is final: what is on
	// the disk is not known any more, and the node stops.
	Save(hs HardState, entries []Entry, sync bool) error
	// SaveSnapshot stores a snapshot in place of the last one; it does nothing
	// when the last one has a higher index. The log stays, if it holds an entry
	// with the snapshot's index and term; otherwise all of it is dropped (§7),
	// and goes on behind the snapshot.
	SaveSnapshot(s Snapshot) error
	// Snapshot returns the stored snapshot with its data, nil if there is none.
	Snapshot() (*Snapshot, error)
	// Compact may drop entries up to index, which the snapshot covers.
	Compact(index uint64) error
	// Close releases what the storage holds. It may be called twice.
	Close() error
}

// MemStorage keeps a node's state in memory: for tests, and for state machines
// whose loss with the process is accepted. The zero value is empty and ready;
// it outlives the node that uses it, so a node can be restarted on it. It is
// safe for concurrent use.
type MemStorage struct {
	mu       sync.Mutex
	hard     HardState
	snapshot *Snapshot
	// The log, as the slices that were saved: entries are immutable.
	log [][]Entry
}

// Load implements Storage.
func (s *MemStorage) Load() (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{s.hard, s.snapshot, slices.Concat(s.log...)}, nil
}

// Save implements Storage.
func (s *MemStorage) Save(hs HardState, entries []Entry, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(entries) > 0 {
		if err := s.truncate(entries[0].Index); err != nil {
			return err
		}
		s.log = append(s.log, entries)
	}
	s.hard = hs
	return nil
}

// truncate removes the entry at next and those behind it; what is left must end
// right before.
func (s *MemStorage) truncate(next uint64) error {
	first := uint64(1) // what may follow an empty log
	switch {
	case len(s.log) > 0:
		first = s.log[0][0].Index
	case s.snapshot != nil:
		first = s.snapshot.Index + 1
	}
	end := first
	for k := len(s.log); k > 0 && next >= first; k-- {
		run := s.log[k-1]
		if start := run[0].Index; start < next {
			s.log[k-1] = run[:min(next-start, uint64(len(run)))]
			end = start + uint64(len(s.log[k-1]))
			break
		}
		s.log = slices.Delete(s.log, k-1, k)
	}
	if next != end {
		return fmt.Errorf("%w: entry %d does not join the stored log, which begins at %d", ErrCorrupt, next, first)
	}
	return nil
}

// SaveSnapshot implements Storage.
func (s *MemStorage) SaveSnapshot(snap Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snapshot != nil && s.snapshot.Index > snap.Index {
		return nil
	}
	joins := slices.ContainsFunc(s.log, func(run []Entry) bool {
		i := snap.Index - run[0].Index
		return snap.Index >= run[0].Index && i < uint64(len(run)) && run[i].Term == snap.Term
	})
	if !joins {
		s.log = nil
	}
	s.snapshot = &snap
	return nil
}

// Snapshot implements Storage.
func (s *MemStorage) Snapshot() (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot, nil
}

// Compact implements Storage.
func (s *MemStorage) Compact(index uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snapshot == nil || index > s.snapshot.Index {
		return fmt.Errorf("%w: compaction to %d is not covered by a snapshot", ErrInvalid, index)
	}
	drop := 0
	for drop < len(s.log) && s.log[drop][len(s.log[drop])-1].Index <= index {
		drop++
	}
	s.log = slices.Delete(s.log, 0, drop)
	if len(s.log) > 0 && s.log[0][0].Index <= index {
		s.log[0] = s.log[0][index+1-s.log[0][0].Index:]
	}
	return nil
}

// Close implements Storage; the contents stay.
func (s *MemStorage) Close() error { return nil }
