package wal

import (
	"errors"

	"github.com/flagship-go/flagship/internal/vfs"
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
	ErrCorrupt = vfs.ErrCorrupt
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

// Damage has one shape everywhere: see package vfs.
type (
	// CorruptError reports bytes that are not what was written, with the place.
	CorruptError = vfs.CorruptError
	// VersionError reports a file written by a newer build.
	VersionError = vfs.VersionError
)
