package lsm

import (
	"slices"
	"sync/atomic"
)

// Snapshot is the store at one moment. It costs a number: compactions keep what a
// reader at it needs until Close. It is safe for concurrent use.
type Snapshot struct {
	db     *DB
	seq    uint64
	closed atomic.Bool
}

// Snapshot returns the store as it is now. It must be closed.
func (d *DB) Snapshot() *Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.dropping {
		d.changed.Wait()
	}
	s := &Snapshot{db: d, seq: d.visible.Load()}
	d.snapshots.add(s.seq)
	return s
}

// Get returns a copy of the value of key, or ErrNotFound.
func (s *Snapshot) Get(k []byte) ([]byte, error) { return s.GetAt(k, ^uint64(0)) }

// GetAt is Get at a timestamp, in a store with Options.Timestamps.
func (s *Snapshot) GetAt(k []byte, ts uint64) ([]byte, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	return s.db.read(s, nil, k, ts, nil)
}

// NewIter returns an iterator over the snapshot, which may be closed before it.
func (s *Snapshot) NewIter(o *IterOptions) (*Iterator, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	state, err := s.db.acquire()
	if err != nil {
		return nil, err
	}
	return s.db.newIterator(state, true, s.seq, o, nil), nil
}

// Close lets go of the moment. A second Close does nothing.
func (s *Snapshot) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.db.snapshots.remove(s.seq)
	return nil
}

// snapshotList is the sequence numbers of the open snapshots, ascending, one for
// each. New ones are never older than those that are there.
type snapshotList struct{ seqs []uint64 }

func (l *snapshotList) add(seq uint64) { l.seqs = append(l.seqs, seq) }

func (l *snapshotList) remove(seq uint64) {
	if i, ok := slices.BinarySearch(l.seqs, seq); ok {
		l.seqs = slices.Delete(l.seqs, i, i+1)
	}
}

// all returns a copy without repetitions.
func (l *snapshotList) all() []uint64 { return slices.Compact(slices.Clone(l.seqs)) }

// oldest returns the oldest of them, or none.
func (l *snapshotList) oldest(none uint64) uint64 {
	if len(l.seqs) == 0 {
		return none
	}
	return l.seqs[0]
}
