// What a user of this package needs of package region, under this package's name: errors
// with what they tell, and what an engine is made of. Requests and their answers keep
// theirs.

package mvcc

import (
	"context"
	"errors"
	"io"

	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

type (
	// TS is a timestamp; see package timestamp for its layout.
	TS = timestamp.TS
	// KV is a key with its value. The slices are the receiver's.
	KV = region.KV
	// LockInfo describes the lock of a transaction that is not decided.
	LockInfo = region.LockInfo

	// Engine is where regions keep their records; the others are what it is made of.
	Engine       = region.Engine
	Snapshot     = region.Snapshot
	Iterator     = region.Iterator
	BulkIterator = region.BulkIterator
	Batch        = region.Batch
	Op           = region.Op
	OpKind       = region.OpKind
	CF           = region.CF
	// Memory is the engine that is there without any.
	Memory = region.Memory
)

// The column families of an engine, and what is done to them.
const (
	Default = region.Default
	LockCF  = region.LockCF
	WriteCF = region.WriteCF

	OpPut         = region.OpPut
	OpDelete      = region.OpDelete
	OpDeleteRange = region.OpDeleteRange
)

// NewMemory returns an engine without keys.
func NewMemory() *Memory { return region.NewMemory() }

// Grid draws what an engine has in the three column families; see [region.Grid]. name
// shows a timestamp; nil is [TS.String].
func Grid(ctx context.Context, w io.Writer, e Engine, name func(TS) string) error {
	return region.Grid(ctx, w, e, name)
}

// Errors that callers tell apart with errors.Is. What a region answers is the same
// error here and there.
var (
	// ErrNotFound reports a key that has no value at the time it is read.
	ErrNotFound = region.ErrNotFound
	// ErrConflict reports that somebody else's transaction came between: nothing of
	// this one is there, and running it again from Begin may succeed. Every
	// [ConflictError] is one.
	ErrConflict = region.ErrConflict
	// ErrExists reports an Insert of a key that has a value.
	ErrExists = region.ErrExists
	// ErrDeadlock reports that this transaction was the one to give way in a circle
	// of transactions that wait for each other. Every [DeadlockError] is one.
	ErrDeadlock = region.ErrDeadlock
	// ErrLocked reports a key that another transaction holds, for longer than was to
	// be waited. Every [LockedError] is one.
	ErrLocked = region.ErrLocked
	// ErrRolledBack reports a transaction that somebody else has rolled back.
	ErrRolledBack = region.ErrRolledBack
	// ErrUndetermined reports a commit that nobody has answered. It may have
	// happened, or happen yet; only reading what it wrote tells.
	ErrUndetermined = region.ErrUndetermined
	// ErrTooOld reports a timestamp at or below the safepoint.
	ErrTooOld = region.ErrTooOld
	// ErrFuture reports a timestamp that no clock has given out yet.
	ErrFuture = region.ErrFuture
	// ErrDone reports a call on a transaction that was committed or rolled back.
	ErrDone = errors.New("mvcc: transaction is over")
	// ErrReadOnly reports a write in a transaction that only reads.
	ErrReadOnly = errors.New("mvcc: transaction only reads")
	// ErrTooLarge reports a key, value or transaction above the limits.
	ErrTooLarge = region.ErrTooLarge
	// ErrKey reports a key that cannot be.
	ErrKey = region.ErrKey
	// ErrClosed reports a call on a closed store.
	ErrClosed = region.ErrClosed
	// ErrCorrupt reports bytes in the engine, or in an export, that these packages did
	// not write.
	ErrCorrupt = region.ErrCorrupt
)

type (
	// ConflictError names who came between, and ConflictReason how.
	ConflictError  = region.ConflictError
	ConflictReason = region.ConflictReason
	// LockedError says whose locks are in the way.
	LockedError = region.LockedError
	// DeadlockError has the circle.
	DeadlockError = region.DeadlockError
)

// What can come between; see [region.ConflictReason].
const (
	WriteConflict = region.WriteConflict
	ReadConflict  = region.ReadConflict
	UncertainRead = region.UncertainRead
)
