// Operations: what a program does to the disk, numbered, so that a test can
// point at one and say "here".

package vfs

import "fmt"

// Kind says what an operation does.
type Kind string

// The kinds that change something; each such operation has a number.
const (
	OpCreate      Kind = "create"
	OpWrite       Kind = "write"    // File.Write and File.WriteAt
	OpMapWrite    Kind = "mapwrite" // Mapping.WriteAt
	OpTruncate    Kind = "truncate"
	OpPreallocate Kind = "preallocate"
	OpSync        Kind = "sync" // File.Sync and Mapping.Sync
	OpStartSync   Kind = "startsync"
	OpRename      Kind = "rename"
	OpRemove      Kind = "remove"
	OpMkdir       Kind = "mkdir" // one for each directory made
	OpSyncDir     Kind = "syncdir"
	OpLock        Kind = "lock"
)

// The kinds that only look. They are counted apart, so that a program that
// reads more does not shift the numbers of its writes.
const (
	OpRead Kind = "read" // File.ReadAt
	OpOpen Kind = "open"
	OpList Kind = "list"
)

// Op is one operation on a [Mem].
type Op struct {
	// N is the operation's number: 1, 2, 3... over all that change something,
	// and a count of its own, from 1 too, over all that only look.
	N    int64
	Kind Kind
	// Name is the file or directory: slashes, no leading one ("wal/1.log"). For
	// an open file it is the name it was opened with.
	Name string
	// To is the new name of a rename.
	To string
	// Offset and Length are the bytes written, read or synced. Of truncate and
	// preallocate, Length is the size asked for.
	Offset, Length int64
	// Err is how the operation ended; nil before its end.
	Err error
}

// String returns one line, for traces: "7 write wal/1.log 512+20".
func (op Op) String() string {
	s := fmt.Sprintf("%d %s %s", op.N, op.Kind, op.Name)
	if op.To != "" {
		s += " -> " + op.To
	}
	if op.Offset != 0 || op.Length != 0 {
		s += fmt.Sprintf(" %d+%d", op.Offset, op.Length)
	}
	if op.Err != nil {
		s += ": " + op.Err.Error()
	}
	return s
}

// looks reports whether the operation changes nothing.
func (k Kind) looks() bool { return k == OpRead || k == OpOpen || k == OpList }
