package vfs

import (
	"errors"
	"fmt"
)

// ErrCorrupt is what every [CorruptError] is.
var ErrCorrupt = errors.New("corrupt")

// CorruptError reports bytes that were once durable and are no longer what was
// written, or a file that should be there and is not. Who finds it repairs
// nothing: the caller decides between a copy elsewhere and giving up.
type CorruptError struct {
	// File is the path of the damaged or missing file.
	File string
	// Offset is the byte in File at which the first bad part begins.
	Offset int64
	// Reason says what is wrong there, and how that is known.
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
