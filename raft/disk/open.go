package disk

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/raft"
)

const logDir = "log"

// Recovery reports what Open found.
type Recovery struct {
	// Log is about the end of the log: Dropped bytes there are what a crash
	// left of saves that nobody was told are durable.
	Log LogRecovery
	// Damaged names the snapshots that were damaged and could be done without.
	Damaged []string
}

// Open opens the storage in dir, or makes a new one there. Nil options are the
// defaults.
//
// It fails with [ErrLocked] when the directory is in use, [ErrForeign] when it
// belongs to another node, [raft.ErrCorrupt] when something that was promised
// is not there any more, and with a [*VersionError] when a newer build wrote it.
func Open(dir string, options *Options) (*Storage, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Storage{dir: dir, opts: opts, most: maxSave}
	if err := s.open(); err != nil {
		if s.log != nil {
			s.log.Close()
		}
		return nil, withRemedy(err)
	}
	return s, nil
}

// withRemedy adds to an error what an operator can do about it.
func withRemedy(err error) error {
	remedy, newer := "", (*VersionError)(nil)
	switch {
	case errors.Is(err, ErrLocked):
		remedy = "stop whoever has the directory open, or give this node another"
	case errors.Is(err, ErrForeign):
		remedy = "give the node its own directory, or start the node that this one belongs to"
	case errors.As(err, &newer):
		remedy = "start a build that reads it"
	case errors.Is(err, raft.ErrCorrupt):
		remedy = "raft/cmd/dump shows what is there; replace the node by one with a new ID and an empty directory"
	case errors.Is(err, vfs.ErrNoSpace):
		remedy = "make room, and start again"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, remedy)
}

func (s *Storage) open() error {
	// The log's lock is the directory's.
	log, found, err := wal.Open(filepath.Join(s.dir, logDir), &wal.Options{
		FS: s.opts.FS, SegmentSize: s.opts.SegmentSize, Mmap: s.opts.Mmap, Logger: s.opts.Logger})
	if err != nil {
		return s.logError("opening the log", err)
	}
	s.log, s.recovery.Log = log, *found
	known := false
	if s.owner, known, err = readIdentity(s.opts.FS, s.dir); err != nil {
		return err
	}
	if !known {
		err = s.create()
	} else if found.LastSeq == 0 {
		// A node without its log has forgotten its votes.
		err = damaged(filepath.Join(s.dir, logDir), 0, "the log of this node is gone")
	}
	if err != nil {
		return err
	}
	return s.recover()
}

// create makes a new storage. Each step is durable before the next, and nothing
// is saved before the last: so a directory with an owner has a log that is not
// empty, and a log with more than the first record has an owner.
func (s *Storage) create() error {
	if s.existing && s.log.LastSeq() <= 1 {
		return fmt.Errorf("%w: power went while it was made", ErrNotMember)
	}
	if s.log.LastSeq() > 1 {
		return damaged(s.identityFile(), 0, "the file that says whose directory this is is gone")
	}
	if s.log.LastSeq() == 0 {
		first, err := appendSave(nil, raft.HardState{}, nil)
		if err != nil {
			return err
		}
		if _, err := s.log.AppendSync(first); err != nil {
			return s.logError("beginning the log", err)
		}
	}
	if err := s.opts.FS.MkdirAll(filepath.Join(s.dir, snapshotDir)); err != nil {
		return fmt.Errorf("raft/disk: making a directory for snapshots: %w", err)
	}
	if err := s.opts.FS.SyncDir(s.dir); err != nil {
		return fmt.Errorf("raft/disk: syncing %s: %w", s.dir, err)
	}
	return s.writeIdentity(identity{s.opts.Node, s.opts.Cluster})
}

// logError says what was being done, and that damage to the log is damage.
func (s *Storage) logError(doing string, err error) error {
	if errors.Is(err, wal.ErrCorrupt) {
		err = corrupt(err)
	}
	return fmt.Errorf("raft/disk: %s: %w", doing, err)
}

// recover reads everything once, and leaves it for Load.
func (s *Storage) recover() error {
	h, err := s.replay(true)
	if err != nil {
		return err
	}
	if err := s.checkOwner(h.owner); err != nil {
		return err
	}
	if s.snapshots, err = s.listSnapshots(); err != nil {
		return err
	}
	noted := h.noted
	snap, err := s.chooseSnapshot(h)
	if err != nil {
		return err
	}
	// A name that a killed process gave or took may not be durable yet.
	if err := s.opts.FS.SyncDir(filepath.Join(s.dir, snapshotDir)); err != nil {
		return fmt.Errorf("raft/disk: syncing the snapshots' directory: %w", err)
	}
	if snap != nil {
		s.oldest, s.newest = s.oldestNeeded(), snap.Index
		if snap.Index > noted {
			if err := s.note(snap.Index, snap.Term); err != nil {
				return err
			}
		}
	}
	st := h.state(snap)
	s.loaded, s.base, s.next = &st, h.base, h.next()
	return nil
}

// replay folds the log. With book it also accounts for the records.
func (s *Storage) replay(book bool) (*history, error) {
	h := &history{begun: s.log.FirstSeq() == 1}
	for rec, err := range s.log.Records(s.log.FirstSeq()) {
		if err != nil {
			return nil, s.logError("reading the log", err)
		}
		r, version, err := decodeRecord(rec.Data)
		if version > recordVersion {
			return nil, &VersionError{File: filepath.Join(s.dir, logDir), Version: uint32(version), Supported: recordVersion}
		}
		if err == nil {
			err = h.add(r)
		}
		if err != nil {
			return nil, damaged(filepath.Join(s.dir, logDir), 0, "record %d: %v", rec.Seq, err)
		}
		if book {
			s.spans.add(rec.Seq, r, len(rec.Data), s.opts.SegmentSize)
		}
	}
	return h, nil
}
