package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/table"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// inspector prints one store, room by room.
type inspector struct {
	fs   vfs.FS
	dir  string
	opts options
	w    io.Writer

	order  key.Order
	tables []manifest.Table // by level; in L0 newest first, elsewhere by key
	last   manifest.Edit    // what the newest edit says of the log
	// walLast is the record up to which the log was once durable.
	walLast uint64
	live    map[uint64]uint64
	end     map[uint64]uint64
	damage  []error
	err     error // of writing
}

func (in *inspector) printf(format string, args ...any) {
	if in.err == nil {
		_, in.err = fmt.Fprintf(in.w, format, args...)
	}
}

// broken notes damage, where it is found.
func (in *inspector) broken(err error) {
	in.printf("  DAMAGE %v\n", err)
	in.damage = append(in.damage, err)
}

// all prints everything. It ends with an error if there is no store, or
// something in it is damaged.
func (in *inspector) all() error {
	if err := in.manifest(); err != nil {
		return err
	}
	in.levels()
	in.log()
	in.values()
	switch {
	case in.err != nil:
		return in.err
	case len(in.damage) > 0:
		return fmt.Errorf("%d places are damaged, the first: %w", len(in.damage), in.damage[0])
	case in.opts.check:
		in.printf("damage: none\n")
	}
	return in.err
}

// manifest reads the edits and folds them.
func (in *inspector) manifest() error {
	edits, cut, err := manifest.Read(in.fs, in.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no store: %w", in.dir, err)
	}
	in.printf("manifest %s: %d edits\n", cut.File, len(edits))
	if err != nil {
		in.broken(err)
	}
	if cut.Dropped > 0 {
		in.printf("  %d bytes from %d on are no edit (%s): nobody was promised one\n", cut.Dropped, cut.Offset, cut.Reason)
	}
	in.live, in.end = map[uint64]uint64{}, map[uint64]uint64{}
	for _, e := range edits {
		if in.opts.edits {
			in.edit(e)
		}
		for _, r := range e.Removed {
			in.tables = slices.DeleteFunc(in.tables, func(t manifest.Table) bool { return t.Level == r.Level && t.Num == r.Num })
		}
		in.tables = append(in.tables, e.Added...)
		in.last, in.walLast = e, max(in.walLast, e.WALLast)
		if e.Timestamps {
			in.order = key.Timestamped
		}
	}
	for _, t := range in.tables {
		for _, v := range t.Values {
			in.live[v.File] += v.Bytes
			in.end[v.File] = max(in.end[v.File], v.End)
		}
	}
	slices.SortStableFunc(in.tables, func(a, b manifest.Table) int {
		switch {
		case a.Level != b.Level:
			return a.Level - b.Level
		case a.Level == 0 && a.Num > b.Num:
			return -1
		case a.Level == 0:
			return 1
		}
		return in.order.Compare(a.Smallest, b.Smallest)
	})
	return nil
}

func (in *inspector) edit(e manifest.Edit) {
	in.printf("  at %d: next file %d, tables have seq up to %d, log needed from record %d", e.Offset, e.NextFile, e.LastSeq, e.WALFirst)
	if e.WALLast > 0 {
		in.printf(", durable up to %d", e.WALLast)
	}
	in.printf("\n")
	for _, r := range e.Removed {
		in.printf("    - L%d %s\n", r.Level, tableName(r.Num))
	}
	for _, t := range e.Added {
		in.printf("    + L%d %s\n", t.Level, tableName(t.Num))
	}
}

func tableName(num uint64) string { return fmt.Sprintf("%06d.sst", num) }

// levels prints the tables, and checks them.
func (in *inspector) levels() {
	in.printf("levels: %d tables\n", len(in.tables))
	for i, t := range in.tables {
		in.printf("  L%d  %s  %s  %d entries", t.Level, tableName(t.Num), size(int64(t.Size)), t.Entries)
		if t.Deletes > 0 {
			in.printf(" (%d deletes)", t.Deletes)
		}
		if t.RangeDeletes > 0 {
			in.printf(" and %d range deletes", t.RangeDeletes)
		}
		in.printf("  %s..%s  seq %d-%d\n", name(key.UserKey(t.Smallest)), name(key.UserKey(t.Largest)), t.MinSeq, t.MaxSeq)
		if i > 0 && t.Level > 0 && in.tables[i-1].Level == t.Level && in.order.Compare(in.tables[i-1].Largest, t.Smallest) >= 0 {
			in.broken(&manifest.CorruptError{File: filepath.Join(in.dir, tableName(t.Num)), Reason: "it overlaps the table before it"})
		}
		if in.opts.blocks || in.opts.keys || in.opts.check {
			if err := in.table(t); err != nil {
				in.broken(err)
			}
		}
	}
}

