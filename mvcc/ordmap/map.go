package ordmap

import (
	"sync"
	"sync/atomic"
)

// Map is an ordered map from bytes to bytes, or several, which are called spaces and
// are written and read together. It is safe for concurrent use. Make one with [New].
type Map struct {
	spaces  []tree
	visible atomic.Uint64 // the number of the latest batch that is whole
	pins    pins

	mu     sync.Mutex // held by whoever writes
	writer Writer
	queued atomic.Int64 // the length of writer.stale, for those who do not write
}

// New returns an empty map of so many spaces, numbered from 0.
func New(spaces int) *Map {
	m := &Map{spaces: make([]tree, spaces)}
	for i := range m.spaces {
		m.spaces[i].init()
	}
	m.writer.m = m
	return m
}

// Update makes a batch of changes: those that change makes by the writer that it
// gets. Snapshots see all of them or none; they begin to once Update has returned,
// or shortly before. Batches come one after the other, in the order of the calls.
// change must not panic, use the map otherwise, or keep the writer.
func (m *Map) Update(change func(w *Writer)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &m.writer
	w.begin(m.visible.Load() + 1)
	change(w)
	for i := range m.spaces {
		w.publish(&m.spaces[i])
	}
	m.visible.Store(w.seq)
	w.sweep(1 + w.stale.pushed)
}
