// Going along the families of a snapshot: locks, and the keys of family write, in either
// direction.

package region

import "bytes"

// lockCursor goes along the lock family beside a scan of the write family.
type lockCursor struct {
	it      Iterator
	on      bool
	reverse bool
}

func (w *run) locks(lo, hi []byte, reverse bool) *lockCursor {
	c := &lockCursor{it: w.snap.Iter(LockCF, lo, hi), reverse: reverse}
	if reverse {
		c.on = c.it.SeekLT(orLast(hi))
	} else {
		c.on = c.it.SeekGE(lo)
	}
	return c
}

func (c *lockCursor) step() {
	if c.reverse {
		c.on = c.it.Prev()
	} else {
		c.on = c.it.Next()
	}
}

// pass looks at the locks up to and with enc, all that are left if it is nil, and fails
// if one is in the way.
func (c *lockCursor) pass(enc []byte, o *ReadOptions) error {
	for ; c.on; c.step() {
		if enc != nil {
			if order := bytes.Compare(c.it.Key(), enc); order > 0 && !c.reverse || order < 0 && c.reverse {
				return nil
			}
		}
		l, ok := parseLock(c.it.Value())
		if !ok {
			return corrupt(LockCF, plain(c.it.Key()))
		}
		if l.blocks(o) {
			return c.tell(func(l *lockRecord) bool { return l.blocks(o) })
		}
	}
	if enc != nil {
		return nil // an error is told when all is passed
	}
	return c.it.Err()
}

// tell makes an error of the locks from here on that are meant.
func (c *lockCursor) tell(meant func(l *lockRecord) bool) error {
	e := new(LockedError)
	for ; c.on && len(e.Locks) < maxLocksTold; c.step() {
		l, ok := parseLock(c.it.Value())
		if !ok {
			return corrupt(LockCF, plain(c.it.Key()))
		}
		if !meant(&l) {
			continue
		}
		i, err := l.info(plain(c.it.Key()))
		if err != nil {
			return err
		}
		e.Locks = append(e.Locks, i)
	}
	if len(e.Locks) == 0 {
		return c.it.Err()
	}
	return e
}

// afterAll is behind every key that can be.
var afterAll = bytes.Repeat([]byte{0xFF}, (MaxKeySize/groupSize+1)*(groupSize+1)+tsSize+1)

func orLast(hi []byte) []byte {
	if hi == nil {
		return afterAll
	}
	return hi
}

// bounds are the encodings of a range's ends.
func bounds(start, end []byte) (lo, hi []byte) {
	if len(start) > 0 {
		lo = EncodeKey(nil, start)
	}
	if end != nil {
		hi = EncodeKey(nil, end)
		if string(hi) < string(lo) {
			hi = lo // nothing
		}
	}
	return lo, hi
}

// keys begins a walk through the keys of a range of the write family, in either
// direction.
func (w *run) keys(lo, hi []byte, reverse bool) {
	if w.iter != nil {
		w.iter.Close()
	}
	w.iter = w.snap.Iter(WriteCF, lo, hi)
	w.cur, w.reverse = w.cur[:0], reverse // which is no key's encoding
	if reverse {
		w.on = w.iter.SeekLT(orLast(hi))
	} else {
		w.on = w.iter.SeekGE(lo)
	}
}

// nextKey moves to the first version of the next key: w.cur is the key, w.at the
// version's. Who walks may move the iterator on, over this key's versions or off them.
func (w *run) nextKey() (bool, error) {
	for near := 0; w.on; near++ {
		enc, at, err := splitTS(w.iter.Key())
		if err != nil {
			return false, err
		}
		if !bytes.Equal(enc, w.cur) {
			w.cur, w.at = append(w.cur[:0], enc...), at
			return true, nil
		}
		w.hop(near)
	}
	return false, w.iter.Err()
}

// hop moves towards the next key: by a step, or, when that was done a few times, over
// all versions of this one.
func (w *run) hop(near int) {
	switch {
	case near < nearSeek && w.reverse:
		w.on = w.iter.Prev()
	case near < nearSeek:
		w.on = w.iter.Next()
	case w.reverse: // no version is as new as Max
		w.buf = appendTS(append(w.buf[:0], w.cur...), maxTS)
		w.on = w.iter.SeekLT(w.buf)
	default: // nor as old as 0
		w.buf = appendTS(append(w.buf[:0], w.cur...), 0)
		w.on = w.iter.SeekGE(w.buf)
	}
}

// read answers a ScanLocksRequest.
func (q *ScanLocksRequest) read(w *run) (any, error) {
	lo, hi := bounds(q.Start, q.End)
	c := w.locks(lo, hi, false)
	defer c.it.Close()
	a := new(ScanLocksResponse)
	for ; c.on; c.step() {
		l, ok := parseLock(c.it.Value())
		key := plain(c.it.Key())
		if !ok {
			return nil, corrupt(LockCF, key)
		}
		if l.startTS > q.MaxTS {
			continue
		}
		if q.Limit > 0 && len(a.Locks) == q.Limit {
			a.Resume = key
			return a, nil
		}
		i, err := l.info(key)
		if err != nil {
			return nil, err
		}
		a.Locks = append(a.Locks, i)
	}
	return a, c.it.Err()
}
