package vlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Open opens the log in dir, or begins one there. The files that are there are
// sealed, and durable when Open returns. A file without a good header is an
// error when something in it is read: a crash may leave one that nothing points
// to. One of a newer build is a [*VersionError]. Nil options are the defaults.
func Open(dir string, options *Options) (*Log, error) {
	opts := options.withDefaults()
	l := &Log{fs: opts.FS, dir: dir, opts: opts, files: make(map[uint64]*file), next: 1}
	if err := l.open(); err != nil {
		for _, f := range l.files {
			f.f.Close()
		}
		return nil, err
	}
	l.durable = Pointer{File: l.next}
	return l, nil
}

func (l *Log) open() error {
	names, err := l.fs.List(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if l.opts.ReadOnly {
			return nil
		}
		if err := l.fs.MkdirAll(l.dir); err != nil {
			return fmt.Errorf("vlog: making directory %s: %w", l.dir, err)
		}
		if err := l.fs.SyncDir(filepath.Dir(l.dir)); err != nil {
			return fmt.Errorf("vlog: syncing directory %s: %w", filepath.Dir(l.dir), err)
		}
	} else if err != nil {
		return fmt.Errorf("vlog: reading directory %s: %w", l.dir, err)
	}
	for _, name := range names { // sorted, hence by number
		num, ok := parseName(name)
		if !ok {
			continue
		}
		f, err := l.openFile(num)
		if err != nil {
			return err
		}
		l.files[num] = f
		l.next = num + 1
	}
	if l.opts.ReadOnly {
		return nil
	}
	// A name that a killed process gave may not be durable yet.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return fmt.Errorf("vlog: syncing directory %s: %w", l.dir, err)
	}
	return nil
}

// openFile opens one file, and makes it durable (rule V7).
func (l *Log) openFile(num uint64) (*file, error) {
	access := vfs.ReadWrite
	if l.opts.ReadOnly {
		access = vfs.ReadOnly
	}
	h, err := l.fs.Open(l.Path(num), access)
	if err != nil {
		return nil, fmt.Errorf("vlog: opening %s: %w", l.Path(num), err)
	}
	f := &file{num: num, f: h}
	size, err := h.Size()
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("vlog: opening %s: %w", l.Path(num), err)
	}
	f.size.Store(size)
	head := make([]byte, fileHeader)
	n, err := h.ReadAt(head, 0)
	if err == nil || errors.Is(err, io.EOF) {
		f.bad = checkHeader(head[:n], l.Path(num), num)
		err = nil
		if errors.As(f.bad, new(*VersionError)) {
			err = f.bad
		}
	}
	marked := false
	if err == nil {
		marked, err = f.marked(size)
	}
	if marked {
		f.size.Store(size - markLen)
	} else if err == nil && !l.opts.ReadOnly && size >= fileHeader {
		err = f.settle(int64(min(l.opts.Durable(num), uint64(size))), size)
	}
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("vlog: opening %s: %w", l.Path(num), err)
	}
	f.synced = size
	return f, nil
}

// marked reports whether the file ends with its mark.
func (f *file) marked(size int64) (bool, error) {
	at := size - markLen
	if at < fileHeader {
		return false, nil
	}
	got := make([]byte, markLen)
	if _, err := f.f.ReadAt(got, at); err != nil {
		return false, err
	}
	return string(got) == string(appendMark(nil, f.num, at)), nil
}

// settle writes what is above the durable bytes once more, and syncs it: when a
// sync failed, the kernel may have kept bytes and length in memory and forgotten
// that the disk does not have them. Only a change makes it write them again;
// for the length, that is the room of the mark.
func (f *file) settle(durable, size int64) error {
	const chunk = 1 << 20
	var b []byte
	for at := durable; at < size; at += int64(len(b)) {
		b = append(b[:0], make([]byte, min(chunk, size-at))...)
		if _, err := f.f.ReadAt(b, at); err != nil {
			return err
		}
		if _, err := f.f.WriteAt(b, at); err != nil {
			return err
		}
	}
	if err := f.f.Truncate(size + markLen); err != nil {
		return err
	}
	if err := f.f.Sync(); err != nil {
		return err
	}
	f.mark(size)
	return nil
}
