package manifest

import (
	"errors"

	"github.com/flagship-go/flagship/internal/vfs"
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
	ErrCorrupt = vfs.ErrCorrupt
	// ErrTooLarge reports an edit, or a file, beyond the limits of the format:
	// a file that is full is followed by the next, see [Log.Rotate].
	ErrTooLarge = errors.New("manifest: too large")
)

// Damage has one shape everywhere: see package vfs.
type (
	// CorruptError reports bytes that are not what was written, with the place.
	CorruptError = vfs.CorruptError
	// VersionError reports a file written by a newer build.
	VersionError = vfs.VersionError
)
