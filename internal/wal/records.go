package wal

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sort"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Record is one record of the log.
type Record struct {
	// Seq is its sequence number.
	Seq uint64
	// Data is what was appended. It is valid until the next record is asked
	// for; copy what is to be kept.
	Data []byte
}

// Records iterates over the records from sequence number from to the one that
// is last when the loop begins, durable or not. The first error ends it: a
// [*CorruptError] for a record that is no longer what was appended,
// [ErrTruncated] when from is below FirstSeq, [ErrClosed] when the log is
// closed meanwhile. A from above LastSeq yields nothing.
//
// Appends and TruncateFront may go on meanwhile, also in the loop's body: what
// is still to be read is kept until then. TruncateBack may not.
func (l *Log) Records(from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		seg, last, err := l.pinFirst(from)
		defer func() { l.unpin(seg) }()
		for err == nil && seg != nil {
			var more bool
			if from, more, err = l.readSegment(seg, from, last, yield); err != nil || !more {
				break
			}
			seg, err = l.pinNext(seg)
		}
		if err != nil {
			yield(Record{}, err)
		}
	}
}

// readSegment yields the records of a pinned segment from sequence number from
// on, and returns the one to go on with in the next segment, if there are more.
func (l *Log) readSegment(seg *segment, from, last uint64, yield func(Record, error) bool) (next uint64, more bool, err error) {
	name := filepath.Join(l.dir, segmentName(seg.id, segmentSuffix))
	file, err := l.fs.Open(name, vfs.ReadOnly)
	if err != nil {
		return from, false, fmt.Errorf("wal: opening segment %d: %w", seg.id, err)
	}
	defer file.Close()
	s, err := newScanner(file, seg.id)
	if err != nil {
		return from, false, err
	}
	end := last
	if successor := l.firstAfter(seg); successor > 0 {
		end = min(last, successor-1)
	}
	for seq := seg.first; seq <= end; {
		f, payload, why, err := s.next()
		if err != nil {
			return from, false, err
		}
		if why != "" {
			return from, false, &CorruptError{File: name, Offset: s.offset,
				Reason: fmt.Sprintf("%s, where record %d was written", why, seq)}
		}
		if f.kind != kindRecord {
			continue
		}
		if seq >= from && !yield(Record{Seq: seq, Data: payload}, nil) {
			return from, false, nil
		}
		seq++
	}
	return end + 1, end < last, nil
}

// find returns the index of the segment that holds record seq.
func (l *Log) find(seq uint64) int {
	// Empty segments begin where their successor does: the last one has it.
	after := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].first > seq })
	return after - 1
}

// pinFirst pins the segment that holds record from. It is nil when there is no
// such record yet.
func (l *Log) pinFirst(from uint64) (seg *segment, last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err == ErrClosed:
		return nil, 0, l.err
	case from < l.segments[0].first:
		return nil, 0, fmt.Errorf("%w: record %d, the first is %d", ErrTruncated, from, l.segments[0].first)
	case from > l.last:
		return nil, l.last, nil
	}
	seg = l.segments[l.find(from)]
	seg.pins++
	return seg, l.last, nil
}

// pinNext moves the pin to the segment after seg. Seg's own pin has kept that
// one from being dropped.
func (l *Log) pinNext(seg *segment) (*segment, error) {
	l.mu.Lock()
	if l.err == ErrClosed {
		l.mu.Unlock()
		return seg, ErrClosed
	}
	next := l.segments[seg.id+1-l.segments[0].id]
	next.pins++
	l.mu.Unlock()
	l.unpin(seg)
	return next, nil
}

// unpin lets go of seg, and makes up for the truncation that it held back.
func (l *Log) unpin(seg *segment) {
	if seg == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seg.pins--
	if l.err != nil {
		return
	}
	if err := l.dropFront(); err != nil {
		l.opts.Logger.Warn("wal: delayed truncation failed", "dir", l.dir, "err", err)
	}
}

// firstAfter returns the first sequence number of the segment after seg, or 0
// when seg is the last.
func (l *Log) firstAfter(seg *segment) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := int(seg.id - l.segments[0].id); i+1 < len(l.segments) {
		return l.segments[i+1].first
	}
	return 0
}

func isNotSupported(err error) bool { return errors.Is(err, vfs.ErrNotSupported) }
