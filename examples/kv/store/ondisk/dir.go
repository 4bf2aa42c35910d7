package ondisk

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm"
)

// What the directory says of itself, in a file that is replaced as a whole:
//
//	flagship-kv store 1        the format
//	state-000003               the state in use
//	7d9cf6a2                   CRC-32C of the two lines
const (
	fileName    = "STORE"
	fileTemp    = "STORE.tmp"
	fileFormat  = 1
	statePrefix = "state-"
)

var (
	// ErrLocked: the directory is in use. The lock is that of the state in use.
	ErrLocked = lsm.ErrLocked
	// ErrVersion: a newer build wrote the directory.
	ErrVersion = errors.New("store directory of a newer build")
	// ErrCorrupt: what was promised to be on the disk is not.
	ErrCorrupt = errors.New("store directory is damaged; remove the member, and add it anew with an empty one")
)

// Options tune a [Dir]; nil, and the zero value, are good.
type Options struct {
	// FS is where the files are. Default: the operating system's.
	FS lsm.FS
	// LSM tunes the tree. FS, Logger and OnEvent are set by Open. Default:
	// memtables of 16 MiB, four at most, a cache of 32 MiB, values of 32 KiB and
	// more in the value log, whose files have 64 MiB.
	LSM lsm.Options
	// Logger hears what an operator should know. Default: silent.
	Logger *slog.Logger
}

func (o *Options) withDefaults() (out Options) {
	if o != nil {
		out = *o
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.FS == nil {
		out.FS = vfs.OS()
	}
	l := &out.LSM
	l.FS, l.Logger = out.FS, out.Logger
	if l.MemTableSize == 0 {
		l.MemTableSize = 16 << 20
	}
	if l.NumMemtables == 0 {
		l.NumMemtables = 4
	}
	if l.BlockCacheSize == 0 {
		l.BlockCacheSize = 32 << 20
	}
	if l.ValueThreshold == 0 {
		l.ValueThreshold = 32 << 10
	}
	if l.ValueLogFileSize == 0 {
		// The file being written is not given back, however little of it lives.
		l.ValueLogFileSize = 64 << 20
	}
	return out
}

// Dir is the directory of a store: the state in use, and at times one that is
// being received. It is safe for concurrent use.
type Dir struct {
	dir     string
	opts    Options
	running sync.WaitGroup

	mu       sync.Mutex
	current  *engine
	next     uint64            // number of the next state
	received map[uint64]uint64 // states that are complete and not in use: number, index
	others   []string          // paths of states that Open found, and does not use
	closed   bool
}

// Exists tells whether dir is that of a store.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, fileName))
	return err == nil
}

// Open opens the directory, or makes one. ErrLocked, ErrVersion, ErrCorrupt, or
// what the tree or the disk says.
func Open(dir string, o *Options) (*Dir, error) {
	d := &Dir{dir: dir, opts: o.withDefaults(), received: map[uint64]uint64{}}
	if err := d.open(); err != nil {
		if d.current != nil {
			d.current.Close()
		}
		return nil, fmt.Errorf("kv: open the store in %s: %w", dir, err)
	}
	return d, nil
}

func (d *Dir) open() error {
	if err := d.opts.FS.MkdirAll(d.dir); err != nil {
		return err
	}
	for p := d.dir; filepath.Dir(p) != p; p = filepath.Dir(p) {
		if err := d.opts.FS.SyncDir(filepath.Dir(p)); err != nil {
			return err
		}
	}
	number, err := d.readFile()
	if err != nil {
		return err
	}
	if err := d.list(number); err != nil {
		return err
	}
	if number > 0 {
		d.current, err = d.openState(number, 0)
		return err
	}
	return d.create()
}

// list finds the states that are there. Those not in use stay until Sweep: one
// may be named by the snapshot that raft is about to restore.
func (d *Dir) list(current uint64) error {
	names, err := d.opts.FS.List(d.dir)
	if err != nil {
		return err
	}
	d.next = current + 1
	for _, name := range names {
		n, ok := parseState(name)
		if !ok {
			continue
		}
		d.next = max(d.next, n+1)
		if n != current {
			d.others = append(d.others, d.statePath(n))
		}
	}
	return nil
}

