// Package split says who is on which side of a canary, an A/B test or a move from one
// service to another.
//
// # The problem
//
// A split by a coin tossed for each request shows one user both sides, and three coins for
// three ways, tossed one after the other, give 50/15/7 where 50/30/20 was written. A split by hash(user) mod n
// keeps a user on a side until n changes, and then moves nearly everybody. And a split that is remembered
// (a cookie, a table) is lost with what remembers it, and not known to the other replicas.
//
// # The picture
//
// What is here is a function of the key and of the configuration (T1), and remembers nothing:
//
//	split name --+
//	             +-- Hash --> 64 bits --+-- Interval.Has    two ways: in the share or not
//	key ---------+                      |      Ramp.At      a share that grows with time
//	(user, cookie, IP)                  +-- Weighted.Pick   N ways
//
// A user moves from i to j only if w_j/w_i has grown (T2), and splits of different names are
// independent (T3).
//
// # The same everywhere
//
// Replicas of different versions on different processors must agree on each user. So there are no floating-point
// sums and no logarithms of package math: where a decision is made, numbers are integers and nothing is
// rounded. What is written as a float64 (a share, a weight) is taken apart into its integers: a share is
// multiplied by 2^63, a weight is m*2^e, and both are exact. Draws are compared by products of 128 bits
// (weighted.go), their logarithms come from an integer table (log2.go), and a ramp's step from
// a division of 128 bits. Golden values in the tests hold all of it fast.
//
// # Reading order
//
// hash.go, interval.go (with ramps), weighted.go, log2.go.
//
// Sources: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998 (rendezvous);
// Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005 (the logarithmic method); Kong's canary
// plugin (ramps).
package split
