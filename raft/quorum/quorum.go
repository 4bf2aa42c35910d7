// Package quorum holds what a majority decides: which log index has been
// reached by one, and whether a vote is won. Pure functions over numbers, so
// that every case can be tested by enumeration.
//
// Any two majorities of one set share a member; everything that Raft promises
// follows from that sentence.
package quorum

// Size returns how many of n members make a majority: the smallest number of
// which any two sets overlap. Size(0) is 1, a majority nobody can reach: an
// empty cluster decides nothing.
func Size(n int) int { return n/2 + 1 }

// Index returns the highest index that a majority has reached, where
// match[i] is the index reached by member i. It sorts match in place. With
// no members it returns 0.
//
//	match = [4 9 7]  ->  sorted [4 7 9]: 7, reached by two of three
func Index(match []uint64) uint64 {
	n := len(match)
	if n == 0 {
		return 0
	}
	// Insertion sort: a cluster has 3 to 7 voters, and the numbers arrive
	// nearly sorted from one call to the next.
	for i := 1; i < n; i++ {
		for j := i; j > 0 && match[j-1] > match[j]; j-- {
			match[j-1], match[j] = match[j], match[j-1]
		}
	}
	return match[n-Size(n)]
}

// Result is the state of a vote.
type Result uint8

const (
	// Pending: the missing answers can still decide either way.
	Pending Result = iota
	// Won: a majority said yes.
	Won
	// Lost: a majority can no longer say yes.
	Lost
)

// Both is the result of two votes that must both be won.
func Both(a, b Result) Result {
	switch {
	case a == Lost || b == Lost:
		return Lost
	case a == Won && b == Won:
		return Won
	}
	return Pending
}

// Vote counts a vote of n members of which granted said yes and denied said no.
func Vote(n, granted, denied int) Result {
	switch {
	case granted >= Size(n):
		return Won
	case n-denied < Size(n):
		return Lost
	}
	return Pending
}
