package manifest

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is. A full disk is
// [vfs.ErrNoSpace]; a directory without a manifest is [io/fs.ErrNotExist].
var (
	// ErrClosed reports a call on a closed log.
	ErrClosed = errors.New("manifest: closed")
	// ErrFailed reports that a sync, or the change to a new file, failed
	// earlier: whether the edit is durable is not known (rule M6). Only opening
	// the directory again tells.
	ErrFailed = errors.New("manifest: has failed and must be reopened")
	// ErrCorrupt is what every [CorruptError] is.
	ErrCorrupt = errors.New("manifest: corrupt")
	// ErrTooLarge reports an edit, or a file, beyond the limits of the format:
	// a file that is full is followed by the next, see [Log.Rotate].
	ErrTooLarge = errors.New("manifest: too large")
)

// CorruptError reports bytes that were once durable and are no longer what was
// written.
type CorruptError struct {
	// File is the path of the damaged or missing file, Offset the byte at which
	// the first bad record begins.
	File   string
	Offset int64
	// Reason says what is wrong there, and how that is known.
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt file: %s at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// VersionError reports a manifest written by a newer build.
type VersionError struct {
	// File is its path, Version the format it is in, and Supported the newest
	// format that this build reads.
	File               string
	Version, Supported uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d; this build reads versions up to %d", e.File, e.Version, e.Supported)
}
