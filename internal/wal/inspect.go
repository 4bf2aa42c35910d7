package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
)

// FindingKind says what Inspect found.
type FindingKind string

// The kinds of findings.
const (
	FoundSegment FindingKind = "segment" // a file begins: Seq is its first record, Size its length
	FoundRecord  FindingKind = "record"
	FoundMark    FindingKind = "mark" // Durable bytes were vouched for at Close
	FoundEnd     FindingKind = "end"  // the log ends; with Size and Reason when Open would cut that off
	FoundDamage  FindingKind = "damage"
	// FoundGone is a segment that a running log dropped meanwhile, and with it
	// all that was found before.
	FoundGone FindingKind = "gone"
)

// Finding is one thing in a log's directory.
type Finding struct {
	Kind FindingKind
	// File is the path, Offset and Size the bytes in it.
	File         string
	Offset, Size int64
	// Seq is the number of a record, 0 where damage before it hides it.
	Seq uint64
	// Data is what was appended, valid until the next finding. More says that
	// the batch goes on in the next record.
	Data []byte
	More bool
	// Durable is how many bytes of the segment were known durable when a record
	// or mark was written.
	Durable int64
	// Reason says why the log ends where it does, empty for its ordinary end.
	Reason string
	// Err is the damage, a [*CorruptError] or [*VersionError], or why a file
	// could not be read.
	Err error
}

// inspectTries is how often a flaw is looked at again: while a log is being
// written, the reader is overtaken.
const inspectTries = 3

// Inspect reports what the log in dir consists of, in order, as it lies on the
// disk: it takes no lock and writes nothing, so that the log may be open
// elsewhere, and it goes on behind damage where later frames can be found. The
// verdict on the last segment is the one of [Open] (rule W3). A nil fsys is the
// operating system's.
//
// Beside a running log it shows some moment since it began: a segment dropped
// meanwhile is no damage, and a record half written is an end with a reason.
func Inspect(fsys vfs.FS, dir string) iter.Seq[Finding] {
	if fsys == nil {
		fsys = vfs.OS()
	}
	return func(yield func(Finding) bool) {
		in := inspector{fs: fsys, dir: dir, yield: yield, lost: true}
		// When the last segment is dropped before it is read, there are others.
		for in.lost && !in.stop {
			in.directory()
		}
	}
}

type inspector struct {
	fs    vfs.FS
	dir   string
	yield func(Finding) bool
	stop  bool
	lost  bool // the segment being read was dropped
}

// directory reports the segments that are there now.
func (in *inspector) directory() {
	in.lost = false
	names, err := in.fs.List(in.dir)
	if err != nil {
		in.report(Finding{Kind: FoundDamage, File: in.dir, Err: fmt.Errorf("wal: reading directory %s: %w", in.dir, err)})
		return
	}
	var ids []uint64
	for _, name := range names { // sorted, hence by id
		if id, ok := parseName(name, segmentSuffix); ok {
			ids = append(ids, id)
		}
	}
	for i, id := range ids {
		if i > 0 && id != ids[i-1]+1 {
			missing := in.path(ids[i-1] + 1)
			in.damage(missing, 0, fmt.Sprintf("segment is missing: there are %d and %d", ids[i-1], id))
		}
		next := uint64(0)
		if i+1 < len(ids) {
			next = ids[i+1]
		}
		in.lost = false
		if in.segment(id, next); in.stop {
			return
		}
	}
}

func (in *inspector) path(id uint64) string {
	return filepath.Join(in.dir, segmentName(id, segmentSuffix))
}

func (in *inspector) report(f Finding) { in.stop = in.stop || !in.yield(f) }

func (in *inspector) damage(file string, offset int64, reason string) {
	in.report(Finding{Kind: FoundDamage, File: file, Offset: offset, Err: &CorruptError{File: file, Offset: offset, Reason: reason}})
}

// failed reports an error of a file, unless it is gone: a running log drops
// segments, and gives them other names.
func (in *inspector) failed(file string, err error) {
	if in.gone(file) {
		return
	}
	f := Finding{Kind: FoundDamage, File: file, Err: err}
	if c := (*CorruptError)(nil); errors.As(err, &c) {
		f.Offset = c.Offset
	}
	in.report(f)
}

func (in *inspector) gone(file string) bool {
	f, err := in.fs.Open(file, vfs.ReadOnly)
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	in.lost = true
	in.report(Finding{Kind: FoundGone, File: file})
	return true
}

