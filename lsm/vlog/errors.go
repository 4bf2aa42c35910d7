package vlog

import (
	"errors"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Errors that callers tell apart with errors.Is. A full disk is
// [vfs.ErrNoSpace].
var (
	// ErrClosed reports a call on a closed log.
	ErrClosed = errors.New("vlog: log is closed")
	// ErrFailed reports that a sync failed earlier: nothing is appended until
	// the log is opened anew (rule V5).
	ErrFailed = errors.New("vlog: log has failed and must be reopened")
	// ErrCorrupt is what every [CorruptError] is.
	ErrCorrupt = vfs.ErrCorrupt
	// ErrTooLarge reports a value above [MaxValue].
	ErrTooLarge = errors.New("vlog: value too large")
)

// Damage has one shape everywhere: see package vfs.
type (
	// CorruptError reports bytes that are not what was written, with the place.
	CorruptError = vfs.CorruptError
	// VersionError reports a file written by a newer build.
	VersionError = vfs.VersionError
)
