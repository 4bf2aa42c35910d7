// Names: the tree of directories as programs see it, the tree as the disk has
// promised it, and the operations between the two.
//
//	durable tree --(pending operations, in order)--> tree that programs see
//
// A power cut applies some of the pending operations to the durable tree: any
// set that holds, with an operation, all the operations it needs (see needs). A
// SyncDir moves operations from pending into the durable tree.

package vfs

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// inode is a file or a directory, whatever its name.
type inode struct {
	content

	entries map[string]*inode // a directory's names, as programs see them; nil for a file
	durable map[string]*inode // the same, as the disk has promised them

	linked bool // a name leads here
	open   int  // handles and mappings; an inode with neither name nor handle gives its space back
	locked bool
}

func newDir() *inode {
	return &inode{entries: map[string]*inode{}, durable: map[string]*inode{}, linked: true}
}

func (n *inode) isDir() bool { return n.entries != nil }

// place is an entry of a directory: what a name operation changes.
type place struct {
	dir  *inode
	name string
}

// dirOp is a name operation that no SyncDir has made durable yet. A creation
// has only to, a removal only from, a rename both: one operation, never half
// done.
type dirOp struct {
	from, to place
	node     *inode
	above    []*inode // rename: the directories that to lies in, root first
}

// needs reports whether b cannot have happened on disk unless a, which came
// earlier, has:
//
//   - Operations on one place keep their order. (A file has one place at a time,
//     so this orders what happens to one file, too.)
//   - A rename into a directory needs that directory where it is: otherwise a
//     file that was durable under its old name would be under neither.
//   - The removal of a directory needs it emptied: otherwise a file that was
//     moved out of it would be lost with it.
func (b *dirOp) needs(a *dirOp) bool {
	for _, p := range []place{a.from, a.to} {
		if p.dir == nil {
			continue
		}
		if p == b.from || p == b.to {
			return true
		}
		if b.to.dir == nil && p.dir == b.node {
			return true
		}
	}
	return slices.Contains(b.above, a.node)
}

// touches reports whether the operation changes an entry of dir.
func (b *dirOp) touches(dir *inode) bool { return b.from.dir == dir || b.to.dir == dir }

// apply performs the operation on the entries that view gives for a directory.
func (b *dirOp) apply(view func(dir *inode) map[string]*inode) {
	if b.from.dir != nil {
		if view(b.from.dir)[b.from.name] != b.node {
			panic("vfs: a pending name operation was applied without one it needs")
		}
		delete(view(b.from.dir), b.from.name)
	}
	if b.to.dir != nil {
		view(b.to.dir)[b.to.name] = b.node
	}
}

// change performs a name operation for programs, and leaves it pending.
func (m *Mem) change(op *dirOp) {
	if op.to.dir != nil {
		if old := op.to.dir.entries[op.to.name]; old != nil {
			m.unlink(old)
		}
		op.node.linked = true
	} else {
		m.unlink(op.node)
	}
	op.apply(func(dir *inode) map[string]*inode { return dir.entries })
	m.pending = append(m.pending, op)
}

// syncDir makes the pending operations that touch dir durable, and those they
// need, as a journal would.
func (m *Mem) syncDir(dir *inode) {
	var flush, rest []*dirOp // both newest first
	for _, op := range slices.Backward(m.pending) {
		if op.touches(dir) || slices.ContainsFunc(flush, func(later *dirOp) bool { return later.needs(op) }) {
			flush = append(flush, op)
		} else {
			rest = append(rest, op)
		}
	}
	for _, op := range slices.Backward(flush) {
		op.apply(func(dir *inode) map[string]*inode { return dir.durable })
	}
	slices.Reverse(rest)
	m.pending = rest
}

// split turns a name into the names on its path from the root; none for the
// root itself. Relative and absolute names mean the same.
func split(name string) []string {
	name = filepath.ToSlash(filepath.Clean(string(filepath.Separator) + name))
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// canonical is the form of a name that operations show.
func canonical(name string) string { return strings.Join(split(name), "/") }

// walk returns the inodes on a path, root first.
func (m *Mem) walk(parts []string) ([]*inode, error) {
	path := []*inode{m.root}
	for _, part := range parts {
		dir := path[len(path)-1]
		if !dir.isDir() {
			return nil, errNotDir
		}
		next := dir.entries[part]
		if next == nil {
			return nil, fs.ErrNotExist
		}
		path = append(path, next)
	}
	return path, nil
}

// find returns the inode of a name.
func (m *Mem) find(name string) (*inode, error) {
	path, err := m.walk(split(name))
	if err != nil {
		return nil, err
	}
	return path[len(path)-1], nil
}

// parent returns the place of a name, which may be empty yet, and the
// directories on the way there, root first.
func (m *Mem) parent(name string) (place, []*inode, error) {
	parts := split(name)
	if len(parts) == 0 {
		return place{}, nil, fs.ErrInvalid // the root has no place
	}
	last := len(parts) - 1
	path, err := m.walk(parts[:last])
	if err != nil {
		return place{}, nil, err
	}
	dir := path[len(path)-1]
	if !dir.isDir() {
		return place{}, nil, errNotDir
	}
	return place{dir, parts[last]}, path, nil
}
