// Package clock has what the two clocks of mvcc are made of, the hybrid clock of
// package hlc and the oracle of package oracle: a word that only grows, the time of
// day, and a promise on disk.
//
// # The problem
//
// Transactions are ordered by timestamps, so no two may be the same, and one that is
// asked for later must be higher; also when a thousand goroutines ask at once, when
// somebody sets the computer's clock back, and when the process dies and comes again.
// And a timestamp should tell the time of day, because locks expire by it.
//
// # The picture
//
// A timestamp is milliseconds and a counter in one word (package timestamp), and
// the larger of two words is the later one. So a clock is one word, and one line:
//
//	last = max(last+1, time of day)
//
//	time of day    100.0  100.0  101.0   99.0   99.0   102.0     ms.counter
//	given out      100.0  100.1  101.0  101.1  101.2   102.0
//	                             |  the clock was set back |  and has caught up
//
// The counter needs no rule of its own: where it is full, adding 1 carries into the
// milliseconds. [Last] does this in one atomic operation, without a lock. [Wall] is the
// time of day, and what is to be thought of it. [Bound] is why a restart goes on above
// what was given out: a file says up to where timestamps may have been, and it is
// written ahead, a window at a time.
//
//	        given out         | window ahead                |
//	--------------------------+--------------+--------------+----> timestamps
//	                        last           soft           hard: on disk
//
//	below soft   nothing is to be done
//	below hard   whoever comes first writes the next hard; the others go on
//	above hard   wait until it is written
//
// So one call in a window waits for the disk, and the others do not notice. After a
// crash the next run begins at hard: the rest of the window is lost, and it may be.
//
// # The rules
//
//	C1   A timestamp is above every one that was given out or observed before it was
//	     asked for.                                                  last.go, batch.go
//	C2   So also after a restart: what is given out or observed is below the
//	     bound on disk, whenever the process dies.                   bound.go, file.go
//	C3   Time of day that goes back takes nothing back; it is told, and waited for.
//	                                                                 last.go, wall.go
//	C4   Time of day that jumps ahead is not followed. The hybrid clock stops, since
//	     it would draw all others after it; the oracle goes on without. wall.go, hlc.go
//	C5   A timestamp from further ahead than clocks may differ is refused, and leaves
//	     no trace.                                                   hlc.go, oracle.go
//	C6   The counter carries into the milliseconds.                  last.go
//
// # Reading order
//
// last.go, wall.go, source.go (what a computer knows of time, and what a test says
// instead), bound.go, file.go. Then hlc.go of package hlc, and oracle.go and batch.go of
// package oracle.
package clock
