// A local directory as a Drive.

package erasure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/vfs"
)

// FS is a file system, for [OpenDirFS]. [erasuretest.NewMemFS] makes one in
// memory, whose power can be cut.
//
// [erasuretest.NewMemFS]: https://pkg.go.dev/github.com/flagship-go/flagship/erasure/erasuretest#NewMemFS
type FS = vfs.FS

// maxFile is how long a file that is read as a whole can be: a version file of
// 10,000 parts is below 2 MiB, one that holds its shards has at most those.
const maxFile = 64 << 20

// maxInline is how long a shard in a version file can be; there is as much room for
// what the file says of the object.
const maxInline = maxFile / 2

// OpenDir opens a directory of the operating system as a Drive, and makes it when
// it is missing. No other process can open it meanwhile: ErrLocked.
//
// On Windows a file that is being read cannot be removed: a delete leaves it to
// be purged by a later heal.
func OpenDir(dir string) (Drive, error) { return OpenDirFS(vfs.OS(), dir) }

// OpenDirFS is [OpenDir] on another file system.
func OpenDirFS(fsys FS, dir string) (Drive, error) {
	d := &dirDrive{fsys: fsys, path: dir, durable: map[string]bool{}, suspect: map[string]bool{}}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("erasure: open drive: %w", err)
	}
	lock, err := fsys.Lock(d.file(lockFile))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("erasure: %s: %w: another process has it open", dir, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("erasure: open drive: %w", err)
	}
	d.lock = lock
	if err := d.prepare(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("erasure: open drive: %w", err)
	}
	return d, nil
}

