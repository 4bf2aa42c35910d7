// Package limit says how much is let through: a token bucket for all, or one for each client.
//
// # The problem
//
// A counter of requests per second lets twice as much through at the turn of a second. A bucket that is
// refilled by a timer needs the timer, and one that is refilled at each call by rate*time adds up
// rounding errors, and needs two numbers (tokens, time of the last refill) that change together: a lock. And a
// bucket for each client is a way to fill a gateway's memory from outside.
//
// # The picture
//
// The generic cell rate algorithm (ITU-T I.371) keeps one number, the time at which the bucket will be
// full again. All is integers, nanoseconds:
//
//	           now          fullAt
//	------------+-------------+------------------> time
//	            |<- missing ->|
//	            |<-- burst * interval -->|    further than this nothing is given
//
//	take one:   fullAt = max(fullAt, now) + interval
//
// # The rules
//
//	L1  In any interval of length t at most burst + rate*t are let through, whoever calls at once; a clock that goes back gives nothing.
//	L2  At most Max buckets are kept. Who is forgotten has a full bucket, and so loses and wins nothing; if none of 32 that are
//	    looked at is full, it is the one that is nearest to.
//
// A rate is kept as whole nanoseconds for a token, rounded up: at 1,000,000 a second up to 0.1 % less is given, and
// in proportion. A clock (elapsed) is passed, so that tests need no time. Whom a key stands for is the
// caller's to decide: not what anybody can write into a header (F6 of package gateway).
//
// Reading order: bucket.go, keyed.go.
package limit