// create makes the first state, over what a crash left of an earlier attempt.
func (d *Dir) create() (err error) {
	if len(d.others) > 1 {
		return fmt.Errorf("%w: %s is gone, and there are %d states", ErrCorrupt, fileName, len(d.others))
	}
	d.others, d.next = nil, 2
	if d.current, err = newEngine(d, 1); err != nil {
		return err
	}
	if _, used, err := d.current.index(); err != nil {
		return err
	} else if used {
		return fmt.Errorf("%w: %s is gone, and there is a state", ErrCorrupt, fileName)
	}
	return d.writeFile(1)
}

// openState opens a state that is complete, and holds what commands up to index
// have done.
func (d *Dir) openState(number, index uint64) (*engine, error) {
	path := d.statePath(number)
	if names, err := d.opts.FS.List(path); err != nil || len(names) == 0 {
		return nil, fmt.Errorf("%w: %s is missing: %w", ErrCorrupt, path, errors.Join(err, fs.ErrNotExist))
	}
	e, err := newEngine(d, number)
	if err != nil {
		return nil, err
	}
	has, _, err := e.index()
	if err == nil && has < index {
		err = fmt.Errorf("%w: %s holds commands up to %d, and was durable up to %d", ErrCorrupt, path, has, index)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func (d *Dir) statePath(number uint64) string { return filepath.Join(d.dir, stateName(number)) }

func stateName(number uint64) string { return fmt.Sprintf("%s%06d", statePrefix, number) }

func parseState(name string) (number uint64, ok bool) {
	_, err := fmt.Sscanf(name, statePrefix+"%d", &number)
	return number, err == nil && number > 0 && name == stateName(number)
}

// readFile returns the number of the state in use, 0 when there is no file.
func (d *Dir) readFile() (number uint64, err error) {
	name := filepath.Join(d.dir, fileName)
	f, err := d.opts.FS.Open(name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<10))
	if err != nil {
		return 0, err
	}
	format := 0
	if _, err := fmt.Sscanf(string(b), "flagship-kv store %d\n", &format); err == nil && format > fileFormat {
		return 0, fmt.Errorf("%w: %s is of format %d; this build reads up to %d", ErrVersion, name, format, fileFormat)
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) > 1 {
		number, _ = parseState(lines[1])
	}
	if number == 0 || string(b) != fileText(number) {
		return 0, fmt.Errorf("%w: %s is not what was written", ErrCorrupt, name)
	}
	return number, nil
}

func fileText(number uint64) string {
	text := fmt.Sprintf("flagship-kv store %d\n%s\n", fileFormat, stateName(number))
	return text + fmt.Sprintf("%08x\n", crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

// writeFile makes a state the one in use, durably: it is that, or the one before.
func (d *Dir) writeFile(number uint64) error {
	return vfs.Replace(d.opts.FS, d.dir, fileTemp, fileName, []byte(fileText(number)))
}

// Sweep removes the states that nobody needs any more. It is for after raft has
// restored its snapshot: what that does not name is left over.
func (d *Dir) Sweep() {
	d.mu.Lock()
	others, used := d.others, d.current.path
	d.others = nil
	d.mu.Unlock()
	for _, path := range others {
		if path != used {
			d.remove(path)
		}
	}
}

// remove removes a directory with what is in it. What stays costs space.
func (d *Dir) remove(path string) {
	if err := vfs.RemoveAll(d.opts.FS, path); err != nil {
		d.opts.Logger.Warn("kv: a state that is over was not removed", "dir", path, "err", err)
	}
}

// Close closes the state in use. Views that are open fail from then on.
func (d *Dir) Close() {
	d.mu.Lock()
	e, closed := d.current, d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		return
	}
	d.running.Wait() // a tree that is being merged cannot be closed
	e.end(false)
}
