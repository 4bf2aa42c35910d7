package multi

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/raft"
)

// The state machines run on a few goroutines, the workers: a slow command holds
// up its own group and no other (M10). A group with work stands in the pool's
// queue once, and is taken by one worker at a time, for one batch; then it goes
// to the end.
//
//	queue   g7  g2  g9            g7's line   [entries 5..8] [snapshot] [entries 12]
//	         |
//	worker 1 <- g7: entries 5..8, then g7 to the end
//	worker 2 <- g2 ...

// proposal is a command on its way, and who waits for its result.
type proposal struct {
	done    chan answer // holds one
	group   GroupID
	command []byte
	index   uint64 // its place, once the core gave it one
	term    uint64
}

type answer struct {
	value []byte
	err   error
}

// dropped is the answer of one whose entry will never be committed.
func (p *proposal) dropped() answer {
	return answer{err: fmt.Errorf("%w: the leader of term %d was deposed before it committed entry %d", raft.ErrDropped, p.term, p.index)}
}

// batch is one piece of work for a state machine.
type batch struct {
	snapshot *raft.Snapshot // replaces the state first
	entries  []raft.Entry
	waiting  []*proposal // by index, all at or before the last entry
	capture  *Message    // the state is wanted: by a follower, as this message,
	cut      bool        // or for the log to be cut
}

// line is a group's work in order.
type line struct {
	batches []batch // guarded by pool.mu, as is queued
	queued  bool    // in the pool's queue, or with a worker
	applied atomic.Uint64
	command uint64      // the last entry that concerned the state machine; the worker's
	told    atomic.Bool // the loop will look at applied
}

// pool is the queue of groups that have work.
type pool struct {
	mu    sync.Mutex
	wake  *sync.Cond
	queue []*group
	shut  bool
}

// put adds a piece of work to a group's line.
func (p *pool) put(g *group, b batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.batches = append(g.batches, b)
	if !g.queued {
		p.enqueue(g)
	}
}

func (p *pool) enqueue(g *group) {
	g.queued = true
	p.queue = append(p.queue, g)
	p.wake.Signal()
}

// take waits for a group that has work, and takes its next piece.
func (p *pool) take() (*group, batch, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.shut {
		p.wake.Wait()
	}
	if p.shut {
		return nil, batch{}, false
	}
	g := p.queue[0]
	p.queue = p.queue[1:]
	b := g.batches[0]
	if g.batches = g.batches[1:]; len(g.batches) == 0 {
		g.batches = nil
	}
	return g, b, true
}

// done puts a group with more work at the end of the queue.
func (p *pool) done(g *group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.queued = false
	if len(g.batches) > 0 && !p.shut {
		p.enqueue(g)
	}
}

// strip takes all of a group's work away. A worker may still be at a piece.
func (p *pool) strip(g *group) (rest []batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, g); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
		g.queued = false
	}
	rest, g.batches = g.batches, nil
	return rest
}

// busy says whether a group has work, or a worker is at it.
func (p *pool) busy(g *group) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return g.queued
}

func (p *pool) close() {
	p.mu.Lock()
	p.shut, p.queue = true, nil
	p.mu.Unlock()
	p.wake.Broadcast()
}

// work is a worker.
func (h *Host) work() {
	for {
		g, b, ok := h.pool.take()
		if !ok {
			return
		}
		if err := h.execute(g, &b); err != nil {
			err = fmt.Errorf("raft/multi: %s on %s: %w", g.id, h.opts.ID, err)
			h.inbox.put(func(m *mail) { m.failed = err })
			<-h.stopped
			b.fail(err)
			return
		}
		h.pool.done(g)
		if !g.told.Swap(true) {
			h.inbox.put(func(m *mail) { m.applied = append(m.applied, g) })
		}
	}
}

// fail answers those whose commands are committed and not applied here any more.
func (b *batch) fail(err error) {
	for _, p := range b.waiting {
		p.done <- answer{err: fmt.Errorf("%w: %w", raft.ErrOutcomeUnknown, err)}
	}
	b.waiting = nil
}

// execute does one piece of work.
func (h *Host) execute(g *group, b *batch) error {
	if s := b.snapshot; s != nil {
		if err := g.machine.Restore(bytes.NewReader(s.Data)); err != nil {
			return fmt.Errorf("restore the snapshot at %d: %w", s.Index, err)
		}
		g.command = s.Index
		g.applied.Store(s.Index)
	}
	for i := range b.entries {
		e := &b.entries[i]
		var a answer
		if e.Type == raft.EntryCommand {
			var err error
			if a, err = h.command(g, e); err != nil {
				return err
			}
		}
		g.applied.Store(e.Index)
		b.settle(e, a)
	}
	if b.capture != nil || b.cut {
		return h.photograph(g, b)
	}
	return nil
}

// settle answers who proposed an entry. Several may have proposed for its
// index, in different terms: the one whose term was committed succeeded, the
// others never will.
func (b *batch) settle(e *raft.Entry, a answer) {
	for len(b.waiting) > 0 && b.waiting[0].index <= e.Index {
		p := b.waiting[0]
		b.waiting = b.waiting[1:]
		if p.index == e.Index && p.term == e.Term {
			p.done <- a
		} else {
			p.done <- p.dropped()
		}
	}
}

// command executes an entry.
func (h *Host) command(g *group, e *raft.Entry) (answer, error) {
	g.command = e.Index
	c, err := decodeCommand(e.Data)
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("entry %d: %w", e.Index, err)
	case c.right != 0:
		err, fatal := h.split(g, e.Index, c)
		return answer{err: err}, fatal
	}
	return answer{value: g.machine.Apply(e.Index, c.data)}, nil
}

// photograph writes the state out, as it is between two commands.
func (h *Host) photograph(g *group, b *batch) error {
	c := captured{group: g, index: g.applied.Load(), message: b.capture, cut: b.cut}
	if d, ok := g.machine.(Durable); ok && b.cut {
		// It keeps its state itself: only what of it survives is to be known. What
		// is behind its last command changes nothing.
		if at := d.Applied(); at < g.command {
			c.index = at
		}
	} else {
		c.data, c.err = state(g.machine)
	}
	return h.inbox.put(func(m *mail) { m.captured = append(m.captured, c) })
}

// state is what a state machine writes of itself; it is not nil.
func state(machine raft.StateMachine) ([]byte, error) {
	w, err := machine.Snapshot()
	if err != nil {
		return nil, err
	}
	buf := bytes.NewBuffer([]byte{})
	if _, err := w.WriteTo(buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
