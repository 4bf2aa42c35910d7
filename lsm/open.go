package lsm

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/table"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// The files of a store:
//
//	CURRENT, MANIFEST-...  which tables are in which level
//	000012.sst             tables
//	wal/                   the log, and the lock that makes one process its owner
//	values/                the value log
const (
	logDir    = "wal"
	valuesDir = "values"

	// maxSegment is the longest segment of the log: with one for each memtable,
	// a flush gives back about what it has written.
	maxSegment = 64 << 20
)

// Open opens the store in dir, or makes one there. Nil options are the defaults.
//
// One store at a time has the directory: otherwise the error is
// [ErrLocked]. What a crash tore off the end of the log was promised to
// nobody; it is cut off and reported to Options.Logger and in [Metrics]. What
// was promised and is not there any more is a [*CorruptError].
//
// With Options.ReadOnly no file is made, changed or removed: what would be cut
// off is reported and not shown.
func Open(dir string, options *Options) (*DB, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &DB{opts: opts, order: opts.order(), dir: dir, cache: table.NewCache(opts.BlockCacheSize)}
	d.changed = sync.NewCond(&d.mu)
	d.jobs.paused = 1 // until all is read
	if opts.CompactionRate > 0 && opts.Schedule == nil {
		d.limit = &limiter{rate: float64(opts.CompactionRate), stop: make(chan struct{})}
	}
	failed := func(err error) { opts.Logger.Warn("lsm: cannot remove a file", "dir", dir, "err", err) }
	d.liveValues.keep, d.liveValues.failed = true, failed
	d.tables = &tables{
		fs: opts.FS, dir: dir, live: &d.liveValues, keep: opts.ReadOnly, failed: failed,
		opts: table.ReaderOptions{Order: d.order, Cache: d.cache, Mmap: !opts.NoMmap},
	}
	if err := d.recover(); err != nil {
		d.abandon()
		return nil, err
	}
	return d, nil
}

// abandon closes what a failed Open has opened.
func (d *DB) abandon() {
	if s := d.state.Swap(nil); s != nil {
		s.unref()
	}
	for _, m := range d.mems {
		m.unref()
	}
	if d.manifest != nil {
		d.manifest.Close()
	}
	if d.values != nil {
		d.values.Close()
	}
	if d.log != nil {
		d.log.Close()
	}
}

// recover brings the store from the directory into memory.
func (d *DB) recover() error {
	if err := d.openLog(); err != nil {
		return err
	}
	v, err := d.openManifest()
	if err != nil {
		return err
	}
	d.pipe.nextSeq = d.flushed + 1
	found, err := d.readLog()
	if err != nil {
		return err
	}
	if err := d.openValues(v, found.mark); err != nil {
		return err
	}
	if err := d.checkFiles(v); err != nil {
		return err
	}
	if err := v.collectSpans(); err != nil {
		return err
	}
	v.pin()
	d.publish(v)
	v.unref()
	if err := d.replay(found); err != nil {
		return err
	}
	d.visible.Store(d.pipe.nextSeq - 1)
	if d.opts.ReadOnly {
		failure := fmt.Errorf("%w: it was opened read-only", ErrReadOnly)
		d.failure.Store(&failure)
	}
	if d.mutable == nil {
		d.rotate()
	}
	d.mu.Lock()
	d.jobs.paused = 0
	d.liveValues.log, d.liveValues.keep = d.values, d.opts.ReadOnly
	d.jobChanged()
	d.kick()
	d.mu.Unlock()
	d.liveValues.sweep()
	return nil
}

// openLog opens the log, which locks the store.
func (d *DB) openLog() error {
	if d.opts.InMemory {
		return d.opts.FS.MkdirAll(d.dir)
	}
	if d.opts.ReadOnly {
		if _, err := d.opts.FS.List(d.dir); err != nil {
			return fmt.Errorf("lsm: opening %s read-only: %w", d.dir, err)
		}
	}
	log, recovery, err := wal.Open(filepath.Join(d.dir, logDir), &wal.Options{
		FS: d.opts.FS, ReadOnly: d.opts.ReadOnly, Mmap: !d.opts.SyncWrites, Logger: d.opts.Logger,
		SegmentSize: int64(min(d.opts.MemTableSize, maxSegment)),
	})
	if err != nil {
		return err
	}
	d.log = log
	d.stats.cut.Store(uint64(recovery.Dropped))
	return nil
}

