package lsm

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/skiplist"
	"github.com/flagship-go/flagship/lsm/table"
)

// flush writes immutable memtables, the oldest ones, as tables of L0. The order of
// what becomes durable is the point (rule L4):
//
//	values -> log -> tables -> their names -> edit | memtables go -> log is cut
//
// The log comes before the edit, though nothing in it is needed any more: were it
// shorter after a power cut than the edit says, new records would take numbers
// that count as flushed.
func (d *DB) flush(mems []*memtable) error {
	for _, m := range mems {
		m.writers.Wait()
	}
	d.mu.Lock()
	snapshots := d.snapshots.all()
	logFirst := d.mems[len(mems)].logFirst
	d.mu.Unlock()

	tables, err := d.writeMemtables(mems, snapshots)
	if err == nil && d.log != nil {
		err = d.syncTo(min(logFirst-1, d.log.LastSeq()))
	} else if err == nil {
		err = d.values.Sync()
	}
	if err != nil {
		d.removeTables(tables)
		return err
	}
	edit := &manifest.Edit{Added: tables, LastSeq: mems[len(mems)-1].last, WALFirst: logFirst}
	if err = d.installEdit(edit, len(mems)); err != nil {
		return err
	}
	for _, m := range mems {
		m.unref()
	}
	in := int64(0)
	for _, m := range mems {
		in += m.values
	}
	d.churn.met(in, valueBytes(pointers(tables)))
	d.stats.flushes.Add(1)
	if d.log != nil {
		if err := d.log.TruncateFront(logFirst); err != nil {
			return fmt.Errorf("lsm: cutting the log: %w", err)
		}
	}
	return nil
}

// writeMemtables writes the tables, and removes them again when it fails.
func (d *DB) writeMemtables(mems []*memtable, snapshots []uint64) (tables []manifest.Table, err error) {
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	var m merger
	var sources []source
	var spans []key.Span
	for i := len(mems) - 1; i >= 0; i-- {
		sources = append(sources, source{cur: mems[i].cursor(new(skiplist.Cursor))})
		spans = append(spans, mems[i].spans.fragments(d.order).All()...)
	}
	m.init(d.order, sources)
	defer m.Close()
	f := d.order.Fragment(spans)
	r := d.newRetain(&m, snapshots, f)
	r.bottom = func([]byte) bool { return false }
	b := &builder{db: d, flush: true, spans: f, keep: newestOfStripe(r), tick: func(n uint64) { d.stats.flushedBytes.Add(n) }}
	if err = d.pour(r, b, nil, nil); err != nil {
		b.remove()
		return nil, err
	}
	if err = d.opts.FS.SyncDir(d.dir); err != nil {
		b.remove()
		return nil, d.fail(fmt.Errorf("lsm: syncing directory %s: %w", d.dir, err))
	}
	return b.out, nil
}

func (d *DB) newRetain(in key.Cursor, snapshots []uint64, spans *key.Fragments) *retain {
	return &retain{
		order: d.order, snapshots: snapshots, spans: spans, in: in,
		now: d.opts.Clock().UnixNano(), versions: d.opts.NumVersionsToKeep, discard: d.discard.Load(),
		merge: d.merge,
		load:  func(kind key.Kind, raw []byte) ([]byte, error) { return d.resolve(nil, kind, raw) },
	}
}

// pour writes what r keeps into b, up to the user key upper, nil for the end.
func (d *DB) pour(r *retain, b *builder, lower, upper []byte) error {
	b.lower = lower
	if err := r.first(lower); err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n&0x3ff == 0 && b.ended() {
			return errAborted
		}
		user, trailer, value, ok, err := r.entry()
		if err != nil {
			return err
		}
		if !ok || upper != nil && d.order.CompareUser(user, upper) >= 0 {
			return b.cut(upper)
		}
		if err := b.add(user, trailer, value); err != nil {
			return err
		}
	}
}

// newestOfStripe returns the rule by which range deletes are kept: not those that
// lie within a newer one of their stripe. They come by start, then newest first.
func newestOfStripe(r *retain) spanRule {
	var last key.Span
	return func(s key.Span) bool {
		if last.End != nil && r.order.CompareUser(last.Start, s.Start) <= 0 && r.order.CompareUser(s.End, last.End) <= 0 &&
			last.Seq >= s.Seq && r.stripe(last.Seq) == r.stripe(s.Seq) {
			return false
		}
		last = s
		return true
	}
}

// removeTables removes the files of tables that are in no version.
func (d *DB) removeTables(tables []manifest.Table) {
	for _, t := range tables {
		d.opts.FS.Remove(d.tables.path(t.Num))
	}
}

// installEdit makes the version after edit the newest one, durably. A flush says
// how many memtables, the oldest ones, the edit has put into tables, and sets
// what the edit says of the log.
func (d *DB) installEdit(edit *manifest.Edit, flushed int) error {
	d.install.Lock()
	defer d.install.Unlock()
	next, err := d.state.Load().version.apply(edit, d.tableOf)
	if err != nil {
		return d.fail(fmt.Errorf("lsm: making a version: %w", err))
	}
	if flushed == 0 {
		edit.LastSeq, edit.WALFirst = d.flushed, d.logFirst
	}
	d.mu.Lock()
	edit.NextFile = d.nextFile
	d.mu.Unlock()
	if err := d.manifest.Append(edit); err != nil {
		if err = d.manifestError(err); d.failure.Load() == nil {
			// Nothing was written. After any other error the edit may be there, and
			// its tables must be.
			d.removeTables(newTables(edit))
		}
		return err
	}
	d.flushed, d.logFirst = edit.LastSeq, edit.WALFirst
	next.pin()
	d.mu.Lock()
	for _, t := range next.replaced {
		t.dropped.Store(true)
	}
	d.mems = slices.Clone(d.mems[flushed:])
	old := d.publish(next)
	d.jobChanged()
	d.mu.Unlock()
	next.unref()
	old.unref()
	return d.rotateManifest(next)
}

// newTables returns the tables that an edit adds and does not only move.
func newTables(e *manifest.Edit) (out []manifest.Table) {
	for _, t := range e.Added {
		if !slices.ContainsFunc(e.Removed, func(r manifest.Removed) bool { return r.Num == t.Num }) {
			out = append(out, t)
		}
	}
	return out
}

func (d *DB) tableOf(t manifest.Table) *tableFile { return &tableFile{Table: t, set: d.tables} }

// manifestSize is the length from which on the manifest is written anew.
const manifestSize = 4 << 20

// rotateManifest writes the manifest anew when most of it is history.
func (d *DB) rotateManifest(v *version) error {
	if d.manifest.Size() < d.manifestLimit {
		return nil
	}
	edit := v.snapshotEdit()
	edit.LastSeq, edit.WALFirst, edit.Timestamps = d.flushed, d.logFirst, d.opts.Timestamps
	d.mu.Lock()
	edit.NextFile = d.nextFile
	d.mu.Unlock()
	switch err := d.manifest.Rotate(edit); {
	case noSpace(err):
		// The edit is in the long one, which stays: the next edit tries again.
		d.opts.Logger.Warn("lsm: no space for a shorter manifest", "dir", d.dir, "err", err)
		return nil
	case err != nil:
		return d.manifestError(err)
	}
	d.manifestLimit = max(manifestSize, 2*d.manifest.Size())
	return nil
}

// manifestError judges an error of the manifest: a full disk changed nothing.
func (d *DB) manifestError(err error) error {
	return d.writeError(fmt.Errorf("lsm: writing the manifest: %w", err))
}
