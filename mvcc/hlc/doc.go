// Package hlc is a hybrid logical clock (Kulkarni, Demirbas, Madappa, Avva and Leone,
// "Logical Physical Clocks", OPODIS 2014): every node has one, they are never asked
// for anything by each other, and still a timestamp that is caused by another is above
// it.
//
// # The problem
//
// Whoever reads after a commit must get a timestamp above the commit's. An oracle does
// that for a whole store, at the price of a round trip. Clocks of computers cost nothing,
// but differ by milliseconds: a reader with a slow clock would miss what was written
// before. Lamport's clocks get causes right, but do not tell the time. A hybrid clock
// tells the time, and moves ahead where a message proves that it is late.
//
// # The picture
//
// Node b is 30 ms late. Time of day is written ms.counter.
//
//	a, shows    100     110     120
//	gives out   100.0   110.0  -- commits at 110.0
//	                       \
//	                        \ message with 110.0
//	                         v
//	b, shows     70      80      85      111
//	gives out    70.0   110.8   110.9    111.0
//	                    ^ above the cause, though b shows 80 (stride in hlc.go says why 8)
//
// Without the message b cannot know: at 80 a reader of b would not see what a has
// committed at 110.0, although that was before. So a reader treats what is between
// its timestamp and that plus [Clock.MaxOffset] as uncertain, and moves up when it
// meets such a value (rule V12 of package mvcc). It follows that clocks must not differ
// by more than that, and the checks here are for that:
//
//	ahead by a message   Observe refuses a timestamp above time of day + MaxOffset; one
//	                     wrong clock would otherwise drag all others along (C5)
//	ahead by itself      Now fails while time of day is ahead of the stopwatch (C4)
//	back by itself       Now counts on until time of day has caught up (C3)
//	after a restart      Now waits until time of day is above what was given out
//	                     before, so that it does not begin ahead (C2)
//
// The rules and the parts are those of package clock, and there is little more to it:
// read doc.go there, and then hlc.go.
package hlc
