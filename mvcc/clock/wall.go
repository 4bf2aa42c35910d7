package clock

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// lookEvery is how often the time of day is looked at. In between the stopwatch tells
// how much later it is: one reading instead of two, and timestamps do not count what
// is below a millisecond anyway.
const lookEvery = int64(time.Millisecond)

// Wall is the time of day, with its steps found: what it shows is compared with what it
// should show by the stopwatch. (CockroachDB compares two readings in a row instead,
// and reads in the background, so that time that has passed is not a jump.) It is
// safe for concurrent use.
type Wall struct {
	source        Source
	back, forward time.Duration
	log           *slog.Logger

	offset atomic.Int64 // time of day when the stopwatch was 0, ns since 1970
	looked atomic.Int64 // the stopwatch when offset was last found right
	steps  atomic.Uint64
}

// NewWall reads a source; nil is [System]. A step back of more than back is told to the
// log, and followed; one ahead of more than forward is not followed, unless forward
// is negative. A nil log is silent.
func NewWall(source Source, back, forward time.Duration, log *slog.Logger) *Wall {
	if source == nil {
		source = System()
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &Wall{source: source, back: back, forward: forward, log: log}
	now, elapsed := source.Read()
	w.follow(now, elapsed)
	return w
}

// Now returns the first timestamp of the present millisecond. A jump that is not 0 is
// how far the time of day is ahead of it, which was not followed (C4); that is so until
// it is set right.
func (w *Wall) Now() (now timestamp.TS, jump time.Duration) {
	elapsed := int64(w.source.Elapsed())
	if uint64(elapsed-w.looked.Load()) < uint64(lookEvery) {
		return first(w.offset.Load() + elapsed), 0
	}
	return w.look()
}

// Steps is how often time of day went back by more than is tolerated.
func (w *Wall) Steps() uint64 { return w.steps.Load() }

// look compares the time of day with what it should be.
func (w *Wall) look() (timestamp.TS, time.Duration) {
	now, elapsed := w.source.Read()
	expected := w.offset.Load() + int64(elapsed)
	step := time.Duration(now.UnixNano() - expected)
	if step > w.forward && w.forward >= 0 {
		// It stays unlooked at, so that every call finds it until it is over.
		return first(expected), step
	}
	if step < -w.back {
		w.steps.Add(1)
		w.log.Warn("the time of day went back; timestamps count on until it has caught up", "by", -step)
	}
	w.follow(now, elapsed)
	return first(now.UnixNano()), 0
}

func (w *Wall) follow(now time.Time, elapsed time.Duration) {
	w.offset.Store(now.UnixNano() - int64(elapsed))
	w.looked.Store(int64(elapsed))
}

// first is the first timestamp of a nanosecond's millisecond; before 1970 it is 0.
func first(ns int64) timestamp.TS {
	return timestamp.TS(max(ns, 0)/int64(time.Millisecond)) << timestamp.LogicalBits
}
