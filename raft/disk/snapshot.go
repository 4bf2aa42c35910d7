package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/raft"
)

// Snapshots are files of their own, named by what they stand for:
//
//	snapshots/00000000000003e8-0000000000000007.snap     index 1000, term 7
//
//	body:  index 8 | term 8 | length 8 | membership | data
//
// The membership is encoded as in an EntryMembership: a snapshot taken in the
// middle of a change must bring back both sets of voters, and the learners.
const (
	snapshotDir    = "snapshots"
	snapshotSuffix = ".snap"
	// damagedSuffix is put behind the name of a snapshot that did without.
	damagedSuffix = ".damaged"
)

// snapshotID is what a snapshot's name tells.
type snapshotID struct{ index, term uint64 }

func (id snapshotID) name() string {
	return fmt.Sprintf("%016x-%016x%s", id.index, id.term, snapshotSuffix)
}

func parseSnapshotName(name string) (id snapshotID, ok bool) {
	n, err := fmt.Sscanf(strings.TrimSuffix(name, snapshotSuffix), "%16x-%16x", &id.index, &id.term)
	return id, n == 2 && err == nil && name == id.name()
}

func (s *Storage) snapshotFile(id snapshotID) string {
	return filepath.Join(s.dir, snapshotDir, id.name())
}

// listSnapshots returns the snapshots there are, oldest first, and removes what
// unfinished ones left.
func (s *Storage) listSnapshots() ([]snapshotID, error) {
	dir := filepath.Join(s.dir, snapshotDir)
	names, err := s.opts.FS.List(dir)
	if err != nil {
		return nil, fmt.Errorf("raft/disk: looking for snapshots: %w", err)
	}
	var ids []snapshotID
	for _, name := range names { // sorted, hence by index
		if id, ok := parseSnapshotName(name); ok {
			ids = append(ids, id)
		} else if strings.HasSuffix(name, tempSuffix) {
			if err := s.opts.FS.Remove(filepath.Join(dir, name)); err != nil {
				s.opts.Logger.Warn("raft/disk: cannot remove an unfinished snapshot", "file", name, "err", err)
			}
		}
	}
	return ids, nil
}

func (s *Storage) writeSnapshot(snap *raft.Snapshot) (named bool, err error) {
	id := snapshotID{snap.Index, snap.Term}
	head := binary.LittleEndian.AppendUint64(nil, snap.Index)
	head = binary.LittleEndian.AppendUint64(head, snap.Term)
	members := raft.EncodeMembership(snap.Membership)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(members)))
	head = append(head, members...)
	named, err = writeFile(s.opts.FS, s.snapshotFile(id), snapshotMagic, head, snap.Data)
	if err != nil {
		err = fmt.Errorf("raft/disk: snapshot at %d: %w", snap.Index, err)
	}
	return named, err
}

func readSnapshot(fsys FS, name string, id snapshotID) (*raft.Snapshot, error) {
	b, err := readFile(fsys, name, snapshotMagic)
	if err != nil {
		return nil, fmt.Errorf("raft/disk: snapshot at %d: %w", id.index, err)
	}
	if len(b) < 24 {
		return nil, damaged(name, fileHeader, "%d bytes", len(b))
	}
	snap := &raft.Snapshot{Index: binary.LittleEndian.Uint64(b), Term: binary.LittleEndian.Uint64(b[8:])}
	if snap.Index != id.index || snap.Term != id.term {
		return nil, damaged(name, fileHeader, "it is of index %d and term %d", snap.Index, snap.Term)
	}
	length := binary.LittleEndian.Uint64(b[16:])
	b = b[24:]
	if length > uint64(len(b)) {
		return nil, damaged(name, fileHeader+16, "a membership of %d bytes in %d", length, len(b))
	}
	if snap.Membership, err = raft.DecodeMembership(b[:length]); err != nil {
		return nil, damaged(name, fileHeader+24, "%v", err)
	}
	if b = b[length:]; len(b) > 0 {
		snap.Data = b
	}
	return snap, nil
}