// table reads one.
func (in *inspector) table(t manifest.Table) error {
	f, err := in.fs.Open(filepath.Join(in.dir, tableName(t.Num)), vfs.ReadOnly)
	if err != nil {
		return err
	}
	r, err := table.Open(f, table.ReaderOptions{Order: in.order})
	if err != nil {
		return err
	}
	defer r.Close()
	if p := r.Properties(); p.Entries != t.Entries || p.RangeDeletes != t.RangeDeletes {
		return &manifest.CorruptError{File: f.Name(), Reason: fmt.Sprintf(
			"it holds %d entries and %d range deletes, the manifest says %d and %d: it is another table", p.Entries, p.RangeDeletes, t.Entries, t.RangeDeletes)}
	}
	if in.opts.blocks || in.opts.keys {
		var text bytes.Buffer
		err := r.Describe(&text, in.opts.keys)
		for line := range bytes.Lines(text.Bytes()) {
			in.printf("    %s", line)
		}
		if err != nil {
			return err
		}
	}
	if in.opts.check {
		return r.Verify()
	}
	return nil
}

// values prints the files of the value log, and reads what the tables point to.
func (in *inspector) values() {
	dir := filepath.Join(in.dir, "values")
	if _, err := in.fs.List(dir); errors.Is(err, fs.ErrNotExist) {
		return
	}
	l, err := vlog.Open(dir, &vlog.Options{FS: in.fs, ReadOnly: true})
	if err != nil {
		in.broken(err)
		return
	}
	defer l.Close()
	files := l.Files()
	in.printf("values: %d files\n", len(files))
	for _, f := range files {
		in.printf("  %s  %s", vlog.FileName(f.Num), size(f.Size))
		if live := in.live[f.Num]; f.Size > 0 {
			in.printf(", %d %% live in tables", 100*live/uint64(f.Size))
		}
		in.printf("\n")
	}
	for num, end := range in.end {
		if n, ok := l.Size(num); !ok || uint64(n) < end {
			in.broken(&vlog.CorruptError{File: l.Path(num), Offset: n, Reason: fmt.Sprintf("tables point to byte %d", end)})
		}
	}
	if in.opts.check {
		for _, t := range in.tables {
			if len(t.Values) > 0 {
				in.pointers(t, l)
			}
		}
	}
}

// pointers reads every value that a table points to.
func (in *inspector) pointers(t manifest.Table, l *vlog.Log) {
	f, err := in.fs.Open(filepath.Join(in.dir, tableName(t.Num)), vfs.ReadOnly)
	if err != nil {
		return // it was said
	}
	r, err := table.Open(f, table.ReaderOptions{Order: in.order})
	if err != nil {
		return
	}
	defer r.Close()
	c := r.NewScan(nil)
	defer c.Close()
	var buf []byte
	for k := c.First(); k != nil; k = c.Next() {
		p, ok := pointerOf(key.KindOf(key.TrailerOf(k)), c.Value())
		if !ok {
			continue
		}
		if buf, err = l.Read(p, buf[:0]); err != nil {
			in.broken(fmt.Errorf("value of key %s in table %s: %w", name(key.UserKey(k)), tableName(t.Num), err))
		}
	}
}

// pointerOf returns the pointer that an entry's value is.
func pointerOf(kind key.Kind, value []byte) (p vlog.Pointer, ok bool) {
	const expiry = 8
	switch {
	case kind == key.PointerTTL && len(value) >= expiry:
		value = value[expiry:]
	case kind != key.Pointer:
		return p, false
	}
	p, err := vlog.ParsePointer(value)
	return p, err == nil
}

// name is a key for people.
func name(k []byte) string {
	if len(k) > 24 {
		return fmt.Sprintf("%q...", k[:24])
	}
	return fmt.Sprintf("%q", k)
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		if f /= 1 << 10; f < 1<<10 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.1f TiB", f/(1<<10))
}
