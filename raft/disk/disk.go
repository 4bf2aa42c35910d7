package disk

import (
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/raft"
)

// keepBuffer is the largest encoding buffer kept between saves.
const keepBuffer = 4 << 20

// Storage is a [raft.Storage] in a directory. Of its methods, SaveSnapshot,
// Snapshot and Metrics may be called beside the others.
type Storage struct {
	dir  string
	opts Options
	log  *wal.Log

	existing bool // make no new directory
	owner    identity
	recovery Recovery
	loaded   *raft.State // what Open found, until Load takes it

	// storing is held while a snapshot is written or read: it takes long, and
	// must not keep Save waiting. It is taken before mu.
	storing   sync.Mutex
	snapshots []snapshotID // there are, oldest first; guarded by storing

	mu     sync.Mutex
	buf    []byte
	most   int // bytes of entries in a record
	spans  spans
	oldest uint64 // index of the oldest snapshot that the log must go back to
	newest uint64 // index of the newest snapshot
	upTo   uint64 // entries up to here were compacted
	base   uint64 // the snapshot that dropped the log last
	next   uint64 // the index behind the log
	err    error  // why nothing can be stored any more
	closed bool
}

var _ raft.Storage = (*Storage)(nil)

// Recovery returns what Open found.
func (s *Storage) Recovery() Recovery { return s.recovery }

// Load returns what is stored, with the newest snapshot and its data. The
// entries go back further than needed: as far as the log does.
func (s *Storage) Load() (raft.State, error) {
	s.storing.Lock()
	defer s.storing.Unlock()
	s.mu.Lock()
	st := s.loaded
	s.loaded = nil
	s.mu.Unlock()
	if st != nil {
		return *st, nil
	}
	h, err := s.replay(false)
	if err != nil {
		return raft.State{}, err
	}
	snap, err := s.newestSnapshot()
	if err != nil {
		return raft.State{}, err
	}
	h.begin(snap)
	return h.state(snap), nil
}

// Save appends the hard state and the entries as one record: after a crash all
// of it is there or nothing. Entries of more than 256 MiB are several; then the
// first of them may be there alone. Nothing of the arguments is kept.
func (s *Storage) Save(hs raft.HardState, entries []raft.Entry, sync bool) error {
	last, err := s.append(hs, entries)
	if err != nil || !sync {
		return err
	}
	if err := s.log.Sync(last); err != nil {
		return s.fail(fmt.Errorf("raft/disk: syncing the log: %w", err))
	}
	return nil
}

func (s *Storage) append(hs raft.HardState, entries []raft.Entry) (last uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.loaded = nil
	// Found now, it is the caller's error; found at the next start, it would be
	// damage.
	if len(entries) > 0 && (entries[0].Index <= s.base || entries[0].Index > s.next) {
		return 0, fmt.Errorf("%w: entry %d does not join the stored log, %d to %d", raft.ErrCorrupt, entries[0].Index, s.base+1, s.next-1)
	}
	for rest := entries; ; {
		n := s.fitting(rest)
		part := hs
		if n < len(rest) { // committed is at most what is there
			part.Commit = min(hs.Commit, rest[n-1].Index)
		}
		if last, err = s.appendRecord(part, rest[:n]); err != nil {
			return 0, err
		}
		if rest = rest[n:]; len(rest) == 0 {
			return last, nil
		}
	}
}

// maxSave is how many bytes of entries are one record of the log, which takes
// somewhat more at most.
const maxSave = wal.MaxRecord / 2

// fitting returns how many of the entries go into one record.
func (s *Storage) fitting(entries []raft.Entry) (n int) {
	for bytes := 0; n < len(entries); n++ {
		if bytes += entryOverhead + len(entries[n].Data); bytes > s.most && n > 0 {
			break
		}
	}
	return n
}

func (s *Storage) appendRecord(hs raft.HardState, entries []raft.Entry) (last uint64, err error) {
	b, err := appendSave(s.buf[:0], hs, entries)
	if err != nil {
		return 0, err
	}
	if cap(b) <= keepBuffer {
		s.buf = b
	}
	if last, err = s.log.Append(b); err != nil {
		return 0, s.failLocked(fmt.Errorf("raft/disk: appending to the log: %w", err))
	}
	s.spans.add(last, record{kind: kindSave, entries: entries}, len(b), s.opts.SegmentSize)
	if n := len(entries); n > 0 {
		s.next = entries[n-1].Index + 1
	}
	return last, nil
}

