package sim

import (
	"slices"
	"time"
)

// Minimise returns a small subset of items, in their order, for which fails
// still holds. It is delta debugging: ddmin of Zeller and Hildebrandt,
// "Simplifying and Isolating Failure-Inducing Input" (2002).
//
// The items are cut into n pieces, first 2. If leaving out one piece leaves a
// failure, that piece is gone for good; if no piece can be spared, the pieces
// are halved, until they are single items:
//
//	fails on {3,6}   1 2 3 4 | 5 6 7 8     neither half can go
//	                 1 2|3 4 | 5 6|7 8     1 2 goes, then 7 8
//	                     3 4 | 5 6         neither half can go
//	                     3|4 | 5|6         4 goes, then 5
//
// The result is 1-minimal, no single item of it can be left out, unless the
// attempts (calls of fails, at least 1) are used up before. It has always been
// seen to fail: if the items as a whole do not, ok is false.
func Minimise[T any](items []T, attempts int, fails func([]T) bool) (minimal []T, ok bool) {
	try := func(subset []T) bool {
		attempts--
		return fails(subset)
	}
	items = slices.Clone(items)
	if !try(slices.Clone(items)) {
		return nil, false
	}
	for pieces := 2; len(items) > 0 && attempts > 0; {
		size := (len(items) + pieces - 1) / pieces
		smaller := false
		// From the end: what comes late in a run is more often superfluous.
		for end := len(items); end > 0 && attempts > 0; {
			start := max(0, end-size)
			rest := slices.Concat(items[:start], items[end:])
			if try(slices.Clone(rest)) {
				items, smaller = rest, true
			}
			end = start
		}
		switch {
		case smaller:
			// The same size again: a piece that was needed may no longer be.
			pieces = max(2, (len(items)+size-1)/size)
		case size == 1:
			return items, true
		default:
			pieces = min(2*pieces, len(items))
		}
	}
	return items, true
}

// Minimise returns a small part of the schedule that still fails. fails runs a
// schedule, in a new world, and says whether and when the run failed: actions
// after the failure are left out first, in one attempt. See [Minimise].
func (s Schedule) Minimise(attempts int, fails func(Schedule) (at time.Duration, failed bool)) (minimal Schedule, ok bool) {
	at, failed := fails(slices.Clone(s))
	if !failed {
		return nil, false
	}
	trimmed := slices.DeleteFunc(slices.Clone(s), func(a Action) bool { return a.At > at })
	still := func(part []Action) bool {
		_, failed := fails(part)
		return failed
	}
	if minimal, ok := Minimise(trimmed, attempts-1, still); ok {
		return minimal, true
	}
	// The world may fail at its end over what happened before: then the tail
	// counts. It cannot be that nothing fails: fails is deterministic.
	return Minimise(s, attempts-2, still)
}
