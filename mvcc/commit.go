// The second phase, and the way back.

package mvcc

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
