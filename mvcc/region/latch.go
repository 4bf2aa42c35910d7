// What a region keeps in memory while a request is under way: latches, and prewrites
// that readers have to know of before they are written.

package region

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// numLatches is a power of two. Keys that share a latch wait for each other without need.
const numLatches = 256

// latches keep apart requests that share a key: V2. They are taken in the order of
// their numbers, so that nobody waits in a circle, and passed on in the order of
// arrival. Who waits does so on a channel, to be able to give up.
type latches struct {
	mu    sync.Mutex // never held while something waits
	slots [numLatches]latch
}

type latch struct {
	held  bool
	queue []chan struct{}
}

// acquire takes latches, which are given in order, without repetition.
func (l *latches) acquire(ctx context.Context, slots []uint16) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range slots {
		slot := &l.slots[n]
		if !slot.held {
			slot.held = true
			continue
		}
		turn := make(chan struct{}, 1)
		slot.queue = append(slot.queue, turn)
		l.mu.Unlock()
		var err error
		select {
		case <-turn:
		case <-ctx.Done():
			err = ctx.Err()
		}
		l.mu.Lock()
		if err == nil {
			continue // it was passed on, and is held
		}
		if at := slices.Index(slot.queue, turn); at >= 0 {
			slot.queue = slices.Delete(slot.queue, at, at+1)
		} else { // it was passed on at that moment
			i++
		}
		l.pass(slots[:i])
		return err
	}
	return nil
}

func (l *latches) release(slots []uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass(slots)
}

func (l *latches) pass(slots []uint16) {
	for _, n := range slots {
		slot := &l.slots[n]
		if len(slot.queue) == 0 {
			slot.held = false
			continue
		}
		slot.queue[0] <- struct{}{}
		slot.queue = slices.Delete(slot.queue, 0, 1)
	}
}

// drain waits until everything that holds a latch now has ended. It takes them one by one:
// who comes meanwhile need not wait for what drain waits for.
func (l *latches) drain(ctx context.Context) error {
	var one [1]uint16
	for n := range uint16(numLatches) {
		one[0] = n
		if err := l.acquire(ctx, one[:]); err != nil {
			return err
		}
		l.release(one[:])
	}
	return nil
}

// latch notes that a key is needed.
func (w *run) latch(key []byte) {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range key {
		h = (h ^ uint64(b)) * 1099511628211
	}
	w.slots = append(w.slots, uint16((h^h>>32)%numLatches))
}

// ordered is the latches of a run, as acquire wants them.
func (w *run) ordered() []uint16 {
	slices.Sort(w.slots)
	w.slots = slices.Compact(w.slots)
	return w.slots
}

// pending has the prewrites under way whose CommitTS may come from their region's read
// bound. A reader that comes after the bound was read, and before the locks are written,
// would see neither; so it looks here: V11 (tikv#10570).
type pending struct {
	n    atomic.Int64
	mu   sync.Mutex
	runs []*run
}

// add makes a prewrite visible, and then gives it a leastCommitTS above all reads.
func (p *pending) add(w *run, q *PrewriteRequest, bound *atomic.Uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.prewrite = q
	p.runs = append(p.runs, w)
	p.n.Add(1)
	w.leastCommitTS = max(TS(bound.Load()), q.StartTS, q.ForUpdateTS) + 1
}

func (p *pending) remove(w *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.runs, w)
	p.runs = slices.Delete(p.runs, i, i+1)
	p.n.Add(-1)
}

// meet fails if one of them may commit below a reader.
func (p *pending) meet(q query, o *ReadOptions) error {
	if p.n.Load() == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.runs {
		l := lockRecord{kind: recPut, startTS: w.prewrite.StartTS, minCommitTS: w.leastCommitTS}
		if !l.blocks(o) {
			continue
		}
		for i := range w.prewrite.Mutations {
			m := &w.prewrite.Mutations[i]
			if m.Kind != MutLock && m.Kind != MutCheckAbsent && q.covers(m.Key) {
				return &LockedError{Locks: []LockInfo{w.prewrite.info(m, w.leastCommitTS)}}
			}
		}
	}
	return nil
}

// info describes the lock that a prewrite is about to write.
func (q *PrewriteRequest) info(m *Mutation, least TS) LockInfo {
	return LockInfo{Key: bytes.Clone(m.Key), Primary: bytes.Clone(q.Primary), StartTS: q.StartTS,
		ForUpdateTS: q.ForUpdateTS, MinCommitTS: least, TTL: q.TTL, TxnSize: q.TxnSize, AsyncCommit: q.AsyncCommit}
}
