// Handles: open files and mappings of a Mem.

package vfs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync/atomic"
)

// maxStored is as far as a write may reach in memory (2 GiB: an int on every
// platform). A length may go further, for it costs nothing.
const maxStored = math.MaxInt32

// memFile is a handle. It follows its inode, not its name: renames and removals
// do not reach it.
type memFile struct {
	m      *Mem
	n      *inode
	name   string // as given
	path   string // as operations show it
	access Access
	closed atomic.Bool
}

// check is osFile.check: both refuse alike.
func (f *memFile) check(kind Kind, need Access, offset int64) error {
	op := Op{Kind: kind, Name: f.path}
	switch {
	case f.closed.Load():
		return op.fail(fs.ErrClosed)
	case need == ReadWrite && f.access != ReadWrite:
		return op.fail(fs.ErrPermission)
	case offset < 0:
		return op.fail(fs.ErrInvalid)
	}
	return nil
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check(OpRead, ReadOnly, off); err != nil {
		return 0, err
	}
	op := Op{Kind: OpRead, Name: f.path, Offset: off, Length: int64(len(p))}
	v, err := f.m.begin(&op)
	if err != nil {
		return 0, err
	}
	n := f.n.read(p, off)
	if n < len(p) { // io.ReaderAt: fewer bytes come with a reason
		err = io.EOF
	}
	if v.corrupt != nil {
		v.corrupt(p[:n])
	}
	if v.err != nil {
		n, err = min(n, v.short), v.err
	}
	return n, f.m.end(&op, err)
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.check(OpWrite, ReadWrite, off); err != nil {
		return 0, err
	}
	op := Op{Kind: OpWrite, Name: f.path, Offset: off, Length: int64(len(p))}
	v, err := f.m.begin(&op)
	if err != nil {
		return 0, err
	}
	q, err := v.part(p)
	if int64(len(q)) > maxStored-off {
		return 0, f.m.end(&op, fs.ErrInvalid)
	}
	// A full disk takes what fits, as a short write of a real one does.
	if room := f.m.room(f.n, off); int64(len(q)) > room {
		q, err = q[:room], ErrNoSpace
	}
	if len(q) > 0 {
		f.m.charge(f.n, max(f.n.reserved, off+int64(len(q))))
		f.n.write(off, q)
	}
	return len(q), f.m.end(&op, err)
}

// Write reads the length first and writes then, as the operating system's does:
// two handles that append at once may overwrite each other.
func (f *memFile) Write(p []byte) (int, error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	return f.WriteAt(p, size)
}

func (f *memFile) Size() (int64, error) {
	if err := f.check("stat", ReadOnly, 0); err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.off(f.m.ops + 1) {
		return 0, (&Op{Kind: "stat", Name: f.path}).fail(ErrPowerCut)
	}
	return f.n.size, nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.check(OpTruncate, ReadWrite, size); err != nil {
		return err
	}
	return f.m.whole(Op{Kind: OpTruncate, Name: f.path, Length: size}, func() error {
		return f.m.truncate(f.n, size)
	})
}

func (m *Mem) truncate(n *inode, size int64) error {
	for _, mapping := range n.maps {
		if size < int64(len(mapping.view)) {
			// Linux would let it pass and kill the process at the next touch.
			return fmt.Errorf("truncated to %d while %d bytes are mapped: %w", size, len(mapping.view), fs.ErrInvalid)
		}
	}
	m.charge(n, min(n.reserved, size))
	n.truncate(size)
	return nil
}

// Preallocate charges the space and stores nothing: zeros are what is read where
// nothing was written.
func (f *memFile) Preallocate(size int64) error {
	if err := f.check(OpPreallocate, ReadWrite, size); err != nil {
		return err
	}
	return f.m.whole(Op{Kind: OpPreallocate, Name: f.path, Length: size}, func() error {
		if size > f.n.reserved {
			if size-f.n.reserved > f.m.room(f.n, f.n.reserved) {
				return ErrNoSpace
			}
			f.m.charge(f.n, size)
		}
		if size > f.n.size {
			f.n.setSize(size)
		}
		return nil
	})
}

