// What a region looks at before it takes a request: whether it came to the right place,
// and can be meant.

package region

import (
	"fmt"
	"slices"
)

// admit refuses what is not for this region, as it is now (V17), or not a request that
// makes sense.
func (r *Region) admit(ref Ref, q Request) error {
	select {
	case <-r.closed:
		return r.refuse("is closed here")
	default:
	}
	info := r.info.Load()
	if ref != info.Ref {
		return &Error{Region: ref, Current: []Info{*info}, Reason: fmt.Sprintf("here is region %d, epoch %d", info.ID, info.Epoch)}
	}
	if q == nil {
		return fmt.Errorf("mvcc: region %d: no request", info.ID)
	}
	if err := r.state.check(q); err != nil {
		return err
	}
	if !q.within(info) {
		return fmt.Errorf("%w: a %T is about keys outside of region %d, which has %q to %q", ErrKey, q, info.ID, info.Start, info.End)
	}
	return nil
}

func (r *Region) refuse(reason string) error {
	return &Error{Region: r.Info().Ref, Reason: reason}
}

// sanity refuses a timestamp that no clock can have given out.
func (s *state) sanity(what string, ts TS) error {
	if ts != 0 && ts <= TS(s.sane.Load()) {
		return nil
	}
	if ts != 0 && ts != maxTS {
		limit := s.o.Now().Add(s.o.MaxAhead)
		raise(&s.sane, limit)
		if ts <= limit {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is %v", ErrFuture, what, ts)
}

// optional is sanity for what may be 0.
func (s *state) optional(what string, ts TS) error {
	if ts == 0 {
		return nil
	}
	return s.sanity(what, ts)
}

// CheckKey refuses a key that cannot be.
func CheckKey(key []byte) error {
	switch {
	case len(key) == 0:
		return fmt.Errorf("%w: it is empty; keys have 1 to %d bytes", ErrKey, MaxKeySize)
	case len(key) > MaxKeySize:
		return fmt.Errorf("%w: a key of %d bytes (%q...); at most %d", ErrTooLarge, len(key), key[:16], MaxKeySize)
	}
	return nil
}

func checkKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return fmt.Errorf("%w: none is given", ErrKey)
	}
	for _, k := range keys {
		if err := CheckKey(k); err != nil {
			return err
		}
	}
	return nil
}

// first returns the first error. Its arguments are all evaluated, and cheap.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// check refuses a request that cannot be meant.
func (s *state) check(q Request) error {
	switch q := q.(type) {
	case *GetRequest:
		return first(s.sanity("ReadTS", q.ReadTS), checkKeys(q.Keys))
	case *ScanRequest:
		return s.sanity("ReadTS", q.ReadTS)
	case *CoprocessorRequest:
		if q.Plan == nil {
			return fmt.Errorf("%w: a CoprocessorRequest without a plan", ErrKey)
		}
		return s.sanity("ReadTS", q.ReadTS)
	case *RefreshRequest:
		return first(s.sanity("From", q.From), s.sanity("To", q.To))
	case *PrewriteRequest:
		return s.checkPrewrite(q)
	case *CommitRequest:
		if err := first(s.sanity("StartTS", q.StartTS), s.sanity("CommitTS", q.CommitTS), checkKeys(q.Keys)); err != nil {
			return err
		}
		return s.checkCommitTS(q.StartTS, q.CommitTS)
	case *RollbackRequest:
		return first(s.sanity("StartTS", q.StartTS), checkKeys(q.Keys))
	case *CheckTxnStatusRequest:
		return first(s.sanity("StartTS", q.StartTS), s.optional("CallerTS", q.CallerTS), CheckKey(q.Primary))
	case *CheckSecondaryLocksRequest:
		return first(s.sanity("StartTS", q.StartTS), checkKeys(q.Keys))
	case *ResolveLockRequest:
		if err := first(s.sanity("StartTS", q.StartTS), s.optional("CommitTS", q.CommitTS)); err != nil || q.CommitTS == 0 {
			return err
		}
		return s.checkCommitTS(q.StartTS, q.CommitTS)
	case *LockRequest:
		if q.ForUpdateTS < q.StartTS {
			return fmt.Errorf("%w: ForUpdateTS %v is below StartTS %v", ErrFuture, q.ForUpdateTS, q.StartTS)
		}
		return first(s.sanity("StartTS", q.StartTS), s.sanity("ForUpdateTS", q.ForUpdateTS), CheckKey(q.Primary), checkKeys(q.Keys))
	case *PessimisticRollbackRequest:
		return first(s.sanity("StartTS", q.StartTS), checkKeys(q.Keys))
	case *HeartbeatRequest:
		return first(s.sanity("StartTS", q.StartTS), CheckKey(q.Primary))
	case *ScanLocksRequest:
		return s.sanity("MaxTS", q.MaxTS)
	case *GCRequest:
		return s.sanity("SafePoint", q.SafePoint)
	}
	return nil
}

