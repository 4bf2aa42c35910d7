// Reading a range as of a timestamp, in both directions.

package mvcc

import (
	"bytes"
	"slices"
)

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
var afterAll = bytes.Repeat([]byte{0xFF}, (maxKeySize/groupSize+1)*(groupSize+1)+tsSize+1)

func orLast(hi []byte) []byte {
	if hi == nil {
		return afterAll
	}
	return hi
}

// bounds are the encodings of a range's ends.
func bounds(start, end []byte) (lo, hi []byte) {
	if len(start) > 0 {
		lo = appendKey(nil, start)
	}
	if end != nil {
		hi = appendKey(nil, end)
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

// scanner goes through the keys of a range that have a value for a reader. Write records
// and locks are in the same order of keys, so both are walked side by side: a lock may
// be of a key that has no version yet.
type scanner struct {
	w     *run
	o     ReadOptions
	bound TS // the later of ReadTS and UncertainUntil
	locks *lockCursor
	rec   writeRecord // of the value that was found
	best  []byte      // its value so far, in a scan back
}

// scan begins a scan. It ends with close.
func (w *run) scan(o ReadOptions, start, end []byte, reverse bool) *scanner {
	lo, hi := bounds(start, end)
	w.keys(lo, hi, reverse)
	return &scanner{w: w, o: o, bound: max(o.ReadTS, o.UncertainUntil), locks: w.locks(lo, hi, reverse)}
}

func (s *scanner) close() { s.locks.it.Close() }

// next moves to the next key with a value: its encoding is w.cur, and value reads it.
func (s *scanner) next() (bool, error) {
	for {
		ok, err := s.w.nextKey()
		if err != nil {
			return false, err
		}
		if !ok {
			return false, s.locks.pass(nil, &s.o)
		}
		if err := s.locks.pass(s.w.cur, &s.o); err != nil {
			return false, err
		}
		if s.w.reverse {
			ok, err = s.fromBelow()
		} else {
			ok, err = s.fromAbove()
		}
		if ok || err != nil {
			return ok, err
		}
	}
}

// value is the snapshot's, or the scanner's: valid until it moves.
func (s *scanner) value() ([]byte, error) { return s.w.valueOf(s.w.cur, &s.rec) }

// fromAbove stands on the newest version of a key, and goes down to the visible one.
func (s *scanner) fromAbove() (bool, error) {
	w := s.w
	for near := 0; w.at > s.bound; near++ {
		if near < nearSeek {
			w.on = w.iter.Next()
		} else {
			w.buf = appendTS(append(w.buf[:0], w.cur...), s.bound)
			w.on = w.iter.SeekGE(w.buf)
		}
		if !w.stands(w.cur) {
			return false, w.iter.Err()
		}
	}
	ok, err := w.parse(w.cur)
	for ; ok; ok, err = w.next(w.cur) {
		if w.rec.kind == recRollback || w.rec.kind == recLock {
			continue // V1
		}
		if w.at > s.o.ReadTS {
			return false, &UncertainError{Key: plain(w.cur), CommitTS: w.at}
		}
		s.rec = w.rec
		return w.rec.kind == recPut, nil
	}
	return false, err
}

// fromBelow stands on the oldest version of a key, and goes up to the visible one. Where
// that is far, it goes there at once, from above.
func (s *scanner) fromBelow() (bool, error) {
	w := s.w
	s.rec = writeRecord{}
	for near := 0; w.at <= s.bound; near++ {
		if near == nearSeek {
			return s.fromFar()
		}
		if _, err := w.parse(w.cur); err != nil {
			return false, err
		}
		if w.rec.kind == recPut || w.rec.kind == recDelete {
			if w.at > s.o.ReadTS {
				return false, &UncertainError{Key: plain(w.cur), CommitTS: w.at}
			}
			s.best = append(s.best[:0], w.rec.value...)
			s.rec, s.rec.value = w.rec, s.best
		}
		if w.on = w.iter.Prev(); !w.stands(w.cur) {
			break
		}
	}
	return s.rec.kind == recPut, w.iter.Err()
}

func (s *scanner) fromFar() (bool, error) {
	w := s.w
	v, found, err := w.visible(w.cur, &s.o)
	s.best = append(s.best[:0], v...)
	s.rec = writeRecord{kind: recPut, flags: flagShort, value: s.best}
	w.hop(nearSeek)
	return found, err
}

// read answers a ScanRequest.
func (q *ScanRequest) read(w *run) (any, error) {
	s := w.scan(q.ReadOptions, q.Start, q.End, q.Reverse)
	defer s.close()
	a := new(ScanResponse)
	left := maxScanBytes
	if q.Bytes > 0 {
		left = min(left, q.Bytes)
	}
	var room []byte // of keys and values
	for {
		ok, err := s.next()
		if !ok {
			return a, err
		}
		var value []byte
		if !q.KeysOnly {
			if value, err = s.value(); err != nil {
				return nil, err
			}
		}
		if need := len(w.cur) + len(value); cap(room)-len(room) < need {
			room = make([]byte, 0, max(need, min(64<<10, 512+2*cap(room))))
		}
		if n := len(a.Pairs); n == cap(a.Pairs) { // double, as append does only for short ones
			a.Pairs = slices.Grow(a.Pairs, max(16, n))
		}
		p := KV{}
		if room, p.Key, err = appendPlain(room, w.cur); err != nil {
			return nil, err
		}
		if !q.KeysOnly {
			from := len(room)
			room = append(room, value...)
			p.Value = room[from:len(room):len(room)]
		}
		a.Pairs = append(a.Pairs, p)
		left -= len(p.Key) + len(p.Value)
		if left > 0 && (q.Limit <= 0 || len(a.Pairs) < q.Limit) {
			continue
		}
		a.More, a.Resume = true, bytes.Clone(p.Key)
		if !q.Reverse {
			a.Resume = append(a.Resume, 0) // the next key that can be
		}
		return a, s.locks.it.Err()
	}
}

// appendPlain appends the key of an encoding to room, and returns that part of it too.
func appendPlain(room, enc []byte) (all, key []byte, err error) {
	all, _, err = decodeKey(room, enc)
	if err != nil {
		return room, nil, err
	}
	return all, all[len(room):len(all):len(all)], nil
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
