// How a transaction ends: the second phase and the way back; what became of it, which is
// asked of its primary and its secondaries; and the keys that are told.

package region

import (
	"bytes"
	"fmt"
)

// overlap marks a write record that comes to where a rollback of another transaction is
// recorded, whose StartTS is this CommitTS (V6). It stands for both then.
func (w *run) overlap(enc []byte, at TS, rec *writeRecord) error {
	w.buf = appendTS(append(w.buf[:0], enc...), at)
	v, ok, err := w.snap.Get(WriteCF, w.buf)
	if err != nil || !ok {
		return err
	}
	old, ok := parseWrite(v)
	if !ok {
		return corrupt(WriteCF, plain(enc))
	}
	if old.kind == recRollback || old.overlapped() {
		rec.flags |= flagOverlapped
	}
	return nil
}

// commitLock makes of a lock a write record.
func (w *run) commitLock(enc []byte, l *lockRecord, commitTS TS) error {
	rec := writeRecord{kind: l.kind, flags: l.flags & flagShort, startTS: l.startTS, value: l.value}
	if err := w.overlap(enc, commitTS, &rec); err != nil {
		return err
	}
	w.putWrite(enc, commitTS, &rec)
	w.batch.Delete(LockCF, enc)
	return nil
}

// rollback removes a lock of a transaction, if l is not nil, and its value; and
// records that it will not commit here. Such records are never thrown together to
// save room: any of them may be the one that a late prewrite must find. They go with the
// safepoint.
func (w *run) rollback(enc []byte, l *lockRecord, start TS) error {
	if l != nil {
		w.batch.Delete(LockCF, enc)
		if l.kind == recPut && !l.short() {
			w.batch.Delete(Default, w.keepAt(enc, start))
		}
	}
	rec := writeRecord{kind: recRollback, startTS: start}
	w.buf = appendTS(append(w.buf[:0], enc...), start)
	v, ok, err := w.snap.Get(WriteCF, w.buf)
	if err != nil {
		return err
	}
	if ok { // V6: another was committed at our StartTS, and stays so
		if rec, ok = parseWrite(v); !ok {
			return corrupt(WriteCF, plain(enc))
		}
		if rec.kind != recRollback {
			rec.flags |= flagOverlapped
		}
	}
	w.putWrite(enc, start, &rec)
	return nil
}

// lockOf returns the lock of a transaction on a key; mine is false if there is none, or
// another's.
func (w *run) lockOf(enc []byte, start TS) (l lockRecord, mine bool, err error) {
	l, locked, err := w.lockOn(enc)
	return l, locked && l.startTS == start, err
}

// apply answers a CommitRequest (Percolator, figure 6, Commit).
func (q *CommitRequest) apply(w *run) (any, error) {
	if err := w.fresh(q.StartTS); err != nil {
		return nil, err
	}
	for _, key := range q.Keys {
		enc := w.keepKey(key)
		l, mine, err := w.lockOf(enc, q.StartTS)
		if err != nil {
			return nil, err
		}
		if mine && l.kind != recPessimistic {
			if q.CommitTS < l.minCommitTS { // somebody has read past the lock
				return nil, &CommitTooEarlyError{StartTS: q.StartTS, CommitTS: q.CommitTS, MinCommitTS: l.minCommitTS}
			}
			if err := w.commitLock(enc, &l, q.CommitTS); err != nil {
				return nil, err
			}
			continue
		}
		p, err := w.past(enc, q.StartTS)
		switch {
		case err != nil:
			return nil, err
		case p.commitTS == q.CommitTS: // V3: done before
		case p.commitTS != 0:
			return nil, &AlreadyCommittedError{Key: key, StartTS: q.StartTS, CommitTS: p.commitTS}
		default: // or it was never prewritten here, so the transaction cannot commit
			return nil, rolledBack(q.StartTS, key)
		}
	}
	return nil, nil
}

// apply answers a RollbackRequest.
func (q *RollbackRequest) apply(w *run) (any, error) {
	if err := w.fresh(q.StartTS); err != nil {
		return nil, err
	}
	for _, key := range q.Keys {
		p, err := w.undo(key, w.keepKey(key), q.StartTS)
		if err != nil {
			return nil, err
		}
		if p.commitTS != 0 { // V5
			return nil, &AlreadyCommittedError{Key: key, StartTS: q.StartTS, CommitTS: p.commitTS}
		}
	}
	return nil, nil
}

// undo rolls a transaction back on a key, unless it is decided there.
func (w *run) undo(key, enc []byte, start TS) (past, error) {
	l, mine, err := w.lockOf(enc, start)
	if err != nil {
		return past{}, err
	}
	if mine {
		return past{rolledBack: true}, w.rollback(enc, &l, start)
	}
	p, err := w.past(enc, start)
	if err != nil || p.commitTS != 0 || p.rolledBack {
		return p, err
	}
	p.rolledBack = true
	return p, w.rollback(enc, nil, start) // V6: so that a late prewrite finds it
}

