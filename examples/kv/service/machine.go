package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/lsm"
)

// machine is the store as raft's state machine: in memory, or on a disk, whose
// failure ends the member instead of the process.
type machine struct {
	*store.Store
	dir  *ondisk.Dir     // nil: in memory
	disk *ondisk.Machine // nil: in memory
	stop context.CancelCauseFunc
	end  sync.Once

	mu      sync.Mutex
	failure error // of the disk: the state is not what raft takes it for
}

func (m *machine) open(dir *ondisk.Dir, stop context.CancelCauseFunc) (err error) {
	m.stop = stop
	if dir == nil {
		m.Store = store.New(store.Options{})
		return nil
	}
	defer func() {
		if f, ok := recover().(*store.Failure); ok {
			dir.Close()
			err = f
		}
	}()
	m.dir, m.disk = dir, dir.Machine()
	m.Store = m.disk.Store
	return nil
}

// ready is when raft has restored its snapshot.
func (m *machine) ready() {
	if m.dir != nil {
		m.dir.Sweep()
	}
}

func (m *machine) close() {
	m.end.Do(func() {
		m.Store.Close()
		if m.dir != nil {
			m.dir.Close()
		}
	})
}

// caught, deferred, ends the member for a Failure of its disk.
func (m *machine) caught() {
	switch p := recover().(type) {
	case nil:
	case *store.Failure:
		m.fail(p)
	default:
		panic(p)
	}
}

func (m *machine) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure == nil {
		m.failure = err
		m.stop(err)
	}
}

func (m *machine) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failure
}

// Apply returns nothing when the disk has failed: the command is committed, and
// will be executed when the member is started again.
func (m *machine) Apply(index uint64, command []byte) []byte {
	defer m.caught()
	return m.Store.Apply(index, command)
}

func (m *machine) Snapshot() (io.WriterTo, error) {
	switch err := m.failed(); {
	case err != nil:
		// Raft takes commands for applied that are not.
		return nil, err
	case m.disk != nil:
		return m.disk.Snapshot()
	}
	return m.Store.Snapshot()
}

func (m *machine) Restore(r io.Reader) (err error) {
	defer store.Caught(&err)
	if err := m.failed(); err != nil {
		return err
	}
	if m.disk != nil {
		return m.disk.Restore(r)
	}
	return m.Store.Restore(r)
}

// noSessions is raft's table of sessions before the state in a snapshot's data:
// its version, and how many there are. A service without sessions has none.
var noSessions = []byte{1, 0}

// nameIn returns the name in a snapshot's data, if the state is not in it.
func nameIn(data []byte) (n ondisk.Name, ok bool) {
	state, ok := bytes.CutPrefix(data, noSessions)
	if !ok || !ondisk.IsName(state) {
		return n, false
	}
	n, err := ondisk.ParseName(state)
	return n, err == nil
}

// receive takes a state from another member, and returns what raft keeps of it:
// its name when it is on this disk, else all of it.
func (m *machine) receive(r io.Reader) (data []byte, err error) {
	data = bytes.Clone(noSessions)
	if m.disk == nil {
		state, err := io.ReadAll(r)
		return append(data, state...), err
	}
	if err := m.disk.Tidy(); err != nil {
		return nil, err
	}
	n, err := m.dir.Receive(r)
	return append(data, n.Bytes()...), err
}

// size is what counts against the quota: what the store's rows add up to in
// etcd's cost model, which all members agree on, or what the tree takes on this
// disk, if that is more.
func (m *machine) size() int64 {
	size := m.Status().Size
	if m.dir != nil {
		size = max(size, m.dir.Bytes())
	}
	return size
}

// tree is the metrics of the tree; nil: in memory.
func (m *machine) tree() *lsm.Metrics {
	if m.dir == nil {
		return nil
	}
	metrics := m.dir.Metrics()
	return &metrics
}

// settle waits until room that a defragmentation frees is free.
func (m *machine) settle(ctx context.Context) error {
	if m.dir == nil {
		return nil
	}
	err := m.dir.Settle(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrTimeout
	}
	return err
}
