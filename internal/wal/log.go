package wal

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Log is a write-ahead log in a directory of its own. It is safe for
// concurrent use, and runs no goroutines: whoever calls does the work.
type Log struct {
	fs   vfs.FS
	dir  string
	opts Options
	lock io.Closer // nil: read-only, and nobody can lock it

	mu   sync.Mutex
	idle *sync.Cond // signalled when a sync ends

	segments []*segment // by id, without gaps; never empty
	tail     tail       // the file of the last of them
	last     uint64     // sequence number of the last record appended
	durable  uint64     // and of the last one known durable
	front    uint64     // records below it are no longer wanted
	spares   []string   // files to be recycled
	syncing  bool       // a caller is in tail.sync, without mu
	err      error      // why the log no longer takes calls
	mmap     bool       // opts.Mmap, until the platform says no

	encoder checker
	buf     []byte // the batch being written
	metrics Metrics
}

// tail is the open file at the end of the log.
//
//	header | frames, durable | frames, written | zeros | preallocated
//	                         synced            end     zeroed         size
type tail struct {
	file    vfs.File
	mapping vfs.Mapping // nil: writes go through file

	size, synced, end int64
	// zeroed is how far blocks were written, not only reserved: the first
	// write to a reserved block changes metadata, which the next sync has to
	// journal. At size for files that need none of this.
	zeroed int64
	// torn is the end of what a failed write may have left after end; 0: none.
	torn   int64
	marked bool // the last frame is a mark
}

// tailReserve keeps room after the last frame for a mark and the zeros that
// end the log.
const tailReserve = 2 * frameHeader

func (t *tail) fits(n int64) bool { return t.torn == 0 && t.end+n+tailReserve <= t.size }

// mapMax is the longest write that goes through the mapping: every page that is
// stored to for the first time after a sync is a page fault, which costs more
// than the system call.
const mapMax = pageSize

func (t *tail) writeAt(p []byte, offset int64) error {
	var err error
	if t.mapping != nil && len(p) <= mapMax {
		_, err = t.mapping.WriteAt(p, offset)
	} else {
		_, err = t.file.WriteAt(p, offset)
	}
	return err
}

func (t *tail) sync() error {
	if t.mapping != nil {
		return t.mapping.Sync()
	}
	return t.file.Sync()
}

func (t *tail) close() error {
	var first error
	if t.mapping != nil {
		first = t.mapping.Close()
	}
	if err := t.file.Close(); first == nil {
		first = err
	}
	return first
}

// openTail opens the last segment, for appending if it may.
func (l *Log) openTail(id uint64, access vfs.Access) (tail, error) {
	file, err := l.fs.Open(filepath.Join(l.dir, segmentName(id, segmentSuffix)), access)
	if err != nil {
		return tail{}, fmt.Errorf("wal: opening segment %d: %w", id, err)
	}
	size, err := file.Size()
	if err != nil {
		file.Close()
		return tail{}, fmt.Errorf("wal: opening segment %d: %w", id, err)
	}
	return tail{file: file, size: size, synced: segmentHeader, end: segmentHeader, zeroed: size}, nil
}

// mapTail changes t to mapped writes, if that is wanted and possible.
func (l *Log) mapTail(t *tail) error {
	if !l.mmap || t.size == 0 {
		return nil
	}
	// A store into a hole on a full disk would kill the process: a file that
	// was copied may have holes.
	if err := t.file.Preallocate(t.size); err != nil {
		return fmt.Errorf("wal: reserving %s: %w", t.file.Name(), err)
	}
	m, err := t.file.Map(t.size, vfs.ReadWrite)
	if isNotSupported(err) {
		l.opts.Logger.Info("wal: no mmap here, writing with pwrite", "dir", l.dir)
		l.mmap = false
		return nil
	}
	if err != nil {
		return fmt.Errorf("wal: mapping %s: %w", t.file.Name(), err)
	}
	t.mapping = m
	return nil
}

// FirstSeq returns the sequence number of the oldest record held: 1 in a new
// log. It is LastSeq()+1 when no record is held.
func (l *Log) FirstSeq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[0].first
}

// LastSeq returns the sequence number of the last record appended, durable or
// not; 0 before the first.
func (l *Log) LastSeq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// DurableSeq returns the sequence number up to which records survive a power
// cut.
func (l *Log) DurableSeq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Metrics are counts since Open.
type Metrics struct {
	// Batches counts Append calls that wrote, Records their records, Payload
	// the records' bytes, and Written the bytes of their frames.
	Batches, Records, Payload, Written uint64
	// Syncs counts file syncs: with group commit, fewer than the callers that
	// waited for one.
	Syncs uint64
	// Segments is the number of files held now, Rotations how many were begun
	// since Open, and Recycled how many of those reused an old file.
	Segments, Rotations, Recycled uint64
}

// Metrics returns the counts.
func (l *Log) Metrics() Metrics {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.metrics
	m.Segments = uint64(len(l.segments))
	return m
}

// fail makes err the log's end (rule W6) and returns it as every later call
// will see it.
func (l *Log) fail(err error) error {
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrFailed, err)
		l.opts.Logger.Error("wal: failed", "dir", l.dir, "err", err)
	}
	return l.err
}

// quiesce waits until no sync is running, so that the tail may be changed.
func (l *Log) quiesce() error {
	for l.syncing && l.err == nil {
		l.idle.Wait()
	}
	return l.err
}

// Close makes everything appended durable, and gives the directory free. It is
// idempotent. On a log that has failed it returns that failure.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.syncing {
		l.idle.Wait()
	}
	if l.err == ErrClosed {
		return nil
	}
	if l.err == nil && l.durable < l.last {
		l.syncTail()
	}
	if l.err == nil {
		l.writeMark()
	}
	result := l.err
	if result == ErrReadOnly {
		result = nil
	}
	l.err = ErrClosed
	l.idle.Broadcast()
	if err := l.letGo(); result == nil && err != nil {
		result = fmt.Errorf("wal: closing %s: %w", l.dir, err)
	}
	return result
}

// letGo closes the file of the tail and gives up the lock, where there are any.
func (l *Log) letGo() (err error) {
	if l.tail.file != nil {
		err = l.tail.close()
	}
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
	}
	return err
}

// writeMark ends the log with a frame that vouches for all before it: damage
// to the last records is then told from a torn tail after a clean Close too.
// It promises nothing by itself, so it needs no sync, and its failure is none
// of the records'.
func (l *Log) writeMark() {
	t := &l.tail
	if t.marked || t.end == segmentHeader || t.torn != 0 || t.end+tailReserve > t.size {
		return
	}
	mark := frame{kind: kindMark, durable: t.end}
	b := l.encoder.appendFrame(l.buf[:0], l.active().id, t.end, mark, nil)
	b = append(b, make([]byte, frameHeader)...)
	if err := t.writeAt(b, t.end); err != nil {
		l.opts.Logger.Warn("wal: closing mark not written", "dir", l.dir, "err", err)
	}
}

func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }
