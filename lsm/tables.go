package lsm

import (
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/manifest"
	"github.com/flagship-go/flagship/lsm/table"
)

// tables opens the tables of a store, and removes the file of a table when the
// last version that names it is gone (rule L7).
type tables struct {
	fs     vfs.FS
	dir    string
	opts   table.ReaderOptions
	live   *valueRefs
	keep   bool // read-only: remove nothing
	failed func(error)
}

// tableFile is a table in at least one version.
type tableFile struct {
	manifest.Table
	set  *tables
	refs atomic.Int32
	// dropped is set once the manifest no longer names the table: then the last
	// reference takes the file along. Without it, a closed store's files would go.
	dropped atomic.Bool

	open sync.Mutex
	r    atomic.Pointer[table.Reader]
}

func tableName(num uint64) string { return fmt.Sprintf("%06d.sst", num) }

func (s *tables) path(num uint64) string { return filepath.Join(s.dir, tableName(num)) }

// reader returns the table's reader, which is opened at the first call.
func (t *tableFile) reader() (*table.Reader, error) {
	if r := t.r.Load(); r != nil {
		return r, nil
	}
	return t.openReader()
}

func (t *tableFile) openReader() (_ *table.Reader, err error) {
	defer table.Guard(debug.SetPanicOnFault(true), &err)
	t.open.Lock()
	defer t.open.Unlock()
	if r := t.r.Load(); r != nil {
		return r, nil
	}
	f, err := t.set.fs.Open(t.set.path(t.Num), vfs.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("lsm: opening table %d: %w", t.Num, err)
	}
	r, err := table.Open(f, t.set.opts)
	if err != nil {
		return nil, err
	}
	if p := r.Properties(); p.Entries != t.Entries || p.RangeDeletes != t.RangeDeletes {
		r.Close()
		return nil, &CorruptError{File: t.set.path(t.Num), Reason: fmt.Sprintf(
			"it holds %d entries and %d range deletes, the manifest says %d and %d: it is another table",
			p.Entries, p.RangeDeletes, t.Entries, t.RangeDeletes)}
	}
	t.r.Store(r)
	return r, nil
}

func (t *tableFile) ref() {
	if t.refs.Add(1) == 1 {
		t.set.live.addTable(t.Values)
	}
}

func (t *tableFile) unref() {
	if t.refs.Add(-1) > 0 {
		return
	}
	if r := t.r.Swap(nil); r != nil {
		r.Close()
	}
	if !t.dropped.Load() || t.set.keep {
		return
	}
	if err := t.set.fs.Remove(t.set.path(t.Num)); err != nil {
		t.set.failed(fmt.Errorf("lsm: removing table %d: %w", t.Num, err))
	}
	t.set.live.dropTable(t.Values)
}
