package clock

import (
	"sync/atomic"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// Last is the highest timestamp that was given out or observed. The zero value has
// seen none. It is safe for concurrent use, and has a cache line to itself: every call
// writes it, and what lies beside it is only read.
type Last struct {
	_  [64]byte
	ts atomic.Uint64
	_  [64]byte
}

// Load returns it.
func (l *Last) Load() timestamp.TS { return timestamp.TS(l.ts.Load()) }

// Take gives out n timestamps, one after the other, and returns the first. It is
// max(last+1, time): of the two rules of a hybrid clock (Kulkarni et al. 2014, figure 5)
// this layout makes one.
func (l *Last) Take(time timestamp.TS, n uint64) timestamp.TS {
	for {
		last := l.ts.Load()
		if last >= uint64(time) {
			// C1: the word only grows, so what is added to it now is above last,
			// whoever came between. C6: a full counter carries.
			return timestamp.TS(l.ts.Add(n) - n + 1)
		}
		if l.ts.CompareAndSwap(last, uint64(time)+n-1) {
			return time
		}
	}
}

// Raise sees to it that what is given out from now on is above ts.
func (l *Last) Raise(ts timestamp.TS) {
	for last := l.ts.Load(); last < uint64(ts); last = l.ts.Load() {
		if l.ts.CompareAndSwap(last, uint64(ts)) {
			return
		}
	}
}
