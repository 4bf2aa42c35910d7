package lsm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/table"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// Flush writes everything that is only in memtables into tables, and returns when
// it is durable.
func (d *DB) Flush() error {
	d.pipe.mu.Lock()
	if err := d.writable(); err != nil {
		d.pipe.mu.Unlock()
		return err
	}
	if d.mutable.used {
		if err := d.stall(true); err != nil {
			d.pipe.mu.Unlock()
			return err
		}
		d.rotate()
	}
	keep := d.mutable
	d.pipe.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wait(func() bool { return len(d.mems) == 0 || d.mems[0] == keep || !slices.Contains(d.mems, keep) })
}

// DropPrefix removes all keys that begin with prefix, and gives their space back
// before it returns: it is a DeleteRange, followed by a Compact of the range.
// Open snapshots keep what they see.
func (d *DB) DropPrefix(prefix []byte) error {
	end := prefixEnd(prefix)
	if end == nil {
		last, err := d.lastKey()
		if err != nil {
			return err
		}
		end = append(last, 0)
	}
	if err := d.DeleteRange(prefix, end); err != nil {
		return err
	}
	return d.Compact(prefix, end)
}

// lastKey returns a key at or after all keys that have an entry, also one that an
// iterator would not show: its older versions are to go, too.
func (d *DB) lastKey() (last []byte, err error) {
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	it, err := d.NewIter(nil)
	if err != nil {
		return nil, err
	}
	if k := it.m.Last(); k != nil {
		last = slices.Clone(d.order.Bare(key.UserKey(k)))
	}
	return last, it.Close()
}

