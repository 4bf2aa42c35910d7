package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mem is a file system in memory that fails on demand; see the package comment
// for what it models. The root directory exists; relative and absolute names
// mean the same. It behaves as Unix does: open files may be renamed and removed.
//
// The same calls give the same state, the same numbers and, with the same random
// source, the same clones. It is safe for concurrent use.
type Mem struct {
	mu      sync.Mutex
	root    *inode
	pending []*dirOp // since the SyncDir of their directories, in order

	ops, looks int64 // operations numbered so far
	observe    func(Op)

	cut       int64 // power is off once so many operations are done; negative: never
	cutDuring int64 // this operation is interrupted; 0: none

	faults  []*Fault
	strikes int64
	stalled time.Duration

	capacity, used int64 // bytes; capacity 0: unlimited
}

// NewMem returns an empty file system.
func NewMem() *Mem { return &Mem{root: newDir(), cut: -1} }

// Ops returns how many operations that change something were begun, those that
// failed included.
func (m *Mem) Ops() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// Looks returns how many operations that change nothing (reads, opens, lists)
// were begun.
func (m *Mem) Looks() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.looks
}

// Observe has fn called after each numbered operation that changes something,
// by the goroutine that did it. The file system is not locked meanwhile: fn may
// take a crash clone, so that one run of a workload yields the crash states
// after each of its operations.
func (m *Mem) Observe(fn func(Op)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observe = fn
}

// begin numbers an operation and lets faults strike. On success it holds the
// lock and says how the operation is to go; end must follow.
func (m *Mem) begin(op *Op) (verdict, error) {
	m.mu.Lock()
	next := m.ops + 1
	if m.off(next) {
		m.mu.Unlock()
		return verdict{}, op.fail(ErrPowerCut)
	}
	if op.Kind.looks() {
		m.looks++
		op.N = m.looks
	} else {
		m.ops++
		op.N = m.ops
	}
	v := m.strike(*op)
	for _, block := range v.block {
		m.mu.Unlock()
		block()
		m.mu.Lock()
	}
	if m.off(next) { // power may have gone while the operation was blocked
		m.mu.Unlock()
		return verdict{}, op.fail(ErrPowerCut)
	}
	return v, nil
}

// end releases the lock and tells the observer.
func (m *Mem) end(op *Op, err error) error {
	observe := m.observe
	m.mu.Unlock()
	if err != nil {
		err = op.fail(err)
	}
	if observe != nil && !op.Kind.looks() {
		op.Err = err
		observe(*op)
	}
	return err
}

// fail says what was being done to what.
func (op *Op) fail(err error) error {
	if err == io.EOF { // readers compare it
		return err
	}
	return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
}

// whole runs an operation that happens or does not: a fault keeps it from
// happening. A power cut in the midst of it lets it happen without the caller's
// hearing of it; that is the wider case, as nothing of it is durable yet.
func (m *Mem) whole(op Op, effect func() error) error {
	v, err := m.begin(&op)
	if err != nil {
		return err
	}
	if v.err == nil || v.interrupted {
		err = effect()
	}
	if err == nil {
		err = v.err
	}
	return m.end(&op, err)
}

