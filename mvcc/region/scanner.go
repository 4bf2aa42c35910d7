// Reading a range as of a timestamp, in both directions.

package region

import (
	"bytes"
	"slices"
)

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
	all, _, err = DecodeKey(room, enc)
	if err != nil {
		return room, nil, err
	}
	return all, all[len(room):len(all):len(all)], nil
}

// firstAhead is how many versions a walk takes from the engine at once when it begins,
// and maxAhead how many when it goes on: enough for the processor to wait for many of
// them at the same time, and few enough to be in its cache when they are looked at.
const (
	firstAhead = 8
	maxAhead   = 64
)

// ahead goes up through family write from where an iterator stands. An engine that can
// hands it many versions at once; from any other it takes one at a time.
type ahead struct {
	it           Iterator
	bulk         BulkIterator   // nil, if it is none
	on           bool           // without bulk: it stands on a key
	keys, values [][]byte       // in hand
	puts         [maxAhead]bool // those whose value is a put with a short value
	at           int            // the one that is shown
	most         int            // so many are taken at once
	first        struct{ keys, values [firstAhead][]byte }
}

// begin goes on from where it stands.
func (a *ahead) begin(it Iterator, on bool) {
	a.it, a.on, a.at, a.most = it, on, -1, firstAhead
	a.bulk, _ = it.(BulkIterator)
	if a.keys == nil {
		a.keys, a.values = a.first.keys[:], a.first.values[:]
	}
	a.keys, a.values = a.keys[:0], a.values[:0]
}

// stays reports whether what is shown is valid until the snapshot's Close, and not only
// until the next is.
func (a *ahead) stays() bool { return a.bulk != nil }

// next shows the next version: keys[at], values[at].
func (a *ahead) next() bool {
	a.at++
	return a.at < len(a.keys) || a.take()
}

// take has some versions in hand again, if there are any.
func (a *ahead) take() bool {
	if a.bulk != nil {
		a.takeMany()
	} else {
		if len(a.keys) > 0 {
			a.on = a.it.Next()
		}
		a.keys, a.values = a.keys[:0], a.values[:0]
		if a.on {
			a.keys, a.values = append(a.keys, a.it.Key()), append(a.values, a.it.Value())
		}
	}
	// It is here that values are first touched. The loop is short, for the processor to wait for
	// many of them at once.
	for i, v := range a.values {
		a.puts[i] = isShortPut(v)
	}
	a.at = 0
	return len(a.keys) > 0
}

func (a *ahead) takeMany() {
	if len(a.keys) == a.most && a.most < maxAhead { // all were of use
		a.most *= 2
	}
	if cap(a.keys) < a.most {
		a.keys, a.values = make([][]byte, a.most), make([][]byte, a.most)
	}
	n := a.bulk.Take(a.keys[:a.most], a.values[:a.most])
	a.keys, a.values = a.keys[:n], a.values[:n]
}

// seek goes on from a key, and takes few at first: who seeks skips more than it looks at.
func (a *ahead) seek(key []byte) { a.begin(a.it, a.it.SeekGE(key)) }
