package wal

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is. A full disk is
// [vfs.ErrNoSpace] and a directory in use is [vfs.ErrLocked].
var (
	// ErrClosed reports a call on a closed log.
	ErrClosed = errors.New("wal: log is closed")
	// ErrFailed reports that a sync, or a change of the directory, failed
	// earlier: what the kernel still holds of the unsynced records is unknown
	// (rule W6). Only closing the log and opening it again tells.
	ErrFailed = errors.New("wal: log has failed and must be reopened")
	// ErrReadOnly reports a write to a log opened with Options.ReadOnly.
	ErrReadOnly = errors.New("wal: log was opened read-only")
	// ErrCorrupt is what every [CorruptError] is.
	ErrCorrupt = errors.New("wal: corrupt")
	// ErrTruncated reports a read from before the first record still held.
	ErrTruncated = errors.New("wal: record was truncated away")
	// ErrOutOfRange reports a sequence number that the log does not hold.
	ErrOutOfRange = errors.New("wal: sequence number out of range")
	// ErrTooLarge reports a record or a batch above the limits [MaxRecord] and
	// [MaxBatch].
	ErrTooLarge = errors.New("wal: record or batch too large")
	// ErrBusy reports that the records to be dropped from the end are being
	// read.
	ErrBusy = errors.New("wal: records are being read")
)

// CorruptError reports bytes that were once durable and are no longer what was
// written, or a segment that should be there and is not. The log does not
// repair it: the caller decides between a copy elsewhere and giving up.
type CorruptError struct {
	// File is the path of the damaged or missing segment.
	File string
	// Offset is the byte in File at which the first bad frame begins.
	Offset int64
	// Reason says what is wrong with it, and how the log knows.
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt file: %s at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// VersionError reports a segment written by a newer build.
type VersionError struct {
	// File is the path of the segment, Version the format it is in, and
	// Supported the newest format that this build reads.
	File               string
	Version, Supported uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d; this build reads versions up to %d", e.File, e.Version, e.Supported)
}
