// The seam itself: FS, File and Mapping, and the errors callers tell apart.

package vfs

import (
	"errors"
	"io"
)

// Errors that callers tell apart. Not-found and already-exists are the ones of
// io/fs ([io/fs.ErrNotExist], [io/fs.ErrExist]); a full disk is [ErrNoSpace].
var (
	// ErrLocked reports that another process, or another owner in this one,
	// holds the lock.
	ErrLocked = errors.New("vfs: locked by another owner")
	// ErrNoSpace reports a full disk. errors.Is(err, ErrNoSpace) holds for the
	// operating system's ENOSPC too.
	ErrNoSpace = errors.New("vfs: no space left on device")
	// ErrNotSupported reports an operation the platform does not have.
	ErrNotSupported = errors.New("vfs: not supported on this platform")
)

// Access says what an opened file is for.
type Access int

const (
	// ReadOnly opens for reading; writes fail.
	ReadOnly Access = iota
	// ReadWrite opens for reading and writing.
	ReadWrite
)

// FS is a file system. Names are paths in the form of package path/filepath of
// the platform. It is safe for concurrent use.
//
// An open file may be renamed, replaced or removed on all systems but Windows;
// a program meant for all of them closes it first.
type FS interface {
	// Create makes the file, or empties it when it exists, and opens it for
	// reading and writing. The new name is durable only after SyncDir of its
	// directory.
	Create(name string) (File, error)
	// Open opens an existing file.
	Open(name string, access Access) (File, error)
	// Rename gives a file another name, atomically replacing a file that has
	// it. Durable only after SyncDir of the directory.
	Rename(oldname, newname string) error
	// Remove deletes a file, or an empty directory.
	Remove(name string) error
	// MkdirAll makes a directory and its missing parents. Each is durable only
	// after SyncDir of the directory above it.
	MkdirAll(dir string) error
	// List returns the names (not paths) in dir, sorted.
	List(dir string) ([]string, error)
	// SyncDir makes creations, renames and removals in dir durable: the names,
	// not the contents of the files.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file name, made if it is missing, that
	// ends with the returned Closer or with the process, whichever is first. It
	// fails with ErrLocked at once instead of waiting. The file stays after the
	// lock has ended: removing it would let two owners lock two files of one name.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Reads and writes at offsets are safe for concurrent
// use; Write, Truncate and Close are not. Writing to a ReadOnly file fails with
// [io/fs.ErrPermission], a negative offset or size with [io/fs.ErrInvalid], use
// after Close with [io/fs.ErrClosed]; a second Close does nothing.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Write appends at the end of the file.
	io.Writer
	io.Closer
	// Name returns the name the file was opened with.
	Name() string
	// Size returns the file's length in bytes.
	Size() (int64, error)
	// Truncate sets the file's length; growth reads as zeros.
	Truncate(size int64) error
	// Sync makes the contents and the length durable (fdatasync where there is
	// one). After a failed Sync the written data may be gone even if a later
	// Sync succeeds: the caller must not go on as if it were there.
	Sync() error
	// StartSync sets the n bytes at off going to the disk and does not wait, so
	// that the disk works while the program goes on. It promises nothing; that
	// takes Sync, which also reports what goes wrong later. Where there is no
	// such call it does nothing. When it fails, it is a Sync that failed.
	StartSync(off, n int64) error
	// Preallocate reserves disk blocks for the first size bytes and sets the
	// length to at least size; new bytes read as zeros. A full disk shows here,
	// with ErrNoSpace, and not at a later write.
	Preallocate(size int64) error
	// Map maps the first size bytes into memory. The file must be at least
	// that long, and must not be truncated below it while mapped.
	Map(size int64, access Access) (Mapping, error)
}

// Mapping is a memory-mapped part of a file. A store through it reaches the
// kernel at once: it survives the killed process, but not the power cut. Stores
// to disjoint ranges are safe for concurrent use; Close is not.
type Mapping interface {
	// Bytes returns the mapped bytes, for reading only, valid until Close.
	Bytes() []byte
	// WriteAt copies p into the mapping; it fails, with nothing written, on a
	// ReadOnly mapping ([io/fs.ErrPermission]) and past the mapping's end
	// ([io/fs.ErrInvalid]).
	io.WriterAt
	// Sync makes the mapped bytes durable, but not the file's length: a length
	// not yet synced needs [File.Sync].
	Sync() error
	// Close unmaps; nobody may use Bytes any more. It does not sync. A mapping
	// outlives its file's Close.
	io.Closer
}