// prepare makes the top directories and empties tmp: what is there was being
// written when an earlier process ended.
func (d *dirDrive) prepare() error {
	for _, top := range []string{objectsDir, uploadsDir, tmpDir} {
		if err := d.fsys.MkdirAll(d.file(top)); err != nil {
			return err
		}
	}
	for _, dir := range []string{d.path, filepath.Dir(d.path)} {
		if err := d.fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	names, err := d.fsys.List(d.file(tmpDir))
	for _, name := range names {
		err = errors.Join(err, vfs.RemoveAll(d.fsys, d.file(tmpDir+"/"+name)))
	}
	return err
}

// dirDrive is a Drive in a directory.
type dirDrive struct {
	fsys   FS
	path   string
	lock   io.Closer
	closed atomic.Bool

	// names is held for reading while a directory is made and a name put into it,
	// and for writing while an empty directory is removed.
	names sync.RWMutex

	mu sync.Mutex
	// durable are directories whose own name this process has made durable, so
	// that a further file needs one sync. It is emptied when it is large.
	durable map[string]bool
	pruned  uint64 // how often a directory was removed
	// suspect are directories in which names were changed that could not be made
	// durable. Nothing is said about what is on the drive before they are: a
	// version that others are told of must not vanish with the next power cut.
	suspect map[string]bool
}

const maxDurable = 1 << 16

const lockFile = "LOCK"

func (d *dirDrive) String() string { return d.path }

// file is where a path of the drive is in the file system.
func (d *dirDrive) file(p string) string { return filepath.Join(d.path, filepath.FromSlash(p)) }

// ready is how every operation begins.
func (d *dirDrive) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.closed.Load() {
		return fmt.Errorf("erasure: drive %s: %w", d.path, fs.ErrClosed)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for dir := range d.suspect {
		if err := d.fsys.SyncDir(d.file(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		delete(d.suspect, dir)
	}
	return nil
}

// missing tells a file that is missing from a drive that is: deleted or unmounted
// under the process, it would say of every object that it was never there, and be
// made again without its format file. The lock file is always there.
func (d *dirDrive) missing(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, gone := d.fsys.Open(d.file(lockFile), vfs.ReadOnly)
	if gone != nil {
		return fmt.Errorf("erasure: drive %s is gone: %v", d.path, gone) // not an fs.ErrNotExist
	}
	f.Close()
	return err
}

func (d *dirDrive) Create(ctx context.Context, p string) (FileWriter, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	d.names.RLock()
	defer d.names.RUnlock()
	f, err := d.fsys.Create(d.file(p))
	if err = d.missing(err); errors.Is(err, fs.ErrNotExist) {
		if err = d.fsys.MkdirAll(d.file(path.Dir(p))); err == nil {
			f, err = d.fsys.Create(d.file(p))
		}
	}
	if err != nil {
		return nil, err
	}
	return &dirWriter{f: f}, nil
}

// Commit has two steps, each of which renames and then syncs each directory once:
// what the last name speaks of is durable before the name is there (E10).
func (d *dirDrive) Commit(ctx context.Context, moves ...Move) error {
	if err := d.ready(ctx); err != nil || len(moves) == 0 {
		return err
	}
	last := len(moves) - 1
	if err := d.rename(moves[:last]); err != nil {
		return err
	}
	return d.rename(moves[last:])
}

// rename is a step of Commit.
func (d *dirDrive) rename(moves []Move) error {
	var dirs []string // touched, each once
	pruned, err := func() (uint64, error) {
		d.names.RLock()
		defer d.names.RUnlock()
		for _, m := range moves {
			if dir := path.Dir(m.To); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
			if err := d.renameOne(m); err != nil {
				return 0, err
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.pruned, nil
	}()
	if err == nil {
		err = d.syncNames(dirs, pruned)
	}
	if err != nil {
		d.suspectAll(dirs)
	}
	return err
}

// renameOne makes the directory only when it turns out to be missing.
func (d *dirDrive) renameOne(m Move) error {
	from, to := d.file(m.From), d.file(m.To)
	err := d.missing(d.fsys.Rename(from, to))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.fsys.MkdirAll(filepath.Dir(to)); err != nil {
		return err
	}
	return d.fsys.Rename(from, to)
}

// syncNames makes the names in the directories durable, and their own, in the
// directories above, as far as that has not been done.
func (d *dirDrive) syncNames(dirs []string, pruned uint64) error {
	var made []string
	for _, dir := range dirs {
		if err := d.fsys.SyncDir(d.file(dir)); err != nil {
			return err
		}
		for ; path.Dir(dir) != "." && !d.isDurable(dir) && !slices.Contains(made, dir); dir = path.Dir(dir) {
			if err := d.fsys.SyncDir(d.file(path.Dir(dir))); err != nil {
				return err
			}
			made = append(made, dir)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pruned != pruned {
		return nil // one of them may have gone, and may be another when it is back
	}
	if len(d.durable) > maxDurable {
		clear(d.durable)
	}
	for _, dir := range made {
		d.durable[dir] = true
	}
	return nil
}

func (d *dirDrive) isDurable(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return dir == "." || d.durable[dir]
}

// suspectAll keeps the directories, and those above them, for ready to sync.
func (d *dirDrive) suspectAll(dirs []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dir := range dirs {
		for ; dir != "."; dir = path.Dir(dir) {
			d.suspect[dir] = true
		}
	}
}

func (d *dirDrive) Open(ctx context.Context, p string) (FileReader, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	f, err := d.fsys.Open(d.file(p), vfs.ReadOnly)
	if err != nil {
		return nil, d.missing(err)
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &dirReader{File: f, size: size}, nil
}

func (d *dirDrive) ReadFile(ctx context.Context, p string) ([]byte, error) {
	f, err := d.Open(ctx, p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > maxFile {
		return nil, &CorruptError{Drive: d.path, Path: p, Offset: -1, Reason: fmt.Sprintf("%d bytes are too many", f.Size())}
	}
	b := make([]byte, f.Size())
	n, err := f.ReadAt(b, 0)
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}

func (d *dirDrive) List(ctx context.Context, dir string) ([]string, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	names, err := d.fsys.List(d.file(dir))
	return names, d.missing(err)
}

// Remove syncs the directory of the first file even if the file was missing: it
// may be missing only as far as programs see. What is under tmp need not be durable
// in going either.
func (d *dirDrive) Remove(ctx context.Context, paths ...string) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	dirs := map[string]bool{}
	for i, p := range paths {
		dir := path.Dir(p)
		dirs[dir] = true
		err := d.missing(d.fsys.Remove(d.file(p)))
		if i == 0 && dir != tmpDir && (err == nil || errors.Is(err, fs.ErrNotExist)) {
			if err = d.fsys.SyncDir(d.file(dir)); err != nil {
				d.suspectAll([]string{dir})
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		d.prune(dir)
	}
	return nil
}

// prune removes a directory that is empty, and those above it. It need not be
// durable: an empty directory means nothing.
func (d *dirDrive) prune(dir string) {
	for ; path.Dir(dir) != "."; dir = path.Dir(dir) {
		if !d.removeEmpty(dir) {
			return
		}
	}
}

func (d *dirDrive) removeEmpty(dir string) bool {
	d.names.Lock()
	defer d.names.Unlock()
	if err := d.fsys.Remove(d.file(dir)); err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.durable, dir)
	d.pruned++
	return true
}

func (d *dirDrive) Usage(ctx context.Context) (Usage, error) {
	if err := d.ready(ctx); err != nil {
		return Usage{}, err
	}
	// Where a drive is missing, its mount point may be there, and have another's room.
	if err := d.missing(fs.ErrNotExist); err != fs.ErrNotExist {
		return Usage{}, err
	}
	if d.fsys != vfs.OS() {
		return Usage{}, nil
	}
	return diskUsage(d.path)
}

func (d *dirDrive) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return d.lock.Close()
}

// dirWriter keeps its own offset: appending would ask the system for the end.
type dirWriter struct {
	f   vfs.File
	off int64
}

func (w *dirWriter) Write(p []byte) (int, error) {
	n, err := w.f.WriteAt(p, w.off)
	w.off += int64(n)
	return n, err
}

func (w *dirWriter) Sync() error  { return w.f.Sync() }
func (w *dirWriter) Close() error { return w.f.Close() }

type dirReader struct {
	vfs.File
	size int64
}

func (r *dirReader) Size() int64 { return r.size }
