package store

import (
	"bytes"
	"sync"
)

// What is kept for a watcher that is in step, at most; about an instant's
// events of a busy cluster. And how many rows of history one call of Next looks
// at, so that it returns soon although none matches.
const (
	maxKept      = 1024
	maxKeptBytes = 1 << 20
	maxRows      = 1 << 16

	defaultMaxBytes = 1 << 20
)

// Watcher reads the events of one watch. Next and Progress are called by one
// goroutine at a time; Ready and Close by any.
type Watcher struct {
	store   *Store
	request WatchRequest
	span    span
	ready   chan struct{}

	mu sync.Mutex
	// next is the first change not told yet. In step it lags behind: see
	// position.
	next      revision
	inStep    bool
	kept      []*change // in step: what comes next
	keptBytes int
	closed    bool
}

func (w *Watcher) group() [2]string { return [2]string{string(w.span.key), string(w.span.end)} }

// wants applies the filters, and the start in the future.
func (w *Watcher) wants(c *change) bool {
	return !(c.full.Type == EventPut && w.request.NoPut) && !(c.full.Type == EventDelete && w.request.NoDelete) && !c.at.less(w.next)
}

func (w *Watcher) event(c *change) (e *Event, size int) {
	if w.request.PrevKV {
		return &c.full, c.size
	}
	return &c.bare, c.bareSize
}

func (w *Watcher) wake() {
	select {
	case w.ready <- struct{}{}:
	default: // it has been told
	}
}

// offer keeps a change for Next, or remembers from where to catch up. It tells
// whether the watcher has to be woken. The hub is locked.
func (w *Watcher) offer(c *change) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.inStep || !w.wants(c) {
		return false
	}
	if len(w.kept) == maxKept || w.keptBytes+c.size > maxKeptBytes {
		at := c.at
		if len(w.kept) > 0 {
			at = w.kept[0].at
		}
		w.fallBehind(at)
		return true
	}
	w.kept = append(w.kept, c)
	w.keptBytes += c.size
	return true
}

// fallBehind leaves the rest to the history, from at. Hub and watcher are locked.
func (w *Watcher) fallBehind(at revision) {
	w.next, w.inStep, w.kept, w.keptBytes = at, false, nil, 0
	w.store.watch.slow++
}

// position of a watcher in step, if published has been handed out. The watcher
// is locked.
func (w *Watcher) position(published int64) revision {
	if len(w.kept) > 0 {
		return w.kept[0].at
	}
	if after := (revision{main: published + 1}); w.next.less(after) {
		return after
	}
	return w.next
}

// Ready gets a token when Next may have something:
//
//	for {
//		for r, ok := w.Next(0); ok; r, ok = w.Next(0) {
//			... send r; return if r.Canceled
//		}
//		select {
//		case <-w.Ready():
//		case <-ctx.Done():
//			return
//		}
//	}
//
// It is never closed.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Close ends the watch. It may be called more than once.
func (w *Watcher) Close() { w.store.watch.remove(w) }

// Progress returns a response without events that says up to which revision the
// watcher has been told everything. false: there is more to come, which will
// say; or the watch starts in the future, and who resumed from here would be
// told what nobody asked for (etcd-io/etcd#20221).
func (w *Watcher) Progress() (WatchResponse, bool) {
	published := w.store.watch.revision.Load() // first: what it covers is kept, or told
	w.mu.Lock()
	defer w.mu.Unlock()
	begun := w.next.main <= published+1
	return WatchResponse{Revision: published}, begun && w.inStep && !w.closed && len(w.kept) == 0
}

// Next returns the next events: about maxBytes of keys and values (0: 1 MiB),
// but one at least, and, unless the watch takes fragments, all of a revision.
// false: there is nothing now, wait for Ready; or the watcher is closed.
func (w *Watcher) Next(maxBytes int) (WatchResponse, bool) {
	if maxBytes <= 0 {
		maxBytes = defaultMaxBytes
	}
	for {
		published := w.store.watch.revision.Load()
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return WatchResponse{}, false
		}
		if w.inStep {
			defer w.mu.Unlock()
			return w.take(published, maxBytes)
		}
		from := w.next
		w.mu.Unlock()
		if r, ok, done := w.replay(from, maxBytes); done {
			return r, ok
		}
	}
}

