package wal

import "fmt"

const (
	// zeroChunk is how far ahead blocks are written with zeros.
	zeroChunk = 1 << 20
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
	need, err := batchSpan(records)
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
	if err := l.write(l.encode(records), need); err != nil {
		return l.last, err
	}
	l.last += uint64(len(records))
	l.metrics.Batches++
	l.metrics.Records += uint64(len(records))
	l.metrics.Written += uint64(need)
	for _, r := range records {
		l.metrics.Payload += uint64(len(r))
	}
	return l.last, nil
}

// AppendSync is Append and then Sync of what it appended.
func (l *Log) AppendSync(records ...[]byte) (last uint64, err error) {
	if last, err = l.Append(records...); err != nil {
		return last, err
	}
	return last, l.Sync(last)
}

// batchSpan returns how many bytes the records take as frames.
func batchSpan(records [][]byte) (int64, error) {
	var need int64
	for _, r := range records {
		if len(r) > MaxRecord {
			return 0, fmt.Errorf("%w: record of %d bytes, at most %d", ErrTooLarge, len(r), MaxRecord)
		}
		need += frameSpan(len(r))
		if need > MaxBatch {
			return 0, fmt.Errorf("%w: batch of more than %d bytes", ErrTooLarge, MaxBatch)
		}
	}
	return need, nil
}

// encode lays the batch out in l.buf, for the end of the tail. Zeros end it:
// in a recycled file the bytes there are old ones.
func (l *Log) encode(records [][]byte) []byte {
	b := l.buf[:0]
	id, at := l.active().id, l.tail.end
	f := frame{kind: kindRecord, durable: l.tail.synced}
	for i, r := range records {
		f.more = i+1 < len(records)
		b = l.encoder.appendFrame(b, id, at+int64(len(b)), f, r)
	}
	b = append(b, zeros[:frameHeader]...)
	if cap(b) <= keepBuffer {
		l.buf = b
	}
	return b
}

// write puts the batch at the end of the tail, in one write; need is its
// length without the closing zeros.
func (l *Log) write(batch []byte, need int64) error {
	t := &l.tail
	if err := l.zeroAhead(need); err != nil {
		return err
	}
	if err := t.writeAt(batch, t.end); err != nil {
		// Some of it may be there. The place is not used again: rotation
		// wipes and seals it (rule W7).
		t.torn = t.end + int64(len(batch))
		return fmt.Errorf("wal: writing %s: %w", t.file.Name(), err)
	}
	t.end += need
	t.marked = false
	return nil
}

// zeroAhead writes zeros to the reserved blocks after those that a batch of
// need bytes is about to fill. Of one sync in many it makes a longer one, of
// all others a shorter one: see [tail].zeroed.
func (l *Log) zeroAhead(need int64) error {
	t := &l.tail
	if t.end+need+frameHeader <= t.zeroed {
		return nil
	}
	from := max(t.zeroed, t.end+need)
	to := min((from+zeroChunk)/pageSize*pageSize, t.size)
	if err := t.writeAt(zeros[:to-from], from); err != nil {
		return fmt.Errorf("wal: preparing %s: %w", t.file.Name(), err)
	}
	t.zeroed = to
	return nil
}
