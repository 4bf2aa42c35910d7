package erasure

import (
	"time"
)

// Info is what is known of a version of an object.
type Info struct {
	Name string
	// VersionID is empty for the null version, the one of an object that was
	// stored without [PutOptions.Versioned].
	VersionID    string
	Latest       bool
	DeleteMarker bool
	Size         int64     // bytes
	Modified     time.Time // later than that of any older version
	// ETag is the MD5 of the body in hexadecimal; of a multipart object the MD5
	// of its parts' MD5s, a dash and the number of parts; or
	// [PutOptions.ETag].
	ETag  string
	Class string
	// Metadata is the user's. It must not be changed.
	Metadata map[string]string
	// Parts of a multipart object, in order; nil otherwise.
	Parts []Part

	// Data and Parity are the geometry it was stored with. Missing is how many
	// of its shards are not on their drives, as far as the call has seen: after a
	// Put those that missed the write. They are queued for healing.
	Data, Parity, Missing int
}

// PutOptions say how an object is stored. A nil pointer is the zero value.
type PutOptions struct {
	// Versioned keeps what was there as an older version. Otherwise the null
	// version is replaced.
	Versioned bool
	Metadata  map[string]string
	// Class is a storage class: see [Options.Classes]. Default: STANDARD.
	Class string
	// ETag is kept instead of computing the MD5, which is what costs most.
	ETag string
	Condition
}

// Condition makes a write or read depend on the current version: checked under
// the object's lock, with a read quorum. The zero value always holds.
type Condition struct {
	// IfMatch wants the current version's ETag to be this, or any with "*".
	IfMatch string
	// IfNoneMatch wants it not to be this, or no current version with "*".
	IfNoneMatch string
	// IfModifiedSince and IfUnmodifiedSince compare Modified in whole seconds.
	IfModifiedSince, IfUnmodifiedSince time.Time
}

// GetOptions say which version is read. A nil pointer is the zero value.
type GetOptions struct {
	// VersionID, or "null" for the null version; empty is the current version.
	VersionID string
	Condition
}

// DeleteOptions say what is deleted. A nil pointer is the zero value.
type DeleteOptions struct {
	// VersionID, or "null", removes that version for good.
	VersionID string
	// Versioned, without VersionID, puts a delete marker on top. Otherwise the
	// null version is removed: with MarkNull, it is replaced by a marker that is
	// itself the null version (S3's suspended versioning).
	Versioned, MarkNull bool
	Condition
}

// CopyOptions say how a copy differs from its source.
type CopyOptions struct {
	// SourceVersionID as [GetOptions.VersionID], SourceCondition about the source.
	SourceVersionID string
	SourceCondition Condition
	// ReplaceMetadata takes Metadata of Put instead of the source's.
	ReplaceMetadata bool
	Put             PutOptions
}

// ListOptions select and page. Names are in byte order.
type ListOptions struct {
	Prefix string
	// Delimiter rolls up names that have it behind Prefix into Page.Prefixes.
	Delimiter string
	// After starts behind this name, or behind all that a rolled-up prefix
	// stands for. AfterVersion, of ListVersions, behind that version of it.
	After, AfterVersion string
	// Max is how many objects and prefixes a page may have; default 1000.
	Max int
}

// A Page of a listing. More says that there is more behind Next.
type Page struct {
	Objects           []Info
	Prefixes          []string
	More              bool
	Next, NextVersion string // for ListOptions.After, AfterVersion
}

// A Part of a multipart upload.
type Part struct {
	Number   int // 1 to 10000
	Size     int64
	ETag     string // MD5 in hexadecimal
	Modified time.Time

	id [16]byte // of the part as a version of its own; zero: it never was one
}

// An Upload is a multipart upload that is neither completed nor aborted.
type Upload struct {
	Name, ID string
	Started  time.Time
	Class    string
	Metadata map[string]string
}

// HealOptions say what is healed. A nil pointer is the zero value: everything,
// by metadata and the presence and size of shards.
type HealOptions struct {
	// Prefix of the names, or Name for one object.
	Prefix, Name string
	// Deep reads and checks every byte of every shard.
	Deep bool
	// DryRun reports and changes nothing.
	DryRun bool
}

// HealReport counts what a heal did, or so far did.
type HealReport struct {
	Objects, Versions int
	Bytes             int64 // of objects looked at
	Healed            int   // shards written again
	Corrupt, Absent   int   // shards that were wrong, or not there
	Purged            int   // versions never acknowledged, and stray files
	Unreadable        int   // versions with too few shards; they are kept
	Name              string
}

// DriveInfo is the state of one place for a drive.
type DriveInfo struct {
	Set, Place int
	Drive      string // its String; empty: no drive there
	State      DriveState
	Err        error // why it is offline
	Usage      Usage
	Missed     int64 // writes it missed since it was last healed
	// Rebuilt is how far the rebuilding of a new or stale drive has come: the
	// name last healed.
	Rebuilt string
}

// DriveState is what is known of a drive.
type DriveState int

const (
	// Online drives take part in everything.
	Online DriveState = iota
	// Offline drives do not answer.
	Offline
	// Stale drives missed writes; they are being healed.
	Stale
	// Rebuilding drives are new; what they lack says nothing.
	Rebuilding
)

// StoreInfo is the state of a store.
type StoreInfo struct {
	Deployment   string
	Sets         int
	DrivesPerSet int
	Data, Parity int // of class STANDARD
	Drives       []DriveInfo
	Queued       int // objects that wait to be healed
}
