package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
)

// Errors that callers tell apart. A directory in use is vfs.ErrLocked.
var (
	// ErrPruned reports a version that is no longer kept.
	ErrPruned = errors.New("store: the version is no longer kept; ask for a newer one, or keep more")
	// ErrFuture reports a version that is not committed yet.
	ErrFuture = errors.New("store: the version is not committed yet")
	// ErrHeight reports a Commit of a height that is not above the last one.
	ErrHeight = errors.New("store: heights only grow")
	// ErrCorrupt reports a log that does not say what was committed.
	ErrCorrupt = vfs.ErrCorrupt
	// ErrClosed reports a Commit after Close.
	ErrClosed = errors.New("store: closed")
)

// Options tune a DB. The zero value is one in memory.
type Options struct {
	// Dir is the directory of the log. Default "": nothing is on disk, and nothing is left after Close.
	Dir string
	// FS is where Dir is. Default: the operating system's files.
	FS vfs.FS
	// Keep is how many versions can be read. Default 100. What each one costs is what it changed.
	Keep int
	// Rewrite is the least length of the log, in bytes, at which it is rewritten; above it, twice the state is. Default 16 MiB.
	Rewrite int64
	// SegmentSize is that of the log's files, in bytes. Default 4 MiB.
	SegmentSize int64
	// Logger is told of rewrites and of what a crash has torn. Default: silent.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Keep <= 0 {
		o.Keep = 100
	}
	if o.Rewrite <= 0 {
		o.Rewrite = 16 << 20
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = 4 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Version is a committed state.
type Version struct {
	Height int64
	Root   Hash
	Tree   Tree
}

// A DB has the last versions of a state. It is safe for concurrent use.
type DB struct {
	opts Options

	write  sync.Mutex // held by Commit and Close
	log    *wal.Log   // nil: in memory
	grown  int64      // bytes of the log since the last whole state
	limit  int64      // when it has grown to this, it is rewritten
	closed bool

	mu       sync.RWMutex
	versions []Version // the oldest first, at most opts.Keep
}

// Open opens the state in a directory, or begins one there, at height 0 and empty. A state that does not have the hash with
// which it was committed is refused: ErrCorrupt.
func Open(opts Options) (*DB, error) {
	db := &DB{opts: opts.withDefaults()}
	if opts.Dir == "" {
		return db, nil
	}
	log, recovery, err := wal.Open(opts.Dir, &wal.Options{FS: opts.FS, SegmentSize: db.opts.SegmentSize, Logger: opts.Logger})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db.log = log
	if err := db.recover(); err != nil {
		log.Close()
		return nil, err
	}
	db.opts.Logger.Info("state opened", "dir", opts.Dir, "height", db.Last().Height, "log", recovery)
	return db, nil
}

// Last is the newest version; before the first Commit, height 0 and the empty tree.
func (db *DB) Last() Version {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if n := len(db.versions); n > 0 {
		return db.versions[n-1]
	}
	return Version{Root: emptyRoot}
}

// At is the version of a height: ErrPruned, ErrFuture.
func (db *DB) At(height int64) (Version, error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	for i := len(db.versions) - 1; i >= 0; i-- {
		switch v := db.versions[i]; {
		case v.Height == height:
			return v, nil
		case v.Height < height && i == len(db.versions)-1:
			return Version{}, fmt.Errorf("%w: height %d, the last is %d", ErrFuture, height, v.Height)
		case v.Height < height:
			return Version{}, fmt.Errorf("%w: height %d was never one", ErrPruned, height)
		}
	}
	if len(db.versions) == 0 {
		return Version{}, fmt.Errorf("%w: height %d, none is", ErrFuture, height)
	}
	return Version{}, fmt.Errorf("%w: height %d, the oldest is %d", ErrPruned, height, db.versions[0].Height)
}

// Commit makes t the version of a height, durably. After an error that is not ErrHeight the DB is to be opened again: that tells
// whether the version is there.
func (db *DB) Commit(height int64, t Tree) (Hash, error) {
	db.write.Lock()
	defer db.write.Unlock()
	last := db.Last()
	switch {
	case db.closed:
		return Hash{}, ErrClosed
	case height <= last.Height:
		return Hash{}, fmt.Errorf("%w: %d after %d", ErrHeight, height, last.Height)
	}
	next := Version{height, t.Root(), t}
	if err := db.append(last, next); err != nil {
		return Hash{}, fmt.Errorf("store: committing height %d: %w", height, err)
	}
	db.publish(next)
	db.tidy()
	return next.Root, nil
}

// publish makes v readable, and prunes (ST7).
func (db *DB) publish(v Version) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.versions = append(db.versions, v)
	if n := len(db.versions) - db.opts.Keep; n > 0 {
		db.versions = append([]Version(nil), db.versions[n:]...) // the old ones' nodes can be collected
	}
}

// Close lets the directory go. Versions can still be read. A second Close does nothing.
func (db *DB) Close() error {
	db.write.Lock()
	defer db.write.Unlock()
	if db.closed || db.log == nil {
		db.closed = true
		return nil
	}
	db.closed = true
	return db.log.Close()
}
