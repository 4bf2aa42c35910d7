package ondisk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/lsm"
)

// Machine is a store in a directory as a raft.StateMachine, whose snapshots are
// names. Its methods are called as those of a store.Store.
type Machine struct {
	*store.Store
	dir *Dir
}

// Machine returns the store. It panics with a *store.Failure if the disk fails.
func (d *Dir) Machine() *Machine {
	return &Machine{store.New(store.Options{Storage: store.NewOverlay(d.current)}), d}
}

// Name is a snapshot by its name: a state, and how far it had come then. The state
// goes on, so that what is read under the name may be newer.
type Name struct {
	State, Index uint64
}

// The bytes of a name: magic, version, state, index. A snapshot of the store
// itself begins otherwise.
const (
	nameMagic   = "flagship-kv=lsm"
	nameVersion = 1
	nameSize    = len(nameMagic) + 1 + 16
)

// Bytes are what a snapshot by name consists of.
func (n Name) Bytes() []byte {
	b := append([]byte(nameMagic), nameVersion)
	b = binary.BigEndian.AppendUint64(b, n.State)
	return binary.BigEndian.AppendUint64(b, n.Index)
}

// IsName tells whether the data of a snapshot is a name.
func IsName(data []byte) bool { return bytes.HasPrefix(data, []byte(nameMagic)) }

// ParseName reads what Bytes wrote. ErrVersion, ErrCorrupt.
func ParseName(b []byte) (n Name, err error) {
	if len(b) > len(nameMagic) && b[len(nameMagic)] > nameVersion {
		return n, fmt.Errorf("%w: a snapshot's name of version %d, this build reads up to %d", ErrVersion, b[len(nameMagic)], nameVersion)
	}
	if len(b) != nameSize || !IsName(b) {
		return n, fmt.Errorf("%w: a snapshot's name of %d bytes", ErrCorrupt, len(b))
	}
	b = b[len(nameMagic)+1:]
	return Name{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, nil
}

// Snapshot returns what writes the name of the state as it is now, when that is
// durable: behind it raft cuts its log.
func (m *Machine) Snapshot() (io.WriterTo, error) {
	m.dir.mu.Lock()
	defer m.dir.mu.Unlock()
	m.dir.current.use()
	return &naming{m.dir.current, Name{m.dir.current.number, m.Status().Index}}, nil
}

type naming struct {
	engine *engine
	name   Name
}

// WriteTo is called once.
func (n *naming) WriteTo(w io.Writer) (int64, error) {
	defer n.engine.Close()
	if err := n.engine.db.Sync(); err != nil {
		return 0, fmt.Errorf("kv: making the store durable: %w", err)
	}
	k, err := w.Write(n.name.Bytes())
	return int64(k), err
}

// Restore goes on with a snapshot: the state that it names, or, when it is the
// rows themselves, with one made of them. A state that is as new already stays:
// a start replays raft's log over it, and the commands that it has are passed over.
func (m *Machine) Restore(r io.Reader) error {
	in := bufio.NewReader(r)
	if head, _ := in.Peek(len(nameMagic)); IsName(head) {
		b, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		n, err := ParseName(b)
		if err != nil {
			return err
		}
		return m.adopt(n)
	}
	if index := store.PeekIndex(in); index > 0 && index <= m.Status().Index {
		return nil
	}
	n, err := m.dir.Receive(in)
	if err != nil {
		return err
	}
	return m.adopt(n)
}

// adopt makes a named state the one in use.
func (m *Machine) adopt(n Name) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("kv: go on with state %d at index %d: %w", n.State, n.Index, err)
		}
	}()
	has := m.Status().Index
	if has >= n.Index {
		return nil
	}
	d := m.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return lsm.ErrClosed
	}
	old := d.current
	if n.State == old.number {
		return fmt.Errorf("%w: it ends at %d", ErrCorrupt, has)
	}
	e, err := d.openState(n.State, n.Index)
	if err != nil {
		return err
	}
	if err := d.writeFile(n.State); err != nil {
		e.Close()
		return err
	}
	d.current = e
	delete(d.received, n.State)
	d.forget(n.Index)
	old.doom()
	m.Replace(store.NewOverlay(e))
	return nil
}

// forget removes received states that are not newer than index, to which the
// one in use has come. The directory is locked.
func (d *Dir) forget(index uint64) {
	for number, has := range d.received {
		if has <= index {
			delete(d.received, number)
			d.remove(d.statePath(number))
		}
	}
}

// Receive makes a state, to be adopted by its name, of the snapshot that r reads:
// durable, and not yet in use. It holds a part of it in memory at a time.
func (d *Dir) Receive(r io.Reader) (n Name, err error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return n, lsm.ErrClosed
	}
	n.State = d.next
	d.next++
	d.running.Add(1)
	defer d.running.Done()
	d.mu.Unlock()
	e, err := newEngine(d, n.State)
	if err != nil {
		return n, fmt.Errorf("kv: receive a snapshot: %w", err)
	}
	n.Index, err = store.ReadSnapshot(r, store.NewOverlay(e))
	if err = errors.Join(err, e.db.Close()); err == nil {
		err = d.opts.FS.SyncDir(d.dir)
	}
	if err != nil {
		d.remove(e.path)
		return n, fmt.Errorf("kv: receive a snapshot: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.received[n.State] = n.Index
	return n, nil
}

// Tidy removes what was received and came too late: the state in use is as new.
func (m *Machine) Tidy() error {
	m.dir.mu.Lock()
	defer m.dir.mu.Unlock()
	if len(m.dir.received) == 0 {
		return nil
	}
	// Raft may have promised one of them. Its own log was dropped for it then.
	if err := m.dir.current.db.Sync(); err != nil {
		return err
	}
	m.dir.forget(m.Status().Index)
	return nil
}

// Bytes is what the state takes on the disk, without memtables and their log.
func (d *Dir) Bytes() int64 { return d.engine().bytes() }

// Metrics are those of the tree.
func (d *Dir) Metrics() lsm.Metrics { return d.engine().db.Metrics() }

func (d *Dir) engine() *engine {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// Settle waits until a defragmentation that was begun is done.
func (d *Dir) Settle(ctx context.Context) error {
	e := d.engine()
	e.mu.Lock()
	settled := e.settled
	e.mu.Unlock()
	if settled == nil {
		return nil
	}
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
