// Locks that are taken before anything is decided, and who waits for them.

package region

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// apply answers a LockRequest: all keys or none. It fails with a LockedError of the first
// key that somebody else holds.
func (q *LockRequest) apply(w *run) (any, error) {
	if err := w.fresh(q.StartTS); err != nil {
		return nil, err
	}
	a := &LockResponse{ForUpdateTS: q.ForUpdateTS}
	if q.Values {
		a.Values = make([][]byte, 0, len(q.Keys))
	}
	for _, key := range q.Keys {
		plan := keyPlan{enc: w.keepKey(key)}
		if err := q.look(w, key, &plan); err != nil {
			return nil, err
		}
		a.ForUpdateTS = max(a.ForUpdateTS, plan.forUpdateTS)
		w.plans = append(w.plans, plan)
		if !q.Values && !q.CheckAbsent {
			continue
		}
		v, found, err := w.visible(plan.enc, &ReadOptions{ReadTS: maxTS})
		switch {
		case err != nil:
			return nil, err
		case found && q.CheckAbsent:
			return nil, fmt.Errorf("%w: %q", ErrExists, key)
		case found && q.Values:
			a.Values = append(a.Values, append(make([]byte, 0, len(v)), v...))
		case q.Values:
			a.Values = append(a.Values, nil)
		}
	}
	for _, plan := range w.plans {
		if plan.mine && (plan.lock.kind != recPessimistic || plan.lock.forUpdateTS >= a.ForUpdateTS) {
			continue // V3
		}
		l := lockRecord{kind: recPessimistic, startTS: q.StartTS, forUpdateTS: a.ForUpdateTS,
			minCommitTS: q.StartTS + 1, ttl: ttlMillis(q.TTL), primary: q.Primary}
		if plan.mine {
			l.minCommitTS, l.ttl, l.primary = plan.lock.minCommitTS, max(l.ttl, plan.lock.ttl), plan.lock.primary
		}
		w.putLock(plan.enc, &l)
	}
	return a, nil
}

// look finds out whether a key can be locked, and at what ForUpdateTS: V8.
func (q *LockRequest) look(w *run, key []byte, plan *keyPlan) error {
	l, locked, err := w.lockOn(plan.enc)
	if err != nil {
		return err
	}
	plan.lock, plan.mine = l, locked && l.startTS == q.StartTS
	if plan.mine {
		plan.forUpdateTS = max(q.ForUpdateTS, l.forUpdateTS)
		return nil
	}
	p, err := w.past(plan.enc, q.StartTS)
	switch {
	case err != nil:
		return err
	case p.commitTS != 0: // V3: this comes late
		return &AlreadyCommittedError{Key: bytes.Clone(key), StartTS: q.StartTS, CommitTS: p.commitTS}
	case p.rolledBack:
		return rolledBack(q.StartTS, key)
	case locked:
		return lockedError(&l, key)
	case p.newerAt > q.ForUpdateTS && !q.Raise:
		return &ConflictError{Key: bytes.Clone(key), StartTS: q.StartTS,
			OtherStartTS: p.newerStart, OtherCommitTS: p.newerAt}
	}
	plan.forUpdateTS = max(q.ForUpdateTS, p.newerAt)
	return nil
}

// apply answers a PessimisticRollbackRequest.
func (q *PessimisticRollbackRequest) apply(w *run) (any, error) {
	if err := w.fresh(q.StartTS); err != nil {
		return nil, err
	}
	for _, key := range q.Keys {
		enc := w.keepKey(key)
		l, mine, err := w.lockOf(enc, q.StartTS)
		if err != nil {
			return nil, err
		}
		if mine && l.kind == recPessimistic && l.forUpdateTS <= q.ForUpdateTS {
			w.batch.Delete(LockCF, enc)
		}
	}
	return nil, nil
}

// lock runs a LockRequest until it has the locks, or has waited long enough. Nobody
// waits under a latch.
func (r *Region) lock(ctx context.Context, ref Ref, q *LockRequest) (any, error) {
	s := r.state
	wait := min(q.Wait, s.o.MaxWait)
	var timer *time.Timer
	var woken *waiter // whose turn we have
	for {
		a, me, err := r.tryLock(ctx, q, wait > 0)
		if woken != nil && (err != nil && (me == nil || !bytes.Equal(me.enc, woken.enc))) {
			s.waits.next(woken.enc) // we do not take the lock after all
		}
		if me == nil {
			return a, err
		}
		r.count(&r.counters.Waits)
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		}
		var reason error
		select {
		case reason = <-me.wake:
			if reason != nil {
				return nil, reason
			}
		case <-timer.C:
			reason = err
		case <-ctx.Done():
			reason = ctx.Err()
		case <-r.closed:
			reason = r.refuse("is closed here")
		}
		if reason != nil {
			s.waits.leave(me)
			return nil, reason
		}
		if err := r.admit(ref, q); err != nil { // it may have been split since
			s.waits.next(me.enc)
			return nil, err
		}
		woken = me
	}
}