func (s *state) checkCommitTS(start, commit TS) error {
	if commit <= start {
		return &CommitTooEarlyError{StartTS: start, CommitTS: commit, MinCommitTS: start + 1}
	}
	return nil
}

func (s *state) checkPrewrite(q *PrewriteRequest) error {
	err := first(s.sanity("StartTS", q.StartTS), s.optional("ForUpdateTS", q.ForUpdateTS),
		s.optional("MinCommitTS", q.MinCommitTS), CheckKey(q.Primary))
	if err != nil {
		return err
	}
	if len(q.Mutations) == 0 {
		return fmt.Errorf("%w: a prewrite without mutations", ErrKey)
	}
	for i := range q.Mutations {
		m := &q.Mutations[i]
		if err := CheckKey(m.Key); err != nil {
			return err
		}
		switch {
		case m.Kind > MutCheckAbsent:
			return fmt.Errorf("%w: mutation of %q has unknown kind %d", ErrKey, m.Key, m.Kind)
		case len(m.Value) > MaxValueSize:
			return fmt.Errorf("%w: the value of key %q has %d bytes; at most %d", ErrTooLarge, m.Key, len(m.Value), MaxValueSize)
		case i > 0 && string(q.Mutations[i-1].Key) >= string(m.Key):
			return fmt.Errorf("%w: mutations must be in the order of keys, one each: %q comes before %q", ErrKey, q.Mutations[i-1].Key, m.Key)
		}
	}
	return nil
}

// Contains for many keys, and for a range.

func (r *Info) hasAll(keys [][]byte) bool {
	for _, k := range keys {
		if !r.Contains(k) {
			return false
		}
	}
	return true
}

func (r *Info) hasRange(start, end []byte) bool {
	return string(r.Start) <= string(start) && (r.End == nil || end != nil && string(end) <= string(r.End))
}

func (q *GetRequest) within(r *Info) bool                 { return r.hasAll(q.Keys) }
func (q *ScanRequest) within(r *Info) bool                { return r.hasRange(q.Start, q.End) }
func (q *CommitRequest) within(r *Info) bool              { return r.hasAll(q.Keys) }
func (q *RollbackRequest) within(r *Info) bool            { return r.hasAll(q.Keys) }
func (q *CheckTxnStatusRequest) within(r *Info) bool      { return r.Contains(q.Primary) }
func (q *CheckSecondaryLocksRequest) within(r *Info) bool { return r.hasAll(q.Keys) }
func (q *LockRequest) within(r *Info) bool                { return r.hasAll(q.Keys) }
func (q *PessimisticRollbackRequest) within(r *Info) bool { return r.hasAll(q.Keys) }
func (q *HeartbeatRequest) within(r *Info) bool           { return r.Contains(q.Primary) }
func (q *ScanLocksRequest) within(r *Info) bool           { return r.hasRange(q.Start, q.End) }
func (q *GCRequest) within(r *Info) bool                  { return r.hasRange(q.Start, q.End) }

func (q *PrewriteRequest) within(r *Info) bool {
	for i := range q.Mutations {
		if !r.Contains(q.Mutations[i].Key) {
			return false
		}
	}
	return true
}

func (q *ResolveLockRequest) within(r *Info) bool {
	if len(q.Keys) > 0 {
		return r.hasAll(q.Keys)
	}
	return r.hasRange(q.Start, q.End)
}

func (q *RefreshRequest) within(r *Info) bool {
	return r.hasAll(q.Keys) && !slices.ContainsFunc(q.Spans, func(s Span) bool { return !r.hasRange(s.Start, s.End) })
}

// What a query reads.

func (q *GetRequest) covers(key []byte) bool  { return hasKey(q.Keys, key) }
func (q *ScanRequest) covers(key []byte) bool { return Span{q.Start, q.End}.Contains(key) }
func (q *RefreshRequest) covers(key []byte) bool {
	return hasKey(q.Keys, key) || slices.ContainsFunc(q.Spans, func(s Span) bool { return s.Contains(key) })
}

func hasKey(keys [][]byte, key []byte) bool {
	return slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == string(key) })
}

// Which keys a command has to itself.

func (w *run) latchAll(keys [][]byte) {
	for _, k := range keys {
		w.latch(k)
	}
}

func (q *PrewriteRequest) touch(w *run) {
	for i := range q.Mutations {
		w.latch(q.Mutations[i].Key)
	}
}

func (q *CommitRequest) touch(w *run)              { w.latchAll(q.Keys) }
func (q *RollbackRequest) touch(w *run)            { w.latchAll(q.Keys) }
func (q *CheckTxnStatusRequest) touch(w *run)      { w.latch(q.Primary) }
func (q *CheckSecondaryLocksRequest) touch(w *run) { w.latchAll(q.Keys) }
func (q *ResolveLockRequest) touch(w *run)         { w.latchAll(q.Keys) }
func (q *LockRequest) touch(w *run)                { w.latchAll(q.Keys) }
func (q *PessimisticRollbackRequest) touch(w *run) { w.latchAll(q.Keys) }
func (q *HeartbeatRequest) touch(w *run)           { w.latch(q.Primary) }
