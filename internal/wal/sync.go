package wal

import "fmt"

// Sync returns when the records up to and including seq survive a power cut.
//
// Callers commit as a group: the first one syncs the file, on its own
// goroutine and without holding the log; those who come meanwhile append, wait
// for that sync to end, and then one of them syncs for all of them.
//
//	caller 1  append |=== sync 1 ===|
//	caller 2    append ..............|=== sync 2 ===|
//	caller 3        append ...........................| done by caller 2
//
// A failed sync is the end of the log: see [ErrFailed].
func (l *Log) Sync(seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.durable < seq {
		switch {
		case seq > l.last: // or it was when the wait began, and is cut off now
			return fmt.Errorf("%w: sync of %d, the last record is %d", ErrOutOfRange, seq, l.last)
		case l.err != nil:
			return l.err
		case l.syncing:
			l.idle.Wait()
		default:
			l.leadSync()
		}
	}
	return nil
}

// leadSync syncs what has been appended so far, for everybody, and lets the
// others append meanwhile. What they append is not counted as durable: it may
// have come after the kernel looked (rule W2).
func (l *Log) leadSync() {
	target, end := l.last, l.tail.end
	l.syncing = true
	l.mu.Unlock()
	err := l.tail.sync()
	l.mu.Lock()
	l.syncing = false
	l.synced(target, end, err)
	l.idle.Broadcast()
}

// syncTail is leadSync for those who must not let go of the log.
func (l *Log) syncTail() error {
	l.synced(l.last, l.tail.end, l.tail.sync())
	return l.err
}

func (l *Log) synced(seq uint64, end int64, err error) {
	if err != nil {
		l.fail(fmt.Errorf("syncing %s: %w", l.tail.file.Name(), err))
		return
	}
	l.metrics.Syncs++
	l.durable, l.tail.synced = seq, end
}
