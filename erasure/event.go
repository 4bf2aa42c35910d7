package erasure

// An Event is something that happened inside, as plain data.
type Event struct {
	Kind    EventKind
	Name    string // of the object
	Version string // its file name
	Set     int
	Place   int // of the drive in its set; -1: none
	Shard   int // -1: none
	Err     error
	Rule    string // E1 to E15, when one applies
}

// EventKind is what happened.
type EventKind int

const (
	// ShardFailed: a shard was missing, wrong or slow, and another was asked.
	ShardFailed EventKind = iota
	// ShardHealed: a shard was written again.
	ShardHealed
	// VersionCommitted: a write quorum holds a version.
	VersionCommitted
	// VersionCompleted: a version below its write quorum was brought there.
	VersionCompleted
	// VersionUndone: a version that was never acknowledged was removed.
	VersionUndone
	// DriveFailed and DriveReturned: the state of a drive changed.
	DriveFailed
	DriveReturned
)