// firstOf returns the first record of a segment.
func (in *inspector) firstOf(id uint64) (first uint64, err error) {
	file, err := in.fs.Open(in.path(id), vfs.ReadOnly)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return readSegmentHeader(file, id)
}

// segment reports one segment; next is its successor's id, 0 for the last.
func (in *inspector) segment(id, next uint64) {
	name := in.path(id)
	file, err := in.fs.Open(name, vfs.ReadOnly)
	if err != nil {
		in.failed(name, err)
		return
	}
	defer file.Close()
	first, headerErr := readSegmentHeader(file, id)
	size, err := file.Size()
	if err != nil {
		in.failed(name, err)
		return
	}
	if headerErr != nil && in.gone(name) {
		return
	}
	in.report(Finding{Kind: FoundSegment, File: name, Size: size, Seq: first})
	if headerErr != nil {
		in.failed(name, headerErr)
		if newer := (*VersionError)(nil); errors.As(headerErr, &newer) {
			return // its frames may mean anything
		}
	}
	s, err := newScanner(file, id)
	if err != nil {
		in.failed(name, err)
		return
	}
	if next == 0 {
		in.tail(s, first)
		return
	}
	end := uint64(0)
	if next == id+1 {
		if after, err := in.firstOf(next); err == nil {
			end = after
		}
	}
	in.frames(s, first, end, s.size, "")
}

// tail reports the last segment: it may end in what a crash left.
func (in *inspector) tail(s *scanner, first uint64) {
	var v verdict
	for try := range inspectTries {
		before := v.flawed
		again, err := newScanner(s.file, s.segment)
		if err == nil {
			v, err = judge(again)
		}
		if err != nil {
			in.failed(s.file.Name(), err)
			return
		}
		if !v.damage() || try > 0 && v.flawed == before {
			break
		}
	}
	if v.damage() {
		in.frames(s, first, 0, v.durable, v.proof())
		return
	}
	if in.frames(s, first, 0, v.end, ""); in.lost || in.gone(s.file.Name()) {
		return // a file that is used again ends anywhere
	}
	end := Finding{Kind: FoundEnd, File: s.file.Name(), Offset: v.end, Reason: v.reason}
	if v.reason != "" {
		end.Size = v.dropped()
	}
	in.report(end)
}

// frames reports the frames up to byte limit, which the log promised to hold:
// what is no frame is damage, and behind it the search goes on. Seq numbers the
// first record; before, if known, is the first of the next segment. Proof is
// how the promise is known.
func (in *inspector) frames(s *scanner, seq, before uint64, limit int64, proof string) {
	known := seq > 0
	for s.offset < limit && !in.stop {
		at := s.offset
		f, payload, why, err := s.next()
		if err != nil {
			in.failed(s.file.Name(), err)
			return
		}
		if why == "" {
			in.report(found(s.file.Name(), at, f, payload, seq, known))
			if f.kind == kindRecord {
				seq++
			}
			continue
		}
		later, err := s.findFrame(at + frameAlign)
		if err != nil {
			in.failed(s.file.Name(), err)
			return
		}
		counted := known && before > 0
		if counted && seq >= before || !counted && proof == "" && later == 0 && why == flawEnd {
			return // all records are there, as far as their number is known
		}
		if in.gone(s.file.Name()) {
			return
		}
		reason := string(why)
		if known {
			reason += fmt.Sprintf(", where record %d was written", seq)
		}
		in.damage(s.file.Name(), at, reason+proof)
		if later == 0 {
			return
		}
		if why == flawBody && known {
			seq++ // its header stands for it
		} else {
			known = false
		}
		s.offset = later
	}
}

func found(name string, at int64, f frame, payload []byte, seq uint64, known bool) Finding {
	out := Finding{Kind: FoundRecord, File: name, Offset: at, Size: f.span(), Data: payload, More: f.more, Durable: f.durable}
	if f.kind == kindMark {
		out.Kind = FoundMark
	} else if known {
		out.Seq = seq
	}
	return out
}

// findFrame returns the place of the first frame header at or behind offset
// that verifies, 0 without one.
func (s *scanner) findFrame(offset int64) (int64, error) {
	for ; offset+frameHeader <= s.size; offset += frameAlign {
		h, err := s.bytesAt(offset, frameHeader)
		if err != nil {
			return 0, err
		}
		if _, ok := s.parse(h, s.segment, offset); ok {
			return offset, nil
		}
	}
	return 0, nil
}
