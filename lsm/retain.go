package lsm

import (
	"bytes"
	"encoding/binary"

	"github.com/flagship-go/flagship/lsm/key"
)

// retain decides what of the entries of a key a flush or a compaction keeps. It
// is a pure function of its input: the entries, the open snapshots, the time.
//
// Snapshots cut the sequence numbers into stripes. Two entries in one stripe look
// the same to every reader but one: all see the newer, none the older.
//
//	seq:       3     7   |  9    12   |  20    25
//	              snapshot 8      snapshot 15
//	key a:     put  put  | put   del  |        put
//	kept:           put  |       del  |        put
//
// Hence the rule (L5): of a key, only the newest entry in each stripe is kept. A
// delete, or a value that has expired, which counts as one (L11), is dropped
// itself when nothing older is kept, and nothing older lies in the levels below.
type retain struct {
	order     key.Order
	snapshots []uint64 // ascending
	spans     *key.Fragments
	now       int64
	versions  int    // NumVersionsToKeep
	discard   uint64 // of timestamps at or below it only the newest is wanted
	// bottom reports whether no level below holds the user key; with timestamps,
	// whether nothing at all but the input holds a version of it.
	bottom func(user []byte) bool
	merge  func(k, base []byte, operands [][]byte) ([]byte, error)
	// load returns the value of an entry that is to be merged onto.
	load func(kind key.Kind, raw []byte) ([]byte, error)

	in key.Cursor
	at []byte // the next entry of in

	// The key being looked at, its entries, and what is kept of them, in order.
	user []byte
	all  []kept
	out  []kept
	next int
	buf  []byte // the values

	// With timestamps: the key without, and how many of its versions at or
	// below discard have been kept.
	bare     []byte
	oldKept  int
	oldEnded bool
}

// kept is an entry of the output.
type kept struct {
	trailer uint64
	value   []byte
}

// first begins at the first entry of in, or at the first one at or after the user
// key lower.
func (r *retain) first(lower []byte) error {
	if lower == nil {
		r.at = r.in.First()
	} else {
		r.at = r.in.SeekGE(key.Append(nil, lower, key.Trailer(key.MaxSeq, key.MaxKind)))
	}
	return r.in.Err()
}

// entry returns the next entry of the output; ok is false at the end. User and
// value are valid until the next call.
func (r *retain) entry() (user []byte, trailer uint64, value []byte, ok bool, err error) {
	for r.next == len(r.out) {
		if r.at == nil {
			return nil, 0, nil, false, r.in.Err()
		}
		if err := r.collect(); err != nil {
			return nil, 0, nil, false, err
		}
	}
	k := r.out[r.next]
	r.next++
	return r.user, k.trailer, k.value, true, nil
}

// stripe returns the snapshot that sees seq and no newer stripe; MaxSeq for the
// newest.
func (r *retain) stripe(seq uint64) uint64 {
	for _, s := range r.snapshots {
		if seq <= s {
			return s
		}
	}
	return key.MaxSeq
}

// lowest reports whether seq is in the oldest stripe, below which nobody looks.
func (r *retain) lowest(seq uint64) bool {
	return len(r.snapshots) == 0 || seq <= r.snapshots[0]
}

// collect reads all entries of the next key and decides what stays.
func (r *retain) collect() error {
	r.user = append(r.user[:0], key.UserKey(r.at)...)
	r.all, r.out, r.next, r.buf = r.all[:0], r.out[:0], 0, r.buf[:0]
	for r.at != nil && bytes.Equal(key.UserKey(r.at), r.user) {
		r.all = append(r.all, r.read())
		r.at = r.in.Next()
	}
	for start := 0; start < len(r.all); {
		stripe, end := r.stripe(key.SeqOf(r.all[start].trailer)), start+1
		for end < len(r.all) && r.stripe(key.SeqOf(r.all[end].trailer)) == stripe {
			end++
		}
		if err := r.keepStripe(r.all[start:end], end < len(r.all)); err != nil {
			return err
		}
		start = end
	}
	r.dropDeletes()
	r.dropOld()
	return r.in.Err()
}

