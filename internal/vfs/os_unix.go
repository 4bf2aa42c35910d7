//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

// What the Unix systems have in common: directories that can be synced, locks
// on open files, mapped memory.

package vfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func syncDir(dir string) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// lockFile uses flock and not fcntl, whose locks belong to the process: a
// second owner in the same process would get the lock too, and closing any
// handle of the file would drop it. (NFS turns flock into fcntl locks, so there
// only other processes are refused.)
func lockFile(f *os.File) error {
	err := control(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func mapFile(f *os.File, size int, access Access) (*osMapping, error) {
	m := &osMapping{name: f.Name(), access: access}
	if size == 0 {
		return m, nil // mmap refuses an empty range
	}
	prot := unix.PROT_READ
	if access == ReadWrite {
		prot |= unix.PROT_WRITE
	}
	err := control(f, func(fd int) (err error) {
		m.view, err = unix.Mmap(fd, 0, size, prot, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, err
	}
	extra, err := mappingHandle(f)
	if err != nil {
		_ = unix.Munmap(m.view)
		return nil, err
	}
	m.flush = func(view []byte) error {
		if err := retry(func() error { return unix.Msync(view, unix.MS_SYNC) }); err != nil || extra == nil {
			return err
		}
		return extra.Sync()
	}
	m.unmap = func(view []byte) error {
		if extra != nil {
			_ = extra.Close() // opened only to sync through: nothing to lose
		}
		return unix.Munmap(view)
	}
	return m, nil
}

// control runs call on the descriptor of f, which stays open meanwhile.
func control(f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := conn.Control(func(fd uintptr) {
		callErr = retry(func() error { return call(int(fd)) })
	}); err != nil {
		return &fs.PathError{Op: "control", Path: f.Name(), Err: err}
	}
	return callErr
}

// retry repeats a call that a signal interrupted; the Go runtime itself sends
// such signals, to preempt goroutines.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func isNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
