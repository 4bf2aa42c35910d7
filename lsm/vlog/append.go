package vlog

import "fmt"

// keepBuffer is the largest buffer kept between appends.
const keepBuffer = 4 << 20

// Append writes values to the end of the log and appends where they are to dst.
// The values are copied; on return they survive the killed process, and with a
// [Log.Sync] the power cut.
//
// After an error none of them is there. After [vfs.ErrNoSpace] Append may be
// called again, and works once there is room; after [ErrFailed] the log must be
// reopened.
func (l *Log) Append(values [][]byte, dst []Pointer) ([]Pointer, error) {
	l.appending.Lock()
	defer l.appending.Unlock()
	if err := l.failed(); err != nil {
		return dst, err
	}
	for _, v := range values {
		if len(v) > MaxValue {
			return dst, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(v), MaxValue)
		}
	}
	if l.head != nil && l.head.size.Load() >= l.opts.FileSize {
		if err := l.seal(); err != nil {
			return dst, err
		}
	}
	b, f, at := l.buf[:0], l.head, int64(0)
	if f == nil {
		var err error
		if f, err = l.create(); err != nil {
			return dst, err
		}
		b = appendHeader(b, f.num)
	} else {
		at = f.size.Load()
	}
	n := len(dst)
	for _, v := range values {
		var p Pointer
		b, p = appendRecord(b, f.num, at+int64(len(b)), v)
		dst = append(dst, p)
	}
	if cap(b) <= keepBuffer {
		l.buf = b
	}
	if _, err := f.f.WriteAt(b, at); err != nil {
		l.undo(f, at)
		return dst[:n], fmt.Errorf("vlog: writing %s: %w", f.f.Name(), err)
	}
	f.size.Store(at + int64(len(b)))
	if f != l.head {
		l.begin(f)
	}
	return dst, nil
}

// create makes the next file. Its number is used up, whatever becomes of it.
func (l *Log) create() (*file, error) {
	l.mu.Lock()
	num := l.next
	l.making = num
	l.next++
	l.mu.Unlock()
	f, err := l.fs.Create(l.Path(num))
	if err != nil {
		l.made()
		return nil, fmt.Errorf("vlog: making %s: %w", l.Path(num), err)
	}
	return &file{num: num, f: f}, nil
}

// begin makes f the head.
func (l *Log) begin(f *file) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head, l.files[f.num], l.making = f, f, 0
	l.durable = Pointer{File: f.num}
}

// made gives up making a file.
func (l *Log) made() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.making = 0
}

// undo takes back what a failed write has left of itself (rule V4).
func (l *Log) undo(f *file, at int64) {
	if f != l.head {
		l.made()
		f.f.Close()
		l.fs.Remove(f.f.Name())
	} else if err := f.f.Truncate(at); err != nil {
		l.opts.Logger.Warn("vlog: the rest of a failed write stays until it is written over", "file", f.f.Name(), "err", err)
	}
}

// Sync returns when all values whose Append returned before the call survive a
// power cut. Callers that wait for a running sync share the next one; when
// there is nothing to sync it does nothing.
//
// A failed sync is the end of appending: see [ErrFailed].
func (l *Log) Sync() error {
	l.mu.RLock()
	f := l.head
	l.mu.RUnlock()
	if f == nil { // what there is was sealed
		return l.failed()
	}
	return l.sync(f, f.size.Load())
}

// sync makes the first size bytes of f durable, its name too.
func (l *Log) sync(f *file, size int64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if f.synced >= size {
		return nil
	}
	if err := l.failed(); err != nil {
		return err
	}
	first := f.synced == 0
	size = f.size.Load() // for all who came meanwhile
	if err := f.f.Sync(); err != nil {
		return l.fail(fmt.Errorf("syncing %s: %w", f.f.Name(), err))
	}
	if first {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return l.fail(fmt.Errorf("syncing directory %s: %w", l.dir, err))
		}
	}
	f.synced = size
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable = Pointer{File: f.num, Offset: uint64(size)}
	return nil
}

// Seal lets the next Append begin a new file.
func (l *Log) Seal() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	if err := l.failed(); err != nil {
		return err
	}
	return l.seal()
}

// seal ends the head: durable first (rule V3), then marked.
func (l *Log) seal() error {
	f := l.head
	if f == nil {
		return nil
	}
	size := f.size.Load()
	if err := l.sync(f, size); err != nil {
		return err
	}
	f.mark(size)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = nil
	l.durable = Pointer{File: l.next}
	return nil
}

// mark says in the file that it was durable up to there. It promises nothing by
// itself, so it needs no sync, and its failure is nobody's.
func (f *file) mark(size int64) {
	f.f.WriteAt(appendMark(nil, f.num, size), size)
}
