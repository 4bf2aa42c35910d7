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
	// Storage is where the state is, or, when it is empty, will be; the store
	// closes it. Default: one that NewStorage makes.
	Storage Storage
	// NewStorage makes an empty storage for Restore. Default: in memory.
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
	failure *Failure // of the storage, after which nothing is applied

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

// New returns a store on what its storage holds; an empty one is at revision 1,
// as etcd's are. It panics with a [*Failure] if the storage does.
func New(o Options) *Store {
	if o.NewStorage == nil {
		o.NewStorage = func() Storage { return new(memory) }
	}
	if o.Storage == nil {
		o.Storage = o.NewStorage()
	}
	s := &Store{newStorage: o.NewStorage, storage: o.Storage}
	s.lessor.store = s
	if row, ok := s.storage.Get(tableMeta, metaKey); ok {
		s.meta = decodeMeta(row)
		s.setAlarms()
		s.finishSweep()
		s.undoPieces()
	} else {
		s.meta = meta{revision: 1, compacted: -1}
		s.storage.Set(tableMeta, metaKey, s.meta.encode())
		s.storage.Commit()
	}
	s.summarize()
	s.watch.init(s)
	return s
}

// Close lets go of the storage, which views may keep open a while.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropView()
	s.storage.Close()
}

// Apply executes a command that EncodeCommand made, and returns what
// DecodeResult reads. It keeps nothing of command. A command that makes no
// sense is refused like any other, with ErrInvalidCommand; one of a newer
// version panics, since the members that know it execute it, and this one
// cannot follow them.
//
// A command that the state holds already, by its index, changes nothing, and
// has no result any more: a state on a disk may be ahead of the log that is
// replayed over it.
func (s *Store) Apply(index uint64, command []byte) (result []byte) {
	cmd, err := DecodeCommand(command)
	if errors.Is(err, ErrVersion) {
		panic(fmt.Errorf("store: entry %d: %w", index, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if index <= s.meta.index {
		return nil
	}
	if s.failure != nil {
		panic(s.failure)
	}
	defer s.noteFailure()
	w := writer{Store: s, revision: s.meta.revision + 1}
	var r Response
	if err != nil {
		err = ErrInvalidCommand
	} else if err = s.permit(cmd); err == nil {
		r, err = w.execute(cmd)
	}
	w.finish()
	if w.sub > 0 {
		s.meta.revision = w.revision
	}
	s.meta.index = index
	s.storage.Set(tableMeta, metaKey, s.meta.encode())
	s.storage.Commit()
	// Readers who come now wait for the lock; watchers are told after that, so
	// that whoever is woken finds the new state.
	s.dropView()
	s.summarize()
	s.watch.publish(s.meta.revision, w.changes)
	return encodeResult(r, err)
}

// noteFailure, deferred, keeps the Failure that goes by: what the storage holds
// is not what s knows any more.
func (s *Store) noteFailure() {
	if p := recover(); p != nil {
		s.failure, _ = p.(*Failure)
		panic(p)
	}
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

// Freeze captures the state, in a time that does not depend on its size.
// Stores that applied the same commands write the same bytes.
func (s *Store) Freeze() Frozen { return s.read() }

// Snapshot is Freeze for raft.StateMachine, which knows no Close: for a storage
// whose views need none.
func (s *Store) Snapshot() (io.WriterTo, error) { return s.Freeze(), nil }

// Restore replaces the state by one that Snapshot wrote. Watchers go on from
// where they were. On an error (ErrInvalidCommand, ErrVersion, or the reader's)
// nothing has changed.
func (s *Store) Restore(r io.Reader) error {
	storage := s.newStorage()
	if _, err := ReadSnapshot(r, storage); err != nil {
		storage.Close()
		return fmt.Errorf("restore a snapshot: %w", err)
	}
	s.Replace(storage)
	return nil
}

// Replace goes on with the state that another storage holds, as Restore does.
func (s *Store) Replace(storage Storage) {
	row, _ := storage.Get(tableMeta, metaKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropView()
	s.storage.Close()
	s.storage, s.meta = storage, decodeMeta(row)
	s.setAlarms()
	s.lessor.reload(leasesOf(storage))
	s.summarize()
	s.watch.restored(s.meta.revision)
}
