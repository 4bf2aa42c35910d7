package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/raft"
)

// FindingKind says what Inspect found.
type FindingKind string

// The kinds of findings, in the order in which they come.
const (
	FoundIdentity FindingKind = "identity" // Node, Cluster
	FoundSegment  FindingKind = "segment"  // a log file begins: Seq is its first record
	FoundSave     FindingKind = "save"     // HardState, Entries
	FoundNote     FindingKind = "note"     // Snapshot's index and term: it was stored here
	FoundForce    FindingKind = "force"    // a save, and the Node and Cluster that it forced
	FoundMark     FindingKind = "mark"     // the log was closed
	FoundEnd      FindingKind = "end"      // of the log; with a Reason when a start cuts Size bytes off
	FoundGone     FindingKind = "gone"     // a log file that a running node dropped meanwhile, and with it all before
	FoundSnapshot FindingKind = "snapshot" // Snapshot, whose data has DataSize bytes and a good checksum
	FoundOther    FindingKind = "other"    // a file that a start removes, or put aside
	FoundDamage   FindingKind = "damage"   // Err
	FoundState    FindingKind = "state"    // what a node starts with, or Err: why it does not
)

// Finding is one thing in a node's directory. Which fields mean something is
// said at its kind.
type Finding struct {
	Kind FindingKind
	// File is the path, Offset and Size the bytes in it.
	File         string
	Offset, Size int64
	// Seq is the number of a record of the log, 0 where damage hides it.
	Seq uint64
	// Version is the format of an identity, a record or a snapshot.
	Version int

	Node    raft.NodeID
	Cluster string
	// HardState and Entries of a save or force; of the state, HardState, and the
	// entries without their data.
	HardState raft.HardState
	Entries   []raft.Entry
	// Snapshot is without its data.
	Snapshot *raft.Snapshot
	DataSize int
	// Membership is the newest one of the state; empty when it never changed
	// since the first start.
	Membership raft.Membership
	Reason     string
	// Err is usually a [*CorruptError] or a [*VersionError].
	Err error
}

// Inspect reports what the directory of a node consists of, as it lies on the
// disk, and what a node would start with. It takes no lock and writes nothing,
// so that the node may be running: the end of its log is then a moment old. It
// goes on behind damage where it can. A nil fsys is the operating system's.
func Inspect(dir string, fsys FS) iter.Seq[Finding] {
	if fsys == nil {
		fsys = vfs.OS()
	}
	return func(yield func(Finding) bool) {
		in := inspection{dir: dir, fs: fsys, yield: yield, history: &history{begun: true}}
		// The log before the snapshots: beside a running node, a snapshot that
		// the log notes is there, or a newer one is.
		for _, part := range []func(){in.identity, in.log, in.snapshots, in.state} {
			if part(); in.stop {
				return
			}
		}
	}
}

type inspection struct {
	dir   string
	fs    FS
	yield func(Finding) bool
	stop  bool

	known   bool // there is an identity
	owner   identity
	fatal   error // the first damage with which no node starts
	history *history
	records int
	ids     []snapshotID
	read    map[snapshotID]lookedAt
}

// lookedAt is a snapshot without its data, or why there is none.
type lookedAt struct {
	*raft.Snapshot
	size int
	err  error
}

func (in *inspection) report(f Finding) { in.stop = in.stop || !in.yield(f) }

// damage reports an error with which no node starts.
func (in *inspection) damage(file string, offset int64, err error) {
	if in.fatal == nil {
		in.fatal = err
	}
	in.report(Finding{Kind: FoundDamage, File: file, Offset: offset, Err: err})
}

func (in *inspection) identity() {
	name := filepath.Join(in.dir, identityName)
	var err error
	if in.owner, in.known, err = readIdentity(in.fs, in.dir); err != nil {
		in.known = true // there was one
		in.damage(name, 0, err)
	} else if in.known {
		in.report(Finding{Kind: FoundIdentity, File: name, Version: fileVersion, Node: in.owner.node, Cluster: in.owner.cluster})
	}
}

func (in *inspection) log() {
	dir := filepath.Join(in.dir, logDir)
	begun := false
	for f := range wal.Inspect(in.fs, dir) {
		out := Finding{Kind: FindingKind(f.Kind), File: f.File, Offset: f.Offset, Size: f.Size, Seq: f.Seq, Reason: f.Reason}
		switch f.Kind {
		case wal.FoundSegment:
			if !begun {
				begun, in.history = true, &history{begun: f.Seq == 1}
			}
			in.report(out)
		case wal.FoundRecord:
			in.records++
			in.record(out, f.Data)
		case wal.FoundGone:
			begun = false
			in.report(out)
		case wal.FoundDamage:
			if !in.known && errors.Is(f.Err, fs.ErrNotExist) {
				f.Err = fmt.Errorf("raft/disk: %s holds no node: there is neither %s nor %s: %w", in.dir, identityName, logDir, fs.ErrNotExist)
			} else if errors.Is(f.Err, wal.ErrCorrupt) {
				f.Err = corrupt(f.Err)
			}
			in.damage(f.File, f.Offset, f.Err)
		default:
			in.report(out)
		}
		if in.stop {
			return
		}
	}
	switch {
	case in.fatal != nil:
	case in.known && in.records == 0:
		in.damage(dir, 0, damaged(dir, 0, "the log of this node is gone"))
	case !in.known && in.records > 1:
		name := filepath.Join(in.dir, identityName)
		in.damage(name, 0, damaged(name, 0, "the file that says whose directory this is is gone"))
	}
}

