package bft

import (
	"slices"
	"time"
)

// timers are the timeouts that are running, with one timer of the system for the first of them.
type timers struct {
	timer   *time.Timer
	running []timer // the first to be over first
}

type timer struct {
	due time.Time
	t   Timeout
}

func (ts *timers) init() {
	ts.timer = time.NewTimer(time.Hour)
	ts.timer.Stop()
}

// c has a value when the first is over.
func (ts *timers) c() <-chan time.Time { return ts.timer.C }

func (ts *timers) add(after time.Duration, t Timeout) {
	due := time.Now().Add(after)
	at, _ := slices.BinarySearchFunc(ts.running, due, func(r timer, due time.Time) int {
		if r.due.After(due) {
			return 1
		}
		return -1 // of equals, the one that was there is first
	})
	ts.running = slices.Insert(ts.running, at, timer{due, t})
	ts.set()
}

func (ts *timers) set() {
	ts.timer.Stop()
	if len(ts.running) > 0 {
		ts.timer.Reset(time.Until(ts.running[0].due))
	}
}

// over takes out the first, if it is over.
func (ts *timers) over() (Timeout, bool) {
	if len(ts.running) == 0 || time.Until(ts.running[0].due) > 0 {
		ts.set()
		return Timeout{}, false
	}
	t := ts.running[0].t
	ts.running = slices.Delete(ts.running, 0, 1)
	ts.set()
	return t, true
}

func (ts *timers) clear() {
	ts.running = ts.running[:0]
	ts.timer.Stop()
}

func (ts *timers) stop() { ts.timer.Stop() }
