package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/skiplist"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// What the log holds and no table does is read back when the store is opened.
// Much of it becomes flat memtables, which are sorted and not inserted key by
// key; a little goes into the memtable for the next writes.
//
//	manifest: logFirst 41     log: 39 40 | 41 42 43 ...... 90 | 91 92
//	                              in tables   flat, flushed      memtable

// replayer collects the records of the log.
type replayer struct {
	db     *DB
	mem    *memtable    // the flat memtable being made; nil: none yet
	starts []int        // where its batches begin
	full   []*memtable  // those made before it
	room   int          // what they would take in an arena
	first  uint64       // record with which it begins
	nextOK uint64       // the sequence number that must come next
	open   []pointer    // to values that may be lost
	mark   vlog.Pointer // the last one: how far the value log was durable
}

// readLog reads the log from the first record that is not in a table.
func (d *DB) readLog() (*replayer, error) {
	r := &replayer{db: d}
	if d.log == nil {
		return r, nil
	}
	path := filepath.Join(d.dir, logDir)
	first, last := d.log.FirstSeq(), d.log.LastSeq()
	if first > d.logFirst || last+1 < d.logFirst {
		return nil, &CorruptError{File: path, Reason: fmt.Sprintf(
			"the log holds records %d to %d, and the manifest needs those from %d on", first, last, d.logFirst)}
	}
	if last < d.logLast {
		return nil, &CorruptError{File: path, Reason: fmt.Sprintf(
			"the log ends with record %d, and was durable up to record %d", last, d.logLast)}
	}
	return r, r.read(last + 1)
}

// replay makes what was read what the store holds, up to the first record whose
// values are lost.
func (d *DB) replay(r *replayer) error {
	if d.log == nil {
		return nil
	}
	cut, err := d.firstLost(r.open)
	if err != nil {
		return err
	}
	if cut > 0 {
		if !d.opts.ReadOnly {
			if err := d.log.TruncateBack(cut - 1); err != nil {
				return err
			}
		}
		if err := r.read(cut); err != nil {
			return err
		}
	}
	d.stats.replayed.Store(r.nextOK - d.pipe.nextSeq)
	d.pipe.nextSeq = r.nextOK
	return r.finish()
}

// pointer is one that no mark has vouched for, and where it is from.
type pointer struct {
	record uint64
	vlog.Pointer
}

// read makes memtables of the records from the first that is in no table up to,
// and without, end.
func (r *replayer) read(end uint64) error {
	d := r.db
	*r = replayer{db: d, first: d.logFirst, nextOK: d.pipe.nextSeq}
	for record, err := range d.log.Records(d.logFirst) {
		if err != nil {
			return err
		}
		if record.Seq >= end {
			break
		}
		if err := r.add(record.Seq, record.Data); err != nil {
			return err
		}
		r.point(record.Seq, record.Data)
	}
	return nil
}

// point notes what a record points to. What a mark says was durable needs no
// look; damage to it shows when it is read.
func (r *replayer) point(seq uint64, data []byte) {
	if !mayPoint(data) {
		return
	}
	b, _ := openBatch(data)
	for e, ok, err := b.next(); ok && err == nil; e, ok, err = b.next() {
		if p, ok := pointerOf(e); ok && e.kind == key.Mark {
			r.mark = p
			r.open = slices.DeleteFunc(r.open, func(o pointer) bool { return covers(p, o.Pointer) })
		} else if ok {
			r.open = append(r.open, pointer{seq, p})
		}
	}
}

// firstLost returns the first record of the log that points to a value which a
// crash has lost, 0 for none: it, and what follows it, was promised to nobody.
func (d *DB) firstLost(open []pointer) (cut uint64, err error) {
	var buf []byte
	for _, p := range open {
		var damage *vlog.CorruptError
		if buf, err = d.values.Read(p.Pointer, buf[:0]); errors.As(err, &damage) {
			d.stats.cut.Add(d.log.LastSeq() - p.record + 1)
			d.opts.Logger.Warn("lsm: records whose values a crash has lost", "dir", d.dir, "from", p.record, "to", d.log.LastSeq(), "reason", err, "cut", !d.opts.ReadOnly)
			return p.record, nil
		} else if err != nil {
			return 0, err // the disk failed: that says nothing of the value
		}
	}
	return 0, nil
}

