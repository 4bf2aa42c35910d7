package lsm

import "sync/atomic"

// readState is everything that a read needs, at one moment: the memtables and the
// version. It is immutable and counted; the store holds one reference to the
// newest, every read in progress one to its own.
//
//	state ----> readState{mems: [m9 m8], version 17}     readers of now
//	            readState{mems: [m8 m7], version 16}     an iterator from before the flush
type readState struct {
	mems    []*memtable // from new to old
	version *version
	refs    atomic.Int64
}

// acquire returns the newest read state with a reference.
func (d *DB) acquire() (*readState, error) {
	for {
		s := d.state.Load()
		if s == nil {
			return nil, ErrClosed
		}
		if s.tryRef() {
			return s, nil
		}
		// It was replaced between the two steps.
	}
}

// tryRef adds a reference unless the last one is gone: the struct itself is the
// garbage collector's, so that it may be looked at even then.
func (s *readState) tryRef() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *readState) unref() {
	if s.refs.Add(-1) > 0 {
		return
	}
	for _, m := range s.mems {
		m.unref()
	}
	s.version.unref()
}

// publish makes mems and v what reads see, and returns the state before for the
// caller to release once it has let go of d.mu. Under d.mu.
func (d *DB) publish(v *version) *readState {
	s := &readState{version: v}
	for i := len(d.mems) - 1; i >= 0; i-- {
		d.mems[i].ref()
		s.mems = append(s.mems, d.mems[i])
	}
	v.ref()
	s.refs.Store(1)
	return d.state.Swap(s)
}
