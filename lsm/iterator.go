package lsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/skiplist"
	"github.com/flagship-go/flagship/lsm/table"
)

// An Iterator sees one moment of the store. Below it a merger hands it every
// entry of every source, newest first within a key; of those it shows, for each
// key, the newest that is visible, unless that one says that there is nothing:
//
//	merger:    a#9 put | c#7 delete | c#3 put | d#12 put | d#5 put | e#4 merge | e#2 put
//	at #10:    a=..      (hidden)     skipped   too new    d=..      e=merge(e#2, e#4)
//
// Backwards the entries of a key come oldest first, and the last one that is
// visible decides.
//
// An Iterator is not safe for concurrent use; several of them are. It pins the
// files it reads until Close.
type Iterator struct {
	db    *DB
	state *readState
	opts  IterOptions
	seq   uint64
	now   int64
	owned bool // state is the iterator's to release

	m      merger
	lists  []skiplist.Cursor
	levels []levelCursor
	spans  []*key.Fragments
	trace  *table.Trace

	// at is where the merger is, and where it stands against the entry shown.
	at    []byte
	stand stand

	valid   bool
	key     []byte // the bare key shown
	trailer uint64
	ts      uint64
	// The value shown: in the merger at at when lazy, else in val. A pointer is
	// followed when the caller asks.
	lazy     bool
	val      []byte
	out      []byte
	seek     []byte
	operands [][]byte
	err      error
}

// IterOptions bound what an iterator shows. Its slices are copied.
type IterOptions struct {
	// Lower is the first key shown, and Upper the first that is not; nil: none.
	Lower, Upper []byte
	// Prefix shows only keys that begin with it; it replaces the bounds.
	Prefix []byte
	// AllVersions shows every version that is kept of a key, newest first, down
	// to where it was deleted. Such an iterator goes forwards only. Where
	// Options.NumVersionsToKeep is 1, and there are no timestamps, it has no effect.
	AllVersions bool
	// At is the timestamp to read at, in a store with Options.Timestamps: of
	// each key the newest version that is not above. 0: the newest.
	At uint64
}

// stand says where the merger stands.
type stand uint8

const (
	onEntry stand = iota // on the entry that decided what is shown
	pastKey              // after all entries of the key shown
	preKey               // before all entries of the key shown
	nowhere              // unpositioned
)

var errForwardOnly = errors.New("lsm: an iterator over all versions goes forwards only")

var iterators = sync.Pool{New: func() any { return new(Iterator) }}

// newIterator returns an iterator at seq over a read state, of which it takes over
// the caller's reference when owned.
func (d *DB) newIterator(state *readState, owned bool, seq uint64, o *IterOptions, tr *table.Trace) *Iterator {
	it := iterators.Get().(*Iterator)
	it.db, it.state, it.owned, it.seq, it.trace = d, state, owned, seq, tr
	it.now = d.opts.Clock().UnixNano()
	it.setOptions(o)
	it.valid, it.err, it.stand = false, nil, nowhere

	v := state.version
	sources := it.m.sources[:0]
	it.spans = it.spans[:0]
	it.lists = slices.Grow(it.lists[:0], len(state.mems))[:len(state.mems)]
	for i, mem := range state.mems {
		sources = append(sources, source{cur: mem.cursor(&it.lists[i])})
		if f := mem.spans.fragments(d.order); f != nil {
			it.spans = append(it.spans, f)
		}
	}
	if v.spans != nil {
		it.spans = append(it.spans, v.spans)
	}
	runs := v.sorted
	if cap(it.levels) < len(runs) {
		it.levels = make([]levelCursor, len(runs))
	}
	it.levels = it.levels[:len(runs)]
	for i, run := range runs {
		it.levels[i].init(v, run, false, tr)
		sources = append(sources, source{cur: &it.levels[i]})
	}
	it.m.init(d.order, sources)
	return it
}

func (it *Iterator) setOptions(o *IterOptions) {
	lower, upper := it.opts.Lower[:0], it.opts.Upper[:0]
	it.opts = IterOptions{At: math.MaxUint64}
	if o == nil {
		return
	}
	from, to := o.Lower, o.Upper
	if o.Prefix != nil {
		from, to = o.Prefix, prefixEnd(o.Prefix)
	}
	if from != nil {
		it.opts.Lower = append(lower, from...)
	}
	if to != nil {
		it.opts.Upper = append(upper, to...)
		if it.opts.Upper == nil {
			it.opts.Upper = []byte{}
		}
	}
	// Of more than are kept, some may lie below a delete that is gone.
	it.opts.AllVersions = o.AllVersions && (it.db.opts.Timestamps || it.db.opts.NumVersionsToKeep > 1)
	if o.At != 0 {
		it.opts.At = o.At
	}
}

// prefixEnd returns the first key after all that begin with prefix; nil when
// there is none.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// seekKey returns the internal key before all entries of the bare key k.
func (it *Iterator) seekKey(k []byte) []byte {
	it.seek = append(it.seek[:0], k...)
	if it.db.opts.Timestamps {
		it.seek = binary.BigEndian.AppendUint64(it.seek, 0)
	}
	// The trailer that sorts first: all ones, inverted.
	it.seek = binary.BigEndian.AppendUint64(it.seek, 0)
	return it.seek
}

// First moves to the first key and reports whether there is one.
func (it *Iterator) First() bool {
	if it.opts.Lower != nil {
		return it.SeekGE(it.opts.Lower)
	}
	defer table.Guard(debug.SetPanicOnFault(true), &it.err)
	it.at = it.m.First()
	return it.forward()
}

