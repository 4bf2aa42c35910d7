package disk

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/raft"
)

// What the API shows of the packages below it.
type (
	// FS is a file system: the operating system's, or one in memory that fails
	// on demand ([NewMemFS]).
	FS = vfs.FS
	// MemFS is a file system in memory, for tests.
	MemFS = vfs.Mem
	// CorruptError names the file that is damaged or missing, and how that
	// shows. It is a [raft.ErrCorrupt].
	CorruptError = wal.CorruptError
	// VersionError names a file that a newer build wrote.
	VersionError = wal.VersionError
	// LogRecovery is what was found at the end of the log.
	LogRecovery = wal.Recovery
	// LogMetrics count what the log did.
	LogMetrics = wal.Metrics
)

// Errors that callers tell apart, besides those of package raft.
var (
	// ErrLocked reports a directory that another storage has open.
	ErrLocked = vfs.ErrLocked
	// ErrForeign reports a directory that holds the state of another node or
	// cluster.
	ErrForeign = errors.New("raft/disk: directory of another node or cluster")
	// ErrNotMember reports a directory that [ForceNewCluster] can make no
	// cluster of: its node never had an entry, or was removed from its cluster.
	ErrNotMember = errors.New("raft/disk: directory of no member")
	// ErrClosed reports a call on a closed storage.
	ErrClosed = errors.New("raft/disk: storage is closed")
)

// NewMemFS returns an empty file system in memory.
func NewMemFS() *MemFS { return vfs.NewMem() }

// Options tune a storage. The zero value, or a nil pointer, is a good default.
type Options struct {
	// Node and Cluster say whose state it is: they are stored when the
	// directory is new, and a directory of another node or cluster is refused
	// ever after. Default: None and "", which ask for no check. A node that
	// starts on another's votes breaks the cluster: name both.
	Node    raft.NodeID
	Cluster string
	// FS is where the files are. Default: the operating system's.
	FS FS
	// SegmentSize is the length of a log file in bytes. Default 64 MiB: space
	// of compacted entries comes back in pieces of that size.
	SegmentSize int64
	// Mmap writes small records to the log through a memory mapping: cheaper
	// when few saves are synced, dearer when all are. Default: pwrite.
	Mmap bool
	// KeepSnapshots is how many snapshots are kept, and the log back to the
	// oldest of them. Default 2: when the newest is damaged, the node starts
	// from the one before, or from nothing, and from the log. With 1 there is
	// less on the disk, and a damaged snapshot stops the node.
	KeepSnapshots int
	// MaxSegments bounds the log files: when the log that the snapshots kept
	// go back to takes more, the oldest of them are given up when the next is
	// stored, and the log with them. The newest snapshot and the entries behind
	// it stay in any case. Default 0: no bound.
	MaxSegments int
	// Logger is told what was found at Open and what went wrong. Default:
	// silent.
	Logger *slog.Logger
}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.FS == nil {
		out.FS = vfs.OS()
	}
	if out.SegmentSize == 0 {
		out.SegmentSize = 64 << 20
	}
	if out.KeepSnapshots == 0 {
		out.KeepSnapshots = 2
	}
	if out.KeepSnapshots < 0 {
		return out, fmt.Errorf("%w: KeepSnapshots is %d", raft.ErrInvalid, out.KeepSnapshots)
	}
	if out.MaxSegments < 0 {
		return out, fmt.Errorf("%w: MaxSegments is %d", raft.ErrInvalid, out.MaxSegments)
	}
	if err := checkCluster(out.Cluster); err != nil {
		return out, err
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out, nil
}

// corrupt makes err, which is about stored bytes, a raft.ErrCorrupt too.
func corrupt(err error) error { return fmt.Errorf("%w: %w", raft.ErrCorrupt, err) }

// damaged is a corrupt file.
func damaged(file string, offset int64, format string, args ...any) error {
	return corrupt(&CorruptError{File: file, Offset: offset, Reason: fmt.Sprintf(format, args...)})
}
