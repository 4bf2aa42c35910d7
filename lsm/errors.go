package lsm

import (
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/table"
	"github.com/flagship-go/flagship/lsm/vlog"
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
	ErrCorrupt = errors.New("lsm: corrupt")
	// ErrBatchUsed reports a batch that was applied and not reset.
	ErrBatchUsed = errors.New("lsm: batch was applied already; Reset it first")
	// ErrTooLarge reports a key or a batch above [MaxKeyLen] or [MaxBatchLen].
	ErrTooLarge = errors.New("lsm: too large")
	// ErrNoMergeOperator reports a merge in a store without Options.MergeOperator.
	ErrNoMergeOperator = errors.New("lsm: no merge operator")
	// ErrSnapshots reports a DropAll while snapshots are open.
	ErrSnapshots = errors.New("lsm: snapshots are open")
)

// CorruptError reports bytes that are not what was written.
type CorruptError struct {
	// File is the path of the file, and Offset the place in it.
	File   string
	Offset int64
	// Reason says what is wrong there.
	Reason string
	// Err is the report of the room that found it, if any.
	Err error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("lsm: corrupt file: %s at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func (e *CorruptError) Unwrap() error { return e.Err }

// corrupt makes every report of damage a *CorruptError, so that callers need not
// know the rooms of the store.
func corrupt(err error) error {
	if err == nil {
		return nil
	}
	var own *CorruptError
	var ofTable *table.CorruptError
	var ofValues *vlog.CorruptError
	var ofManifest *manifest.CorruptError
	var ofLog *wal.CorruptError
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(err, &ofTable):
		return &CorruptError{ofTable.File, ofTable.Offset, ofTable.Reason, err}
	case errors.As(err, &ofValues):
		return &CorruptError{ofValues.File, ofValues.Offset, ofValues.Reason, err}
	case errors.As(err, &ofManifest):
		return &CorruptError{ofManifest.File, ofManifest.Offset, ofManifest.Reason, err}
	case errors.As(err, &ofLog):
		return &CorruptError{ofLog.File, ofLog.Offset, ofLog.Reason, err}
	}
	return err
}
