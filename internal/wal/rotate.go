package wal

import (
	"fmt"

	"github.com/flagship-go/flagship/internal/vfs"
)

// makeRoom returns when a batch of need bytes fits into the tail.
func (l *Log) makeRoom(need int64) error {
	for !l.tail.fits(need) {
		// Waiting lets others in, who may rotate first: look again after it.
		if l.syncing {
			if err := l.quiesce(); err != nil {
				return err
			}
			continue
		}
		if err := l.rotate(need); err != nil {
			return err
		}
	}
	return nil
}

// rotate seals the tail and goes on in a new segment with room for need bytes.
// The order is the point (rules W4, W8):
//
//	wipe what a failed write left -> sync the old segment
//	-> make the new one durable   -> let its name appear
//
// so that a segment with a successor is complete and durable in every state
// that a crash may leave behind. No sync may be running.
func (l *Log) rotate(need int64) error {
	t := &l.tail
	if t.torn != 0 {
		// The successor's first sequence number already says that the failed
		// batch does not count. But TruncateBack may remove the successor, and
		// nobody must then find the batch.
		end := min(t.torn, t.size)
		for from := t.end; from < end; from += zeroChunk {
			if err := t.writeAt(zeros[:min(zeroChunk, end-from)], from); err != nil {
				return fmt.Errorf("wal: wiping a failed write off %s: %w", t.file.Name(), err)
			}
		}
	}
	if err := l.syncTail(); err != nil {
		return err
	}
	next := &segment{id: l.active().id + 1, first: l.last + 1}
	size := max(l.opts.SegmentSize, roundUp(segmentHeader+need+tailReserve, pageSize))
	fresh, visible, err := l.createSegment(next.id, next.first, size, nil)
	if err != nil {
		if visible {
			return l.fail(err)
		}
		return err
	}
	if err := l.switchTail(next.id, fresh); err != nil {
		return l.fail(err)
	}
	l.segments = append(l.segments, next)
	l.metrics.Rotations++
	l.opts.Logger.Debug("wal: rotated", "dir", l.dir, "segment", next.id, "first", next.first, "recycled", !fresh)
	return nil
}

// switchTail closes the tail and opens the empty segment id in its place.
func (l *Log) switchTail(id uint64, fresh bool) error {
	t, err := l.openTail(id, vfs.ReadWrite)
	if err != nil {
		return err
	}
	if err := l.mapTail(&t); err != nil {
		t.close()
		return err
	}
	if fresh {
		t.zeroed = segmentHeader
	}
	err = l.tail.close()
	l.tail = t
	return err
}