// chooseSnapshot reads the snapshot to start from, and puts those aside that are
// damaged and can be done without.
func (s *Storage) chooseSnapshot(h *history) (*raft.Snapshot, error) {
	snap, bad, err := choose(h, s.snapshots, s.snapshotFile, func(id snapshotID) (*raft.Snapshot, error) {
		return readSnapshot(s.opts.FS, s.snapshotFile(id), id)
	})
	if err != nil {
		return nil, err
	}
	s.snapshots = s.snapshots[:len(s.snapshots)-len(bad)]
	return snap, s.setAside(bad)
}

// choose returns the newest snapshot, or, if that is damaged, the newest that is
// not, provided that the log has everything that the damaged ones stood for.
// Nothing that was promised is lost then; otherwise the error names the damaged
// file.
func choose(h *history, ids []snapshotID, file func(snapshotID) string, read func(snapshotID) (*raft.Snapshot, error)) (snap *raft.Snapshot, bad []snapshotID, err error) {
	var why error
	for i := len(ids) - 1; i >= 0 && snap == nil; i-- {
		found, err := read(ids[i])
		switch {
		case errors.Is(err, raft.ErrCorrupt):
			bad, why = append(bad, ids[i]), errors.Join(why, err)
		case err != nil:
			return nil, nil, err
		default:
			snap = found
		}
	}
	from := uint64(0)
	if snap != nil {
		from = snap.Index
		if from > h.noted {
			// Stored just before a crash, which took the note.
			h.note(from, snap.Term)
		}
	}
	h.begin(snap)
	joins := h.begun && (snap == nil || h.holds(from, snap.Term))
	for _, id := range append(slices.Clip(bad), snapshotID{h.noted, h.notedTerm}) {
		if joins && h.reaches(from, id.index, id.term) {
			continue
		}
		if why == nil {
			why = damaged(file(id), 0, "snapshot is missing: the log begins with %d, and the newest snapshot is at %d", h.first(), from)
		}
		return nil, nil, fmt.Errorf("raft/disk: no way around a lost snapshot: %w", why)
	}
	return snap, bad, nil
}

// setAside renames damaged snapshots that the node starts without, so that they
// are neither counted as kept nor lost to whoever wants to look at them.
func (s *Storage) setAside(bad []snapshotID) error {
	for _, id := range bad {
		name := s.snapshotFile(id)
		if err := s.opts.FS.Rename(name, name+damagedSuffix); err != nil {
			return fmt.Errorf("raft/disk: setting a damaged snapshot aside: %w", err)
		}
		s.recovery.Damaged = append(s.recovery.Damaged, name+damagedSuffix)
		s.opts.Logger.Error("raft/disk: snapshot is damaged, starting from the one before", "file", name)
	}
	return nil
}

// oldestNeeded is the index that the log must go back to, so that damage to a
// snapshot can be done without: 0 while there are fewer than are to be kept.
func (s *Storage) oldestNeeded() uint64 {
	if n := len(s.snapshots); n >= s.opts.KeepSnapshots {
		return s.snapshots[n-s.opts.KeepSnapshots].index
	}
	return 0
}

// boundLog gives up the snapshots, and before them the beginning, whose log is
// longer than it may be. The newest it leaves. Both locks are held.
func (s *Storage) boundLog() {
	if s.opts.MaxSegments == 0 {
		return
	}
	// So many bytes fit into the files wherever in the first one they begin.
	most := int64(s.opts.MaxSegments-1) * s.opts.SegmentSize
	for _, id := range s.snapshots {
		if s.spans.behind(s.oldest) <= most {
			return
		}
		s.oldest = max(s.oldest, id.index)
	}
}

// dropSnapshots removes those that the log need not go back to. One that cannot
// be removed costs space only, and is tried again.
func (s *Storage) dropSnapshots() {
	for s.snapshots[0].index < s.oldest {
		if err := s.opts.FS.Remove(s.snapshotFile(s.snapshots[0])); err != nil {
			s.opts.Logger.Warn("raft/disk: cannot remove an old snapshot", "file", s.snapshotFile(s.snapshots[0]), "err", err)
			return
		}
		s.snapshots = s.snapshots[1:]
	}
}
