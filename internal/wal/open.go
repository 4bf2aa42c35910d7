package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Recovery reports what Open found.
type Recovery struct {
	// Created says that there was no segment, and that a new log was begun.
	Created bool
	// Segments is the number of segments found.
	Segments int
	// FirstSeq and LastSeq bound the records held, as the methods of Log do.
	FirstSeq, LastSeq uint64

	// Dropped is how many bytes were cut off the end, 0 for none: what a crash
	// left of appends that nobody was told are durable. File and Offset say
	// where the log was cut, and Reason what was found there. In a recycled
	// file old bytes may be counted along. Of a log opened read-only it is what
	// would be cut.
	Dropped int64
	File    string
	Offset  int64
	Reason  string
}

// Open opens the log in dir, or begins one there, and makes what it finds
// durable. Nil options are the defaults.
//
// One log at a time has the directory: otherwise the error is
// [vfs.ErrLocked]. A log that lost durable records is refused with a
// [*CorruptError], one written by a newer build with a [*VersionError]; its
// files are left as they are. Of the segments but the last, Open reads the
// headers only: damage in them shows when they are read.
func Open(dir string, options *Options) (*Log, *Recovery, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	lock, err := lockDir(dir, &opts)
	if err != nil {
		return nil, nil, err
	}
	l := &Log{fs: opts.FS, dir: dir, opts: opts, lock: lock, mmap: opts.Mmap}
	l.idle = sync.NewCond(&l.mu)
	r, err := l.recover()
	if err != nil {
		l.letGo()
		return nil, nil, err
	}
	if opts.ReadOnly {
		l.err = ErrReadOnly
	}
	return l, r, nil
}

// lockDir makes the directory the log's own. The reader of a directory that
// nobody ever wrote to finds nothing to lock, and leaves nothing there.
func lockDir(dir string, opts *Options) (io.Closer, error) {
	name := filepath.Join(dir, lockName)
	if opts.ReadOnly {
		f, err := opts.FS.Open(name, vfs.ReadOnly)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("wal: opening %s: %w", name, err)
		}
		f.Close()
	} else if err := makeDir(opts.FS, dir); err != nil {
		return nil, fmt.Errorf("wal: making directory %s: %w", dir, err)
	}
	lock, err := opts.FS.Lock(name)
	if err != nil {
		return nil, fmt.Errorf("wal: locking directory %s: %w", dir, err)
	}
	return lock, nil
}

// makeDir makes dir durably: each directory that was missing is synced into
// its parent.
func makeDir(fsys vfs.FS, dir string) error {
	var missing []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		_, err := fsys.List(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil || d == filepath.Dir(d) {
			break
		}
		missing = append(missing, d)
	}
	if len(missing) == 0 {
		return nil
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	for _, d := range missing {
		if err := fsys.SyncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// recover brings the log from the directory into memory.
func (l *Log) recover() (*Recovery, error) {
	if err := l.readDir(); err != nil {
		return nil, err
	}
	r := &Recovery{Segments: len(l.segments)}
	if len(l.segments) == 0 {
		l.segments = []*segment{{id: 1, first: 1}}
		r.FirstSeq, r.Created = 1, !l.opts.ReadOnly
	}
	if l.opts.ReadOnly {
		return r, l.look(r)
	}
	// A name that a killed process gave or took may not be durable yet.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return nil, fmt.Errorf("wal: syncing directory %s: %w", l.dir, err)
	}
	if r.Created {
		if _, _, err := l.createSegment(1, 1, l.opts.SegmentSize, nil); err != nil {
			return nil, err
		}
	}
	var err error
	if l.tail, err = l.openTail(l.active().id, vfs.ReadWrite); err != nil {
		return nil, err
	}
	if r.Created {
		l.tail.zeroed = segmentHeader // and there is nothing to recover
	} else if v, err := l.recoverTail(r); err != nil {
		return nil, err
	} else if err := l.tail.settle(v.durable, v.after.frames); err != nil {
		return nil, err
	}
	if err := l.mapTail(&l.tail); err != nil {
		return nil, err
	}
	l.durable = l.last
	return r, nil
}

// look is recover for who may only read: what is torn stays, and so does what is
// written and may not be durable.
func (l *Log) look(r *Recovery) (err error) {
	if r.Segments == 0 {
		return nil
	}
	if l.tail, err = l.openTail(l.active().id, vfs.ReadOnly); err != nil {
		return err
	}
	_, err = l.recoverTail(r)
	return err
}

// readDir finds the segments and the spare files, and checks that no segment is
// missing. What other files there are is left alone.
func (l *Log) readDir() error {
	names, err := l.fs.List(l.dir)
	if l.opts.ReadOnly && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wal: reading directory %s: %w", l.dir, err)
	}
	var spares []uint64
	for _, name := range names { // sorted, hence by id
		if id, ok := parseName(name, segmentSuffix); ok {
			if err := l.addSegment(id); err != nil {
				return err
			}
		} else if id, ok := parseName(name, spareSuffix); ok {
			spares = append(spares, id)
		} else if name == tempName {
			l.discard(name)
		}
	}
	for _, id := range spares {
		name := segmentName(id, spareSuffix)
		// Rule W9: a spare file may hold frames of any segment up to its own
		// id. Only while all ids to come are above can they not pass for new.
		if len(l.segments) > 0 && id < l.segments[0].id && len(l.spares) < l.opts.Recycle {
			l.spares = append(l.spares, filepath.Join(l.dir, name))
		} else {
			l.discard(name)
		}
	}
	return nil
}

// discard removes a file that the log does without.
func (l *Log) discard(name string) {
	if l.opts.ReadOnly {
		return
	}
	if err := l.fs.Remove(filepath.Join(l.dir, name)); err != nil {
		l.opts.Logger.Warn("wal: cannot remove an unused file", "dir", l.dir, "file", name, "err", err)
	}
}

func (l *Log) addSegment(id uint64) error {
	path := filepath.Join(l.dir, segmentName(id, segmentSuffix))
	if n := len(l.segments); n > 0 && id != l.segments[n-1].id+1 {
		missing := filepath.Join(l.dir, segmentName(l.segments[n-1].id+1, segmentSuffix))
		return &CorruptError{File: missing, Reason: fmt.Sprintf("segment is missing: there are %d and %d", l.segments[n-1].id, id)}
	}
	file, err := l.fs.Open(path, vfs.ReadOnly)
	if err != nil {
		return fmt.Errorf("wal: opening segment %d: %w", id, err)
	}
	defer file.Close()
	first, err := readSegmentHeader(file, id)
	if err != nil {
		return err
	}
	if n := len(l.segments); n > 0 && first < l.segments[n-1].first {
		return &CorruptError{File: path, Reason: fmt.Sprintf("first record is %d, and %d in the segment before", first, l.segments[n-1].first)}
	}
	l.segments = append(l.segments, &segment{id: id, first: first})
	return nil
}
