package ondisk

import (
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/lsm"
)

// engine is the tree of one state: a row of table t under the key t | key. Its
// batches are not synced (see doc.go). It is closed when the last of its users
// lets it go: the store whose state it is, views, and who makes it durable.
type engine struct {
	dir    *Dir
	number uint64 // of the state
	path   string
	db     *lsm.DB
	batch  *lsm.Batch
	key    []byte // room for one

	stale atomic.Bool // size is to be asked for again
	size  atomic.Int64

	mu      sync.Mutex
	users   int
	doomed  bool          // removed when it is closed
	settled chan struct{} // closed when Defragment is done; nil: there is none
}

// newEngine opens the tree in path, or makes one there.
func newEngine(d *Dir, number uint64) (*engine, error) {
	e := &engine{dir: d, number: number, path: d.statePath(number), users: 1}
	e.stale.Store(true)
	o := d.opts.LSM
	o.OnEvent = func(lsm.Event) { e.stale.Store(true) }
	db, err := lsm.Open(e.path, &o)
	if err != nil {
		return nil, err
	}
	e.db, e.batch = db, db.NewBatch()
	return e, nil
}

func (e *engine) use() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users++
}

// Close lets go of one use.
func (e *engine) Close() {
	e.mu.Lock()
	e.users--
	last, doomed := e.users == 0, e.doomed
	e.mu.Unlock()
	if last {
		e.end(doomed)
	}
}

// doom has the files removed with the last use.
func (e *engine) doom() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doomed = true
}

func (e *engine) end(remove bool) {
	if err := e.db.Close(); err != nil {
		e.dir.opts.Logger.Error("kv: closing a state", "dir", e.path, "err", err)
	}
	if remove {
		e.dir.remove(e.path)
	}
}

// must panics with what keeps the storage from going on.
func (e *engine) must(err error) {
	if err != nil {
		panic(&store.Failure{Err: err})
	}
}

// index is store.Index for who opens a state, to whom a Failure is an error.
func (e *engine) index() (index uint64, used bool, err error) {
	defer store.Caught(&err)
	index, used = store.Index(e)
	return index, used, nil
}

func appendRow(b []byte, t store.Table, key []byte) []byte {
	return append(append(b, byte(t)), key...)
}

func (e *engine) Get(t store.Table, key []byte) ([]byte, bool) {
	v, err := e.db.Get(appendRow(nil, t, key))
	return e.found(v, err)
}

func (e *engine) found(v []byte, err error) ([]byte, bool) {
	if errors.Is(err, lsm.ErrNotFound) {
		return nil, false
	}
	e.must(err)
	return v, true
}

func (e *engine) Cursor(t store.Table) store.Cursor {
	it, err := e.db.NewIter(bounds(t))
	e.must(err)
	return &cursor{engine: e, table: t, it: it}
}

func bounds(t store.Table) *lsm.IterOptions {
	return &lsm.IterOptions{Lower: []byte{byte(t)}, Upper: []byte{byte(t) + 1}}
}

func (e *engine) Write(changes iter.Seq[store.Change]) {
	e.batch.Reset()
	for c := range changes {
		e.key = appendRow(e.key[:0], c.Table, c.Key)
		if c.Gone {
			e.batch.Delete(e.key)
		} else {
			e.batch.Put(e.key, c.Value)
		}
	}
	e.must(e.db.Apply(e.batch))
}

func (e *engine) View() store.View {
	e.use()
	return &view{e, e.db.Snapshot()}
}

// Defragment merges the whole tree, beside whatever else is done with it.
func (e *engine) Defragment() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.settled != nil {
		return // what is freed since then the next one finds
	}
	settled := make(chan struct{})
	e.settled = settled
	e.users++
	e.dir.running.Go(func() {
		if err := e.db.Compact(nil, nil); err != nil && !errors.Is(err, lsm.ErrClosed) {
			e.dir.opts.Logger.Warn("kv: not defragmented", "dir", e.path, "err", err)
		}
		e.mu.Lock()
		e.settled = nil
		e.mu.Unlock()
		close(settled)
		e.Close()
	})
}

// bytes returns what the tables and the value log take.
func (e *engine) bytes() int64 {
	if e.stale.Swap(false) {
		m := e.db.Metrics()
		size := m.ValueLogSize
		for _, level := range m.Levels {
			size += int64(level.Size)
		}
		e.size.Store(size)
	}
	return e.size.Load()
}

// view is a snapshot of the tree: a number, for which compactions keep what it
// sees.
type view struct {
	*engine
	snapshot *lsm.Snapshot
}

func (v *view) Get(t store.Table, key []byte) ([]byte, bool) {
	value, err := v.snapshot.Get(appendRow(nil, t, key))
	return v.found(value, err)
}

func (v *view) Cursor(t store.Table) store.Cursor {
	it, err := v.snapshot.NewIter(bounds(t))
	v.must(err)
	return &cursor{engine: v.engine, table: t, it: it}
}

func (v *view) Close() {
	v.snapshot.Close()
	v.engine.Close()
}

// cursor hands out copies: what an iterator shows is gone with its next step.
type cursor struct {
	engine     *engine
	table      store.Table
	it         *lsm.Iterator
	seek       []byte
	key, value []byte // copies, once somebody has asked
}

func (c *cursor) moved(valid bool) {
	c.key, c.value = nil, nil
	if !valid {
		c.engine.must(c.it.Err())
	}
}

func (c *cursor) Seek(key []byte) {
	c.seek = appendRow(c.seek[:0], c.table, key)
	c.moved(c.it.SeekGE(c.seek))
}

func (c *cursor) Valid() bool { return c.it.Valid() }
func (c *cursor) Next()       { c.moved(c.it.Next()) }

func (c *cursor) Key() []byte {
	if c.key == nil {
		c.key = append([]byte{}, c.it.Key()[1:]...)
	}
	return c.key
}

func (c *cursor) Value() []byte {
	if c.value == nil {
		v := c.it.Value()
		c.engine.must(c.it.Err())
		c.value = append([]byte{}, v...)
	}
	return c.value
}

func (c *cursor) Close() { c.it.Close() }
