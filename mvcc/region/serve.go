// A request on its way through a region: whatever shares a key with it is kept apart, it
// is done on a snapshot, and what it changes is written.

package region

import (
	"context"
	"errors"
	"fmt"
)

// command is a request that may change something.
type command interface {
	Request
	// touch says which keys it needs for itself.
	touch(w *run)
	// apply is the request as a function from a snapshot to a batch and an answer.
	apply(w *run) (any, error)
}

// query is a request that only reads.
type query interface {
	Request
	read(w *run) (any, error)
	// covers reports whether a key is among those that it reads.
	covers(key []byte) bool
}

// Do has a request done, and returns its answer. ref is the region as the sender knows
// it.
func (r *Region) Do(ctx context.Context, ref Ref, q Request) (any, error) {
	err := r.admit(ref, q)
	var a any
	if err == nil {
		a, err = r.dispatch(ctx, ref, q)
	}
	if err != nil {
		return nil, r.account(err)
	}
	return a, nil
}

func (r *Region) dispatch(ctx context.Context, ref Ref, q Request) (any, error) {
	s, c := r.state, &r.counters
	if err := s.loadSafePoint(ctx); err != nil {
		return nil, err
	}
	switch q := q.(type) {
	case *GetRequest:
		r.count(&c.Gets)
		return s.query(ctx, q, &q.ReadOptions)
	case *ScanRequest:
		r.count(&c.Scans)
		return s.query(ctx, q, &q.ReadOptions)
	case *CoprocessorRequest:
		r.count(&c.Scans)
		return s.query(ctx, q, &q.ReadOptions)
	case *RefreshRequest:
		r.count(&c.Others)
		return s.query(ctx, q, q.options())
	case *ScanLocksRequest:
		r.count(&c.Others)
		return s.scanLocks(ctx, q)
	case *LockRequest:
		r.count(&c.Locks)
		return r.lock(ctx, ref, q)
	case *GCRequest:
		r.count(&c.Others)
		a, err := s.collect(ctx, q)
		if err == nil {
			c.Collected.Add(uint64(a.Removed))
		}
		return a, err
	case *ResolveLockRequest:
		r.count(&c.Others)
		if len(q.Keys) == 0 {
			return nil, s.resolveRange(ctx, q)
		}
		return s.command(ctx, q)
	case *PrewriteRequest:
		r.count(&c.Prewrites)
		a, err := s.command(ctx, q)
		if err == nil && a.(*PrewriteResponse).CommitTS != 0 {
			r.count(&c.OnePC)
		}
		return a, err
	case *CommitRequest:
		r.count(&c.Commits)
		return s.command(ctx, q)
	case command:
		r.count(&c.Others)
		return s.command(ctx, q)
	}
	return nil, fmt.Errorf("mvcc: region %d does not know what a %T is", ref.ID, q)
}

// account counts an error, and says how old a conflict is.
func (r *Region) account(err error) error {
	c := &r.counters
	switch e := err.(type) {
	case *ConflictError:
		r.count(&c.Conflicts)
		other := e.OtherCommitTS
		if other == 0 {
			other = e.OtherStartTS
		}
		e.Age = max(0, r.state.o.Now().Since(other))
	case *LockedError:
		r.count(&c.Locked)
	case *DeadlockError:
		r.count(&c.Deadlocks)
	case *Error:
		r.count(&c.Refused)
	}
	return err
}

// query answers a request that only reads. The order of the steps is V11: whoever is
// prewriting now either sees the new bound and commits above it, or is seen among the
// pending ones, or has written already.
func (s *state) query(ctx context.Context, q query, o *ReadOptions) (any, error) {
	s.raise(o.ReadTS)
	if err := s.pending.meet(q, o); err != nil {
		return nil, err
	}
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	w := s.take()
	defer s.give(w)
	if err := s.begin(ctx, w); err != nil {
		return nil, err
	}
	// The snapshot is there: what is collected from now on is in it still.
	if o.ReadTS <= w.safePoint {
		return nil, fmt.Errorf("%w: read at %v, safepoint %v", ErrTooOld, o.ReadTS, w.safePoint)
	}
	return q.read(w)
}

// begin gives a run its snapshot.
func (s *state) begin(ctx context.Context, w *run) (err error) {
	w.ctx = ctx
	w.snap, err = s.engine.Snapshot(ctx)
	w.safePoint, w.maxSecondaries = TS(s.safePoint.Load()), s.o.MaxSecondaries
	return err
}

// command answers a request that changes something, under its latches: V2.
func (s *state) command(ctx context.Context, q command) (any, error) {
	w := s.take()
	defer s.give(w)
	q.touch(w)
	if err := s.latches.acquire(ctx, w.ordered()); err != nil {
		return nil, err
	}
	defer s.latches.release(w.slots)
	return s.answer(ctx, w, q)
}

