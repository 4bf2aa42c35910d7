//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFile is fsync; on darwin package os asks for F_FULLFSYNC, because fsync
// there stops at the drive's volatile cache.
func syncFile(f *os.File) error { return f.Sync() }

func startSync(*os.File, int64, int64) error { return nil }

func preallocate(f *os.File, size int64) error { return writeZeros(f, size) }

// mappingHandle returns a handle that lives as long as the mapping, to sync
// through after msync, which does not flush the drive's cache (darwin).
func mappingHandle(f *os.File) (*os.File, error) {
	var dup int
	err := control(f, func(fd int) (err error) {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(dup), f.Name()), nil
}
