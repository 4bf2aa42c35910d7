package clock

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// FS is a file system.
type FS = vfs.FS

var (
	// ErrCorrupt reports a file that is damaged.
	ErrCorrupt = errors.New("clock: file is corrupt")
	// ErrLocked reports a file that another clock uses.
	ErrLocked = vfs.ErrLocked
)

// File is a [Store] in a file of one line that people can read:
//
//	flagship clock 1 480346931404800000 9d5f03b1
//	               ^ format              ^ CRC-32C of what is before it
//
// It is replaced as a whole: the new line is durable under another name before it
// takes this one, so that a power cut leaves the old one or the new one.
type File struct {
	fs   FS
	name string
	lock io.Closer
}

const (
	fileMagic   = "flagship clock "
	fileVersion = 1
	maxFile     = 128 // bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenFile locks a file for one clock; beside it there are name.lock and, at times,
// name.tmp. Its directory must be there. A nil FS is the operating system's.
func OpenFile(fsys FS, name string) (*File, error) {
	if fsys == nil {
		fsys = vfs.OS()
	}
	lock, err := fsys.Lock(name + ".lock")
	if err != nil {
		return nil, fmt.Errorf("clock: locking %s: %w", name, err)
	}
	return &File{fs: fsys, name: name, lock: lock}, nil
}

// Close gives up the lock. The clock that uses the file is closed first.
func (f *File) Close() error { return f.lock.Close() }

// Load returns what was saved last, or 0 where there is no file.
func (f *File) Load() (timestamp.TS, error) {
	line, err := f.read()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("clock: reading %s: %w", f.name, err)
	}
	var version, ts uint64
	_, err = fmt.Sscanf(line, fileMagic+"%d %d", &version, &ts)
	// Before the checksum: a newer format may have another.
	if strings.HasPrefix(line, fileMagic) && version > fileVersion {
		return 0, fmt.Errorf("clock: %s has format %d, and this program knows %d: use a newer one", f.name, version, fileVersion)
	}
	if err != nil || line != encode(timestamp.TS(ts)) {
		return 0, fmt.Errorf("%w: %s: restore it, or remove it if no timestamp that is in use is above the present time", ErrCorrupt, f.name)
	}
	return timestamp.TS(ts), nil
}

func (f *File) read() (string, error) {
	file, err := f.fs.Open(f.name, vfs.ReadOnly)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b := make([]byte, maxFile)
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return string(b[:n]), nil
}

// Save replaces the file.
func (f *File) Save(ts timestamp.TS) error {
	temp := f.name + ".tmp"
	if err := f.write(temp, encode(ts)); err != nil {
		return fmt.Errorf("clock: writing %s: %w", temp, err)
	}
	if err := f.fs.Rename(temp, f.name); err != nil {
		return fmt.Errorf("clock: naming %s: %w", f.name, err)
	}
	if err := f.fs.SyncDir(filepath.Dir(f.name)); err != nil {
		return fmt.Errorf("clock: making the name of %s durable: %w", f.name, err)
	}
	return nil
}

func (f *File) write(name, line string) error {
	file, err := f.fs.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.WriteString(file, line); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

func encode(ts timestamp.TS) string {
	line := fmt.Sprintf("%s%d %d", fileMagic, fileVersion, uint64(ts))
	return fmt.Sprintf("%s %08x\n", line, crc32.Checksum([]byte(line), castagnoli))
}
