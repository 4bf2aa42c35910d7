package region

import (
	"errors"
	"fmt"
	"time"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNotFound reports a key that has no value at the time it is read.
	ErrNotFound = errors.New("mvcc: key not found")
	// ErrConflict reports that somebody else's transaction came between: nothing of
	// this one is there, and running it again from Begin may succeed. Every
	// [ConflictError] is one.
	ErrConflict = errors.New("mvcc: conflict")
	// ErrExists reports an Insert of a key that has a value.
	ErrExists = errors.New("mvcc: key exists")
	// ErrDeadlock reports that this transaction was the one to give way in a circle
	// of transactions that wait for each other. Every [DeadlockError] is one.
	ErrDeadlock = errors.New("mvcc: deadlock")
	// ErrLocked reports a key that another transaction holds, for longer than was to
	// be waited. Every [LockedError] is one.
	ErrLocked = errors.New("mvcc: key is locked")
	// ErrRolledBack reports a transaction that somebody else has rolled back: it was
	// silent for longer than its locks live, or is older than the safepoint.
	ErrRolledBack = errors.New("mvcc: transaction was rolled back")
	// ErrUndetermined reports a commit that nobody has answered. It may have
	// happened, or happen yet; only reading what it wrote tells.
	ErrUndetermined = errors.New("mvcc: the outcome of the commit is unknown")
	// ErrTooOld reports a timestamp at or below the safepoint: what was then may be
	// collected already.
	ErrTooOld = errors.New("mvcc: timestamp is below the safepoint")
	// ErrFuture reports a timestamp that no clock has given out yet, 0, or the
	// highest there is.
	ErrFuture = errors.New("mvcc: timestamp is not one that was given out")
	// ErrTooLarge reports a key, value or transaction above the limits.
	ErrTooLarge = errors.New("mvcc: too large")
	// ErrKey reports a key that cannot be: empty, or outside of the region.
	ErrKey = errors.New("mvcc: key")
	// ErrClosed reports a call on a closed store.
	ErrClosed = errors.New("mvcc: closed")
	// ErrCorrupt reports bytes in the engine that this package did not write.
	ErrCorrupt = errors.New("mvcc: record is corrupt")
)

// ConflictReason is what came between.
type ConflictReason uint8

const (
	// WriteConflict: the key was written after this transaction's snapshot.
	WriteConflict ConflictReason = iota
	// ReadConflict: a key or range that this transaction read was written before it
	// could commit, so it is not serializable.
	ReadConflict
	// UncertainRead: there is a value that may be older than the transaction, by the
	// clocks' offset, and what was read before it has changed.
	UncertainRead
)

func (r ConflictReason) String() string {
	return [...]string{"was written since", "was read, and written since", "may have been written before by another clock"}[r]
}

// ConflictError names who came between.
type ConflictError struct {
	Reason  ConflictReason
	Key     []byte
	StartTS TS // of the transaction that failed
	// The other transaction. OtherCommitTS is 0 while it is not committed.
	OtherStartTS, OtherCommitTS TS
	// Age is how long before the failing request the other was committed, or begun.
	Age time.Duration
}

func (e *ConflictError) Error() string {
	other := fmt.Sprintf("of %v, which is not committed", e.OtherStartTS)
	if e.OtherCommitTS != 0 {
		other = fmt.Sprintf("of %v, committed at %v", e.OtherStartTS, e.OtherCommitTS)
	}
	return fmt.Sprintf("mvcc: transaction %v: key %q %v, by that %s, %v ago: run it again", e.StartTS, e.Key, e.Reason, other, e.Age)
}

func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// LockedError says whose locks are in the way.
type LockedError struct{ Locks []LockInfo }

func (e *LockedError) Error() string {
	l := e.Locks[0]
	return fmt.Sprintf("mvcc: key %q is locked by transaction %v (primary %q, lives %v)", l.Key, l.StartTS, l.Primary, l.TTL)
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// DeadlockError has the circle: each waits for the next one, the last for the first,
// which is the victim.
type DeadlockError struct {
	Victim TS
	Circle []TS
	Key    []byte // that the victim wanted
}

func (e *DeadlockError) Error() string {
	return fmt.Sprintf("mvcc: transaction %v gives way: it wants key %q, and %v wait for each other", e.Victim, e.Key, e.Circle)
}

func (e *DeadlockError) Is(target error) bool { return target == ErrDeadlock }

// UncertainError reports a value that may be older than the reader, by the offset of
// the clocks; see V12. Clients read again, at or above CommitTS.
type UncertainError struct {
	Key      []byte
	CommitTS TS
}

func (e *UncertainError) Error() string {
	return fmt.Sprintf("mvcc: key %q was written at %v, which may have been before this transaction began", e.Key, e.CommitTS)
}

// CommitTooEarlyError reports a CommitTS below what the primary's lock has been given
// as its least since. Clients commit again, at or above MinCommitTS.
type CommitTooEarlyError struct {
	StartTS, CommitTS, MinCommitTS TS
}

func (e *CommitTooEarlyError) Error() string {
	return fmt.Sprintf("mvcc: transaction %v cannot commit at %v: somebody has read past it, the least is %v", e.StartTS, e.CommitTS, e.MinCommitTS)
}

// Error reports a request that came to the wrong place: the region was split,
// or is led elsewhere. Clients look again and send it again. Current has what the
// sender of the error knows of the regions that the request is about; it may be empty.
type Error struct {
	Region  Ref
	Current []Info
	Reason  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("mvcc: region %d, epoch %d: %s", e.Region.ID, e.Region.Epoch, e.Reason)
}
