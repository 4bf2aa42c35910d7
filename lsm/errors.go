package lsm

import (
	"errors"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNoSpace reports a full disk. Nothing has changed, reads go on, and
	// writes do when there is room.
	ErrNoSpace = vfs.ErrNoSpace
	// ErrLocked reports that another store has the directory.
	ErrLocked = vfs.ErrLocked
	// ErrNotFound reports a key that is not there, deleted, or expired.
	ErrNotFound = errors.New("lsm: key not found")
	// ErrClosed reports a call on a closed store, snapshot or iterator.
	ErrClosed = errors.New("lsm: store is closed")
	// ErrReadOnly reports a write to a store that takes none: it was opened so,
	// or a write to the disk failed in a way after which nobody knows what the
	// disk holds. Then the error says what happened, reads go on, and opening
	// the store again finds out.
	ErrReadOnly = errors.New("lsm: store takes no writes")
	// ErrCorrupt is what every [CorruptError] is, whatever file it is about.
	ErrCorrupt = vfs.ErrCorrupt
	// ErrBatchUsed reports a batch that was applied and not reset.
	ErrBatchUsed = errors.New("lsm: batch was applied already; Reset it first")
	// ErrTooLarge reports a key or a batch above [MaxKeyLen] or [MaxBatchLen].
	ErrTooLarge = errors.New("lsm: too large")
	// ErrNoMergeOperator reports a merge in a store without Options.MergeOperator.
	ErrNoMergeOperator = errors.New("lsm: no merge operator")
	// ErrSnapshots reports a DropAll while snapshots are open.
	ErrSnapshots = errors.New("lsm: snapshots are open")
)

type (
	// CorruptError reports bytes that are not what was written: the path of the
	// File, the Offset of the place in it, and the Reason.
	CorruptError = vfs.CorruptError
	// VersionError reports a file written by a newer build.
	VersionError = vfs.VersionError
)
