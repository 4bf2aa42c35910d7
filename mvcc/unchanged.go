// Whether what was read is the same at a later time.

package mvcc

// options are those of a reader at To.
func (q *RefreshRequest) options() *ReadOptions {
	return &ReadOptions{ReadTS: q.To, StartTS: q.StartTS, Past: q.Past}
}

// read answers a RefreshRequest: V13. What a record of kind lock stands for has changed
// nothing.
func (q *RefreshRequest) read(w *run) (any, error) {
	o := q.options()
	for _, key := range q.Keys {
		w.cur = appendKey(w.cur[:0], key)
		l, locked, err := w.lockOn(w.cur)
		if err == nil && locked && l.blocks(o) {
			err = lockedError(&l, key)
		}
		if err != nil {
			return nil, err
		}
		ok, err := w.seek(w.cur, q.To)
		for ; ok && w.at > q.From; ok, err = w.next(w.cur) {
			if err := q.judge(w); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, err
		}
	}
	for _, s := range q.Spans {
		if err := q.readSpan(w, s, o); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (q *RefreshRequest) readSpan(w *run, s Span, o *ReadOptions) error {
	lo, hi := bounds(s.Start, s.End)
	locks := w.locks(lo, hi, false)
	defer locks.it.Close()
	if err := locks.pass(nil, o); err != nil {
		return err
	}
	w.keys(lo, hi, false)
	for {
		ok, err := w.nextKey()
		if !ok {
			return err
		}
		for ok, err = w.parse(w.cur); ok && w.at > q.From; ok, err = w.next(w.cur) {
			if w.at <= q.To {
				if err := q.judge(w); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// judge fails if the version at hand is somebody else's change.
func (q *RefreshRequest) judge(w *run) error {
	if w.rec.startTS == q.StartTS || w.rec.kind != recPut && w.rec.kind != recDelete {
		return nil
	}
	return &ConflictError{Reason: ReadConflict, Key: plain(w.cur), StartTS: q.StartTS,
		OtherStartTS: w.rec.startTS, OtherCommitTS: w.at}
}
