// What nobody can see any more goes.

package mvcc

import "bytes"

// apply answers a GCRequest: V16. Of each key, what comes at or below the safepoint:
//
//	safepoint 8      W@12  W@7  R@6  W@3       keeps W@12 and W@7: a reader at 9 sees W@7
//	                 W@12  D@7  R@6  W@3       keeps W@12 alone: that reader sees nothing
//
// Rollback records below it go too: a prewrite that would have to find them is refused
// by its StartTS (V3).
func (q *GCRequest) apply(w *run) (any, error) {
	lo, hi := bounds(q.Start, q.End)
	old := func(l *lockRecord) bool { return l.startTS <= q.SafePoint }
	locks := w.locks(lo, hi, false)
	defer locks.it.Close()
	if err := locks.tell(old); err != nil {
		return nil, err
	}
	w.keys(lo, hi, false)
	c := collector{w: w, safePoint: q.SafePoint, limit: q.Limit}
	if c.limit <= 0 {
		c.limit = defaultGCLimit
	}
	for {
		ok, err := w.nextKey()
		if ok {
			ok, err = c.key()
		}
		if !ok || err != nil {
			return &c.GCResponse, err
		}
	}
}

// defaultGCLimit is how many versions one request looks at.
const defaultGCLimit = 4096

type collector struct {
	GCResponse
	w         *run
	safePoint TS
	limit     int
}

// key collects one key. Where it is cut short by the limit its tombstone stays until the
// older versions are gone, which it hides.
func (c *collector) key() (bool, error) {
	w := c.w
	if c.Scanned >= c.limit {
		c.Resume = bytes.Clone(plain(w.cur))
		return false, nil
	}
	near := 0
	for ; w.at > c.safePoint; near++ { // V16: all after it is kept
		c.Scanned++
		if near < nearSeek {
			w.on = w.iter.Next()
		} else {
			w.buf = appendTS(append(w.buf[:0], w.cur...), c.safePoint)
			w.on = w.iter.SeekGE(w.buf)
		}
		if !w.stands(w.cur) {
			return true, w.iter.Err()
		}
	}
	var tombstone TS
	var enc []byte // the key, once something of it goes
	covered := false
	ok, err := w.load(w.cur)
	for ; ok; ok, err = w.next(w.cur) {
		c.Scanned++
		change := w.rec.kind == recPut || w.rec.kind == recDelete
		if change && !covered { // what is visible at the safepoint
			covered = true
			if w.rec.kind == recDelete {
				tombstone = w.at
			}
			continue
		}
		if enc == nil {
			enc = w.keepEncoded(w.cur)
		}
		c.remove(enc, w.at)
		if w.rec.kind == recPut && !w.rec.short() {
			w.batch.Delete(Default, w.keepAt(enc, w.rec.startTS))
		}
		if c.Scanned >= c.limit {
			c.Resume = bytes.Clone(plain(w.cur))
			return false, nil
		}
	}
	if err == nil && tombstone != 0 {
		c.remove(w.keepEncoded(w.cur), tombstone)
	}
	return true, err
}

func (c *collector) remove(enc []byte, at TS) {
	c.w.batch.Delete(WriteCF, c.w.keepAt(enc, at))
	c.Removed++
}
