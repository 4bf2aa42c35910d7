// Reading a snapshot as of a timestamp: one key, or some; and whether what was read is
// the same at a later one.

package region

import (
	"bytes"
	"context"
	"slices"
)

// run is one request being answered: the snapshot that it sees and the batch that it
// fills. Requests are functions of it (V2): no clock, no map of what goes on elsewhere.
type run struct {
	ctx   context.Context // of the request
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

	iter    Iterator    // over family write
	on      bool        // it stands on a key,
	rec     writeRecord // which is this version,
	at      TS          // of this CommitTS
	reverse bool        // a walk goes back

	arena []byte // what the batch holds and is nobody else's
	buf   []byte // a key to seek
	cur   []byte // the key at hand of a walk
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
	if key, _, err := DecodeKey(nil, enc); err == nil {
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
	return w.parse(enc)
}

// parse reads the version, which is one of the key.
func (w *run) parse(enc []byte) (ok bool, err error) {
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
	w.cur = EncodeKey(w.cur[:0], key)
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

// options are those of a reader at To.
func (q *RefreshRequest) options() *ReadOptions {
	return &ReadOptions{ReadTS: q.To, StartTS: q.StartTS, Past: q.Past}
}

// read answers a RefreshRequest: V13. What a record of kind lock stands for has changed
// nothing.
func (q *RefreshRequest) read(w *run) (any, error) {
	o := q.options()
	for _, key := range q.Keys {
		w.cur = EncodeKey(w.cur[:0], key)
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
