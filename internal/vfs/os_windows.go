package vfs

import (
	"errors"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func syncFile(f *os.File) error { return f.Sync() }

func startSync(*os.File, int64, int64) error { return nil }

// syncDir only checks the name. Windows cannot flush a directory; NTFS journals
// names itself and writes them out in order, soon after.
func syncDir(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "syncdir", Path: dir, Err: errNotDir}
	}
	return err
}

// preallocate sets the length: NTFS gives a file that is not marked sparse its
// clusters at once.
func preallocate(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	return f.Truncate(size)
}

func lockFile(f *os.File) error {
	// One byte far past any content: a lock here keeps readers of the locked
	// bytes out too, and the file may have a reader.
	at := &windows.Overlapped{Offset: 0xffffffff, OffsetHigh: 0x7fffffff}
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}

func mapFile(f *os.File, size int, access Access) (*osMapping, error) {
	m := &osMapping{name: f.Name(), access: access}
	if size == 0 {
		return m, nil // an empty file cannot be mapped
	}
	protect, view := uint32(windows.PAGE_READONLY), uint32(windows.FILE_MAP_READ)
	if access == ReadWrite {
		protect, view = windows.PAGE_READWRITE, windows.FILE_MAP_WRITE
	}
	section, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, protect,
		uint32(uint64(size)>>32), uint32(size), nil)
	if err != nil {
		return nil, err
	}
	defer windows.CloseHandle(section) // the view keeps the section alive
	addr, err := windows.MapViewOfFile(section, view, 0, 0, uintptr(size))
	if err != nil {
		return nil, err
	}
	extra, err := duplicate(f)
	if err != nil {
		_ = windows.UnmapViewOfFile(addr)
		return nil, err
	}
	// The address is memory of the system's, which the garbage collector never
	// moves; reading it as a pointer by way of &addr is the form vet can follow.
	m.view = unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), size)
	m.flush = func([]byte) error {
		// FlushViewOfFile only starts the writes; the handle's flush ends them.
		if err := windows.FlushViewOfFile(addr, uintptr(size)); err != nil {
			return err
		}
		return extra.Sync()
	}
	m.unmap = func([]byte) error {
		_ = extra.Close() // opened only to sync through: nothing to lose
		return windows.UnmapViewOfFile(addr)
	}
	return m, nil
}

// duplicate returns a second handle, so that a mapping outlives its file.
func duplicate(f *os.File) (*os.File, error) {
	self := windows.CurrentProcess()
	var h windows.Handle
	err := windows.DuplicateHandle(self, windows.Handle(f.Fd()), self, &h, 0, false, windows.DUPLICATE_SAME_ACCESS)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), f.Name()), nil
}

func isNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
