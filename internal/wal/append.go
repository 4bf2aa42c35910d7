package wal

import "fmt"

const (
	// writeChunk is how much of a batch is encoded before it is written, and
	// the disk set to work on it. It stays in the processor's cache.
	writeChunk = 256 << 10
	// zeroChunk is how far ahead blocks are written with zeros, and zeroLimit
	// the batch that is too long for it.
	zeroChunk = 1 << 20
	zeroLimit = 128 << 10
	// keepBuffer is the largest batch buffer kept between appends.
	keepBuffer = 4 << 20
)

// zeros is never written to.
var zeros [zeroChunk]byte

// Append adds records to the log, with consecutive sequence numbers, and
// returns the last one's. They are one batch: after a crash all of them are
// there or none (rule W5). The records are copied before Append returns.
//
// An appended record survives the end of the process, not yet a power cut:
// that takes [Log.Sync]. When Append returns an error the batch is not in the
// log. One case is open: when it was the write that failed, and the log is
// reopened before another Append succeeds, the whole batch may be there all the
// same. After [vfs.ErrNoSpace] Append may be called again, and works once there
// is room; after [ErrFailed] the log must be reopened.
//
// Append does not allocate in steady state.
func (l *Log) Append(records ...[]byte) (last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	need, payload, err := batchSpan(records)
	if err != nil {
		return l.last, err
	}
	if l.err != nil {
		return l.last, l.err
	}
	if len(records) == 0 {
		return l.last, nil
	}
	if err := l.makeRoom(need); err != nil {
		return l.last, err
	}
	if err := l.write(records, need); err != nil {
		return l.last, err
	}
	l.last += uint64(len(records))
	l.metrics.Batches++
	l.metrics.Records += uint64(len(records))
	l.metrics.Written += uint64(need)
	l.metrics.Payload += uint64(payload)
	return l.last, nil
}

// AppendSync is Append and then Sync of what it appended.
func (l *Log) AppendSync(records ...[]byte) (last uint64, err error) {
	if last, err = l.Append(records...); err != nil {
		return last, err
	}
	return last, l.Sync(last)
}

// batchSpan returns how many bytes the records take as frames, and how many
// they are.
func batchSpan(records [][]byte) (need, payload int64, err error) {
	for _, r := range records {
		if len(r) > MaxRecord {
			return 0, 0, fmt.Errorf("%w: record of %d bytes, at most %d", ErrTooLarge, len(r), MaxRecord)
		}
		need += frameSpan(len(r))
		payload += int64(len(r))
		if need > MaxBatch {
			return 0, 0, fmt.Errorf("%w: batch of more than %d bytes", ErrTooLarge, MaxBatch)
		}
	}
	return need, payload, nil
}

// write puts the batch, of need bytes, at the end of the tail. Of a long batch
// the disk gets the first part while the next one is being encoded:
//
//	encode | write || encode | write || encode | write | sync
//	                  disk ---------    disk ---------   disk ---
//
// Parts end where a multiple of writeChunk does, which the page cache likes.
func (l *Log) write(records [][]byte, need int64) error {
	if err := l.zeroAhead(need); err != nil {
		return err
	}
	t, id := &l.tail, l.active().id
	b, at := l.buf[:0], t.end
	f := frame{kind: kindRecord, durable: t.synced}
	for i, r := range records {
		f.more = i+1 < len(records)
		b = l.encoder.appendFrame(b, id, at+int64(len(b)), f, r)
		part := (at+int64(len(b)))/writeChunk*writeChunk - at
		if part < writeChunk/2 {
			continue
		}
		if err := t.append(b[:part], at); err != nil {
			return err
		}
		if err := l.startSync(at, part); err != nil {
			return err
		}
		at += part
		b = b[:copy(b, b[part:])]
	}
	// Zeros end the log: in a recycled file the bytes there are old ones.
	b = append(b, zeros[:frameHeader]...)
	if cap(b) <= keepBuffer {
		l.buf = b
	}
	if err := t.append(b, at); err != nil {
		return err
	}
	t.end += need
	t.marked = false
	return nil
}

// startSync sets the disk to work on what was written, unless that takes
// metadata: the journal would have to take the parts one by one.
func (l *Log) startSync(at, n int64) error {
	t := &l.tail
	if at+n > t.zeroed {
		return nil
	}
	if err := t.file.StartSync(at, n); err != nil {
		return l.fail(fmt.Errorf("syncing %s: %w", t.file.Name(), err))
	}
	return nil
}

// append writes a part of a batch.
func (t *tail) append(b []byte, at int64) error {
	if err := t.writeAt(b, at); err != nil {
		// Some of the batch may be there. The place is not used again: rotation
		// wipes and seals it (rule W7).
		t.torn = at + int64(len(b))
		return fmt.Errorf("wal: writing %s: %w", t.file.Name(), err)
	}
	return nil
}

// zeroAhead writes zeros to the reserved blocks after those that a batch of
// need bytes is about to fill. Of one sync in many it makes a longer one, of
// all others a shorter one: see [tail].zeroed. Where one sync would be most of
// the many, writing everything twice costs more than it saves.
func (l *Log) zeroAhead(need int64) error {
	t := &l.tail
	if need >= zeroLimit || t.end+need+frameHeader <= t.zeroed {
		return nil
	}
	from := max(t.zeroed, t.end+need)
	to := min((from+zeroChunk)/zeroChunk*zeroChunk, t.size)
	if err := t.writeAt(zeros[:to-from], from); err != nil {
		return fmt.Errorf("wal: preparing %s: %w", t.file.Name(), err)
	}
	t.zeroed = to
	return nil
}