func (s *state) answer(ctx context.Context, w *run, q command) (any, error) {
	if p, ok := q.(*PrewriteRequest); ok && (s.o.Hybrid || p.AsyncCommit || p.OnePC) {
		s.pending.add(w, p, &s.bound)
		defer s.pending.remove(w)
	}
	return s.execute(ctx, w, q)
}

// execute answers a request by what the engine has now, and has its batch written.
func (s *state) execute(ctx context.Context, w *run, q interface{ apply(w *run) (any, error) }) (any, error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	if err := s.begin(ctx, w); err != nil {
		return nil, err
	}
	a, err := q.apply(w)
	if err != nil {
		return nil, err
	}
	if len(w.batch.Ops) > 0 {
		if err := s.write(ctx, &w.batch); err != nil {
			return nil, err
		}
		s.waits.after(&w.batch)
	}
	return a, nil
}

// write has a batch written. If that fails nobody knows whether it comes to be.
func (s *state) write(ctx context.Context, b *Batch) error {
	err := s.engine.Write(ctx, b)
	if err == nil {
		return nil
	}
	s.unsettled.Add(1)
	if errors.Is(err, ErrUndetermined) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUndetermined, err)
}

// settle waits for writes of unknown outcome: an engine makes them before one that
// comes later, or never. So an empty write goes first, and what is read after it
// does not change behind the reader's back.
func (s *state) settle(ctx context.Context) error {
	for n := s.unsettled.Load(); n != 0; n = s.unsettled.Load() {
		if err := s.engine.Write(ctx, new(Batch)); err != nil {
			return fmt.Errorf("mvcc: after a write of unknown outcome: %w", err)
		}
		s.unsettled.CompareAndSwap(n, 0)
	}
	return nil
}

// scanLocks lists locks. Nothing that commits at or below MaxTS can come after it.
func (s *state) scanLocks(ctx context.Context, q *ScanLocksRequest) (any, error) {
	s.raise(q.MaxTS)
	w := s.take()
	defer s.give(w)
	if err := s.quiet(ctx, w); err != nil {
		return nil, err
	}
	return q.read(w)
}

// quiet begins a run after all that was under way has been written.
func (s *state) quiet(ctx context.Context, w *run) error {
	if err := s.latches.drain(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.begin(ctx, w)
}

// collect answers a GCRequest. It needs no latch: nobody else writes at or below the
// safepoint, where no lock is left.
func (s *state) collect(ctx context.Context, q *GCRequest) (*GCResponse, error) {
	if err := s.setSafePoint(ctx, q.SafePoint); err != nil || q.Limit < 0 {
		return new(GCResponse), err
	}
	w := s.take()
	defer s.give(w)
	a, err := s.execute(ctx, w, q)
	if err != nil {
		return nil, err
	}
	return a.(*GCResponse), nil
}

// resolveRange looks for the locks of a transaction, and resolves them some at a time.
func (s *state) resolveRange(ctx context.Context, q *ResolveLockRequest) error {
	const some = 256
	for start := q.Start; ; {
		keys, resume, err := s.locksOf(ctx, q.StartTS, start, q.End, some)
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if _, err := s.command(ctx, &ResolveLockRequest{StartTS: q.StartTS, CommitTS: q.CommitTS, Keys: keys}); err != nil {
				return err
			}
		}
		if resume == nil {
			return nil
		}
		start = resume
	}
}

func (s *state) locksOf(ctx context.Context, startTS TS, start, end []byte, limit int) (keys [][]byte, resume []byte, err error) {
	w := s.take()
	defer s.give(w)
	if err := s.settle(ctx); err != nil {
		return nil, nil, err
	}
	if err := s.begin(ctx, w); err != nil {
		return nil, nil, err
	}
	lo, hi := bounds(start, end)
	c := w.locks(lo, hi, false)
	defer c.it.Close()
	for ; c.on; c.step() {
		key := plain(c.it.Key())
		l, ok := parseLock(c.it.Value())
		if !ok {
			return nil, nil, corrupt(LockCF, key)
		}
		if l.startTS != startTS {
			continue
		}
		if len(keys) == limit {
			return keys, key, nil
		}
		keys = append(keys, key)
	}
	return keys, nil, c.it.Err()
}

// take and give lend runs: their memory is used again.
func (s *state) take() *run {
	if w, ok := s.runs.Get().(*run); ok {
		return w
	}
	return new(run)
}

func (s *state) give(w *run) {
	if w.iter != nil {
		w.iter.Close()
	}
	if w.snap != nil {
		w.snap.Close()
	}
	clear(w.plans)
	w.batch.Reset()
	w.snap, w.iter, w.prewrite, w.leastCommitTS, w.rec = nil, nil, nil, 0, writeRecord{}
	w.arena, w.plans, w.slots = w.arena[:0], w.plans[:0], w.slots[:0]
	if cap(w.arena) < 1<<20 {
		s.runs.Put(w)
	}
}