// read returns the entry at r.at as it counts in its stripe: nothing when a range
// delete of the stripe covers it, a delete when it has expired.
func (r *retain) read() kept {
	trailer := key.TrailerOf(r.at)
	seq, kind := key.SeqOf(trailer), key.KindOf(trailer)
	switch {
	case r.spans != nil && r.spans.Cover(r.user, r.stripe(seq)) > seq:
		return kept{trailer: key.Trailer(seq, nothing)}
	case kind == key.Delete || expired(kind, r.in.Value, r.now):
		return kept{trailer: key.Trailer(seq, key.Delete)}
	}
	start := len(r.buf)
	r.buf = append(r.buf, r.in.Value()...) // when it grows, older values stay in the old one
	return kept{trailer, r.buf[start:len(r.buf):len(r.buf)]}
}

// nothing stands for an entry that a range delete of its stripe covers: below it
// is nothing, and, unlike a delete, it need not be kept to say so.
const nothing = key.MaxKind

// keepStripe keeps what is wanted of the entries of one stripe, newest first.
// More says that the key has entries in older stripes.
func (r *retain) keepStripe(all []kept, more bool) error {
	for i := 0; i < len(all) && (i < r.versions || r.versions > 1); i++ {
		switch kind := key.KindOf(all[i].trailer); {
		case kind == nothing:
			return nil
		case kind == key.Delete:
			// Also behind the versions kept: it ends the key's history, and older
			// versions may lie below.
			r.out = append(r.out, all[i])
			return nil
		case i >= r.versions:
		case kind == key.Merge:
			return r.keepMerge(all[i:], more)
		default:
			r.out = append(r.out, all[i])
		}
	}
	return nil
}

// keepMerge keeps the operands that all begins with: as the value that they make,
// if what is below them is known, else as they are, with what is below.
func (r *retain) keepMerge(all []kept, more bool) error {
	n := 0
	var operands [][]byte
	for ; n < len(all) && key.KindOf(all[n].trailer) == key.Merge; n++ {
		operands = append(operands, all[n].value)
	}
	var base []byte
	known := false
	if n == len(all) {
		known = !more && r.bottom(r.user)
	} else {
		switch kind := key.KindOf(all[n].trailer); kind {
		case nothing, key.Delete:
			known = true
		case key.Set, key.Pointer:
			v, err := r.load(kind, all[n].value)
			if err != nil {
				return err
			}
			base, known = append([]byte{}, v...), true
		}
		// A value that will expire stays apart: what it leaves then is not known.
	}
	if known && r.versions == 1 {
		if v, err := r.merge(r.user, base, operands); err == nil {
			r.out = append(r.out, kept{key.Trailer(key.SeqOf(all[0].trailer), key.Set), bytes.Clone(v)})
			return nil
		}
		// The operator refuses: a reader will be told, and the operands stay.
	}
	r.out = append(r.out, all[:n]...)
	if n < len(all) && key.KindOf(all[n].trailer) != nothing {
		r.out = append(r.out, all[n])
	}
	return nil
}

// dropDeletes drops deletes at the end of what is kept: there is nothing older for
// them to hide, neither here, where a snapshot would have kept it, nor below.
func (r *retain) dropDeletes() {
	for n := len(r.out); n > 0; n-- {
		last := r.out[n-1].trailer
		if key.KindOf(last) != key.Delete || r.order == key.Timestamped || !r.bottom(r.user) {
			return
		}
		r.out = r.out[:n-1]
	}
}

// startBare notes whether a new key begins, timestamps aside.
func (r *retain) startBare() {
	if r.order == key.Timestamped && !bytes.Equal(r.bare, r.order.Bare(r.user)) {
		r.bare = append(r.bare[:0], r.order.Bare(r.user)...)
		r.oldKept, r.oldEnded = 0, false
	}
}

// dropOld drops what is kept of a version whose timestamp nobody reads at: there
// is a newer one that is not above discard either.
func (r *retain) dropOld() {
	r.startBare()
	if r.order != key.Timestamped || len(r.out) == 0 || ^binary.BigEndian.Uint64(r.user[len(r.user)-8:]) > r.discard {
		return
	}
	newest := r.out[0].trailer
	switch {
	case !r.lowest(key.SeqOf(newest)):
		return // a snapshot may see the older ones only
	case r.oldEnded || r.oldKept >= r.versions:
		r.out = r.out[:0]
	case key.KindOf(newest) == key.Delete:
		// With a snapshot, an older version that was written later may stay.
		r.oldEnded = true
		if len(r.snapshots) == 0 && r.bottom(r.user) {
			r.out = r.out[:0]
		}
	default:
		r.oldKept++
	}
}
