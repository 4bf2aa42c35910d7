package vlog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Options tune a log. The zero value, or a nil pointer, is a good default.
type Options struct {
	// FS is where the files are. Default: the operating system's.
	FS vfs.FS
	// FileSize is the length in bytes at which a file is sealed and the next
	// begun. Default 256 MiB. Space comes back in whole files: smaller ones
	// give it back sooner, and each costs a sync that appends wait for.
	FileSize int64
	// Durable returns how many bytes of a file are known to be durable, from
	// what points into it. Default: none. Open writes what is above them again
	// when the file was not closed well.
	Durable func(file uint64) uint64
	// ReadOnly opens what is there and changes nothing.
	ReadOnly bool
	// Logger is told about failures. Default: silent.
	Logger *slog.Logger
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.FS == nil {
		out.FS = vfs.OS()
	}
	if out.FileSize <= 0 {
		out.FileSize = 256 << 20
	}
	if out.Durable == nil {
		out.Durable = func(uint64) uint64 { return 0 }
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out
}

// Log is a value log in a directory of its own. It is safe for concurrent use,
// and runs no goroutines. It takes no lock of the directory: the store has one.
type Log struct {
	fs   vfs.FS
	dir  string
	opts Options

	// files are read under mu, and change under it. Readers hold it while they
	// copy, so that no file goes away under them.
	mu    sync.RWMutex
	files map[uint64]*file

	// appending is held by who appends or seals; it guards what follows, but
	// head, making and next change under mu, too.
	appending sync.Mutex
	head      *file  // nil: the next append begins a file
	making    uint64 // the file that is being begun; 0: none
	next      uint64
	buf       []byte

	// syncing is held by who syncs. It is taken before mu, after appending.
	syncing sync.Mutex
	failure atomic.Pointer[error] // why nothing is appended any more
	durable Pointer               // File and Offset; guarded by mu
}

// file is one file of the log.
type file struct {
	num    uint64
	f      vfs.File
	size   atomic.Int64 // bytes that may be read
	synced int64        // of them durable; guarded by syncing
	bad    error        // why nothing of it can be read
}

// Path returns the path of a file, there or not.
func (l *Log) Path(num uint64) string { return filepath.Join(l.dir, FileName(num)) }

// Read appends the value at p to dst. It is [CorruptError] when it is not what
// was appended there.
func (l *Log) Read(p Pointer, dst []byte) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	head := headLen(p.Length)
	start := p.Offset - min(head, p.Offset)
	f := l.files[p.File]
	switch {
	case l.closed():
		return dst, ErrClosed
	case f == nil:
		return dst, l.damage(p.File, int64(start), "the file is missing")
	case f.bad != nil:
		return dst, f.bad
	case p.Offset < head+fileHeader || p.Offset > uint64(f.size.Load()) || uint64(p.Length) > uint64(f.size.Load())-p.Offset:
		return dst, l.damage(p.File, int64(start), fmt.Sprintf("a value of %d bytes is behind the end, %d", p.Length, f.size.Load()))
	}
	// The record is read to where the value is wanted, and the value moved down.
	n := len(dst)
	dst = slices.Grow(dst, int(head)+int(p.Length))
	r := dst[n : n+int(head)+int(p.Length)]
	if _, err := f.f.ReadAt(r, int64(start)); err != nil && !errors.Is(err, io.EOF) {
		return dst, fmt.Errorf("vlog: reading %s: %w", l.Path(p.File), err)
	}
	v, ok := p.value(r)
	if !ok {
		return dst, l.damage(p.File, int64(start), "checksum")
	}
	return dst[:n+copy(r, v)], nil
}

func (l *Log) damage(num uint64, offset int64, reason string) error {
	return &CorruptError{File: l.Path(num), Offset: offset, Reason: reason}
}

// Head returns the number below which no value will be appended any more.
func (l *Log) Head() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.head != nil:
		return l.head.num
	case l.making != 0:
		return l.making
	}
	return l.next
}

// Durable returns a place before which all values survive a power cut: all
// files below file, and of it what ends at offset or before.
func (l *Log) Durable() (file, offset uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.durable.File, l.durable.Offset
}

// Size returns the length of a file in bytes; ok is false when there is none.
func (l *Log) Size(num uint64) (size int64, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	f, ok := l.files[num]
	if !ok {
		return 0, false
	}
	return f.size.Load(), true
}

// FileStat is what Files says of a file: its number, its length in bytes, and
// whether it is sealed, so that nothing is appended to it any more.
type FileStat struct {
	Num    uint64
	Size   int64
	Sealed bool
}

// Files returns all files, by number.
func (l *Log) Files() []FileStat {
	l.mu.RLock()
	defer l.mu.RUnlock()
	stats := make([]FileStat, 0, len(l.files))
	for num, f := range l.files {
		stats = append(stats, FileStat{Num: num, Size: f.size.Load(), Sealed: f != l.head})
	}
	slices.SortFunc(stats, func(a, b FileStat) int { return cmp.Compare(a.Num, b.Num) })
	return stats
}

// Reserve lets new files have numbers from n on only: the caller knows of
// pointers to files that are gone.
func (l *Log) Reserve(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = max(l.next, n)
}

// Remove removes a sealed file that nothing points to any more. Its name may
// come back after a power cut; who opens the log then removes it again.
func (l *Log) Remove(num uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[num]
	switch {
	case l.closed():
		return ErrClosed
	case f == nil:
		return nil
	case f == l.head:
		return fmt.Errorf("vlog: removing %s: it is being appended to", l.Path(num))
	}
	delete(l.files, num)
	f.f.Close()
	if err := l.fs.Remove(l.Path(num)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("vlog: removing %s: %w", l.Path(num), err)
	}
	return nil
}

func (l *Log) failed() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *Log) closed() bool { return l.failed() == ErrClosed }

// fail makes err the end of appending (rule V5).
func (l *Log) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	if l.failure.CompareAndSwap(nil, &err) {
		l.opts.Logger.Error("vlog: failed", "dir", l.dir, "err", err)
	}
	return l.failed()
}

// Close makes everything appended durable and closes the files. It is
// idempotent. On a log that has failed it returns that failure.
func (l *Log) Close() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	if l.closed() {
		return nil
	}
	result := l.seal()
	if err := l.failed(); err != nil {
		result = err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	closed := error(ErrClosed)
	l.failure.Store(&closed)
	for _, f := range l.files {
		if err := f.f.Close(); err != nil && result == nil {
			result = fmt.Errorf("vlog: closing %s: %w", l.dir, err)
		}
	}
	return result
}
