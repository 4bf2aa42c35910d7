package erasure

import (
	"errors"
	"fmt"
)

// Errors are wrapped with what was done to which object or drive; ask with
// errors.Is and errors.As.
var (
	// ErrNotFound: there is no such object, version, or upload.
	ErrNotFound = errors.New("not found")
	// ErrDeleted: the current version is a delete marker. It is an ErrNotFound.
	ErrDeleted = fmt.Errorf("%w: deleted", ErrNotFound)
	// ErrReadQuorum: too few drives answer to know, or to read, what is stored.
	// Nothing is lost by waiting for them.
	ErrReadQuorum = errors.New("too few drives for a read")
	// ErrWriteQuorum: too few drives took the write; it has not happened.
	ErrWriteQuorum = errors.New("too few drives for a write")
	// ErrOutcomeUnknown: drives failed between the first and the last rename of a
	// write, so it may have happened; the next read settles it.
	ErrOutcomeUnknown = errors.New("the write may or may not have happened")
	// ErrPrecondition: a condition of the call does not hold.
	ErrPrecondition = errors.New("precondition failed")
	// ErrName: the name cannot be an object's.
	ErrName = errors.New("invalid object name")
	// ErrSize: the body is shorter or longer than promised; nothing was stored.
	ErrSize = errors.New("body is not as long as promised")
	// ErrUpload: parts are missing, too small, out of order, or not those that
	// were uploaded.
	ErrUpload = errors.New("invalid multipart upload")
	// ErrOptions: an option cannot be.
	ErrOptions = errors.New("invalid option")
	// ErrForeign: a drive belongs to another deployment, or there twice.
	ErrForeign = errors.New("drive of another deployment")
	// ErrNewer: a file has a format newer than this package.
	ErrNewer = errors.New("newer format")
	// ErrCorrupt: bytes are not what was written. See [CorruptError].
	ErrCorrupt = errors.New("corrupt")
	// ErrLocked: another process has the drive open.
	ErrLocked = errors.New("drive is in use")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("store is closed")
)

// CorruptError says where bytes are not what was written. It is an ErrCorrupt.
type CorruptError struct {
	Drive, Path string
	Offset      int64 // in the file; -1: all of it
	Reason      string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: %s at %d: corrupt: %s", e.Drive, e.Path, e.Offset, e.Reason)
}

// Is makes it an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
