package store

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// Options configure a [Store]; the zero value is good.
type Options struct {
	// NewStorage makes an empty storage: New calls it, and Restore again.
	// Default: in memory.
	NewStorage func() Storage
}

// Store is the state machine; it is a raft.StateMachine. Apply, Snapshot and
// Restore are called by one goroutine at a time; everything else is safe for
// concurrent use, with them too.
type Store struct {
	newStorage func() Storage

	mu      sync.Mutex // guards what follows, which Apply changes
	storage Storage
	meta    meta
	noSpace bool // an alarm of the type is active
	corrupt bool

	// view of the state between two commands, made when somebody first reads
	// it. nil: none yet.
	view atomic.Pointer[view]
	// summary is the meta of the state between two commands: whoever wants no
	// more than it makes no view, for which the next command would have to copy
	// what it writes.
	summary atomic.Pointer[meta]

	watch  hub
	lessor Lessor
}

// view is a state that does not change.
type view struct {
	Reader
	meta meta
}

// New returns an empty store. It is at revision 1, as etcd's are.
func New(o Options) *Store {
	if o.NewStorage == nil {
		o.NewStorage = func() Storage { return new(memory) }
	}
	s := &Store{newStorage: o.NewStorage}
	s.meta = meta{revision: 1, compacted: -1}
	s.summarize()
	s.storage = s.newStorage()
	s.storage.Set(tableMeta, metaKey, s.meta.encode())
	s.storage.Commit()
	s.watch.init(s)
	s.lessor.store = s
	return s
}

// Apply executes a command that EncodeCommand made, and returns what
// DecodeResult reads. It keeps nothing of command. A command that makes no
// sense is refused like any other, with ErrInvalidCommand; one of a newer
// version panics, since the members that know it execute it, and this one
// cannot follow them.
func (s *Store) Apply(index uint64, command []byte) (result []byte) {
	cmd, err := DecodeCommand(command)
	if errors.Is(err, ErrVersion) {
		panic(fmt.Errorf("store: entry %d: %w", index, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := writer{Store: s, revision: s.meta.revision + 1}
	var r Response
	if err != nil {
		err = ErrInvalidCommand
	} else if err = s.permit(cmd); err == nil {
		r, err = w.execute(cmd)
	}
	if w.sub > 0 {
		s.meta.revision = w.revision
	}
	s.meta.index = index
	s.storage.Set(tableMeta, metaKey, s.meta.encode())
	s.storage.Commit()
	// Readers who come now wait for the lock; watchers are told after that, so
	// that whoever is woken finds the new state.
	s.view.Store(nil)
	s.summarize()
	s.watch.publish(s.meta.revision, w.changes)
	return encodeResult(r, err)
}

// permit refuses what is malformed, or what an active alarm forbids.
func (s *Store) permit(cmd Command) error {
	if err := Validate(cmd); err != nil {
		return err
	}
	if s.corrupt {
		switch cmd.(type) {
		case *PutRequest, *DeleteRangeRequest, *TxnRequest, *CompactionRequest, *LeaseGrantRequest, *LeaseRevokeRequest:
			return ErrCorrupt
		}
	}
	// Deletions and compaction go on: they are the way out.
	if s.noSpace && Cost(cmd) > 0 {
		return ErrNoSpace
	}
	return nil
}

// execute does what a permitted command says.
func (w *writer) execute(cmd Command) (Response, error) {
	switch r := cmd.(type) {
	case *PutRequest:
		return result(w.put(r))
	case *DeleteRangeRequest:
		return w.deleteRange(r), nil
	case *TxnRequest:
		return result(w.txn(r))
	case *CompactionRequest:
		return result(w.compact(r))
	case *LeaseGrantRequest:
		return result(w.leaseGrant(r))
	case *LeaseRevokeRequest:
		return result(w.leaseRevoke(r))
	case *LeaseCheckpointRequest:
		return w.leaseCheckpoint(r), nil
	case *AlarmRequest:
		return w.alarm(r), nil
	case *DefragmentRequest:
		return w.defragment(), nil
	case *MemberSetRequest:
		return w.memberSet(r), nil
	case *MemberRemoveRequest:
		return w.memberRemove(r), nil
	}
	panic(fmt.Sprintf("store: no command: %T", cmd))
}

// result makes a Response of a pointer that may be nil.
func result[R Response](r R, err error) (Response, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// read returns the state of now, to be read without a lock.
func (s *Store) read() *view {
	if v := s.view.Load(); v != nil {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	if v == nil {
		v = &view{s.storage.View(), s.meta}
		s.view.Store(v)
	}
	return v
}

func (s *Store) summarize() {
	m := s.meta
	s.summary.Store(&m)
}

// Status is a summary. It is cheap.
func (s *Store) Status() Status {
	m := *s.summary.Load()
	watchers, slow := s.watch.count()
	return Status{
		Index: m.index, Revision: m.revision, CompactRevision: m.compacted,
		Size: m.size, SizeInUse: m.inUse, Leases: int(m.leases),
		Watchers: watchers, SlowWatchers: slow,
	}
}

// Snapshot captures the state, in a time that does not depend on its size;
// the value writes it out while Apply goes on. Stores that applied the same
// commands write the same bytes.
func (s *Store) Snapshot() (io.WriterTo, error) { return s.read(), nil }

// Restore replaces the state by one that Snapshot wrote. Watchers go on from
// where they were. On an error (ErrInvalidCommand, ErrVersion, or the reader's)
// nothing has changed.
func (s *Store) Restore(r io.Reader) error {
	storage := s.newStorage()
	if err := readSnapshot(r, storage); err != nil {
		return fmt.Errorf("restore a snapshot: %w", err)
	}
	row, _ := storage.Get(tableMeta, metaKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storage, s.meta = storage, decodeMeta(row)
	s.setAlarms()
	s.lessor.reload(leasesOf(storage))
	s.view.Store(nil)
	s.summarize()
	s.watch.restored(s.meta.revision)
	return nil
}
