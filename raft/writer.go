package raft

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// The disk has a goroutine of its own too: while it writes, the loop goes on
// taking messages, and what gathers meanwhile shares the next fsync.
//
//	loop     Ready 1 | Ready 2   Ready 3             | Ready 4
//	writer     |===== fsync 1 =====|===== fsync 2+3 =====|
//	sent     appends 1   appends 2   appends 3        acks of 2, 3
//	           ^ a leader's appends do not wait for its disk, acks do
//
// The core was told so when it made the Readys (ready.go): nothing is counted
// before Synced, and an answer of the disk that comes late cannot be mistaken
// for that of a later write.

// job is one piece of work for the disk, in the order of the Readys.
type job struct {
	ready     Ready     // its Messages, Reads and Committed are not the disk's business
	afterSync []Message // a copy of its AfterSync
	compact   uint64    // or: drop entries up to here
}

type writer struct {
	node *Node
	mu   sync.Mutex
	jobs []job
	busy time.Time     // since when the disk owes an answer; zero when it does not
	wake chan struct{} // holds one token while jobs is not empty
}

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
		case <-w.node.stopped:
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
			w.node.inbox.put(func(m *mail) { m.failed = err })
			return
		}
		w.answer(jobs)
		clear(jobs)
	}
}

// write stores jobs in order, with one sync for all.
func (w *writer) write(jobs []job) error {
	st := w.node.opts.Storage
	last := len(jobs) - 1
	for last > 0 && jobs[last].ready.Seq == 0 {
		last--
	}
	sync := false
	for i := range jobs {
		j := &jobs[i]
		if j.compact > 0 {
			if err := st.Compact(j.compact); err != nil {
				return fmt.Errorf("%w: compact to %d: %w", ErrStorage, j.compact, err)
			}
		}
		if s := j.ready.Snapshot; s != nil {
			if err := st.SaveSnapshot(*s); err != nil {
				return fmt.Errorf("%w: snapshot at %d: %w", ErrStorage, s.Index, err)
			}
		}
		if j.ready.Seq == 0 {
			continue
		}
		sync = sync || j.ready.MustSync
		if err := st.Save(j.ready.HardState, j.ready.Entries, sync && i == last); err != nil {
			return fmt.Errorf("%w: %w", ErrStorage, err)
		}
	}
	if sync {
		w.node.counters.syncs.Add(1)
	}
	return nil
}

// answer sends the promises that are kept now, and tells the loop.
func (w *writer) answer(jobs []job) {
	n := w.node
	var seq uint64
	var snapshot *Snapshot
	for i := range jobs {
		seq = max(seq, jobs[i].ready.Seq)
		if s := jobs[i].ready.Snapshot; s != nil {
			snapshot = s
		}
		n.send(jobs[i].afterSync)
	}
	w.mu.Lock()
	w.busy = time.Time{}
	if len(w.jobs) > 0 {
		w.busy = time.Now()
	}
	w.mu.Unlock()
	n.inbox.put(func(m *mail) {
		m.synced = max(m.synced, seq)
		if snapshot != nil {
			m.installed = snapshot
		}
	})
}

// store gives a Ready to the disk. Memory answers at once: there a goroutine
// would only cost.
func (n *Node) store(rd Ready) error {
	switch {
	case n.memory:
		jobs := [1]job{{ready: rd}}
		if err := n.writer.write(jobs[:]); err != nil {
			return err
		}
		if rd.Snapshot != nil {
			n.apply(rd.Snapshot, nil)
		}
		n.send(rd.AfterSync)
		n.core.Synced(rd.Seq)
	case rd.Seq > 0:
		n.writer.put(job{ready: rd, afterSync: slices.Clone(rd.AfterSync)})
	case len(rd.AfterSync) == 0:
	case n.writer.idle():
		n.send(rd.AfterSync)
	default: // a promise of before may be in it
		n.writer.put(job{afterSync: slices.Clone(rd.AfterSync)})
	}
	return nil
}