// openManifest returns the newest version, or that of a new store.
func (d *DB) openManifest() (*version, error) {
	v := &version{order: d.order}
	edits, recovery, err := d.readManifest()
	if errors.Is(err, fs.ErrNotExist) {
		return v, d.createManifest()
	}
	if err != nil {
		return nil, err
	}
	if recovery.Dropped > 0 {
		d.opts.Logger.Warn("lsm: torn end", "file", recovery.File, "offset", recovery.Offset, "bytes", recovery.Dropped, "reason", recovery.Reason, "cut", !d.opts.ReadOnly)
	}
	for i := range edits {
		e := &edits[i]
		if i == 0 && e.Timestamps != d.opts.Timestamps {
			return nil, fmt.Errorf("lsm: store %s was made with Options.Timestamps %t, and is opened with %t", d.dir, e.Timestamps, d.opts.Timestamps)
		}
		// The tables of the past may be gone: only those of the last version count.
		if v, _, err = v.next(e, d.tableOf); err != nil {
			return nil, &CorruptError{File: recovery.File, Reason: err.Error()}
		}
		d.nextFile, d.flushed, d.logFirst = max(d.nextFile, e.NextFile), e.LastSeq, e.WALFirst
		d.logLast = max(d.logLast, e.WALLast)
	}
	if d.manifest != nil {
		d.manifestLimit = max(manifestSize, 2*d.manifest.Size())
	}
	return v, nil
}

// readManifest reads the edits, and opens the manifest for more.
func (d *DB) readManifest() (edits []manifest.Edit, r manifest.Recovery, err error) {
	if d.opts.ReadOnly {
		return manifest.Read(d.opts.FS, d.dir)
	}
	d.manifest, edits, r, err = manifest.Open(d.opts.FS, d.dir)
	return edits, r, err
}

// createManifest begins a store, unless files say that there was one.
func (d *DB) createManifest() error {
	names, err := d.opts.FS.List(d.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := parseTableName(name); ok {
			return &CorruptError{File: filepath.Join(d.dir, "CURRENT"), Reason: "it is missing, and there are tables"}
		}
	}
	if d.log != nil && d.log.LastSeq() > 0 {
		return &CorruptError{File: filepath.Join(d.dir, "CURRENT"), Reason: "it is missing, and the log holds records"}
	}
	if d.opts.ReadOnly {
		return fmt.Errorf("lsm: opening %s read-only: there is no store: %w", d.dir, fs.ErrNotExist)
	}
	d.nextFile, d.logFirst = 1, 1
	d.manifestLimit = manifestSize
	d.manifest, err = manifest.Create(d.opts.FS, d.dir, manifest.Edit{
		NextFile: d.nextFile, WALFirst: d.logFirst, Timestamps: d.opts.Timestamps,
	})
	return err
}

// openValues opens the value log. What a table points to was durable before the
// edit that brought it (rule L4), and what a mark of the log vouches for before
// the mark: only what is above is written again.
func (d *DB) openValues(v *version, mark vlog.Pointer) error {
	ends := v.valueEnds()
	durable := func(file uint64) uint64 {
		switch {
		case file < mark.File:
			return math.MaxUint64
		case file == mark.File:
			return max(ends[file], mark.Offset)
		}
		return ends[file]
	}
	var err error
	d.values, err = vlog.Open(filepath.Join(d.dir, valuesDir), &vlog.Options{
		FS: d.opts.FS, ReadOnly: d.opts.ReadOnly, FileSize: d.opts.ValueLogFileSize, Durable: durable, Logger: d.opts.Logger,
	})
	if err != nil {
		return err
	}
	// Files that a mark speaks of may be gone; it must not speak of new ones.
	d.values.Reserve(mark.File)
	return nil
}

func parseTableName(name string) (num uint64, ok bool) {
	digits, found := strings.CutSuffix(name, ".sst")
	if !found {
		return 0, false
	}
	num, err := strconv.ParseUint(digits, 10, 64)
	return num, err == nil && tableName(num) == name
}

// checkFiles compares the directory with the version: what is missing is damage,
// and what is too many was left by a job that a crash has ended.
func (d *DB) checkFiles(v *version) error {
	names, err := d.opts.FS.List(d.dir)
	if err != nil {
		return fmt.Errorf("lsm: reading directory %s: %w", d.dir, err)
	}
	there := make(map[uint64]bool)
	for _, name := range names {
		if num, ok := parseTableName(name); ok {
			there[num] = true
			d.nextFile = max(d.nextFile, num+1)
		}
	}
	last := uint64(0)
	for t := range v.all {
		if !there[t.Num] {
			return &CorruptError{File: d.tables.path(t.Num), Reason: "the table is missing"}
		}
		delete(there, t.Num)
		if d.opts.MmapAtStartup {
			if _, err := t.reader(); err != nil {
				return err
			}
		}
		for _, ref := range t.Values {
			last = max(last, ref.File)
			if size, ok := d.values.Size(ref.File); !ok || uint64(size) < ref.End {
				return &CorruptError{File: d.values.Path(ref.File), Offset: size, Reason: fmt.Sprintf(
					"it is missing or too short: table %d points to byte %d", t.Num, ref.End)}
			}
		}
	}
	d.values.Reserve(last + 1)
	for num := range there {
		if !d.opts.ReadOnly {
			if err := d.opts.FS.Remove(d.tables.path(num)); err != nil {
				d.tables.failed(err)
			}
		}
	}
	return nil
}
