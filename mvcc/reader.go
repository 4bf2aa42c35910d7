// Reading a snapshot as of a timestamp: one key, many, and ranges in both directions.

package mvcc

import (
	"bytes"
	"slices"
)

// run is one request being answered: the snapshot that it sees and the batch that it
// fills. Requests are functions of it (V2): no clock, no map of what goes on elsewhere.
type run struct {
	snap  Snapshot
	batch Batch
	// leastCommitTS is above every timestamp at which the region was read, if the
	// request is a prewrite that needs it (V11).
	leastCommitTS TS
	safePoint     TS
	// maxSecondaries is how many keys an async commit may have besides the primary.
	maxSecondaries int
	// prewrite is the one that others may have to know of before it is written.
	prewrite *PrewriteRequest

	iter Iterator // over family write; on: it stands on a key
	on   bool
	rec  writeRecord // the version that it stands on, and
	at   TS          // its CommitTS

	arena []byte // what the batch holds and is nobody else's
	buf   []byte // a key to seek
	cur   []byte // a scan's key at hand
	plans []keyPlan
	slots []uint16
}

// nearSeek is how many steps a scan takes before it seeks: the next key is most often
// near, and a step is cheaper than a seek.
const nearSeek = 8

// maxLocksTold is how many locks a LockedError of a scan has, so that they can be
// resolved together.
const maxLocksTold = 64

// blocks reports whether a reader has to know what becomes of a lock: V1. It need not if
// the lock changes nothing yet or at all, or belongs to a transaction that began after
// the reader, or cannot commit before it.
func (l *lockRecord) blocks(o *ReadOptions) bool {
	if l.kind == recPessimistic || l.kind == recLock || l.startTS == o.StartTS {
		return false
	}
	until := max(o.ReadTS, o.UncertainUntil)
	return l.startTS <= until && l.minCommitTS <= until && !slices.Contains(o.Past, l.startTS)
}

// lockOn returns the lock of a key, if there is one.
func (w *run) lockOn(enc []byte) (l lockRecord, locked bool, err error) {
	v, ok, err := w.snap.Get(LockCF, enc)
	if err != nil || !ok {
		return l, false, err
	}
	if l, ok = parseLock(v); !ok {
		return l, false, corrupt(LockCF, plain(enc))
	}
	return l, true, nil
}

// plain is the key of an encoding, or the encoding itself where it is none: for errors.
func plain(enc []byte) []byte {
	if key, _, err := decodeKey(nil, enc); err == nil {
		return key
	}
	return enc
}

// seek moves to the newest version of a key at or below ts, next to the one before it.
// They report whether there is one; it is in w.rec and w.at.
func (w *run) seek(enc []byte, ts TS) (bool, error) {
	w.buf = appendTS(append(w.buf[:0], enc...), ts)
	if w.iter == nil {
		w.iter = w.snap.Iter(WriteCF, nil, nil)
	}
	w.on = w.iter.SeekGE(w.buf)
	return w.load(enc)
}

func (w *run) next(enc []byte) (bool, error) {
	w.on = w.iter.Next()
	return w.load(enc)
}

// load reads the version that the iterator stands on, if it is one of the key.
func (w *run) load(enc []byte) (bool, error) {
	if !w.stands(enc) {
		return false, w.iter.Err()
	}
	var ok bool
	if w.rec, ok = parseWrite(w.iter.Value()); !ok {
		return false, corrupt(WriteCF, plain(enc))
	}
	return true, nil
}

// stands reports whether the iterator is on a version of a key, and sets w.at.
func (w *run) stands(enc []byte) bool {
	if !w.on {
		return false
	}
	k := w.iter.Key()
	if len(k) != len(enc)+tsSize || !bytes.Equal(k[:len(enc)], enc) {
		return false
	}
	_, w.at, _ = splitTS(k)
	return true
}

// visible returns the value of a key for a reader: V1, V12. The value is the
// snapshot's, and valid until the next one is read.
func (w *run) visible(enc []byte, o *ReadOptions) (value []byte, found bool, err error) {
	ok, err := w.seek(enc, max(o.ReadTS, o.UncertainUntil))
	for ; ok; ok, err = w.next(enc) {
		if w.rec.kind == recRollback || w.rec.kind == recLock {
			continue // V1: any number of them
		}
		if w.at > o.ReadTS {
			return nil, false, &UncertainError{Key: plain(enc), CommitTS: w.at}
		}
		if w.rec.kind == recDelete {
			return nil, false, nil
		}
		value, err = w.valueOf(enc, &w.rec)
		return value, err == nil, err
	}
	return nil, false, err
}

