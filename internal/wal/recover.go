package wal

import "fmt"

// recoverTail finds the end of the last segment, where a crash may have left
// anything, and puts the tail there. It writes nothing.
//
//	                 D                  E      X
//	header | A | B | C | D1 more D2 more| E1.. ?  ? | F | zeros
//	                                     \______/
//	         durable: stated by F         cut off, unless something after
//	         or a frame before            states that it was durable
//
// The frames are read up to the first flaw X. A batch that is not whole does
// not count, so the log ends at E <= X. Everything after X is searched for
// frames that verify. When one of all these frames states that bytes after E
// were durable, E is damage to something promised; otherwise nothing after E
// was, and it is cut off (rule W3).
func (l *Log) recoverTail(r *Recovery) (v verdict, err error) {
	t, seg := &l.tail, l.active()
	s, err := newScanner(t.file, seg.id)
	if err != nil {
		return v, err
	}
	if v, err = judge(s); err != nil {
		return v, err
	}
	if v.damage() {
		return v, &CorruptError{File: t.file.Name(), Offset: v.flawed, Reason: v.reason + v.proof()}
	}
	l.last = seg.first - 1 + v.records
	t.end, t.synced, t.marked = v.end, v.end, v.marked
	if v.reason != "" {
		r.File, r.Offset, r.Reason, r.Dropped = t.file.Name(), v.end, v.reason, v.dropped()
		l.opts.Logger.Warn("wal: torn end", "file", r.File, "offset", r.Offset, "bytes", r.Dropped, "reason", r.Reason, "cut", !l.opts.ReadOnly)
	}
	r.FirstSeq, r.LastSeq = l.segments[0].first, l.last
	return v, nil
}

// verdict is what the frames of the last segment say of its end.
type verdict struct {
	walked // durable and witness also of the frames after the flaw
	after  beyond
	flawed int64  // where the flaw is
	reason string // why the log is cut there; empty when it is not
}

func judge(s *scanner) (v verdict, err error) {
	if v.walked, err = walk(s); err != nil {
		return v, err
	}
	v.flawed = s.offset
	if v.after, err = s.survey(s.offset); err != nil {
		return v, err
	}
	if v.after.durable > v.durable {
		v.durable, v.witness = v.after.durable, v.after.witness
	}
	v.reason = v.walked.reason(v.after)
	return v, nil
}

// damage reports whether bytes after the end were promised (rule W3).
func (v verdict) damage() bool { return v.durable > v.end }

func (v verdict) proof() string {
	return fmt.Sprintf("; the frame at byte %d states that the first %d bytes were durable", v.witness, v.durable)
}

// dropped is how many bytes are cut off.
func (v verdict) dropped() int64 { return max(v.flawed, v.after.trace) - v.end }

// walked is what the frames up to the first flaw say.
type walked struct {
	records uint64 // in whole batches
	end     int64  // of the last whole batch
	partial bool   // a batch begins there
	flaw    flaw
	marked  bool // the last frame is a mark

	durable int64 // the most that a frame states
	witness int64 // which one
}

func walk(s *scanner) (w walked, err error) {
	w.end = s.offset
	var pending uint64 // records of a batch whose end is not yet seen
	for {
		at := s.offset
		f, _, why, err := s.next()
		if err != nil {
			return w, err
		}
		if why != "" {
			w.flaw = why
			w.partial = pending > 0
			return w, nil
		}
		if f.durable > w.durable {
			w.durable, w.witness = f.durable, at
		}
		if f.kind == kindRecord {
			pending++
		}
		w.marked = f.kind == kindMark
		if !f.more {
			w.records += pending
			w.end, pending = s.offset, 0
		}
	}
}

// reason says why the log is cut where the frames end; empty when it is not.
func (w walked) reason(after beyond) string {
	switch {
	case w.flaw == flawEnd && after.frames > 0:
		return "zeros before a later frame"
	case w.flaw == flawEnd && w.partial:
		return "batch without its end"
	case w.flaw == flawEnd:
		return ""
	}
	return string(w.flaw)
}

// settle makes the frames up to the end durable, and later ones disappear;
// frames is where those end.
//
// What is above the durable bytes is written once more before it is synced
// (rule W11): when a sync failed, the kernel may have kept the bytes in memory
// and forgotten that the disk does not have them. Reading then shows them, and
// the next sync does nothing. Later frames are wiped now because the log will
// grow over them: one of them could come to stand right after a new frame.
func (t *tail) settle(durable, frames int64) error {
	for from := max(durable, segmentHeader); from < t.end; {
		b := make([]byte, min(t.end-from, readAhead))
		if _, err := t.file.ReadAt(b, from); err != nil {
			return fmt.Errorf("wal: reading %s: %w", t.file.Name(), err)
		}
		if _, err := t.file.WriteAt(b, from); err != nil {
			return fmt.Errorf("wal: rewriting %s: %w", t.file.Name(), err)
		}
		from += int64(len(b))
	}
	end := min(max(frames, t.end+frameHeader), t.size)
	for from := t.end; from < end; {
		n := min(zeroChunk, end-from)
		if _, err := t.file.WriteAt(zeros[:n], from); err != nil {
			return fmt.Errorf("wal: cutting %s: %w", t.file.Name(), err)
		}
		from += n
	}
	if err := t.file.Sync(); err != nil {
		return fmt.Errorf("wal: syncing %s: %w", t.file.Name(), err)
	}
	return nil
}
