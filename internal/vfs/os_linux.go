package vfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// syncFile leaves out what nobody reads back after a crash (the modification
// time): with preallocated blocks that saves the journal commit of fsync. The
// length, where it changed, is included, for the data cannot be read without.
func syncFile(f *os.File) error {
	if err := control(f, unix.Fdatasync); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// startSync has the kernel send the dirty pages off, and nothing else: neither
// metadata nor the drive's cache. (Of zero bytes it would take all to the end.)
func startSync(f *os.File, off, n int64) error {
	err := control(f, func(fd int) error { return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE) })
	if err != nil && !errors.Is(err, unix.ENOSYS) {
		return &fs.PathError{Op: "sync_file_range", Path: f.Name(), Err: err}
	}
	return nil
}

// preallocate reserves blocks without writing them. Some file systems (NFS,
// older FUSE and ZFS) cannot.
func preallocate(f *os.File, size int64) error {
	err := control(f, func(fd int) error { return unix.Fallocate(fd, 0, 0, size) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return writeZeros(f, size)
	}
	return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
}

// mappingHandle returns nothing: msync flushes the drive's cache as fsync does.
func mappingHandle(*os.File) (*os.File, error) { return nil, nil }
