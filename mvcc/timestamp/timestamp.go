// Package timestamp has the timestamps that order transactions: what a clock
// shows in milliseconds, and a counter for what happens within one.
//
//	63              18 17           0
//	+-----------------+-------------+
//	|  milliseconds   |   logical   |
//	|  since 1970     |   counter   |
//	+-----------------+-------------+
//
// Both clocks use this layout, which is TiKV's: the timestamp oracle of package
// oracle, and the hybrid logical clock of package hlc. It is compared as a number:
// the time of day decides, and the counter breaks ties. Whoever asks how old a
// timestamp is must compare the milliseconds alone; 2^18 counts are one of them.
package timestamp

import (
	"fmt"
	"time"
)

// TS is a timestamp. Zero is before all, Max after all; neither is ever given out.
type TS uint64

const (
	// LogicalBits is the width of the counter: 262,144 timestamps a millisecond.
	LogicalBits = 18
	// MaxLogical is the highest counter.
	MaxLogical = 1<<LogicalBits - 1
	// Max is after every timestamp.
	Max TS = 1<<64 - 1
	// MaxPhysical is the last millisecond that fits; it is in the year 4199.
	MaxPhysical = 1<<(64-LogicalBits) - 1
)

// Make is the timestamp of a millisecond since 1970 and a counter. It panics when
// either does not fit.
func Make(ms int64, logical uint64) TS {
	if ms < 0 || ms > MaxPhysical || logical > MaxLogical {
		panic(fmt.Sprintf("timestamp: %d ms, counter %d does not fit", ms, logical))
	}
	return TS(ms)<<LogicalBits | TS(logical)
}

// Of is the first timestamp of a time's millisecond.
func Of(t time.Time) TS { return Make(t.UnixMilli(), 0) }

// Physical is the milliseconds since 1970.
func (ts TS) Physical() int64 { return int64(ts >> LogicalBits) }

// Logical is the counter.
func (ts TS) Logical() uint64 { return uint64(ts & MaxLogical) }

// Time is the time of day, without the counter.
func (ts TS) Time() time.Time { return time.UnixMilli(ts.Physical()) }

// Add is the timestamp a while later, or earlier, with the same counter. It stays
// between 0 and Max. What is below a millisecond counts as none.
func (ts TS) Add(d time.Duration) TS {
	ms := ts.Physical() + d.Milliseconds()
	switch {
	case ms < 0:
		return 0
	case ms > MaxPhysical:
		return Max
	}
	return TS(ms)<<LogicalBits | ts&MaxLogical
}

// Since is how much later ts is than earlier, by the time of day.
func (ts TS) Since(earlier TS) time.Duration {
	return time.Duration(ts.Physical()-earlier.Physical()) * time.Millisecond
}

// String shows small timestamps, as tests and lessons use them, as a number, and
// others as time of day and counter.
func (ts TS) String() string {
	switch {
	case ts == Max:
		return "max"
	case ts.Physical() < 1_000_000:
		return fmt.Sprint(uint64(ts))
	}
	return fmt.Sprintf("%s+%d", ts.Time().UTC().Format("2006-01-02T15:04:05.000Z"), ts.Logical())
}
