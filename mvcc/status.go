// What became of a transaction: asked of its primary, its secondaries, and told to
// the keys that are still locked.

package mvcc

import (
	"bytes"
	"fmt"
)

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