// note appends the note that a snapshot was stored. It needs no sync: whatever
// is saved behind it is lost before it is, and Open makes up for it.
func (s *Storage) note(index, term uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.loaded = nil
	b := appendSnapshotNote(nil, index, term)
	seq, err := s.log.Append(b)
	if err != nil {
		return s.failLocked(fmt.Errorf("raft/disk: noting the snapshot at %d: %w", index, err))
	}
	s.spans.add(seq, record{kind: kindSnapshot, index: index}, len(b), s.opts.SegmentSize)
	if index >= s.next {
		s.base, s.next = index, index+1
	}
	return nil
}

// SaveSnapshot stores a snapshot durably, and removes those that are too many.
// An error before the snapshot has its name leaves everything as it was.
func (s *Storage) SaveSnapshot(snap raft.Snapshot) error {
	s.storing.Lock()
	defer s.storing.Unlock()
	if err := s.failed(); err != nil {
		return err
	}
	if n := len(s.snapshots); n > 0 && s.snapshots[n-1].index >= snap.Index {
		return nil
	}
	if named, err := s.writeSnapshot(&snap); err != nil {
		if named {
			return s.fail(err)
		}
		return err
	}
	s.snapshots = append(s.snapshots, snapshotID{snap.Index, snap.Term})
	if err := s.note(snap.Index, snap.Term); err != nil {
		return err
	}
	s.mu.Lock()
	s.oldest, s.newest = s.oldestNeeded(), snap.Index
	s.boundLog()
	s.mu.Unlock()
	s.dropSnapshots()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropLog()
}

// Snapshot returns the newest snapshot with its data, nil if there is none. It
// is read from the disk, and damage found there is a [raft.ErrCorrupt].
func (s *Storage) Snapshot() (*raft.Snapshot, error) {
	s.storing.Lock()
	defer s.storing.Unlock()
	return s.newestSnapshot()
}

func (s *Storage) newestSnapshot() (*raft.Snapshot, error) {
	if len(s.snapshots) == 0 {
		return nil, nil
	}
	id := s.snapshots[len(s.snapshots)-1]
	return readSnapshot(s.opts.FS, s.snapshotFile(id), id)
}

// Compact gives entries up to index up. Their space comes back in whole log
// files, and no sooner than the oldest snapshot kept covers them.
func (s *Storage) Compact(index uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if index > s.newest {
		return fmt.Errorf("%w: compaction to %d is not covered by a snapshot, the newest is at %d", raft.ErrInvalid, index, s.newest)
	}
	s.upTo = max(s.upTo, index)
	return s.dropLog()
}

// dropLog drops the front of the log that nothing needs any more.
func (s *Storage) dropLog() error {
	seq := s.spans.unneeded(min(s.upTo, s.oldest))
	if seq == 0 {
		return nil
	}
	if err := s.log.TruncateFront(seq); err != nil {
		return s.failLocked(fmt.Errorf("raft/disk: dropping the log below record %d: %w", seq, err))
	}
	return nil
}

// fail makes err the end of the storage: what is on the disk is not known any
// more.
func (s *Storage) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failLocked(err)
}

func (s *Storage) failLocked(err error) error {
	err = withRemedy(err)
	if s.err == nil {
		s.err = err
		s.opts.Logger.Error("raft/disk: failed", "dir", s.dir, "err", err)
	}
	return err
}

func (s *Storage) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Metrics are counts since Open.
type Metrics struct {
	Log LogMetrics
	// Snapshots is how many are kept now.
	Snapshots int
}

// Metrics returns the counts.
func (s *Storage) Metrics() Metrics {
	s.storing.Lock()
	defer s.storing.Unlock()
	return Metrics{Log: s.log.Metrics(), Snapshots: len(s.snapshots)}
}

// Close makes durable what was saved, and gives the directory free.
func (s *Storage) Close() error {
	s.storing.Lock()
	defer s.storing.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	if s.err == nil {
		s.err = ErrClosed
	}
	s.mu.Unlock()
	return s.log.Close()
}
