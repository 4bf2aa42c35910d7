package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync/atomic"
)

// What a store writes is its owner's business only.
const (
	filePerm = 0o600
	dirPerm  = 0o700
)

// OS returns the operating system's file system. Where the platform has no
// memory mapping or no lock that ends with the process, Map and Lock fail with
// [ErrNotSupported]: a lock that does not lock would be worse than none.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return nil, osError(err)
	}
	return &osFile{f: f, access: ReadWrite}, nil
}

func (osFS) Open(name string, access Access) (File, error) {
	flag := os.O_RDONLY
	if access == ReadWrite {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		return nil, err
	}
	// Unix opens a directory for reading as if it were a file.
	if info, err := f.Stat(); err != nil || info.IsDir() {
		f.Close()
		if err == nil {
			err = &fs.PathError{Op: "open", Path: name, Err: errIsDir}
		}
		return nil, err
	}
	return &osFile{f: f, access: access}, nil
}

func (osFS) Rename(oldname, newname string) error { return osError(os.Rename(oldname, newname)) }

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) MkdirAll(dir string) error { return osError(os.MkdirAll(dir, dirPerm)) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) SyncDir(dir string) error { return osError(syncDir(dir)) }

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, osError(err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return &osLock{f: f}, nil
}

// osLock holds the lock through an open file: the kernel drops the lock when the
// last handle of that opening is closed, which a process's end does too.
type osLock struct{ f *os.File }

func (l *osLock) Close() error { return closeOnce(l.f) }

// osFile is a file of the operating system. Package os repeats interrupted
// calls (EINTR) and short writes by itself; only the calls made past it, in the
// platform files, have to.
type osFile struct {
	f      *os.File
	access Access
	closed atomic.Bool
}

// check refuses what the platforms refuse in different ways, so that callers
// see one error everywhere.
func (f *osFile) check(op string, need Access, offset int64) error {
	var err error
	switch {
	case f.closed.Load():
		err = fs.ErrClosed
	case need == ReadWrite && f.access != ReadWrite:
		err = fs.ErrPermission
	case offset < 0:
		err = fs.ErrInvalid
	default:
		return nil
	}
	return &fs.PathError{Op: op, Path: f.f.Name(), Err: err}
}

func (f *osFile) Name() string { return f.f.Name() }

func (f *osFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check("read", ReadOnly, off); err != nil {
		return 0, err
	}
	return f.f.ReadAt(p, off)
}

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.check("write", ReadWrite, off); err != nil {
		return 0, err
	}
	n, err := f.f.WriteAt(p, off)
	return n, osError(err)
}

// Write finds the end anew each time, because WriteAt, Truncate and other
// handles move it. O_APPEND would do so in one call, but package os refuses
// WriteAt on such a file, and Linux appends whatever the offset says.
func (f *osFile) Write(p []byte) (int, error) {
	if err := f.check("write", ReadWrite, 0); err != nil {
		return 0, err
	}
	if _, err := f.f.Seek(0, io.SeekEnd); err != nil {
		return 0, err
	}
	n, err := f.f.Write(p)
	return n, osError(err)
}

func (f *osFile) Size() (int64, error) {
	if err := f.check("stat", ReadOnly, 0); err != nil {
		return 0, err
	}
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *osFile) Truncate(size int64) error {
	if err := f.check("truncate", ReadWrite, size); err != nil {
		return err
	}
	return osError(f.f.Truncate(size))
}

func (f *osFile) Sync() error {
	if err := f.check("sync", ReadOnly, 0); err != nil {
		return err
	}
	return osError(syncFile(f.f))
}

func (f *osFile) StartSync(off, n int64) error {
	if err := f.check("startsync", ReadOnly, min(off, n)); err != nil || n == 0 {
		return err
	}
	return osError(startSync(f.f, off, n))
}

func (f *osFile) Preallocate(size int64) error {
	if err := f.check("preallocate", ReadWrite, size); err != nil || size == 0 {
		return err
	}
	return osError(preallocate(f.f, size))
}

func (f *osFile) Map(size int64, access Access) (Mapping, error) {
	if err := f.check("map", access, size); err != nil {
		return nil, err
	}
	have, err := f.Size()
	if err != nil {
		return nil, err
	}
	// A mapping past the end would fault the whole process at the first touch.
	if size > have || size > math.MaxInt {
		return nil, &fs.PathError{Op: "map", Path: f.f.Name(),
			Err: fmt.Errorf("%d bytes of a file of %d: %w", size, have, fs.ErrInvalid)}
	}
	m, err := mapFile(f.f, int(size), access)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: f.f.Name(), Err: err}
	}
	return m, nil
}

func (f *osFile) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return osError(f.f.Close())
}

// writeZeros reserves blocks by writing them, where nothing better exists. It
// reserves growth only: it cannot fill the holes of a sparse file without
// racing with its writers.
func writeZeros(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, min(max(size-info.Size(), 0), 1<<20))
	for at := info.Size(); at < size; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
		if err != nil {
			// Give back what was taken: a full disk must not stay full for it.
			_ = f.Truncate(info.Size())
			return err
		}
		at += int64(n)
	}
	return nil
}

// osError makes the operating system's "disk full" an ErrNoSpace, and keeps
// what the system said.
func osError(err error) error {
	if err == nil || !isNoSpace(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNoSpace, err)
}
