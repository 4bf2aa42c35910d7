package lsm

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/table"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// A read of one key asks the newest place first and stops at the first answer
// (rule L3): an entry found is newer than anything below.
//
//	memtables, new to old -> layers of L0, new to old -> L1 ... L6
//	   filter, skiplist        filter, index, block

// lookup is the memory of one Get.
type lookup struct{ seek []byte }

var lookups = sync.Pool{New: func() any { return new(lookup) }}

// read is get of the store as it is now, or of a snapshot.
func (d *DB) read(s *Snapshot, dst, k []byte, ts uint64, tr *Trace) ([]byte, error) {
	state, err := d.acquire()
	if err != nil {
		return dst, err
	}
	defer state.unref()
	seq := d.visible.Load() // after the state: what an older reader sees may be gone from it
	if s != nil {
		seq = s.seq
	}
	return d.get(state, dst, k, seq, ts, tr)
}

// get appends the value of k to dst, as a reader at seq, and at timestamp ts,
// sees it.
func (d *DB) get(s *readState, dst, k []byte, seq, ts uint64, tr *Trace) (v []byte, err error) {
	d.stats.gets.Add(1)
	if d.opts.Timestamps {
		return d.getVersion(s, dst, k, seq, ts, tr.table())
	}
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	l := lookups.Get().(*lookup)
	trailer, value, found, err := d.find(s, l, k, seq, tr)
	if err == nil {
		v, err = d.answer(s, dst, k, seq, trailer, value, found)
	} else {
		v = dst
	}
	lookups.Put(l)
	return v, err
}

// answer says what the newest visible entry of k means.
func (d *DB) answer(s *readState, dst, k []byte, seq, trailer uint64, value []byte, found bool) ([]byte, error) {
	kind := key.KindOf(trailer)
	switch {
	case !found || kind == key.Delete || s.covered(d.order, k, seq) > key.SeqOf(trailer):
		return dst, ErrNotFound
	case kind == key.Set:
		return append(dst, value...), nil
	case kind == key.Merge:
		return d.getVersion(s, dst, k, seq, ^uint64(0), nil)
	case kind == key.SetTTL || kind == key.PointerTTL:
		if len(value) < 8 || int64(binary.LittleEndian.Uint64(value)) <= d.opts.Clock().UnixNano() {
			return dst, ErrNotFound
		}
	}
	return d.resolve(dst, kind, value)
}

// covered returns the sequence number of the newest range delete over k that a
// reader at seq sees, 0 for none.
func (s *readState) covered(order key.Order, k []byte, seq uint64) uint64 {
	newest := uint64(0)
	for _, m := range s.mems {
		if f := m.spans.fragments(order); f != nil {
			newest = max(newest, f.Cover(k, seq))
		}
	}
	if f := s.version.spans; f != nil {
		newest = max(newest, f.Cover(k, seq))
	}
	return newest
}

// find returns the newest entry of k that a reader at seq sees.
func (d *DB) find(s *readState, l *lookup, k []byte, seq uint64, tr *Trace) (trailer uint64, value []byte, found bool, err error) {
	hash := bloom.Hash(k)
	for i, m := range s.mems {
		trailer, value, found = m.get(k, hash, seq)
		tr.memtable(i, found)
		if found {
			return trailer, value, true, nil
		}
	}
	l.seek = key.Append(l.seek[:0], k, key.Trailer(seq, key.MaxKind))
	v := s.version
	for i := len(v.layers) - 1; i >= 0; i-- {
		trailer, value, found, err = v.findIn(v.layers[i], 0, l.seek, hash, tr)
		if found || err != nil {
			return trailer, value, found, err
		}
	}
	for level := 1; level < len(v.levels); level++ {
		if len(v.levels[level]) == 0 {
			continue
		}
		trailer, value, found, err = v.findIn(v.levels[level], level, l.seek, hash, tr)
		if found || err != nil {
			return trailer, value, found, err
		}
	}
	return 0, nil, false, nil
}

// findIn asks the table of a run that may have the key.
func (v *version) findIn(run []*tableFile, level int, seek []byte, hash uint64, tr *Trace) (trailer uint64, value []byte, found bool, err error) {
	t := v.find(run, seek)
	if t == nil {
		return 0, nil, false, nil
	}
	r, err := t.reader()
	if err != nil {
		return 0, nil, false, err
	}
	if tr == nil {
		return r.Get(seek, hash, nil)
	}
	step := TraceStep{Level: level, Table: t.Num}
	trailer, value, found, err = r.Get(seek, hash, &step.Trace)
	step.Found = found
	tr.Steps = append(tr.Steps, step)
	return trailer, value, found, err
}

// getVersion is get by way of an iterator: for a key with operands, and for one
// whose versions may be in any level.
func (d *DB) getVersion(s *readState, dst, k []byte, seq, ts uint64, tr *table.Trace) ([]byte, error) {
	it := d.newIterator(s, false, seq, nil, tr)
	it.opts.At = ts // 0 is a timestamp here
	it.opts.Lower, it.opts.Upper = append(it.opts.Lower[:0], k...), append(append(it.opts.Upper[:0], k...), 0)
	found := it.SeekGE(k)
	if found {
		dst = append(dst, it.Value()...)
	}
	if err := it.Close(); err != nil {
		return dst, err
	}
	if !found {
		return dst, ErrNotFound
	}
	return dst, nil
}

// resolve appends to dst the value that an entry stands for: without its expiry,
// and read from the value log when it is there.
func (d *DB) resolve(dst []byte, kind key.Kind, raw []byte) ([]byte, error) {
	if kind == key.SetTTL || kind == key.PointerTTL {
		if len(raw) < 8 {
			return dst, &CorruptError{File: d.dir, Reason: fmt.Sprintf("an entry that expires has a value of %d bytes", len(raw))}
		}
		raw = raw[8:]
	}
	if kind != key.Pointer && kind != key.PointerTTL {
		return append(dst, raw...), nil
	}
	p, err := vlog.ParsePointer(raw)
	if err != nil {
		return dst, err
	}
	return d.values.Read(p, dst)
}
