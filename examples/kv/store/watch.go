package store

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Watching: the hub knows who watches what, and hands the changes of each
// command to those concerned. It never waits for a watcher and keeps little for
// it: one that does not fetch its events in time loses them here, and reads them
// from the history instead.
//
//	          in step                         catching up
//	Apply --> hub --> a few events kept       nothing kept, only a position
//	                      |                              |
//	                    Next                           Next: reads the history
//	                      |   too many, or Restore       |
//	                      +----------------------------->+
//	                      <------------------------------+
//	                          position is beyond the last revision
//
// The position, the first change not told yet, is all that decides what comes next;
// so nothing is told twice, and nothing is left out, on either side and
// across the changes of side.
//
// Locks are taken in the order store, hub, watcher.
type hub struct {
	mu     sync.Mutex
	keys   map[string]map[*Watcher]struct{} // those of one key
	ranges map[[2]string]*rangeGroup        // and of the same range
	slow   int                              // catching up
	all    int
	woken  []*Watcher // room for publish

	active   atomic.Bool  // somebody watches
	revision atomic.Int64 // published: whoever is in step has got its events
}

type rangeGroup struct {
	span     span
	watchers map[*Watcher]struct{}
}

// change is one event, shared by all who are told.
type change struct {
	at   revision
	full Event
	bare Event // without PrevKV
	// Bytes of keys and values of the two.
	size, bareSize int
}

func newChange(at revision, key, row []byte, prev *KeyValue) *change {
	e := Event{Type: EventDelete, KV: &KeyValue{Key: key, ModRevision: at.main}, PrevKV: prev}
	if v := decodeVersion(row); v.count > 0 {
		e.Type, e.KV = EventPut, v.keyValue(key, at.main)
	}
	size := len(e.KV.Key) + len(e.KV.Value)
	c := &change{at: at, full: e, bare: e, size: size, bareSize: size}
	c.bare.PrevKV = nil
	if prev != nil {
		c.size += len(prev.Key) + len(prev.Value)
	}
	return c
}

func (h *hub) init(s *Store) {
	h.keys, h.ranges = map[string]map[*Watcher]struct{}{}, map[[2]string]*rangeGroup{}
	h.revision.Store(s.meta.revision)
}

// listening tells whether changes have to be collected at all.
func (h *hub) listening() bool { return h.active.Load() }

func (h *hub) count() (all, slow int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all, h.slow
}

// publish hands out the changes of one command. Watchers are woken when all are
// handed out: until then nobody takes the revision, so that nobody takes a part
// of it for the whole.
func (h *hub) publish(revision int64, changes []*change) {
	if len(changes) == 0 && revision == h.revision.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		for w := range h.keys[string(c.full.KV.Key)] {
			h.offer(w, c)
		}
		for _, g := range h.ranges {
			if !g.span.contains(c.full.KV.Key) {
				continue
			}
			for w := range g.watchers {
				h.offer(w, c)
			}
		}
	}
	h.revision.Store(revision)
	for _, w := range h.woken {
		w.wake()
	}
	clear(h.woken)
	h.woken = h.woken[:0]
}

func (h *hub) offer(w *Watcher, c *change) {
	if w.offer(c) {
		h.woken = append(h.woken, w)
	}
}

// restored sends everybody to the history, which was replaced.
func (h *hub) restored(revision int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.each(func(w *Watcher) {
		w.mu.Lock()
		if w.inStep {
			w.fallBehind(w.position(h.revision.Load()))
			w.wake()
		}
		w.mu.Unlock()
	})
	h.revision.Store(revision)
}

func (h *hub) each(f func(*Watcher)) {
	for _, set := range h.keys {
		for w := range set {
			f(w)
		}
	}
	for _, g := range h.ranges {
		for w := range g.watchers {
			f(w)
		}
	}
}

// add registers a watcher. The store is locked, so no change comes in between.
func (h *hub) add(w *Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.span.single {
		key := string(w.span.key)
		if h.keys[key] == nil {
			h.keys[key] = map[*Watcher]struct{}{}
		}
		h.keys[key][w] = struct{}{}
	} else {
		g := h.ranges[w.group()]
		if g == nil {
			g = &rangeGroup{w.span, map[*Watcher]struct{}{}}
			h.ranges[w.group()] = g
		}
		g.watchers[w] = struct{}{}
	}
	h.all++
	if !w.inStep {
		h.slow++
	}
	h.active.Store(true)
}

func (h *hub) remove(w *Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed, w.kept, w.keptBytes = true, nil, 0
	if w.span.single {
		key := string(w.span.key)
		if delete(h.keys[key], w); len(h.keys[key]) == 0 {
			delete(h.keys, key)
		}
	} else if g := h.ranges[w.group()]; g != nil {
		if delete(g.watchers, w); len(g.watchers) == 0 {
			delete(h.ranges, w.group())
		}
	}
	h.all--
	if !w.inStep {
		h.slow--
	}
	h.active.Store(h.all > 0)
}

// Watch registers a watcher. ErrEmptyKey. A start that was compacted is told
// by the watcher's first response, which is its last.
func (s *Store) Watch(r *WatchRequest) (*Watcher, error) {
	if err := validateKey(r.Key); err != nil {
		return nil, err
	}
	w := &Watcher{store: s, request: *r, span: spanOf(slices.Clone(r.Key), slices.Clone(r.End)), ready: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.next = revision{main: r.StartRevision}
	if r.StartRevision <= 0 {
		w.next.main = s.meta.revision + 1
	}
	w.inStep = w.next.main > s.meta.revision
	s.watch.add(w)
	if !w.inStep {
		w.wake()
	}
	return w, nil
}
