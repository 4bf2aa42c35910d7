//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

// The platforms with files but without the rest: js and wasip1 under a host
// that has a disk, and the Unix systems without flock.

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func syncFile(f *os.File) error { return f.Sync() }

func startSync(*os.File, int64, int64) error { return nil }

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.IsDir() {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: errNotDir}
	}
	return f.Sync()
}

func preallocate(f *os.File, size int64) error { return writeZeros(f, size) }

func lockFile(*os.File) error { return ErrNotSupported }

func mapFile(*os.File, int, Access) (*osMapping, error) { return nil, ErrNotSupported }

func isNoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) }