// batch collects events until they are enough.
type batch struct {
	w        *Watcher
	maxBytes int
	bytes    int
	events   []*Event
	last     revision
}

// add takes a change, unless the batch ends before it.
func (b *batch) add(c *change) bool {
	event, size := b.w.event(c)
	full := len(b.events) > 0 && b.bytes+size > b.maxBytes
	if full && (b.w.request.Fragment || c.at.main != b.last.main) {
		return false
	}
	b.events = append(b.events, event)
	b.bytes += size
	b.last = c.at
	return true
}

// response ends the batch; next is the change that did not fit.
func (b *batch) response(next revision) WatchResponse {
	return WatchResponse{Revision: b.last.main, Events: b.events, Fragment: next.main == b.last.main}
}

// take is Next of a watcher in step. It is locked.
func (w *Watcher) take(published int64, maxBytes int) (WatchResponse, bool) {
	b := batch{w: w, maxBytes: maxBytes}
	n := 0
	for n < len(w.kept) && w.kept[n].at.main <= published && b.add(w.kept[n]) {
		w.keptBytes -= w.kept[n].size
		n++
	}
	if n == 0 {
		return WatchResponse{}, false
	}
	if n == len(w.kept) {
		// All that was published has been told.
		w.next = revision{main: max(published, b.last.main) + 1}
		w.kept = nil
		r := b.response(w.next)
		r.Revision = w.next.main - 1
		return r, true
	}
	w.kept = w.kept[n:]
	w.next = w.kept[0].at
	return b.response(w.next), true
}

// replay is Next of a watcher that catches up: it reads the history from a
// position, without a lock. done is false when there is more to look at.
func (w *Watcher) replay(from revision, maxBytes int) (r WatchResponse, ok, done bool) {
	var failure error
	defer func() {
		if failure != nil {
			w.Close()
			r, ok, done = WatchResponse{Revision: from.main - 1, Canceled: true, CancelReason: failure.Error()}, true, true
		}
	}()
	defer Caught(&failure)
	v := w.store.read()
	defer v.Close()
	if from.main < v.meta.compacted {
		w.Close()
		return WatchResponse{
			Revision: v.meta.revision, Canceled: true, CompactRevision: v.meta.compacted, CancelReason: ErrCompacted.Message,
		}, true, true
	}
	b := batch{w: w, maxBytes: maxBytes}
	history, versions := v.Cursor(tableHistory), v.Cursor(tableIndex)
	defer history.Close()
	defer versions.Close()
	rows := 0
	for history.Seek(historyKey(from)); history.Valid(); history.Next() {
		at := splitHistoryKey(history.Key())
		// A revision is not left in the middle but by a fragment.
		if rows++; rows > maxRows && at.sub == 0 {
			w.advance(at)
			w.wake()
			return b.response(at), len(b.events) > 0, true
		}
		key := history.Value()
		if !w.span.contains(key) {
			continue
		}
		if c := changeAt(versions, key, at); w.wants(c) && !b.add(c) {
			w.advance(at)
			return b.response(at), true, true
		}
	}
	end := revision{main: max(v.meta.revision+1, from.main)}
	w.advance(end)
	if len(b.events) > 0 {
		r = b.response(end)
		r.Revision = v.meta.revision
		return r, true, true
	}
	return r, false, w.catchUp()
}

// advance moves the position of a watcher that catches up.
func (w *Watcher) advance(to revision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = to
}

// catchUp puts the watcher in step if its position is beyond all that was
// published. It then has nothing for Next; whatever comes will wake it.
func (w *Watcher) catchUp() bool {
	h := &w.store.watch
	h.mu.Lock()
	defer h.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next.main <= h.revision.Load() {
		return false
	}
	if !w.closed {
		w.inStep = true
		h.slow--
	}
	return true
}

// changeAt reads a change that the history names: the version, and the one
// behind it, which it replaced; nil if that one is compacted.
func changeAt(c Cursor, key []byte, at revision) *change {
	c.Seek(indexKey(key, at))
	prefix, _ := splitIndexKey(c.Key())
	row := c.Value()
	var prev *KeyValue
	if c.Next(); c.Valid() {
		p, rev := splitIndexKey(c.Key())
		if v := decodeVersion(c.Value()); v.count > 0 && bytes.Equal(p, prefix) {
			prev = v.keyValue(key, rev.main)
		}
	}
	return newChange(at, key, row, prev)
}
