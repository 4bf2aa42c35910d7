package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
)

// A stream of watches: requests create and cancel them, answers carry their
// events. Each watch has a goroutine that moves events from the store to the
// connection as fast as the client takes them; what it does not take stays in
// the store, where it costs nothing. A watch that history was compacted away
// from under is cancelled, and says so.

// fragmentBytes is what an answer holds at most, but for the events of one
// revision, which stay together unless the watch allows fragments.
const fragmentBytes = 2 << 20

type watches struct {
	member *service.Member
	stream *stream
	ctx    context.Context
	cancel context.CancelFunc
	pumps  sync.WaitGroup

	mu   sync.Mutex
	byID map[int64]*watch
	next int64
}

type watch struct {
	id      int64
	events  *store.Watcher
	done    context.Context
	cancel  context.CancelFunc
	notify  bool
	mu      sync.Mutex // of Next and Progress, held while their answer is sent
	talked  bool       // since the last notice
	stopped bool
}

func (a *api) watch(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	ws := &watches{member: a.Member(), stream: a.newStream(w, r), ctx: ctx, cancel: cancel, byID: map[int64]*watch{}}
	requests := make(chan error, 1)
	ws.pumps.Go(func() { requests <- ws.serve() })
	var err error
	select {
	case err = <-requests:
		if err == nil {
			// The client has no more to ask, and goes on listening.
			select {
			case <-ctx.Done():
			case <-a.Stop:
			case <-ws.member.Done():
			}
		}
	case <-ctx.Done():
	case <-a.Stop:
	case <-ws.member.Done():
	}
	if ws.stream.stopping() || ws.member.Err() != nil {
		err = service.ErrStopped
	}
	if err != nil {
		ws.stream.fail(err)
	}
	ws.shut()
	ws.stream.close()
	ws.pumps.Wait()
}

// serve carries out requests until there are no more.
func (ws *watches) serve() error {
	for {
		var q watchRequest
		err := ws.stream.receive(&q)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return ws.stream.refused(err)
		case q.CreateRequest != nil:
			err = ws.create(q.CreateRequest)
		case q.CancelRequest != nil:
			err = ws.end(q.CancelRequest.WatchID)
		case q.ProgressRequest != nil:
			err = ws.progress()
		}
		if err != nil {
			return nil // the client is gone
		}
	}
}

func (ws *watches) respond(r watchResponse, revision int64) error {
	r.Header = header(ws.member.Header(revision))
	return ws.stream.send(r)
}

// create starts a watch. What cannot be watched is created and cancelled in
// one answer, under an ID that no watch has: one that is there goes on.
func (ws *watches) create(q *watchCreateRequest) error {
	key, end := q.Key, q.RangeEnd
	if len(key) == 0 {
		key = []byte{0} // as in etcd: the lowest key
	}
	refuse := func(reason string) error {
		return ws.respond(watchResponse{WatchID: -1, Created: true, Canceled: true, CancelReason: reason}, 0)
	}
	if q.StartRevision < 0 {
		return refuse(store.ErrCompacted.Message) // as in etcd
	}
	if len(end) > 0 && !bytes.Equal(end, []byte{0}) && bytes.Compare(key, end) >= 0 {
		return refuse("mvcc: watcher range is empty")
	}
	ws.mu.Lock()
	id := q.WatchID
	if id == 0 {
		for ; ws.byID[ws.next] != nil; ws.next++ {
		}
		id = ws.next
		ws.next++
	}
	taken := ws.byID[id] != nil
	ws.mu.Unlock()
	if taken {
		return refuse("mvcc: duplicate watch ID provided on the WatchStream")
	}
	revision := ws.member.Header(0).Revision
	start := q.StartRevision
	if start == 0 {
		start = revision + 1
	}
	events, err := ws.member.Watch(&store.WatchRequest{Key: key, End: end, StartRevision: start, PrevKV: q.PrevKv, Fragment: q.Fragment,
		NoPut: slices.Contains(q.Filters, 0), NoDelete: slices.Contains(q.Filters, 1)})
	if err != nil {
		return refuse(err.Error())
	}
	w := &watch{id: id, events: events, notify: q.ProgressNotify}
	w.done, w.cancel = context.WithCancel(ws.ctx)
	ws.mu.Lock()
	ws.byID[id] = w
	ws.mu.Unlock()
	if err := ws.respond(watchResponse{WatchID: id, Created: true}, revision); err != nil {
		events.Close()
		return err
	}
	// Unless the stream ends meanwhile.
	return ws.start(w)
}

// end cancels a watch at its client's word; nothing of it follows.
func (ws *watches) end(id int64) error {
	ws.mu.Lock()
	w := ws.byID[id]
	delete(ws.byID, id)
	ws.mu.Unlock()
	if w == nil {
		return nil // as in etcd
	}
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	return ws.respond(watchResponse{WatchID: id, Canceled: true}, 0)
}

// progress answers when all watches have been told everything, with the
// revision up to which that is so.
func (ws *watches) progress() error {
	ws.mu.Lock()
	var all []*watch
	for _, w := range ws.byID {
		all = append(all, w)
	}
	ws.mu.Unlock()
	var least int64
	for _, w := range all {
		w.mu.Lock()
		r, ok := w.events.Progress()
		w.mu.Unlock()
		if !ok {
			return nil // the events to come will tell
		}
		if least == 0 || r.Revision < least {
			least = r.Revision
		}
	}
	return ws.respond(watchResponse{WatchID: -1}, least)
}

// pump moves a watch's events to the client.
func (ws *watches) pump(w *watch) {
	defer w.events.Close()
	var notice <-chan time.Time
	if w.notify {
		ticker := time.NewTicker(ws.stream.api.ProgressInterval)
		defer ticker.Stop()
		notice = ticker.C
	}
	for {
		var more bool
		select {
		case <-w.done.Done():
			return
		case <-w.events.Ready():
			more = ws.tell(w)
		case <-notice:
			more = ws.notice(w)
		}
		if !more {
			return
		}
	}
}

// tell sends what there is; false: the watch is over.
func (ws *watches) tell(w *watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.stopped {
		r, ok := w.events.Next(fragmentBytes)
		if !ok {
			return true
		}
		w.talked = true
		respond := ws.respond
		if r.Canceled {
			respond = ws.last
		}
		err := respond(watchResponse{WatchID: w.id, Events: eventsOf(r.Events), Fragment: r.Fragment,
			Canceled: r.Canceled, CompactRevision: r.CompactRevision, CancelReason: r.CancelReason}, r.Revision)
		if err != nil {
			ws.cancel() // there is no client any more
			return false
		}
		if r.Canceled {
			return false
		}
	}
	return false
}

// last is the answer with which a watch ends. Whoever has heard it may use the ID
// again, and who uses it before that is refused.
func (ws *watches) last(r watchResponse, revision int64) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.byID, r.WatchID)
	return ws.respond(r, revision)
}

// notice tells a client that has heard nothing how far it may consider itself
// informed.
func (ws *watches) notice(w *watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	quiet := !w.talked
	w.talked = false
	if r, ok := w.events.Progress(); quiet && ok && !w.stopped {
		return ws.respond(watchResponse{WatchID: w.id}, r.Revision) == nil
	}
	return true
}

// start runs the pump of a watch, and shut lets no more begin, so that they can be
// waited for.
func (ws *watches) start(w *watch) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if err := ws.ctx.Err(); err != nil {
		w.events.Close()
		return err
	}
	ws.pumps.Go(func() { ws.pump(w) })
	return nil
}

func (ws *watches) shut() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.cancel()
}
