package wal

import (
	"fmt"
	"log/slog"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Limits of the format. They keep every length and offset within a 32-bit int.
const (
	// MaxRecord is the longest record, in bytes.
	MaxRecord = 1<<29 - 1
	// MaxBatch bounds the bytes that one Append writes, frame headers
	// included.
	MaxBatch = 1 << 30

	minSegmentSize = 4 << 10
	maxSegmentSize = 1 << 30
)

// Options tune a log. The zero value, or a nil pointer, is a good default.
type Options struct {
	// FS is where the log lives. Default: the operating system's files.
	FS vfs.FS
	// SegmentSize is the length of a segment file in bytes, 4 KiB to 1 GiB.
	// Default 64 MiB. Smaller ones give space back sooner after TruncateFront;
	// each costs two syncs and a directory sync. A batch that does not fit
	// gets a longer segment of its own.
	SegmentSize int64
	// Mmap writes batches of up to a page through a memory mapping instead of
	// pwrite: it saves the system call of an Append, which pays when few of
	// them are synced, and costs a page fault after each sync. In both modes a
	// record that Append returned survives the killed process. Where there is
	// no mmap the log falls back to pwrite.
	Mmap bool
	// Recycle is how many segments that TruncateFront dropped are kept to be
	// written again. Default 2; negative: none. Their blocks are already
	// allocated and written, so that a sync has no metadata to write.
	Recycle int
	// ReadOnly opens what is there and changes nothing: what a crash has torn is
	// reported and not shown, and stays in the file. Every write fails with
	// [ErrReadOnly]. The directory is locked when it has a lock file, which
	// every log has that was ever opened for writing.
	ReadOnly bool
	// Logger is told about cuts, rotations and failures. Default: silent.
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
	if out.SegmentSize < minSegmentSize || out.SegmentSize > maxSegmentSize {
		return out, fmt.Errorf("wal: segment size %d is outside %d..%d", out.SegmentSize, minSegmentSize, maxSegmentSize)
	}
	// Whole pages, as a mapping has.
	out.SegmentSize = roundUp(out.SegmentSize, pageSize)
	if out.Recycle == 0 {
		out.Recycle = 2
	}
	out.Recycle = max(out.Recycle, 0)
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out, nil
}
