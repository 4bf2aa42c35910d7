package table

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Errors that callers tell apart with errors.Is. A full disk is
// [vfs.ErrNoSpace].
var (
	// ErrCorrupt is what every [CorruptError] is.
	ErrCorrupt = errors.New("table: corrupt")
	// ErrOrder reports a key that is not after the last one added.
	ErrOrder = errors.New("table: keys are added out of order")
	// ErrTooLarge reports an entry above [MaxEntry].
	ErrTooLarge = errors.New("table: entry too large")
	// ErrFinished reports a writer used after Finish.
	ErrFinished = errors.New("table: writer has finished")
)

// CorruptError reports bytes that are not what was written.
type CorruptError struct {
	// File is the path of the table.
	File string
	// Offset is the byte in File at which the bad part begins: a block, or the
	// footer.
	Offset int64
	// Reason says what is wrong with it.
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt table: %s at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// VersionError reports a table written by a newer build.
type VersionError struct {
	// File is the path of the table, Version the format it is in, and Supported
	// the newest format that this build reads.
	File               string
	Version, Supported uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d; this build reads versions up to %d", e.File, e.Version, e.Supported)
}

// FaultError reports that memory which a file is mapped to could not be read:
// the disk failed, or the file was cut while it was mapped.
type FaultError struct {
	// Addr is the address that was read.
	Addr uintptr
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("reading a mapped file: fault at address %#x: the disk failed, or the file was cut", e.Addr)
}

// Guard turns a fault in mapped memory, which otherwise ends the process, into a
// [FaultError] in *err. It is deferred by a function that reads tables, or uses
// what they returned:
//
//	defer table.Guard(debug.SetPanicOnFault(true), &err)
//
// old is what to restore. Other panics go on.
func Guard(old bool, err *error) {
	debug.SetPanicOnFault(old)
	r := recover()
	if r == nil {
		return
	}
	if fault, ok := r.(interface {
		error
		Addr() uintptr
	}); ok {
		*err = &FaultError{Addr: fault.Addr()}
		return
	}
	panic(r)
}
