package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Refusals that need no name of their own outside the package.
var (
	errIsDir  = errors.New("is a directory")
	errNotDir = errors.New("not a directory")
)

// osMapping is a view of a file in this process's memory. The platform gives
// flush and unmap; the checks are the same everywhere, because a store past the
// view, or after it is gone, does not fail politely: it kills the process.
type osMapping struct {
	name   string
	view   []byte
	access Access
	closed bool

	flush func(view []byte) error // nil for an empty view, which has no memory
	unmap func(view []byte) error
}

func (m *osMapping) Bytes() []byte { return m.view }

func (m *osMapping) WriteAt(p []byte, off int64) (int, error) {
	if err := checkStore(m.closed, m.access, int64(len(m.view)), off, len(p)); err != nil {
		return 0, &fs.PathError{Op: "mapwrite", Path: m.name, Err: err}
	}
	return copy(m.view[off:], p), nil
}

func (m *osMapping) Sync() error {
	switch {
	case m.closed:
		return &fs.PathError{Op: "mapsync", Path: m.name, Err: fs.ErrClosed}
	case m.flush == nil:
		return nil
	}
	if err := m.flush(m.view); err != nil {
		return &fs.PathError{Op: "mapsync", Path: m.name, Err: osError(err)}
	}
	return nil
}

func (m *osMapping) Close() error {
	if m.closed {
		return nil
	}
	m.closed = true
	view := m.view
	m.view = nil
	if m.unmap == nil {
		return nil
	}
	return m.unmap(view)
}

// checkStore says whether n bytes may be stored at off into a mapping of the
// given size.
func checkStore(closed bool, access Access, size, off int64, n int) error {
	switch {
	case closed:
		return fs.ErrClosed
	case access != ReadWrite:
		return fs.ErrPermission
	case off < 0 || off > size || int64(n) > size-off:
		return fmt.Errorf("bytes %d to %d of a mapping of %d: %w", off, off+int64(n), size, fs.ErrInvalid)
	}
	return nil
}

// closeOnce closes f; a second time does nothing.
func closeOnce(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
