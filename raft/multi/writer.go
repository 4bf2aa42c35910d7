package multi

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// The disk has a goroutine of its own: while it writes, the loop goes on taking
// messages of all groups, and what gathers meanwhile shares the next sync (M2).

// job is one Ready for the disk.
type job struct {
	seq       uint64
	writes    []Write
	sync      bool
	afterSync []Envelope
}

type writer struct {
	host *Host
	mu   sync.Mutex
	jobs []job
	busy time.Time     // since when the disk owes an answer; zero when it does not
	wake chan struct{} // holds one token while jobs is not empty
}

// pinnedAtOnce is how many groups are asked to make room in the log at a time.
const pinnedAtOnce = 64

func (w *writer) put(j job) {
	w.mu.Lock()
	w.jobs = append(w.jobs, j)
	if w.busy.IsZero() {
		w.busy = time.Now()
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// idle says whether the disk owes no answer: then what promises nothing new
// need not wait behind it.
func (w *writer) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy.IsZero()
}

// stalled says whether the disk has owed an answer for longer than limit.
func (w *writer) stalled(limit time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.busy.IsZero() && time.Since(w.busy) > limit
}

func (w *writer) run() {
	var jobs []job
	for {
		select {
		case <-w.host.stopped:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		jobs, w.jobs = w.jobs, jobs[:0]
		w.mu.Unlock()
		if len(jobs) == 0 {
			continue
		}
		if err := w.write(jobs); err != nil {
			w.host.inbox.put(func(m *mail) { m.failed = err })
			return
		}
		w.answer(jobs)
		clear(jobs)
	}
}

// write stores jobs in order, with one sync for all of them and all groups.
func (w *writer) write(jobs []job) error {
	writes, sync := jobs[0].writes, jobs[0].sync
	for _, j := range jobs[1:] {
		writes = append(slices.Clip(writes), j.writes...)
		sync = sync || j.sync
	}
	if len(writes) == 0 {
		return nil
	}
	if err := w.host.opts.Storage.Save(writes, sync); err != nil {
		return fmt.Errorf("%w: %w", raft.ErrStorage, err)
	}
	if sync {
		w.host.counters.syncs.Add(1)
	}
	w.host.counters.writes.Add(uint64(len(writes)))
	return nil
}

// answer sends the promises that are kept now, and tells the loop.
func (w *writer) answer(jobs []job) {
	h := w.host
	var seq uint64
	var installed []Write
	for i := range jobs {
		seq = max(seq, jobs[i].seq)
		installed = appendInstalled(installed, jobs[i].writes)
		h.send(jobs[i].afterSync)
	}
	pinned := h.opts.Storage.Pinned(pinnedAtOnce)
	w.mu.Lock()
	w.busy = time.Time{}
	if len(w.jobs) > 0 {
		w.busy = time.Now()
	}
	w.mu.Unlock()
	h.inbox.put(func(m *mail) {
		m.synced = max(m.synced, seq)
		m.installed = append(m.installed, installed...)
		m.pinned = pinned
	})
}

func appendInstalled(to, writes []Write) []Write {
	for _, wr := range writes {
		if wr.Install {
			to = append(to, wr)
		}
	}
	return to
}

// store gives a Ready to the disk. Memory answers at once: there a goroutine
// would only cost.
func (h *Host) store(rd Ready) error {
	j := job{rd.Seq, rd.Writes, rd.MustSync, rd.AfterSync}
	switch {
	case h.memory:
		if err := h.writer.write([]job{j}); err != nil {
			return err
		}
		for _, wr := range appendInstalled(nil, rd.Writes) {
			if g := h.groups[wr.Group]; g != nil {
				h.install(g, wr.Snapshot)
			}
		}
		h.send(rd.AfterSync)
		h.synced(rd.Seq)
	case rd.Seq == 0 && len(rd.AfterSync) == 0:
	case rd.Seq == 0 && h.writer.idle():
		h.send(rd.AfterSync)
	default: // AfterSync may hold a promise of before
		h.writer.put(j)
	}
	return nil
}
