package lsm

import (
	"bytes"
	"encoding/binary"
	"iter"

	"github.com/flagship-go/flagship/lsm/key"
)

// What of the merger's entries an iterator shows: forwards the newest visible
// entry of a key comes first, backwards last.

// visible reports whether the entry at which the merger is counts: it is not
// newer than the moment shown, and not covered by a range delete that counts.
func (it *Iterator) visible(trailer uint64) bool {
	seq := key.SeqOf(trailer)
	if seq > it.seq {
		return false
	}
	user := it.at[:len(it.at)-key.TrailerLen]
	if it.db.opts.Timestamps {
		if it.ts = ^binary.BigEndian.Uint64(user[len(user)-8:]); it.ts > it.opts.At {
			return false
		}
	}
	for _, f := range it.spans {
		if f.Cover(user, it.seq) > seq {
			return false
		}
	}
	return true
}

// forward shows the first key from the merger's place on.
func (it *Iterator) forward() bool {
	it.valid = false
	for it.at != nil && it.err == nil {
		trailer := key.TrailerOf(it.at)
		if it.opts.Upper != nil && bytes.Compare(it.bare(), it.opts.Upper) >= 0 {
			it.at = nil
			break
		}
		if !it.visible(trailer) {
			it.at = it.m.Next()
			continue
		}
		it.key = append(it.key[:0], it.bare()...)
		it.trailer = trailer
		switch kind := key.KindOf(trailer); {
		case kind == key.Merge:
			return it.mergeForward()
		case kind == key.Delete || expired(kind, it.m.Value, it.now):
			it.at = it.m.Next()
			it.skipKey()
		default:
			it.lazy, it.valid, it.stand = true, true, onEntry
			return true
		}
	}
	it.stand = pastKey
	return it.end()
}

// end reports the end of the merger, or the error that looks like one.
func (it *Iterator) end() bool {
	if it.err == nil {
		it.err = it.m.Err()
	}
	return false
}

// expired reports whether an entry has had its time; value is called only for
// kinds that have one.
func expired(kind key.Kind, value func() []byte, now int64) bool {
	if kind != key.SetTTL && kind != key.PointerTTL {
		return false
	}
	v := value()
	return len(v) < 8 || int64(binary.LittleEndian.Uint64(v)) <= now
}

// mergeForward collects the operands of the key shown, down to a value or to
// nothing, and shows what they make.
func (it *Iterator) mergeForward() bool {
	var base []byte
	it.operands = it.operands[:0]
	for it.at != nil && bytes.Equal(it.bare(), it.key) {
		trailer := key.TrailerOf(it.at)
		kind := key.KindOf(trailer)
		if !it.visible(trailer) {
			it.at = it.m.Next()
			continue
		}
		if kind == key.Merge {
			it.operands = append(it.operands, bytes.Clone(it.m.Value()))
			it.at = it.m.Next()
			continue
		}
		if kind != key.Delete && !expired(kind, it.m.Value, it.now) {
			if base, it.err = it.db.resolve(nil, kind, it.m.Value()); base == nil {
				base = []byte{}
			}
		}
		break
	}
	it.skipKey()
	return it.showMerged(base, pastKey)
}

// showMerged shows the key with its operands, newest first, applied to base.
func (it *Iterator) showMerged(base []byte, where stand) bool {
	if it.err == nil {
		it.err = it.m.Err()
	}
	if it.err != nil {
		return false
	}
	v, err := it.db.merge(it.key, base, it.operands)
	if err != nil {
		it.err = err
		return false
	}
	it.val, it.lazy, it.valid, it.stand = append(it.val[:0], v...), false, true, where
	return true
}

// backward shows the last key from the merger's place back.
func (it *Iterator) backward() bool {
	it.valid = false
	if it.opts.AllVersions {
		it.err = errForwardOnly
	}
	for it.at != nil && it.err == nil {
		if it.opts.Lower != nil && bytes.Compare(it.bare(), it.opts.Lower) < 0 {
			it.at = nil
			break
		}
		if it.backKey() {
			return true
		}
	}
	it.stand = preKey
	return it.end()
}

// backKey goes over the entries of the key at which the merger is, oldest first,
// and reports whether they leave something to show.
func (it *Iterator) backKey() bool {
	it.key = append(it.key[:0], it.bare()...)
	it.operands = it.operands[:0]
	var kind key.Kind
	var trailer, ts uint64
	found := false
	for it.at != nil && bytes.Equal(it.bare(), it.key) {
		t := key.TrailerOf(it.at)
		switch k := key.KindOf(t); {
		case !it.visible(t):
		case k == key.Merge:
			it.operands = append(it.operands, bytes.Clone(it.m.Value()))
			trailer = t
		default:
			it.operands = it.operands[:0]
			if found = k != key.Delete && !expired(k, it.m.Value, it.now); found {
				it.val = append(it.val[:0], it.m.Value()...)
			}
			kind, trailer, ts = k, t, it.ts
		}
		it.at = it.m.Prev()
	}
	it.trailer, it.ts = trailer, ts
	if len(it.operands) > 0 {
		return it.backMerged(kind, found)
	}
	// The merger has moved on: only an error there makes what was read doubtful.
	if it.err = it.m.Err(); !found || it.err != nil {
		return false
	}
	it.lazy, it.valid, it.stand = false, true, preKey
	return true
}

func (it *Iterator) backMerged(kind key.Kind, found bool) bool {
	var base []byte
	if found {
		if base, it.err = it.db.resolve(nil, kind, it.val); base == nil {
			base = []byte{}
		}
	}
	for i, j := 0, len(it.operands)-1; i < j; i, j = i+1, j-1 {
		it.operands[i], it.operands[j] = it.operands[j], it.operands[i]
	}
	it.trailer = key.Trailer(key.SeqOf(it.trailer), key.Merge)
	return it.showMerged(base, preKey)
}

// KV is a key and its value.
type KV struct{ Key, Value []byte }

// Range iterates over the keys from lower up to, and without, upper as they are
// when the loop begins; nil bounds are open. Key and value are valid until the
// next round. An error comes last, with an empty KV.
func (d *DB) Range(lower, upper []byte) iter.Seq2[KV, error] {
	return func(yield func(KV, error) bool) {
		it, err := d.NewIter(&IterOptions{Lower: lower, Upper: upper})
		if err != nil {
			yield(KV{}, err)
			return
		}
		closed := false
		defer func() {
			if !closed { // the loop has ended early, perhaps with a panic
				it.Close()
			}
		}()
		for ok := it.First(); ok; ok = it.Next() {
			v := it.Value()
			if it.err != nil {
				break
			}
			if !yield(KV{it.key, v}, nil) {
				return
			}
		}
		closed = true
		if err := it.Close(); err != nil {
			yield(KV{}, err)
		}
	}
}
