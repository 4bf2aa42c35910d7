package store

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// Reading keys as of a revision.
//
//	index row       a range of [a, c) at revision 4
//	a  ^5  "new"    too new
//	a  ^2  "old"    found: the newest of its key that is not too new
//	a  ^1  "oldest" older still: passed over
//	b  ^4  deleted  found: the key is gone
//	b  ^3  "x"      passed over
//	c  ^1  "y"      beyond the end

// PrefixEnd returns the End of the range of all keys that begin with p.
func PrefixEnd(p []byte) []byte {
	end := bytes.Clone(p)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0} // there is no key behind all that begin with FF FF ...
}

// span is a range of keys with etcd's special cases resolved.
type span struct {
	key, end []byte
	single   bool // key alone
	open     bool // no end
}

func spanOf(key, end []byte) span {
	return span{key: key, end: end, single: len(end) == 0, open: len(end) == 1 && end[0] == 0}
}

func (s *span) contains(key []byte) bool {
	if s.single {
		return bytes.Equal(key, s.key)
	}
	return bytes.Compare(key, s.key) >= 0 && (s.open || bytes.Compare(key, s.end) < 0)
}

// maxSteps over rows that are not wanted, before the cursor jumps. A step costs a
// fraction of a jump, and most keys have few versions.
const maxSteps = 4

// scan calls visit for the keys that live at the revision, in order, until it
// returns false. The arguments of visit are parts of rows.
func scan(r Reader, s span, at revision, visit func(prefix []byte, mod int64, row []byte) bool) {
	c := r.Cursor(tableIndex)
	defer c.Close()
	from := appendPrefix(make([]byte, 0, len(s.key)+2+revisionSize), s.key)
	var bound []byte // the first index row behind the span
	switch {
	case s.single:
		bound = afterPrefix(from)
		from = appendNewestFirst(from, at)
	case !s.open:
		bound = appendPrefix(nil, s.end)
	}
	for c.Seek(from); c.Valid(); {
		row := c.Key()
		if bound != nil && bytes.Compare(row, bound) >= 0 {
			return
		}
		prefix, rev := splitIndexKey(row)
		if at.less(rev) {
			skipTo(c, prefix, at)
			continue
		}
		if value := c.Value(); len(value) > 1 && !visit(prefix, rev.main, value) {
			return
		}
		if s.single {
			return
		}
		skipKey(c, prefix)
	}
}

// skipTo goes on to the key's first row that is not newer than at, or behind
// the key.
func skipTo(c Cursor, prefix []byte, at revision) {
	for range maxSteps {
		if c.Next(); !c.Valid() {
			return
		}
		p, rev := splitIndexKey(c.Key())
		if !at.less(rev) || !bytes.Equal(p, prefix) {
			return
		}
	}
	c.Seek(appendNewestFirst(bytes.Clone(prefix), at))
}

// skipKey goes on to the next key.
func skipKey(c Cursor, prefix []byte) {
	for range maxSteps {
		if c.Next(); !c.Valid() {
			return
		}
		if p, _ := splitIndexKey(c.Key()); !bytes.Equal(p, prefix) {
			return
		}
	}
	c.Seek(afterPrefix(prefix))
}

// get returns one key as of a revision; nil: it does not live then.
func get(r Reader, key []byte, at revision) (kv *KeyValue) {
	scan(r, span{key: key, single: true}, at, func(_ []byte, mod int64, row []byte) bool {
		v := decodeVersion(row)
		kv = v.keyValue(key, mod)
		return false
	})
	return kv
}

// Range reads this member's state. A caller who wants to see all that was
// acknowledged anywhere waits for raft's read index first. ErrEmptyKey,
// ErrInvalidSort, ErrCompacted, ErrFutureRev.
func (s *Store) Range(r *RangeRequest) (_ *RangeResponse, err error) {
	defer Caught(&err)
	if err := validateRange(r); err != nil {
		return nil, err
	}
	v := s.read()
	defer v.Close()
	if err := checkRevision(r.Revision, v.meta); err != nil {
		return nil, err
	}
	return rangeKeys(v, r, v.meta.revision), nil
}

// checkRevision refuses revisions that cannot be read.
func checkRevision(rev int64, m meta) error {
	switch {
	case rev <= 0:
		return nil
	case rev > m.revision:
		return ErrFutureRev
	case rev < m.compacted:
		return ErrCompacted
	}
	return nil
}

// rangeKeys answers a request whose revision can be read. now is what the
// response shows as the store's revision.
func rangeKeys(r Reader, req *RangeRequest, now int64) *RangeResponse {
	at := latest
	if req.Revision > 0 {
		at = revision{req.Revision, math.MaxUint32}
	}
	// What decides about the order or the choice needs all keys first.
	limit := req.Limit
	if !req.inKeyOrder() || req.hasBounds() || limit <= 0 {
		limit = math.MaxInt64
	}
	resp := &RangeResponse{Revision: now}
	scan(r, spanOf(req.Key, req.End), at, func(prefix []byte, mod int64, row []byte) bool {
		resp.Count++
		if req.CountOnly {
			return true
		}
		if int64(len(resp.KVs)) >= limit {
			resp.More = true
			return true // only to count
		}
		v := decodeVersion(row)
		if req.within(mod, v.create) {
			resp.KVs = append(resp.KVs, v.keyValue(keyOf(prefix), mod))
		}
		return true
	})
	req.sort(resp.KVs)
	if req.Limit > 0 && int64(len(resp.KVs)) > req.Limit {
		resp.KVs, resp.More = resp.KVs[:req.Limit], true
	}
	if req.KeysOnly {
		for _, kv := range resp.KVs {
			kv.Value = nil
		}
	}
	return resp
}

func (r *RangeRequest) inKeyOrder() bool {
	return r.SortTarget == SortByKey && r.SortOrder != SortDescend
}

func (r *RangeRequest) hasBounds() bool {
	return r.MinModRevision != 0 || r.MaxModRevision != 0 || r.MinCreateRevision != 0 || r.MaxCreateRevision != 0
}

func (r *RangeRequest) within(mod, create int64) bool {
	return (r.MinModRevision == 0 || mod >= r.MinModRevision) &&
		(r.MaxModRevision == 0 || mod <= r.MaxModRevision) &&
		(r.MinCreateRevision == 0 || create >= r.MinCreateRevision) &&
		(r.MaxCreateRevision == 0 || create <= r.MaxCreateRevision)
}

// sort orders what is in the order of its keys.
func (r *RangeRequest) sort(kvs []*KeyValue) {
	if r.inKeyOrder() {
		return
	}
	var by func(a, b *KeyValue) int
	switch r.SortTarget {
	case SortByKey:
		by = func(a, b *KeyValue) int { return bytes.Compare(a.Key, b.Key) }
	case SortByVersion:
		by = func(a, b *KeyValue) int { return cmp.Compare(a.Version, b.Version) }
	case SortByCreate:
		by = func(a, b *KeyValue) int { return cmp.Compare(a.CreateRevision, b.CreateRevision) }
	case SortByMod:
		by = func(a, b *KeyValue) int { return cmp.Compare(a.ModRevision, b.ModRevision) }
	case SortByValue:
		by = func(a, b *KeyValue) int { return bytes.Compare(a.Value, b.Value) }
	}
	if r.SortOrder == SortDescend {
		up := by
		by = func(a, b *KeyValue) int { return up(b, a) }
	}
	slices.SortStableFunc(kvs, by)
}
