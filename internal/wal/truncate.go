package wal

import (
	"fmt"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
)

// TruncateFront gives up the records below seq, and drops the segments that
// hold no others; a segment is dropped whole or not at all, hence FirstSeq may
// stay below seq. LastSeq()+1 empties the log. Segments being read are dropped
// when the reader is done.
//
// A segment dropped stays dropped, also after a power cut. Dropping again is
// harmless.
func (l *Log) TruncateFront(seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if seq > l.last+1 {
		return fmt.Errorf("%w: dropping the records below %d, the last is %d", ErrOutOfRange, seq, l.last)
	}
	l.front = max(l.front, seq)
	// First what takes no room: on a full disk it makes room for the rest.
	if err := l.dropFront(); err != nil {
		return err
	}
	// The last segment is dropped only after it has a successor. A sync that is
	// waited for lets others append, and then the log is not to be emptied.
	for l.front > l.last && l.active().first <= l.last {
		if l.syncing {
			if err := l.quiesce(); err != nil {
				return err
			}
		} else if err := l.rotate(0); err != nil {
			return err
		}
	}
	return l.dropFront()
}

// dropFront drops the segments that TruncateFront gave up. It goes from the
// oldest on and makes each removal durable before the next: were they removed
// together, a power cut could bring back an older one alone, and the log would
// have a hole (rule W10).
func (l *Log) dropFront() error {
	for len(l.segments) > 1 && l.segments[1].first <= l.front && l.segments[0].pins == 0 {
		if err := l.retire(l.segments[0].id); err != nil {
			return err
		}
		l.segments = l.segments[1:]
		if err := l.fs.SyncDir(l.dir); err != nil {
			return l.fail(fmt.Errorf("syncing directory %s: %w", l.dir, err))
		}
	}
	return nil
}

// retire makes a segment a spare file, or removes it.
func (l *Log) retire(id uint64) error {
	path := filepath.Join(l.dir, segmentName(id, segmentSuffix))
	if len(l.spares) >= l.opts.Recycle {
		if err := l.fs.Remove(path); err != nil {
			return fmt.Errorf("wal: removing segment %d: %w", id, err)
		}
		return nil
	}
	spare := filepath.Join(l.dir, segmentName(id, spareSuffix))
	if err := l.fs.Rename(path, spare); err != nil {
		return fmt.Errorf("wal: recycling segment %d: %w", id, err)
	}
	l.spares = append(l.spares, spare)
	return nil
}

// TruncateBack drops the records after seq, durably; the next one appended is
// seq+1. What remains is durable too. Seq must be at least FirstSeq()-1. It
// fails with [ErrBusy] while a reader is at work. It is not fast: a segment is
// copied.
//
// After a crash during the call some of the records are there, without gaps,
// or all, or none.
func (l *Log) TruncateBack(seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.quiesce(); err != nil {
		return err
	}
	switch {
	case seq >= l.last:
		return nil
	case seq+1 < l.segments[0].first:
		return fmt.Errorf("%w: keeping up to %d, the first record is %d", ErrOutOfRange, seq, l.segments[0].first)
	}
	for _, s := range l.segments {
		if s.pins > 0 {
			return fmt.Errorf("wal: dropping the records after %d: %w", seq, ErrBusy)
		}
	}
	if err := l.truncateBack(l.find(seq+1), seq); err != nil {
		return l.fail(err)
	}
	return nil
}

// truncateBack makes segment number cut the last, ending with seq. The later
// ones go from the newest on, one by one, so that every state in between is a
// log; then a copy without the dropped records takes the segment's place in
// one rename (rule W10). They are not recycled: their ids come again.
func (l *Log) truncateBack(cut int, seq uint64) error {
	if err := l.tail.close(); err != nil {
		return fmt.Errorf("closing %s: %w", l.dir, err)
	}
	for i := len(l.segments) - 1; i > cut; i-- {
		name := filepath.Join(l.dir, segmentName(l.segments[i].id, segmentSuffix))
		if err := l.fs.Remove(name); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
		if err := l.fs.SyncDir(l.dir); err != nil {
			return fmt.Errorf("syncing directory %s: %w", l.dir, err)
		}
	}
	seg := l.segments[cut]
	name := filepath.Join(l.dir, segmentName(seg.id, segmentSuffix))
	old, err := l.fs.Open(name, vfs.ReadOnly)
	if err != nil {
		return fmt.Errorf("opening %s: %w", name, err)
	}
	end, err := l.copySegment(old, seg, seq)
	if err != nil {
		return err
	}
	t, err := l.openTail(seg.id, vfs.ReadWrite)
	if err != nil {
		return err
	}
	t.end, t.synced = end, end
	l.segments, l.tail = l.segments[:cut+1], t
	l.last, l.durable, l.front = seq, seq, min(l.front, seq+1)
	return l.mapTail(&l.tail)
}

// copySegment puts a copy of seg with the records up to seq in its place, and
// closes the old file before: some systems do not replace an open one.
func (l *Log) copySegment(old vfs.File, seg *segment, seq uint64) (end int64, err error) {
	defer func() {
		if old != nil {
			old.Close()
		}
	}()
	s, err := newScanner(old, seg.id)
	if err != nil {
		return 0, err
	}
	copyFrames := func(file vfs.File) error {
		end, err = l.copyFrames(file, s, seg.first, seq)
		if err == nil {
			err, old = old.Close(), nil
		}
		return err
	}
	size := max(l.opts.SegmentSize, s.size)
	_, _, err = l.createSegment(seg.id, seg.first, size, copyFrames)
	return end, err
}

// copyFrames copies what s reads up to record seq to the same places of file.
func (l *Log) copyFrames(file vfs.File, s *scanner, first, seq uint64) (end int64, err error) {
	b, start := l.buf[:0], s.offset
	for next := first; next <= seq; {
		at := s.offset
		f, payload, why, err := s.next()
		if err != nil {
			return 0, err
		}
		if why != "" {
			return 0, &CorruptError{File: s.file.Name(), Offset: at, Reason: string(why)}
		}
		if f.kind == kindRecord {
			// A batch cut in two is whole again without its second part.
			f.more = f.more && next < seq
			next++
		}
		b = l.encoder.appendFrame(b, s.segment, at, f, payload)
		if len(b) >= readAhead {
			if _, err := file.WriteAt(b, start); err != nil {
				return 0, err
			}
			b, start = b[:0], s.offset
		}
	}
	_, err = file.WriteAt(append(b, zeros[:frameHeader]...), start)
	return s.offset, err
}
