package manifest

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/internal/vfs"
)

const (
	currentName = "CURRENT"
	currentTemp = "CURRENT.tmp"
	filePrefix  = "MANIFEST-"
)

func fileName(num uint64) string { return fmt.Sprintf("%s%06d", filePrefix, num) }

// parseName is the reverse of fileName; ok is false for another file.
func parseName(name string) (num uint64, ok bool) {
	digits, found := strings.CutPrefix(name, filePrefix)
	if !found {
		return 0, false
	}
	num, err := strconv.ParseUint(digits, 10, 64)
	return num, err == nil && fileName(num) == name
}

func encodeCurrent(num uint64) string {
	name := fileName(num)
	return fmt.Sprintf("%s %08x\n", name, crc32.Checksum([]byte(name), castagnoli))
}

// readCurrent returns which manifest is in force: [fs.ErrNotExist] without CURRENT.
func readCurrent(fsys vfs.FS, dir string) (num uint64, err error) {
	path := filepath.Join(dir, currentName)
	b, err := readFile(fsys, path)
	if err != nil {
		return 0, err
	}
	name, _, _ := strings.Cut(string(b), " ")
	num, ok := parseName(name)
	if !ok || string(b) != encodeCurrent(num) {
		return 0, &CorruptError{File: path, Reason: fmt.Sprintf("it holds %q", b[:min(len(b), 40)])}
	}
	return num, nil
}

func readFile(fsys vfs.FS, path string) ([]byte, error) {
	file, err := fsys.Open(path, vfs.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("manifest: opening %s: %w", path, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("manifest: opening %s: %w", path, err)
	}
	if size > maxFile {
		return nil, &CorruptError{File: path, Reason: fmt.Sprintf("%d bytes are more than it may have", size)}
	}
	b := make([]byte, size)
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("manifest: reading %s: %w", path, err)
	}
	return b[:n], nil
}

// Create makes the first manifest of a store in dir, which must exist and hold
// none, with a first edit.
func Create(fsys vfs.FS, dir string, first Edit) (*Log, error) {
	l := &Log{fs: fsys, dir: dir}
	switch _, err := readCurrent(fsys, dir); {
	case err == nil:
		return nil, fmt.Errorf("manifest: %s: %w", l.path(currentName), fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := l.begin(1, &first); err != nil {
		return nil, err
	}
	return l, nil
}

// Rotate begins the next file, with one edit that tells all that the present
// ones do, and removes the old file.
//
// An error that is not [ErrFailed] leaves everything as it was.
func (l *Log) Rotate(snapshot Edit) error {
	if l.err != nil {
		return l.err
	}
	old, name := l.file, l.Name()
	if err := l.begin(l.num+1, &snapshot); err != nil {
		return err
	}
	old.Close()
	// If it stays, the next Open removes it.
	l.fs.Remove(name)
	return nil
}

// begin brings file num into force (rule M4):
//
//	MANIFEST-num written, synced, its name too
//	CURRENT.tmp  written, synced
//	CURRENT.tmp -> CURRENT         until here the old one is in force
//	directory    synced            from here on the new one
func (l *Log) begin(num uint64, first *Edit) error {
	name := l.path(fileName(num))
	payload := first.Encode(nil)
	if len(payload) > maxFile-fileHeader-2*recordHeader {
		return fmt.Errorf("%w: an edit of %d bytes", ErrTooLarge, len(payload))
	}
	b := appendRecord(encodeHeader(num), num, fileHeader, 0, payload)
	file, err := l.write(name, b)
	if err != nil {
		return err
	}
	abandon := func(err error) error {
		file.Close()
		l.fs.Remove(name)
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return abandon(l.fail(fmt.Errorf("syncing directory %s: %w", l.dir, err)))
	}
	temp, err := l.write(l.path(currentTemp), []byte(encodeCurrent(num)))
	if err != nil {
		return abandon(err)
	}
	temp.Close()
	// From here on nobody knows which one is in force, until all is well.
	unknown := func(err error) error {
		file.Close()
		return l.fail(err)
	}
	if err := l.fs.Rename(l.path(currentTemp), l.path(currentName)); err != nil {
		return unknown(fmt.Errorf("naming %s: %w", l.path(currentName), err))
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return unknown(fmt.Errorf("syncing directory %s: %w", l.dir, err))
	}
	l.num, l.file, l.end, l.torn = num, file, int64(len(b)), false
	l.mark()
	return nil
}

// write makes a file with durable contents; what it cannot finish it removes.
func (l *Log) write(path string, contents []byte) (vfs.File, error) {
	file, err := l.fs.Create(path)
	if err != nil {
		return nil, fmt.Errorf("manifest: making %s: %w", path, err)
	}
	if _, err = file.WriteAt(contents, 0); err != nil {
		err = fmt.Errorf("manifest: writing %s: %w", path, err)
	} else if err = file.Sync(); err != nil {
		err = l.fail(fmt.Errorf("syncing %s: %w", path, err))
	}
	if err != nil {
		file.Close()
		l.fs.Remove(path)
		return nil, err
	}
	return file, nil
}
