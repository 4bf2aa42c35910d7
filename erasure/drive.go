package erasure

import (
	"context"
	"io"
)

// A Drive is a place for one shard of each object: a local directory
// ([OpenDir]) or anything else that keeps these promises, such as a drive behind
// a network. Paths are slash-separated, relative, and already safe for a file
// system: see names.go.
//
// A Drive is safe for concurrent use. A missing file or directory is an error
// that is [io/fs.ErrNotExist]; any other error means that the drive is silent
// about what was asked. An error of Commit or Remove leaves it open
// whether the work was done.
type Drive interface {
	// String names the drive in errors and reports, such as its directory. No two
	// drives of a store have the same name.
	String() string
	// Create makes a file for writing, and its directories, or empties the one
	// that is there. Nothing of it is durable before Commit.
	Create(ctx context.Context, path string) (FileWriter, error)
	// Commit renames files, in the order given, and makes the directories they
	// need. When it returns all that is durable, and all but the last rename are
	// before the last is made: the version file, which speaks of the others. The
	// contents must have been synced, and the files closed. A file at the new name
	// is replaced.
	Commit(ctx context.Context, moves ...Move) error
	// Open opens a file for reading.
	Open(ctx context.Context, path string) (FileReader, error)
	// ReadFile returns the whole of a small file.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// List returns the names in a directory, sorted, files and directories
	// alike.
	List(ctx context.Context, dir string) ([]string, error)
	// Remove removes files in the order given, the first, the version file,
	// durably before the others, and then the directories above them that are left
	// empty, but not the top ones. The others may be back after a power cut. What
	// is missing is passed over.
	Remove(ctx context.Context, paths ...string) error
	// Usage says how much room there is.
	Usage(ctx context.Context) (Usage, error)
	// Close gives the drive up. It is idempotent.
	Close() error
}

// A Move is a rename within a drive.
type Move struct{ From, To string }

// A FileWriter is a file being written, by one goroutine.
type FileWriter interface {
	io.Writer
	// Sync makes the contents durable.
	Sync() error
	// Close is to be called in any case; without Sync the contents may be lost.
	Close() error
}

// A FileReader is an open file. ReadAt is safe for concurrent use. It stays
// readable when its name is removed.
type FileReader interface {
	io.ReaderAt
	io.Closer
	// Size is the length in bytes when the file was opened.
	Size() int64
}

// Usage is the room of a drive, in bytes; Total is zero when it is not known.
type Usage struct{ Total, Free int64 }
