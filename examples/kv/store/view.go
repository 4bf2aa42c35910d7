package store

import (
	"io"
	"sync/atomic"
)

// Frozen is the state at one moment. It is safe for concurrent use, and keeps
// what it needs of the storage until Close.
type Frozen interface {
	io.WriterTo    // writes a snapshot of it, as often as it is asked to
	Index() uint64 // of the last command in it
	Close()
}

// view is a state that does not change. All who read it between two commands
// share one, and the last to close it lets the storage's view go.
//
//	        first reader   second reader    next command   readers are done
//	refs    2: it, store   3                2              0: closed
type view struct {
	View
	meta meta
	refs atomic.Int32
}

// Index implements Frozen.
func (v *view) Index() uint64 { return v.meta.index }

// join is for one more reader; false: the view is closed.
func (v *view) join() bool {
	for n := v.refs.Load(); n > 0; n = v.refs.Load() {
		if v.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// Close is called by each reader once.
func (v *view) Close() {
	if v.refs.Add(-1) == 0 {
		v.View.Close()
	}
}

// read returns the state of now, to be read without a lock, and closed.
func (s *Store) read() *view {
	if v := s.view.Load(); v != nil && v.join() {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.view.Load(); v != nil && v.join() {
		return v
	}
	v := &view{View: s.storage.View(), meta: s.meta}
	v.refs.Store(2)
	s.view.Store(v)
	return v
}

// dropView ends the sharing of a state that is over. The store is locked.
func (s *Store) dropView() {
	if v := s.view.Swap(nil); v != nil {
		v.Close()
	}
}