// tryLock runs a LockRequest once. If a lock is in the way and it is to wait, it does so
// from before the latches are released, so that no release is missed.
func (r *Region) tryLock(ctx context.Context, q *LockRequest, wait bool) (a any, me *waiter, err error) {
	s := r.state
	w := s.take()
	defer s.give(w)
	q.touch(w)
	if err := s.latches.acquire(ctx, w.ordered()); err != nil {
		return nil, nil, err
	}
	defer s.latches.release(w.slots)
	a, err = s.answer(ctx, w, q)
	if err == nil {
		s.raise(a.(*LockResponse).ForUpdateTS)
		return a, nil, nil
	}
	if e, ok := err.(*LockedError); ok && wait {
		l := e.Locks[0]
		me = &waiter{start: q.StartTS, holder: l.StartTS, key: l.Key, enc: EncodeKey(nil, l.Key), wake: make(chan error, 1)}
		if deadlock := s.waits.add(me); deadlock != nil {
			return nil, nil, deadlock
		}
	}
	return nil, me, err
}

// waiter is a LockRequest that waits for one key.
type waiter struct {
	start, holder TS
	key, enc      []byte
	wake          chan error // nil: try again
}

// waits has who waits for which key, the oldest transaction first: it has waited longest,
// and nobody who comes later may keep it from its turn for ever.
type waits struct {
	detector *Detector
	n        atomic.Int64 // waiters in all
	mu       sync.Mutex
	queues   map[string][]*waiter // by encoded key
}

// add begins a wait. Who would close a circle does not wait, but gives way: V9.
func (t *waits) add(me *waiter) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.detector.Wait(me.start, me.holder, me.key); err != nil {
		return err
	}
	t.insert(me)
	return nil
}

// insert puts a waiter in its place.
func (t *waits) insert(me *waiter) {
	if t.queues == nil {
		t.queues = map[string][]*waiter{}
	}
	q := t.queues[string(me.enc)]
	i := len(q)
	for i > 0 && q[i-1].start > me.start {
		i--
	}
	t.queues[string(me.enc)] = slices.Insert(q, i, me)
	t.n.Add(1)
}

// remove ends a wait; it reports whether it lasted till now.
func (t *waits) remove(me *waiter) bool {
	q := t.queues[string(me.enc)]
	i := slices.Index(q, me)
	if i < 0 {
		return false
	}
	if q = slices.Delete(q, i, i+1); len(q) == 0 {
		delete(t.queues, string(me.enc))
	} else {
		t.queues[string(me.enc)] = q
	}
	t.detector.Done(me.start, me.holder, me.key)
	t.n.Add(-1)
	return true
}

// leave ends a wait that has led to nothing. Who was woken at that moment passes it on.
func (t *waits) leave(me *waiter) {
	t.mu.Lock()
	waited := t.remove(me)
	t.mu.Unlock()
	if !waited {
		t.next(me.enc)
	}
}

// next wakes the first who waits for a key. The others go on waiting: it takes the lock,
// or passes the turn on.
func (t *waits) next(enc []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q := t.queues[string(enc)]; len(q) > 0 {
		first := q[0]
		t.remove(first)
		first.wake <- nil
	}
}

// taken tells who waits for a key that it has another holder now.
func (t *waits) taken(enc []byte, holder TS) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range slices.Clone(t.queues[string(enc)]) {
		if o.holder == holder {
			continue
		}
		if o.start == holder { // another request of the transaction that has it now
			t.remove(o)
			o.wake <- nil
			continue
		}
		if err := t.detector.Turn(o.start, o.holder, holder, o.key); err != nil {
			t.remove(o)
			o.wake <- err
			continue
		}
		o.holder = holder
	}
}

// after looks through a batch that was written for locks that came and went.
func (t *waits) after(b *Batch) {
	if t.n.Load() == 0 {
		return
	}
	for _, op := range b.Ops {
		switch {
		case op.CF != LockCF:
		case op.Kind == OpPut:
			if l, ok := parseLock(op.Value); ok {
				t.taken(op.Key, l.startTS)
			}
		case op.Kind == OpDelete:
			t.next(op.Key)
		}
	}
}