// apply answers a CheckTxnStatusRequest.
func (q *CheckTxnStatusRequest) apply(w *run) (any, error) {
	enc := w.keepKey(q.Primary)
	l, mine, err := w.lockOf(enc, q.StartTS)
	if err != nil {
		return nil, err
	}
	if mine {
		return q.locked(w, enc, &l)
	}
	p, err := w.past(enc, q.StartTS)
	switch {
	case err != nil:
		return nil, err
	case p.commitTS != 0:
		return &TxnStatus{State: TxnCommitted, CommitTS: p.commitTS}, nil
	case p.rolledBack:
	case q.StartTS <= w.safePoint:
		// Nothing was committed, as no lock was left before records were collected (V16); and
		// no prewrite can come.
	case !q.RollbackIfMissing:
		return &TxnStatus{State: TxnUnknown}, nil
	default: // V6: the prewrite may yet come, and must fail (tikv#5673)
		if err := w.rollback(enc, nil, q.StartTS); err != nil {
			return nil, err
		}
	}
	return &TxnStatus{State: TxnRolledBack}, nil
}

// locked answers for a transaction that is not decided at its primary.
func (q *CheckTxnStatusRequest) locked(w *run, enc []byte, l *lockRecord) (any, error) {
	if !bytes.Equal(l.primary, q.Primary) {
		return nil, fmt.Errorf("%w: %q is locked by transaction %v, but its primary is %q: ask that", ErrKey, q.Primary, l.startTS, l.primary)
	}
	a := &TxnStatus{State: TxnAlive}
	async := l.async() && !q.ForceSync
	switch {
	case l.expired(q.CurrentTS) && async: // V10: it may be committed; the others know
		a.State = TxnAsync
	case l.expired(q.CurrentTS): // V7
		return &TxnStatus{State: TxnRolledBack}, w.rollback(enc, l, q.StartTS)
	case async: // it commits at what its locks say already
		a.Pushed = l.minCommitTS > q.CallerTS
	case q.CallerTS != 0 && l.minCommitTS <= q.CallerTS:
		// A pessimistic lock too: it will be prewritten with this, so that its
		// transaction's other locks hold nobody up (tikv#7291).
		l.minCommitTS = q.CallerTS + 1
		w.putLock(enc, l)
		a.Pushed = true
	default:
		a.Pushed = q.CallerTS != 0
	}
	info, err := l.info(q.Primary)
	a.Lock = &info
	return a, err
}

// apply answers a HeartbeatRequest.
func (q *HeartbeatRequest) apply(w *run) (any, error) {
	if err := w.fresh(q.StartTS); err != nil {
		return nil, err
	}
	enc := w.keepKey(q.Primary)
	l, mine, err := w.lockOf(enc, q.StartTS)
	if err != nil {
		return nil, err
	}
	if !mine {
		p, err := w.past(enc, q.StartTS)
		if err == nil && p.commitTS != 0 {
			err = &AlreadyCommittedError{Key: bytes.Clone(q.Primary), StartTS: q.StartTS, CommitTS: p.commitTS}
		} else if err == nil {
			err = rolledBack(q.StartTS, q.Primary)
		}
		return nil, err
	}
	if ttl := ttlMillis(q.TTL); ttl > l.ttl {
		l.ttl = ttl
		w.putLock(enc, &l)
	}
	return &HeartbeatResponse{TTL: ttlDuration(l.ttl)}, nil
}

// apply answers a CheckSecondaryLocksRequest: V10. One key that is not prewritten, and
// now never will be, decides for all; what the others have does not matter then.
func (q *CheckSecondaryLocksRequest) apply(w *run) (any, error) {
	a := new(SecondaryStatus)
	for _, key := range q.Keys {
		enc := w.keepKey(key)
		l, mine, err := w.lockOf(enc, q.StartTS)
		if err != nil {
			return nil, err
		}
		if mine && l.kind != recPessimistic {
			info, err := l.info(key)
			if err != nil {
				return nil, err
			}
			a.Locks = append(a.Locks, info)
			continue
		}
		if q.Look {
			return a, nil
		}
		p, err := w.undo(key, enc, q.StartTS)
		a.CommitTS = p.commitTS
		return a, err
	}
	return a, nil
}

// apply answers a ResolveLockRequest of some keys. Where there is no lock of the
// transaction there is nothing to do: the decision was made elsewhere, and needs no record.
func (q *ResolveLockRequest) apply(w *run) (any, error) {
	for _, key := range q.Keys {
		enc := w.keepKey(key)
		l, mine, err := w.lockOf(enc, q.StartTS)
		switch {
		case err != nil:
		case !mine:
		case q.CommitTS == 0:
			err = w.rollback(enc, &l, q.StartTS)
		case l.kind == recPessimistic: // locked, but not written
			w.batch.Delete(LockCF, enc)
		case q.CommitTS < l.minCommitTS:
			err = &CommitTooEarlyError{StartTS: q.StartTS, CommitTS: q.CommitTS, MinCommitTS: l.minCommitTS}
		default:
			err = w.commitLock(enc, &l, q.CommitTS)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}
