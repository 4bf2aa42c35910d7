package vlog

import (
	"errors"
	"fmt"
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
	ErrCorrupt = errors.New("vlog: corrupt")
	// ErrTooLarge reports a value above [MaxValue].
	ErrTooLarge = errors.New("vlog: value too large")
)

// CorruptError reports a value that is not what was appended, or not there.
type CorruptError struct {
	// File is the path of the damaged or missing file, Offset the byte of it at
	// which the bad record begins.
	File   string
	Offset int64
	// Reason says what is wrong there.
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt file: %s at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// VersionError reports a file written by a newer build.
type VersionError struct {
	// File is its path, Version the format it is in, and Supported the newest
	// format that this build reads.
	File               string
	Version, Supported uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d; this build reads versions up to %d", e.File, e.Version, e.Supported)
}
