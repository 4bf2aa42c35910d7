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

	enc   []byte      // the key that was found, encoded
	rec   writeRecord // of its value
	ahead ahead       // the versions, going up
	known bool        // what enc has for the reader was seen: what follows of it is older
	near  int         // versions of enc that were passed since the last seek
	best  []byte      // the value so far, going back
}

// scan begins a scan. It ends with close.
func (w *run) scan(o ReadOptions, start, end []byte, reverse bool) *scanner {
	lo, hi := bounds(start, end)
	w.keys(lo, hi, reverse)
	s := &scanner{w: w, o: o, bound: max(o.ReadTS, o.UncertainUntil), locks: w.locks(lo, hi, reverse)}
	s.ahead.begin(w.iter, w.on)
	return s
}

func (s *scanner) close() { s.locks.it.Close() }

// stays reports whether a found key and its value are valid until the snapshot's Close,
// and not only until the scanner moves.
func (s *scanner) stays() bool { return !s.w.reverse && s.ahead.stays() }

// next moves to the next key with a value: its encoding is enc, and value reads it.
func (s *scanner) next() (bool, error) {
	if s.w.reverse {
		return s.nextBelow()
	}
	return s.nextAbove()
}

// value is the value of the key that was found.
func (s *scanner) value() ([]byte, error) { return s.w.valueOf(s.enc, &s.rec) }

// nextAbove goes through the versions, newest first within a key. The first that is
// visible decides.
func (s *scanner) nextAbove() (bool, error) {
	a := &s.ahead
	for a.next() {
		enc, at, err := splitTS(a.keys[a.at])
		if err != nil {
			return false, err
		}
		if !bytes.Equal(enc, s.enc) {
			if err := s.enter(enc); err != nil {
				return false, err
			}
		}
		switch {
		case s.known:
			s.pass(0)
		case at > s.bound:
			s.pass(s.bound)
		case a.puts[a.at] && at <= s.o.ReadTS:
			s.known, s.near = true, 0
			s.rec.flags, s.rec.value = flagShort, a.values[a.at][writeHead:]
			return true, nil
		default:
			if ok, err := s.look(a.values[a.at], at); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, s.end()
}

// look reads a version that is not too new, and reports whether it is a put.
func (s *scanner) look(v []byte, at TS) (ok bool, err error) {
	if s.rec, ok = parseWrite(v); !ok {
		return false, corrupt(WriteCF, plain(s.enc))
	}
	if s.rec.kind == recRollback || s.rec.kind == recLock {
		return false, nil // V1
	}
	if at > s.o.ReadTS {
		return false, &UncertainError{Key: plain(s.enc), CommitTS: at}
	}
	s.known, s.near = true, 0
	return s.rec.kind == recPut, nil
}

// enter comes to the first version of a key.
func (s *scanner) enter(enc []byte) error {
	if s.enc = enc; !s.ahead.stays() {
		s.w.cur = append(s.w.cur[:0], enc...)
		s.enc = s.w.cur
	}
	s.known, s.near = false, 0
	if s.locks.on {
		return s.locks.pass(s.enc, &s.o)
	}
	return nil
}

// pass passes over a version: what is of use has at most the timestamp ts. Where there are
// many, it goes there at once.
func (s *scanner) pass(ts TS) {
	if s.near++; s.near > nearSeek {
		s.w.buf = appendTS(append(s.w.buf[:0], s.enc...), ts)
		s.ahead.seek(s.w.buf)
		s.near = 0
	}
}

// end is behind the last version: there may be locks.
func (s *scanner) end() error {
	if err := s.w.iter.Err(); err != nil {
		return err
	}
	return s.locks.pass(nil, &s.o)
}

// nextBelow goes back from key to key.
func (s *scanner) nextBelow() (bool, error) {
	for {
		ok, err := s.w.nextKey()
		if err != nil {
			return false, err
		}
		if !ok {
			return false, s.end()
		}
		s.enc = s.w.cur
		if err := s.locks.pass(s.enc, &s.o); err != nil {
			return false, err
		}
		if ok, err = s.fromBelow(); ok || err != nil {
			return ok, err
		}
	}
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
		if need := len(s.enc) + len(value); cap(room)-len(room) < need {
			room = make([]byte, 0, max(need, min(64<<10, 512+2*cap(room))))
		}
		if n := len(a.Pairs); n == cap(a.Pairs) { // double, as append does only for short ones
			a.Pairs = slices.Grow(a.Pairs, max(16, n))
		}
		p := KV{}
		if room, p.Key, err = appendPlain(room, s.enc); err != nil {
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