// Create implements [FS].
func (m *Mem) Create(name string) (File, error) {
	f := &memFile{m: m, name: name, path: canonical(name), access: ReadWrite}
	err := m.whole(Op{Kind: OpCreate, Name: f.path}, func() (err error) {
		if f.n, err = m.make(name); err != nil {
			return err
		}
		f.n.open++
		return m.truncate(f.n, 0)
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// make is what Create and Lock share: it returns the file of a name, made if it is missing.
func (m *Mem) make(name string) (*inode, error) {
	at, _, err := m.parent(name)
	if err != nil {
		return nil, err
	}
	n := at.dir.entries[at.name]
	switch {
	case n == nil:
		n = &inode{}
		m.change(&dirOp{to: at, node: n})
	case n.isDir():
		return nil, errIsDir
	}
	return n, nil
}

// Open implements [FS].
func (m *Mem) Open(name string, access Access) (File, error) {
	f := &memFile{m: m, name: name, path: canonical(name), access: access}
	err := m.whole(Op{Kind: OpOpen, Name: f.path}, func() (err error) {
		if f.n, err = m.find(name); err != nil {
			return err
		}
		if f.n.isDir() {
			return errIsDir
		}
		f.n.open++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements [FS]. What it refuses is what package os refuses: a
// directory is not replaced, nor does it replace a file.
func (m *Mem) Rename(oldname, newname string) error {
	op := Op{Kind: OpRename, Name: canonical(oldname), To: canonical(newname)}
	return m.whole(op, func() error {
		from, _, err := m.parent(oldname)
		if err != nil {
			return err
		}
		to, above, err := m.parent(newname)
		if err != nil {
			return err
		}
		n, old := from.dir.entries[from.name], to.dir.entries[to.name]
		switch {
		case n == nil:
			return fs.ErrNotExist
		case n == old:
			return nil
		case slices.Contains(above, n):
			return fs.ErrInvalid // a directory into itself
		case old != nil && old.isDir():
			return fs.ErrExist
		case old != nil && n.isDir():
			return errNotDir
		}
		m.change(&dirOp{from: from, to: to, node: n, above: above})
		return nil
	})
}

// Remove implements [FS]. An open file lives on without a name.
func (m *Mem) Remove(name string) error {
	return m.whole(Op{Kind: OpRemove, Name: canonical(name)}, func() error {
		at, _, err := m.parent(name)
		if err != nil {
			return err
		}
		n := at.dir.entries[at.name]
		switch {
		case n == nil:
			return fs.ErrNotExist
		case len(n.entries) > 0:
			return errNotEmpty
		}
		m.change(&dirOp{from: at, node: n})
		return nil
	})
}

// MkdirAll implements [FS]. Each directory that it makes is an operation, so that
// power can go between two of them.
func (m *Mem) MkdirAll(dir string) error {
	parts := split(dir)
	for i := range parts {
		name := strings.Join(parts[:i+1], "/")
		switch there, err := m.hasDir(name); {
		case err != nil:
			return err
		case there:
			continue
		}
		err := m.whole(Op{Kind: OpMkdir, Name: name}, func() error {
			at, _, err := m.parent(name)
			if err != nil {
				return err
			}
			switch n := at.dir.entries[at.name]; {
			case n == nil:
				m.change(&dirOp{to: at, node: newDir()})
			case !n.isDir():
				return errNotDir
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hasDir reports whether a directory is there, without an operation.
func (m *Mem) hasDir(name string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off(m.ops + 1) {
		return false, (&Op{Kind: OpMkdir, Name: name}).fail(ErrPowerCut)
	}
	n, err := m.find(name)
	return err == nil && n.isDir(), nil
}

// List implements [FS].
func (m *Mem) List(dir string) ([]string, error) {
	var names []string
	err := m.whole(Op{Kind: OpList, Name: canonical(dir)}, func() error {
		n, err := m.find(dir)
		if err != nil {
			return err
		}
		if !n.isDir() {
			return errNotDir
		}
		names = slices.Sorted(maps.Keys(n.entries))
		return nil
	})
	return names, err
}

// SyncDir implements [FS]. A rename between directories is durable when either
// of the two is synced.
func (m *Mem) SyncDir(dir string) error {
	op := Op{Kind: OpSyncDir, Name: canonical(dir)}
	v, err := m.begin(&op)
	if err != nil {
		return err
	}
	n, err := m.find(dir)
	switch {
	case err != nil:
	case !n.isDir():
		err = errNotDir
	case v.err != nil: // fault or power cut: no promise was made
		err = v.err
	default:
		m.syncDir(n)
	}
	return m.end(&op, err)
}

// Lock implements [FS]. The lock belongs to the file, as with flock, and not to
// its name.
func (m *Mem) Lock(name string) (io.Closer, error) {
	l := &memLock{m: m}
	err := m.whole(Op{Kind: OpLock, Name: canonical(name)}, func() error {
		n, err := m.make(name)
		if err != nil {
			return err
		}
		if n.locked {
			return ErrLocked
		}
		n.locked = true
		n.open++
		l.n = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

type memLock struct {
	m *Mem
	n *inode // nil once released
}

func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.n != nil {
		l.n.locked = false
		l.m.release(l.n)
		l.n = nil
	}
	return nil
}

// errNotEmpty is an ErrExist, as the operating systems' is to package os.
var errNotEmpty = notEmpty{errors.New("directory not empty")}

type notEmpty struct{ error }

func (notEmpty) Is(target error) bool { return target == fs.ErrExist }