// record reports a record of the log and adds it to the history, until there is
// damage: what comes behind that follows from nothing.
func (in *inspection) record(f Finding, data []byte) {
	r, version, err := decodeRecord(data)
	switch {
	case version > recordVersion:
		in.damage(f.File, f.Offset, &VersionError{File: f.File, Version: uint32(version), Supported: recordVersion})
		return
	case err != nil:
		in.damage(f.File, f.Offset, damaged(f.File, f.Offset, "record %d: %v", f.Seq, err))
		return
	}
	switch r.kind {
	case kindSnapshot:
		f.Kind, f.Snapshot = FoundNote, &raft.Snapshot{Index: r.index, Term: r.term}
	case kindForce:
		f.Kind, f.Node, f.Cluster = FoundForce, r.owner.node, r.owner.cluster
	default:
		f.Kind = FoundSave
	}
	f.Version, f.HardState, f.Entries = int(version), r.hard, r.entries
	in.report(f)
	if in.fatal != nil {
		return
	}
	r.entries = withoutData(r.entries)
	if err := in.history.add(r); err != nil {
		in.damage(f.File, f.Offset, damaged(f.File, f.Offset, "record %d: %v", f.Seq, err))
	}
}

// withoutData keeps what it takes to tell the state: a log may be larger than
// memory has to be.
func withoutData(entries []raft.Entry) []raft.Entry {
	var out []raft.Entry
	for _, e := range entries {
		if e.Type != raft.EntryMembership {
			e.Data = nil
		}
		out = append(out, e)
	}
	return out
}

func (in *inspection) file(id snapshotID) string {
	return filepath.Join(in.dir, snapshotDir, id.name())
}

// snapshots reports the snapshots. A running node replaces them: when one has
// gone since they were listed, they are listed again.
func (in *inspection) snapshots() {
	dir := filepath.Join(in.dir, snapshotDir)
	var others []string
	for complete := false; !complete; {
		names, err := in.fs.List(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			in.damage(dir, 0, fmt.Errorf("raft/disk: looking for snapshots: %w", err))
			return
		}
		in.ids, in.read, others, complete = nil, map[snapshotID]lookedAt{}, nil, true
		for _, name := range names {
			id, ok := parseSnapshotName(name)
			if !ok {
				others = append(others, name)
				continue
			}
			found, err := readSnapshot(in.fs, in.file(id), id)
			at := lookedAt{Snapshot: found, err: err}
			if err == nil {
				at.size = len(found.Data)
				found.Data = nil
			}
			complete = complete && !errors.Is(err, fs.ErrNotExist)
			in.ids, in.read[id] = append(in.ids, id), at
		}
	}
	for _, id := range in.ids {
		at := in.read[id]
		f := Finding{Kind: FoundSnapshot, File: in.file(id), Version: fileVersion, Snapshot: at.Snapshot, DataSize: at.size}
		if at.err != nil { // the state tells whether it can be done without
			f = Finding{Kind: FoundDamage, File: in.file(id), Err: at.err}
		}
		in.report(f)
	}
	for _, name := range others {
		in.report(Finding{Kind: FoundOther, File: filepath.Join(dir, name)})
	}
}

// state reports what Open and raft.NewCore make of it.
func (in *inspection) state() {
	out := Finding{Kind: FoundState, File: in.dir, Err: in.fatal}
	if out.Err == nil {
		out.Err = in.start(&out)
	}
	in.report(out)
}

func (in *inspection) start(out *Finding) error {
	snap, _, err := choose(in.history, in.ids, in.file, func(id snapshotID) (*raft.Snapshot, error) {
		return in.read[id].Snapshot, in.read[id].err
	})
	if err != nil {
		return err
	}
	owner := in.owner
	if in.history.owner != nil {
		owner = *in.history.owner
	}
	st := in.history.state(snap)
	now, err := clusterState(max(owner.node, 1), owner.cluster, st)
	if err != nil {
		return err
	}
	out.Node, out.Cluster, out.Membership = owner.node, owner.cluster, now.Membership
	out.HardState, out.Snapshot, out.Entries = now.HardState, snap, st.Entries
	return nil
}
