package upstream

import (
	"math"
	"sync/atomic"
	"time"
)

// decay is how fast old latencies are forgotten: after it, what is left is 1/e.
const decay = 10 * time.Second

// failurePenalty is what a failed call counts as having taken, at least: one that
// refuses connections in a millisecond must not look like the fastest of all.
const failurePenalty = time.Second

// latency is a peak-sensitive moving average (Finagle's): a call slower than the average
// counts in full at once, faster ones pull it down by and by.
//
//	ms  |      *                     * a call of 80 ms
//	 80 |      |\__                  the average jumps up to it,
//	    |      |   \___              and comes down with the calls after it,
//	 10 |......|       \.......      1 - e^(-Δ/decay) of the way each,
//	    +----------------------> t   where Δ is the time since the call before
//
// There is no lock: each call takes the time since the one before for itself alone (Swap),
// so that all Δ together are the time that has passed, however many end at once.
type latency struct {
	mean atomic.Uint64 // a float64, in nanoseconds; 0: nothing is known
	at   atomic.Int64  // of the last call
}

// remains is the part of an average that is left after some time: e^(-t/decay). Between two calls is
// mostly so little that the first terms of the series are it, without a call of Exp.
func remains(t time.Duration) float64 {
	x := float64(max(t, 0)) / float64(decay)
	if x < 1e-3 {
		return 1 - x
	}
	return math.Exp(-x)
}

// observe takes a call that took so long and ended now.
func (l *latency) observe(took, now time.Duration) {
	since := time.Duration(int64(now) - l.at.Swap(int64(now)))
	keep := remains(since)
	sample := float64(max(took, 1))
	for {
		old := l.mean.Load()
		mean := math.Float64frombits(old)
		if old == 0 || sample > mean {
			mean = sample
		} else {
			mean = mean*keep + sample*(1-keep)
		}
		if l.mean.CompareAndSwap(old, math.Float64bits(mean)) {
			return
		}
	}
}

// atLeast takes a call that somebody gave up after so long: how long it would have taken
// is not known, but not less.
func (l *latency) atLeast(took, now time.Duration) {
	if float64(took) > math.Float64frombits(l.mean.Load()) {
		l.observe(took, now)
	}
}

// value is the average in nanoseconds, 0 if nothing is known.
func (l *latency) value() float64 { return math.Float64frombits(l.mean.Load()) }

// cost is what one more request would wait for at e: the average times those in front of it, and
// itself. An endpoint that has never answered gets one request to show itself, and
// no second one before. While nothing is under way an average fades: it is old news.
func (e *Endpoint) cost(now time.Duration) float64 {
	mean, inFlight := e.latency.value(), float64(e.inFlight.Load())
	switch {
	case mean == 0 && inFlight == 0:
		return 0
	case mean == 0:
		return math.MaxFloat64
	case inFlight == 0:
		return mean * remains(now-time.Duration(e.latency.at.Load()))
	}
	return mean * (inFlight + 1)
}