// valueOf returns the value of a put.
func (w *run) valueOf(enc []byte, rec *writeRecord) ([]byte, error) {
	if rec.short() {
		return rec.value, nil
	}
	w.buf = appendTS(append(w.buf[:0], enc...), rec.startTS)
	v, ok, err := w.snap.Get(Default, w.buf)
	if err == nil && !ok {
		err = corrupt(Default, plain(enc))
	}
	return v, err
}

// get reads one key.
func (w *run) get(key []byte, o *ReadOptions) (value []byte, found bool, err error) {
	w.cur = appendKey(w.cur[:0], key)
	l, locked, err := w.lockOn(w.cur)
	if err != nil {
		return nil, false, err
	}
	if locked && l.blocks(o) {
		return nil, false, lockedError(&l, key)
	}
	return w.visible(w.cur, o)
}

// lockedError reports one lock.
func lockedError(l *lockRecord, key []byte) error {
	i, err := l.info(key)
	if err != nil {
		return err
	}
	return &LockedError{Locks: []LockInfo{i}}
}

// read answers a GetRequest.
func (q *GetRequest) read(w *run) (any, error) {
	one := new(struct {
		GetResponse
		first [1][]byte
	})
	one.Values = one.first[:]
	if len(q.Keys) != 1 {
		one.Values = make([][]byte, len(q.Keys))
	}
	for i, key := range q.Keys {
		v, found, err := w.get(key, &q.ReadOptions)
		if err != nil {
			return nil, err
		}
		if found {
			one.Values[i] = append(make([]byte, 0, len(v)), v...)
		}
	}
	return &one.GetResponse, nil
}

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

// scan answers a ScanRequest. Write records and locks are in the same order of keys, so
// both are walked side by side: a lock may be of a key that has no version yet.
func (q *ScanRequest) read(w *run) (any, error) {
	lo, hi := bounds(q.Start, q.End)
	w.iter = w.snap.Iter(WriteCF, lo, hi)
	locks := w.locks(lo, hi, q.Reverse)
	defer locks.it.Close()
	out := &rows{q: q, w: w, bytes: q.Bytes}
	if out.bytes <= 0 || out.bytes > maxScanBytes {
		out.bytes = maxScanBytes
	}
	err := w.walk(lo, hi, q.Reverse, func() (bool, error) {
		if err := locks.pass(w.cur, &q.ReadOptions); err != nil {
			return false, err
		}
		if q.Reverse {
			return out.visibleFromBelow()
		}
		return out.visibleFromAbove()
	})
	if err != nil {
		return nil, err
	}
	if !out.More {
		if err := locks.pass(nil, &q.ReadOptions); err != nil {
			return nil, err
		}
	}
	return &out.ScanResponse, nil
}

// walk calls each for every key of a range of the write family: w.cur is the key, and
// the iterator stands on its first version in the direction of the walk. each may move
// it, on that key's versions or off them, and returns false to end.
func (w *run) walk(lo, hi []byte, reverse bool, each func() (bool, error)) error {
	if reverse {
		w.on = w.iter.SeekLT(orLast(hi))
	} else {
		w.on = w.iter.SeekGE(lo)
	}
	for w.on {
		enc, at, err := splitTS(w.iter.Key())
		if err != nil {
			return err
		}
		w.cur, w.at = append(w.cur[:0], enc...), at
		if more, err := each(); err != nil || !more {
			return err
		}
		for near := 0; w.stands(w.cur); near++ {
			w.hop(reverse, near)
		}
	}
	return w.iter.Err()
}

// hop moves towards the next key: by a step, or, when that was done a few times, over
// all versions of this one.
func (w *run) hop(reverse bool, near int) {
	switch {
	case near < nearSeek && reverse:
		w.on = w.iter.Prev()
	case near < nearSeek:
		w.on = w.iter.Next()
	case reverse: // no version is as new as Max
		w.buf = appendTS(append(w.buf[:0], w.cur...), maxTS)
		w.on = w.iter.SeekLT(w.buf)
	default: // nor as old as 0
		w.buf = appendTS(append(w.buf[:0], w.cur...), 0)
		w.on = w.iter.SeekGE(w.buf)
	}
}

// rows collects what a scan finds.
type rows struct {
	ScanResponse
	q     *ScanRequest
	w     *run
	bytes int    // that may still come
	room  []byte // where the next keys and values go
	best  []byte // the value of the newest version so far, of a scan backwards
}