// Last moves to the last key and reports whether there is one.
func (it *Iterator) Last() bool {
	if it.opts.Upper != nil {
		return it.SeekLT(it.opts.Upper)
	}
	defer table.Guard(debug.SetPanicOnFault(true), &it.err)
	it.at = it.m.Last()
	return it.backward()
}

// SeekGE moves to the first key at or after k and reports whether there is one.
func (it *Iterator) SeekGE(k []byte) bool {
	defer table.Guard(debug.SetPanicOnFault(true), &it.err)
	if it.opts.Lower != nil && bytes.Compare(k, it.opts.Lower) < 0 {
		k = it.opts.Lower
	}
	it.at = it.m.SeekGE(it.seekKey(k))
	return it.forward()
}

// SeekLT moves to the last key before k and reports whether there is one.
func (it *Iterator) SeekLT(k []byte) bool {
	defer table.Guard(debug.SetPanicOnFault(true), &it.err)
	if it.opts.Upper != nil && bytes.Compare(k, it.opts.Upper) > 0 {
		k = it.opts.Upper
	}
	it.at = it.m.SeekLT(it.seekKey(k))
	return it.backward()
}

// Next moves to the next key. An iterator that has not been positioned, or has
// gone back past its first key, moves to the first.
func (it *Iterator) Next() bool {
	if it.stand == nowhere || it.stand == preKey && !it.valid {
		return it.First()
	}
	if !it.Valid() {
		return false
	}
	defer table.Guard(debug.SetPanicOnFault(true), &it.err)
	switch {
	case it.stand == preKey:
		// The merger stands before the key, or before everything.
		it.at = it.m.SeekGE(it.seekKey(it.key))
		it.skipKey()
	case it.stand == onEntry && it.opts.AllVersions:
		it.skipVersion()
	case it.stand == onEntry:
		it.at = it.m.Next()
		it.skipKey()
	}
	return it.forward()
}

// Prev moves to the key before. An iterator that has gone past its last key moves
// to the last.
func (it *Iterator) Prev() bool {
	if it.stand == nowhere || it.stand != preKey && !it.valid {
		return it.Last()
	}
	if !it.Valid() {
		return false
	}
	defer table.Guard(debug.SetPanicOnFault(true), &it.err)
	if it.stand != preKey {
		it.at = it.m.SeekLT(it.seekKey(it.key))
	}
	return it.backward()
}

// skipSteps is how many entries of a key are walked over before the next key is
// sought: a key written over and over has thousands of them in a memtable.
const skipSteps = 8

// skipKey moves the merger past the entries of the key shown.
func (it *Iterator) skipKey() {
	for n := 0; it.at != nil && bytes.Equal(it.bare(), it.key); n++ {
		if n == skipSteps {
			it.seek = append(it.seek[:0], it.key...)
			it.seek = append(it.seek, lastSuffix[:int(it.db.order)+key.TrailerLen]...)
			it.at = it.m.skipTo(it.seek)
		} else {
			it.at = it.m.Next()
		}
	}
}

// lastSuffix is the oldest timestamp and trailer that a key can have.
const lastSuffix = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

// skipVersion moves the merger to the next version of the key shown: one
// timestamp is one version, however often it was written.
func (it *Iterator) skipVersion() {
	ts := it.ts
	for it.at = it.m.Next(); it.at != nil && it.db.opts.Timestamps && bytes.Equal(it.bare(), it.key); it.at = it.m.Next() {
		user := key.UserKey(it.at)
		if ^binary.BigEndian.Uint64(user[len(user)-8:]) != ts {
			return
		}
	}
}

// bare returns the key at which the merger is, without timestamp and trailer.
func (it *Iterator) bare() []byte {
	return it.at[:len(it.at)-key.TrailerLen-int(it.db.order)]
}

// Valid reports whether the iterator is at a key. After an error it is at none, also
// when a fault has ended a move half way.
func (it *Iterator) Valid() bool { return it.valid && it.err == nil }

// Key returns the key, valid until the iterator moves.
func (it *Iterator) Key() []byte { return it.key }

// Version returns the sequence number of the write shown, or, in a store with
// timestamps, its timestamp.
func (it *Iterator) Version() uint64 {
	if it.db.opts.Timestamps {
		return it.ts
	}
	return key.SeqOf(it.trailer)
}

// Value returns the value, valid until the iterator moves. When it cannot be read
// it is nil, and Err says why.
func (it *Iterator) Value() []byte {
	if !it.Valid() {
		return nil
	}
	kind := key.KindOf(it.trailer)
	if !it.lazy && (kind == key.Set || kind == key.Merge) {
		return it.val
	}
	v, err := it.readValue(kind)
	if err != nil {
		it.valid, it.err = false, err
		return nil
	}
	return v
}

// readValue copies the value out of the block that it is in: a mapped file may
// fault, and only here, under guard, is that an error and no crash.
func (it *Iterator) readValue(kind key.Kind) (v []byte, err error) {
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	raw := it.val
	if it.lazy {
		raw = it.m.Value()
	}
	it.out, err = it.db.resolve(it.out[:0], kind, raw)
	return it.out, err
}

// Err returns the error that ended the iteration, nil at an end of the keys.
func (it *Iterator) Err() error { return it.err }

// Close releases what the iterator pins, and returns its error. It must be called
// once, and no method after it.
func (it *Iterator) Close() error {
	err := it.err
	if err == errForwardOnly {
		err = nil
	}
	if cerr := it.m.Close(); err == nil {
		err = cerr
	}
	if it.owned {
		it.state.unref()
	}
	clear(it.spans)
	clear(it.lists)
	clear(it.levels)
	it.state, it.trace, it.at, it.valid = nil, nil, nil, false
	it.db = nil
	iterators.Put(it)
	return err
}