// DropAll removes everything at once. It fails with ErrSnapshots while a snapshot
// is open; iterators go on with what they see. Writes wait for it.
func (d *DB) DropAll() error {
	d.pipe.mu.Lock()
	defer d.pipe.mu.Unlock()
	if err := d.writable(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs.paused++
	for d.jobs.running() > 0 {
		d.changed.Wait()
	}
	err := d.dropEverything()
	d.jobs.paused--
	d.jobChanged()
	d.kick()
	return err
}

// dropEverything is DropAll while no job runs. Under pipe.mu and d.mu, which it lets go
// of meanwhile; whoever wants a snapshot waits then, for it would see nothing.
func (d *DB) dropEverything() error {
	if len(d.snapshots.seqs) > 0 {
		return ErrSnapshots
	}
	d.dropping = true
	d.mu.Unlock()
	if d.mutable.used {
		d.rotate()
	}
	d.mu.Lock()
	gone := slices.Clone(d.mems[:len(d.mems)-1])
	edit := &manifest.Edit{LastSeq: d.pipe.nextSeq - 1, WALFirst: d.mutable.logFirst}
	for level, tables := range d.state.Load().version.levels {
		for _, t := range tables {
			edit.Removed = append(edit.Removed, manifest.Removed{Level: level, Num: t.Num})
		}
	}
	d.mu.Unlock()
	for _, m := range gone {
		m.writers.Wait()
	}
	err := d.dropMemtables(edit, gone)
	d.mu.Lock()
	d.dropping = false
	return err
}

// dropMemtables installs an edit with which memtables go, unread.
func (d *DB) dropMemtables(edit *manifest.Edit, gone []*memtable) error {
	if d.log != nil {
		// The log must not end before what the edit says: see flush.
		if err := d.syncTo(d.log.LastSeq()); err != nil {
			return err
		}
	}
	if err := d.installEdit(edit, len(gone)); err != nil {
		return err
	}
	for _, m := range gone {
		m.unref()
	}
	if d.log == nil {
		return nil
	}
	return d.log.TruncateFront(edit.WALFirst)
}

// Verify reads everything that the store holds, and returns the first damage: of
// every table the checksums, the order and the counts, and every value in the
// value log that is pointed to. The log was checked when the store was opened.
func (d *DB) Verify() (err error) {
	state, err := d.acquire()
	if err != nil {
		return err
	}
	defer state.unref()
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	var buf []byte
	for t := range state.version.all {
		r, err := t.reader()
		if err != nil {
			return err
		}
		if err := r.Verify(); err != nil {
			return err
		}
		if len(t.Values) > 0 {
			if buf, err = d.verifyValues(r, buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// verifyValues reads the values that a table points to.
func (d *DB) verifyValues(r *table.Reader, buf []byte) ([]byte, error) {
	c := r.NewScan(nil)
	defer c.Close()
	for k := c.First(); k != nil; k = c.Next() {
		kind := key.KindOf(key.TrailerOf(k))
		if kind != key.Pointer && kind != key.PointerTTL {
			continue
		}
		var err error
		if buf, err = d.resolve(buf[:0], kind, c.Value()); err != nil {
			return buf, err
		}
	}
	return buf, c.Err()
}

// Checkpoint writes a copy of the store as it is now to dir, which must not exist
// or be empty, and which Open opens then. It flushes first, hence a read-only store
// must hold nothing in its log. Writes go on meanwhile, and may or may not be in
// the copy.
func (d *DB) Checkpoint(dir string) (err error) {
	if d.opts.InMemory {
		return errors.New("lsm: a store in memory has no checkpoint")
	}
	if names, err := d.opts.FS.List(dir); err == nil && len(names) > 0 {
		return fmt.Errorf("lsm: checkpoint to %s: %w: it is not empty", dir, fs.ErrExist)
	}
	if !d.opts.ReadOnly {
		if err := d.Flush(); err != nil {
			return err
		}
	}
	state, err := d.acquire()
	if err != nil {
		return err
	}
	defer state.unref()
	if d.opts.ReadOnly && (len(state.mems) > 1 || d.mutable.used) {
		return fmt.Errorf("lsm: checkpoint to %s: %s is read-only and has writes in its log; open it for writing once", dir, d.dir)
	}
	// Nothing that the version points to can be written to any more: its values
	// are durable, and files of the value log only grow.
	values := filepath.Join(dir, valuesDir)
	if err := d.opts.FS.MkdirAll(values); err != nil {
		return fmt.Errorf("lsm: checkpoint to %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			// A half copy helps nobody, and takes the room of a whole one.
			_ = vfs.RemoveAll(d.opts.FS, dir)
		}
	}()
	edit := state.version.snapshotEdit()
	for _, t := range edit.Added {
		if err := d.copyFile(d.tables.path(t.Num), filepath.Join(dir, tableName(t.Num)), math.MaxInt64); err != nil {
			return err
		}
		edit.LastSeq, edit.NextFile = max(edit.LastSeq, t.MaxSeq), max(edit.NextFile, t.Num+1)
	}
	for file, end := range state.version.valueEnds() {
		if err := d.copyFile(d.values.Path(file), filepath.Join(values, vlog.FileName(file)), int64(end)); err != nil {
			return err
		}
	}
	for _, p := range []string{values, dir, filepath.Dir(dir)} {
		if err := d.opts.FS.SyncDir(p); err != nil {
			return fmt.Errorf("lsm: checkpoint to %s: %w", dir, err)
		}
	}
	edit.WALFirst, edit.Timestamps, edit.NextFile = 1, d.opts.Timestamps, max(edit.NextFile, 1)
	m, err := manifest.Create(d.opts.FS, dir, edit)
	if err != nil {
		return fmt.Errorf("lsm: checkpoint to %s: %w", dir, err)
	}
	return m.Close()
}

// copyFile copies a file, at most the first size bytes of it, durably.
func (d *DB) copyFile(from, to string, size int64) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("lsm: copying %s to %s: %w", from, to, err)
		}
	}()
	in, err := d.opts.FS.Open(from, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := d.opts.FS.Create(to)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, io.NewSectionReader(in, 0, size)); err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}
