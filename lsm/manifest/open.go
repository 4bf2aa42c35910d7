package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Recovery reports what was cut off the end of the manifest, or, of one only
// read, would be: what a crash left of an edit that nobody was told is durable.
// File is the manifest in force. Dropped is how many bytes, 0 for none; Offset
// says where, Reason what was found there.
type Recovery struct {
	File    string
	Offset  int64
	Dropped int64
	Reason  string
}

// Open opens the manifest in force and returns its edits, oldest first, of which
// the first tells all that came before it. What it returns is durable, and what
// lies about besides is removed.
//
// Without a manifest the error is [fs.ErrNotExist]. A manifest that lost
// something promised is refused with a [*CorruptError], one of a newer build
// with a [*VersionError], and left as it is.
func Open(fsys vfs.FS, dir string) (*Log, []Edit, Recovery, error) {
	num, s, r, err := read(fsys, dir)
	if err != nil {
		return nil, nil, r, err
	}
	l := &Log{fs: fsys, dir: dir, num: num, end: s.end, torn: s.dropped > 0}
	if l.file, err = fsys.Open(l.Name(), vfs.ReadWrite); err != nil {
		return nil, nil, r, fmt.Errorf("manifest: opening %s: %w", l.Name(), err)
	}
	if err := l.settle(s.durable); err != nil {
		l.file.Close()
		return nil, nil, r, err
	}
	return l, s.edits, r, nil
}

// Read returns the edits and changes nothing. With an error they are those before
// the damage.
func Read(fsys vfs.FS, dir string) ([]Edit, Recovery, error) {
	_, s, r, err := read(fsys, dir)
	return s.edits, r, err
}

func read(fsys vfs.FS, dir string) (num uint64, s scanned, r Recovery, err error) {
	if num, err = readCurrent(fsys, dir); err != nil {
		return 0, s, r, err
	}
	path := filepath.Join(dir, fileName(num))
	r.File = path
	b, err := readFile(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		err = &CorruptError{File: path, Reason: "it is missing, and CURRENT names it"}
	}
	if err == nil {
		err = checkHeader(b, path, num)
	}
	if err == nil {
		s, err = scan(b, path, num)
	}
	if err == nil && s.dropped > 0 {
		r.Offset, r.Dropped, r.Reason = s.end, s.dropped, s.reason
	}
	return num, s, r, err
}

// settle makes what was read durable, removes what was not, and the files that
// a crash has left.
func (l *Log) settle(durable int64) error {
	if durable < l.end || l.torn {
		if err := l.rewrite(durable); err != nil {
			return err
		}
	}
	// A name that a killed process gave may not be durable yet.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return fmt.Errorf("manifest: syncing directory %s: %w", l.dir, err)
	}
	names, err := l.fs.List(l.dir)
	if err != nil {
		return fmt.Errorf("manifest: reading directory %s: %w", l.dir, err)
	}
	for _, name := range names {
		if num, ok := parseName(name); name == currentTemp || ok && num != l.num {
			l.fs.Remove(l.path(name))
		}
	}
	return nil
}

// rewrite writes what is above the durable bytes once more, and syncs it (rule
// M7): when a sync failed, the kernel may have kept bytes and length in memory
// and forgotten that the disk does not have them. Only a change makes it write
// them again; for the length, that is the room of the mark.
func (l *Log) rewrite(durable int64) error {
	b := make([]byte, l.end-durable)
	if _, err := l.file.ReadAt(b, durable); err != nil {
		return fmt.Errorf("manifest: reading %s: %w", l.Name(), err)
	}
	if err := l.mend(); err != nil {
		return err
	}
	_, err := l.file.WriteAt(b, durable)
	if err == nil {
		err = l.file.Truncate(l.end + recordHeader)
	}
	if err != nil {
		return fmt.Errorf("manifest: rewriting %s: %w", l.Name(), err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("manifest: syncing %s: %w", l.Name(), err)
	}
	l.mark()
	return nil
}