// visibleFromAbove stands on the newest version of a key, and goes down to the visible one.
func (r *rows) visibleFromAbove() (bool, error) {
	w, o := r.w, &r.q.ReadOptions
	bound := max(o.ReadTS, o.UncertainUntil)
	for near := 0; w.at > bound; near++ {
		if near < nearSeek {
			w.on = w.iter.Next()
		} else {
			w.buf = appendTS(append(w.buf[:0], w.cur...), bound)
			w.on = w.iter.SeekGE(w.buf)
		}
		if !w.stands(w.cur) {
			return true, w.iter.Err()
		}
	}
	ok, err := w.load(w.cur)
	for ; ok; ok, err = w.next(w.cur) {
		if w.rec.kind == recRollback || w.rec.kind == recLock {
			continue // V1
		}
		if w.at > o.ReadTS {
			return false, &UncertainError{Key: plain(w.cur), CommitTS: w.at}
		}
		if w.rec.kind == recDelete {
			return true, nil
		}
		return r.add(&w.rec)
	}
	return true, err
}

// visibleFromBelow stands on the oldest version of a key, and goes up to the visible
// one. Where that is far, it goes there at once, from above.
func (r *rows) visibleFromBelow() (bool, error) {
	w, o := r.w, &r.q.ReadOptions
	bound := max(o.ReadTS, o.UncertainUntil)
	var best writeRecord
	for near := 0; w.at <= bound; near++ {
		if near == nearSeek {
			v, found, err := w.visible(w.cur, o)
			if err != nil || !found {
				w.hop(true, nearSeek)
				return err == nil, err
			}
			more, err := r.add(&writeRecord{flags: flagShort, value: v})
			w.hop(true, nearSeek)
			return more, err
		}
		if _, err := w.load(w.cur); err != nil {
			return false, err
		}
		if w.rec.kind == recPut || w.rec.kind == recDelete {
			if w.at > o.ReadTS {
				return false, &UncertainError{Key: plain(w.cur), CommitTS: w.at}
			}
			r.best = append(r.best[:0], w.rec.value...)
			best, best.value = w.rec, r.best
		}
		if w.on = w.iter.Prev(); !w.stands(w.cur) {
			break
		}
	}
	if err := w.iter.Err(); err != nil || best.kind != recPut {
		return err == nil, err
	}
	return r.add(&best)
}

// add takes a row of the key at hand, and reports whether there is room for another.
func (r *rows) add(rec *writeRecord) (bool, error) {
	var value []byte
	if !r.q.KeysOnly {
		var err error
		if value, err = r.w.valueOf(r.w.cur, rec); err != nil {
			return false, err
		}
	}
	if need := len(r.w.cur) + len(value); cap(r.room)-len(r.room) < need {
		r.room = make([]byte, 0, max(need, min(64<<10, 512+2*cap(r.room))))
	}
	from := len(r.room)
	room, _, err := decodeKey(r.room, r.w.cur)
	if err != nil {
		return false, err
	}
	p := KV{Key: room[from:len(room):len(room)]}
	if !r.q.KeysOnly {
		from = len(room)
		room = append(room, value...)
		p.Value = room[from:len(room):len(room)]
	}
	r.room = room
	r.Pairs = append(r.Pairs, p)
	r.bytes -= len(p.Key) + len(p.Value)
	if r.bytes > 0 && (r.q.Limit <= 0 || len(r.Pairs) < r.q.Limit) {
		return true, nil
	}
	r.More, r.Resume = true, bytes.Clone(p.Key)
	if !r.q.Reverse {
		r.Resume = append(r.Resume, 0) // the next key that can be
	}
	return false, nil
}

// read answers a RefreshRequest: V13. What a record of kind lock stands for has changed
// nothing.
func (q *RefreshRequest) read(w *run) (any, error) {
	o := &ReadOptions{ReadTS: q.To, StartTS: q.StartTS}
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
	if w.iter != nil {
		w.iter.Close()
	}
	w.iter = w.snap.Iter(WriteCF, lo, hi)
	locks := w.locks(lo, hi, false)
	defer locks.it.Close()
	if err := locks.pass(nil, o); err != nil {
		return err
	}
	return w.walk(lo, hi, false, func() (bool, error) {
		ok, err := w.load(w.cur)
		for ; ok && w.at > q.From; ok, err = w.next(w.cur) {
			if w.at <= q.To {
				if err := q.judge(w); err != nil {
					return false, err
				}
			}
		}
		return true, err
	})
}

// judge fails if the version at hand is somebody else's change.
func (q *RefreshRequest) judge(w *run) error {
	if w.rec.startTS == q.StartTS || w.rec.kind != recPut && w.rec.kind != recDelete {
		return nil
	}
	return &ConflictError{Reason: ReadConflict, Key: plain(w.cur), StartTS: q.StartTS,
		OtherStartTS: w.rec.startTS, OtherCommitTS: w.at}
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