// Sync has three ends: it did its work; it failed, and the kernel will not try
// again; power went, and nobody will ever know.
func (f *memFile) Sync() error {
	if err := f.check(OpSync, ReadOnly, 0); err != nil {
		return err
	}
	op := Op{Kind: OpSync, Name: f.path}
	v, err := f.m.begin(&op)
	if err != nil {
		return err
	}
	switch {
	case v.err == nil:
		f.n.sync(math.MaxInt64)
		f.n.syncSize()
	case !v.interrupted:
		f.n.failSync(math.MaxInt64)
		f.n.sizeLost = len(f.n.sizes) > 0
	}
	return f.m.end(&op, v.err)
}

// StartSync changes nothing: what is not synced may be on the disk at any time.
// Its failure is that of a sync.
func (f *memFile) StartSync(off, n int64) error {
	if err := f.check(OpStartSync, ReadOnly, min(off, n)); err != nil || n == 0 {
		return err
	}
	op := Op{Kind: OpStartSync, Name: f.path, Offset: off, Length: n}
	v, err := f.m.begin(&op)
	if err != nil {
		return err
	}
	if v.err != nil && !v.interrupted {
		f.n.failSync(math.MaxInt64)
	}
	return f.m.end(&op, v.err)
}

// Close works with power off, too: programs defer it.
func (f *memFile) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.release(f.n)
	return nil
}

// Map is no operation: it changes nothing, and has nothing to read yet. From here
// on the file's bytes take memory, holes included.
func (f *memFile) Map(size int64, access Access) (Mapping, error) {
	if err := f.check("map", access, size); err != nil {
		return nil, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	var err error
	switch {
	case f.m.off(f.m.ops + 1):
		err = ErrPowerCut
	case size > f.n.size || size > maxStored:
		err = fmt.Errorf("%d bytes of a file of %d: %w", size, f.n.size, fs.ErrInvalid)
	}
	if err != nil {
		return nil, (&Op{Kind: "map", Name: f.path}).fail(err)
	}
	mapping := &memMapping{f: f, access: access}
	f.n.open++
	if size > 0 {
		f.n.grow(size)
		mapping.view = f.n.data[:size:size]
		f.n.maps = append(f.n.maps, mapping)
	}
	return mapping, nil
}

// memMapping is a view of the file's own bytes, so that a store through it needs
// no sync to be read by others; see content.mirror for the file that grows.
type memMapping struct {
	f      *memFile
	view   []byte
	access Access
	closed bool
}

func (p *memMapping) Bytes() []byte { return p.view }

func (p *memMapping) WriteAt(b []byte, off int64) (int, error) {
	m, n := p.f.m, p.f.n
	op := Op{Kind: OpMapWrite, Name: p.f.path, Offset: off, Length: int64(len(b))}
	if err := checkStore(p.closed, p.access, int64(len(p.view)), off, len(b)); err != nil {
		return 0, op.fail(err)
	}
	v, err := m.begin(&op)
	if err != nil {
		return 0, err
	}
	b, err = v.part(b)
	// Only a store into a hole needs space; on a real full disk it is SIGBUS.
	if room := m.room(n, off); int64(len(b)) > room {
		b, err = b[:room], ErrNoSpace
	}
	if len(b) > 0 {
		m.charge(n, max(n.reserved, off+int64(len(b))))
		n.write(off, b)
	}
	return len(b), m.end(&op, err)
}

// Sync leaves the length alone: POSIX has msync write bytes, and no more.
func (p *memMapping) Sync() error {
	op := Op{Kind: OpSync, Name: p.f.path, Length: int64(len(p.view))}
	if p.closed {
		return op.fail(fs.ErrClosed)
	}
	v, err := p.f.m.begin(&op)
	if err != nil {
		return err
	}
	switch {
	case v.err == nil:
		p.f.n.sync(int64(len(p.view)))
	case !v.interrupted:
		p.f.n.failSync(int64(len(p.view)))
	}
	return p.f.m.end(&op, v.err)
}

func (p *memMapping) Close() error {
	m, n := p.f.m, p.f.n
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.view = nil
	n.maps = slices.DeleteFunc(n.maps, func(o *memMapping) bool { return o == p })
	m.release(n)
	return nil
}

// part returns how much of a write the verdict lets through, and as what.
func (v verdict) part(p []byte) ([]byte, error) {
	switch {
	case v.interrupted:
		p = p[:len(p)/2]
	case v.err != nil:
		p = p[:min(len(p), v.short)]
	}
	if v.corrupt != nil {
		p = bytes.Clone(p)
		v.corrupt(p)
	}
	return p, v.err
}
