package manifest

import (
	"fmt"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Log is a manifest that is being written. It is not safe for concurrent use:
// edits have an order, and who makes them knows it.
type Log struct {
	fs  vfs.FS
	dir string
	num uint64

	file vfs.File
	end  int64 // behind the last edit; all before it is durable
	torn bool  // a failed write may have left something behind end
	err  error // why the log no longer takes calls
	buf  []byte
}

// Name returns the path of the file in force.
func (l *Log) Name() string { return l.path(fileName(l.num)) }

// Size returns how many bytes of it the edits take.
func (l *Log) Size() int64 { return l.end }

func (l *Log) path(name string) string { return filepath.Join(l.dir, name) }

// Append makes an edit durable. The edit is not kept.
//
// After [vfs.ErrNoSpace], or another error of the write, nothing has happened,
// now and after every crash, and Append may be called again. After [ErrFailed]
// the edit may be durable or not: the directory must be opened anew to know.
func (l *Log) Append(e *Edit) error {
	if l.err != nil {
		return l.err
	}
	payload := e.Encode(l.buf[:0])
	l.buf = payload
	if l.end+int64(len(payload))+2*recordHeader > maxFile {
		return fmt.Errorf("%w: %s has %d bytes, and an edit %d", ErrTooLarge, l.Name(), l.end, len(payload))
	}
	if err := l.mend(); err != nil {
		return err
	}
	b := appendRecord(nil, l.num, l.end, l.end, payload)
	if _, err := l.file.WriteAt(b, l.end); err != nil {
		// A part of the record is no record; it must only not stay there for
		// a shorter one to be written over.
		l.torn = true
		l.mend()
		return fmt.Errorf("manifest: writing %s: %w", l.Name(), err)
	}
	if err := l.file.Sync(); err != nil {
		return l.fail(fmt.Errorf("syncing %s: %w", l.Name(), err))
	}
	l.end += int64(len(b))
	l.mark()
	return nil
}

// mend cuts off what a failed write has left (rule M5).
func (l *Log) mend() error {
	if !l.torn {
		return nil
	}
	if err := l.file.Truncate(l.end); err != nil {
		return fmt.Errorf("manifest: cutting %s: %w", l.Name(), err)
	}
	l.torn = false
	return nil
}

// mark vouches for the last edit: damage to it is then told from a torn end. The
// next record takes the mark's place. It promises nothing by itself, so it is
// not synced, and its failure is nobody's.
func (l *Log) mark() {
	if _, err := l.file.WriteAt(appendRecord(nil, l.num, l.end, l.end, nil), l.end); err != nil {
		l.torn = true
		l.mend()
	}
}

// fail makes err the log's end (rule M6).
func (l *Log) fail(err error) error {
	l.err = fmt.Errorf("%w: %w", ErrFailed, err)
	return l.err
}

// Close closes the file. It is idempotent; on a log that has failed it returns
// that failure.
func (l *Log) Close() error {
	if l.err == ErrClosed {
		return nil
	}
	err := l.err
	l.err = ErrClosed
	if closing := l.file.Close(); err == nil && closing != nil {
		err = fmt.Errorf("manifest: closing %s: %w", l.Name(), closing)
	}
	return err
}
