package table

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Errors that callers tell apart with errors.Is. A full disk is
// [vfs.ErrNoSpace].
var (
	// ErrCorrupt is what every [CorruptError] is.
	ErrCorrupt = vfs.ErrCorrupt
	// ErrOrder reports a key that is not after the last one added.
	ErrOrder = errors.New("table: keys are added out of order")
	// ErrTooLarge reports an entry above [MaxEntry].
	ErrTooLarge = errors.New("table: entry too large")
	// ErrFinished reports a writer used after Finish.
	ErrFinished = errors.New("table: writer has finished")
)

// Damage has one shape everywhere: see package vfs.
type (
	// CorruptError reports bytes that are not what was written, with the place.
	CorruptError = vfs.CorruptError
	// VersionError reports a file written by a newer build.
	VersionError = vfs.VersionError
)

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