// mayPoint reports whether a record may have pointers: then it ends with a mark.
func mayPoint(record []byte) bool {
	tail := record[max(batchHeader, len(record)-maxPointer-3):]
	return bytes.IndexByte(tail, byte(key.Mark)) >= 0
}

// pointerOf returns what an entry points to, or vouches for.
func pointerOf(e entry) (vlog.Pointer, bool) {
	value := e.value
	switch {
	case e.kind == key.PointerTTL && len(value) >= 8:
		value = value[8:]
	case e.kind != key.Pointer && e.kind != key.Mark:
		return vlog.Pointer{}, false
	}
	p, err := vlog.ParsePointer(value)
	return p, err == nil
}

// covers reports whether a mark says that the value at p was durable.
func covers(mark, p vlog.Pointer) bool {
	return p.File < mark.File || p.File == mark.File && p.Offset+uint64(p.Length) <= mark.Offset
}

// add takes one record.
func (r *replayer) add(seq uint64, data []byte) error {
	b, err := openBatch(data)
	if err == nil && b.seq != r.nextOK {
		err = fmt.Errorf("it begins with sequence number %d where %d comes next", b.seq, r.nextOK)
	}
	if r.mem != nil && len(r.mem.flat.data)+len(data) > r.db.opts.MemTableSize {
		r.push(seq)
	}
	if r.mem == nil {
		r.begin(max(len(data), r.db.opts.MemTableSize))
	}
	f := r.mem.flat
	start, n := len(f.data), len(f.entries)
	if err == nil {
		err = f.add(data, &r.mem.spans, false)
	}
	if err != nil {
		return &CorruptError{File: filepath.Join(r.db.dir, logDir), Reason: fmt.Sprintf("record %d: %v", seq, err)}
	}
	r.starts = append(r.starts, start)
	for _, e := range f.entries[n:] {
		r.room += skiplist.NodeSize(int(e.end-e.key), int(e.stop-e.value))
	}
	r.nextOK += uint64(b.count)
	return nil
}

// begin makes an empty flat memtable with room for size bytes of batches.
func (r *replayer) begin(size int) {
	r.mem, _ = newFlatMemtable(r.db.order)
	r.mem.arena = newArena(size)
	r.mem.arena.freeWith(r.mem)
	r.mem.flat.data = r.mem.arena.mem[:0]
}

// push ends the flat memtable; next is the record with which the one after it
// begins.
func (r *replayer) push(next uint64) {
	m := r.mem
	m.flat.sort()
	m.flat.spare = nil
	m.logFirst, m.last, m.free = r.first, r.nextOK-1, r.db.freeMemtable
	r.full = append(r.full, m)
	r.mem, r.starts, r.room, r.first = nil, nil, 0, next
}

// smallReplay is the part of a memtable that is inserted, so that a store that is
// opened often does not write a small table each time.
const smallReplay = 4

// finish disposes of the last records collected.
func (r *replayer) finish() error {
	d := r.db
	if r.room > d.opts.MemTableSize/smallReplay {
		r.push(d.log.LastSeq() + 1)
	}
	for _, m := range r.full {
		d.liveValues.hold(m, 0)
		d.mems = append(d.mems, m)
	}
	d.rotate()
	d.mutable.logFirst = r.first
	if len(r.starts) > 0 {
		d.liveValues.hold(d.mutable, 0)
	}
	for i, start := range r.starts {
		data := r.mem.flat.data[start:]
		if i+1 < len(r.starts) {
			data = data[:r.starts[i+1]-start]
		}
		d.mutable.used = true
		if err := d.mutable.insert(data); err != nil {
			return fmt.Errorf("lsm: replaying the log: %w", err)
		}
	}
	if r.mem != nil {
		r.mem.arena.free() // its batches were copied
	}
	return nil
}
