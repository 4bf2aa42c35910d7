package clock

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

func TestLastIsTheLargerOfLastPlusOneAndTime(t *testing.T) {
	at := timestamp.Make
	for _, c := range []struct {
		name             string
		last, time, want timestamp.TS
	}{
		{"nothing given out yet", 0, at(100, 0), at(100, 0)},
		{"a later millisecond", at(100, 7), at(101, 0), at(101, 0)},
		{"the same millisecond", at(100, 0), at(100, 0), at(100, 1)},
		{"time that went back", at(100, 7), at(60, 0), at(100, 8)},
		{"a full counter", at(100, timestamp.MaxLogical), at(100, 0), at(101, 0)},
		{"a full counter, and time that follows", at(101, 0), at(101, 0), at(101, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l Last
			l.Raise(c.last)
			got := l.Take(c.time, 1)
			require.Greater(t, got, c.last, "RULE C1: after %v, at %v", c.last, c.time)
			require.Equal(t, c.want, got, "RULE C6: after %v, at %v", c.last, c.time)
			require.Equal(t, got, l.Load())
		})
	}
}

func TestManyAreTakenInARow(t *testing.T) {
	var l Last
	require.Equal(t, timestamp.TS(500), l.Take(500, 10))
	require.Equal(t, timestamp.TS(510), l.Take(500, 10), "RULE C1: two ranges overlap")
	require.Equal(t, timestamp.TS(520), l.Take(0, 1), "RULE C1: two ranges overlap")
}

func TestRaiseNeverLowers(t *testing.T) {
	var l Last
	l.Raise(50)
	l.Raise(20)
	require.Equal(t, timestamp.TS(51), l.Take(0, 1), "RULE C1: what is observed late takes something back")
}

// Readers of the time of day overtake each other: some ask with a later one, some with an
// earlier one.
func TestWhatIsTakenAtOnceIsDistinctAndGrows(t *testing.T) {
	const goroutines, each = 8, 2000
	var l Last
	var all [goroutines][]timestamp.TS
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				switch ts := timestamp.TS(i * (1 + g%3)); {
				case g == 0:
					l.Raise(ts)
				default:
					all[g] = append(all[g], l.Take(ts, 1))
				}
			}
		})
	}
	wg.Wait()
	seen := map[timestamp.TS]bool{}
	for g, list := range all {
		last := timestamp.TS(0)
		for i, ts := range list {
			require.False(t, seen[ts], "RULE C1: %v was given out twice", ts)
			require.True(t, i == 0 || ts > last, "RULE C1: goroutine %d was given %v after %v", g, ts, last)
			seen[ts], last = true, ts
		}
	}
}
