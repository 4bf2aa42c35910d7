// What nobody can see any more goes.

package region

import (
	"bytes"
	"slices"
)

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
	old       []TS // versions of the key that go, newest first
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
	enc := w.cur // in the arena, once something of it goes
	var tombstone TS
	covered, cut := false, false
	ok, err := w.parse(w.cur)
	for ; ok && !cut; ok, err = w.next(w.cur) {
		c.Scanned++
		change := w.rec.kind == recPut || w.rec.kind == recDelete
		if change && !covered { // what is visible at the safepoint
			covered = true
			if w.rec.kind == recDelete {
				tombstone = w.at
			}
			continue
		}
		if c.Removed++; len(c.old) == 0 {
			enc = w.keepEncoded(w.cur)
		}
		if c.old = append(c.old, w.at); !covered {
			c.flush(enc) // what is kept lies between these and the older ones
		}
		if w.rec.kind == recPut && !w.rec.short() {
			w.batch.Delete(Default, w.keepAt(enc, w.rec.startTS))
		}
		cut = c.Scanned >= c.limit
	}
	if err != nil {
		return false, err
	}
	if cut {
		c.Resume = bytes.Clone(plain(w.cur))
	} else if tombstone != 0 {
		c.Removed++
		if len(c.old) == 0 {
			enc = w.keepEncoded(w.cur)
		}
		c.old = slices.Insert(c.old, 0, tombstone)
	}
	c.flush(enc)
	return !cut, nil
}

// manyVersions is how many versions in a row are deleted as a range. Some engines
// remember each range, so that few versions are better deleted one by one.
const manyVersions = 16

// flush deletes the versions in c.old, between which there is none that is kept.
func (c *collector) flush(enc []byte) {
	w := c.w
	if n := len(c.old); n >= manyVersions {
		w.batch.DeleteRange(WriteCF, w.keepAt(enc, c.old[0]), w.keepAt(enc, c.old[n-1]-1))
	} else {
		for _, at := range c.old {
			w.batch.Delete(WriteCF, w.keepAt(enc, at))
		}
	}
	c.old = c.old[:0]
}
