// Package breaker stops calls to a backend that would fail anyhow, and finds out when they would not.
//
// # The problem
//
// A backend that is dead costs its callers a timeout each, and one that is overloaded is kept
// so by those who call again. Whoever does not call helps both, but does not learn how the backend
// is. So a breaker lets few calls through; and what makes breakers hard is everything that reaches them late or
// never: the answer of a call that began before it opened, the trial whose client went away, the goroutine that
// panicked, and the rejections that it counts itself.
//
// # The picture
//
//	        Allow                       Done(ok), Cancel
//	caller -------> breaker -> Ticket -----------------> breaker
//	          |                (state and generation)
//	          +---> ErrOpen: the backend has not seen the call (U3)
//
//	 Closed --- trips ---> Open --- Timeout ---> HalfOpen --- Trials succeed ---> Closed
//	                         ^                      |
//	                         +---- one fails -------+
//
// [Consecutive] trips at failures in a row, [Rate] at a number of failures among the last calls, within a time;
// [Adaptive] has no states, and rejects with a probability.
//
// # The rules
//
//	B1  It opens on failures of its window, never on older ones. Open, it lets nobody through until Timeout is over, then Trials
//	    at most; one failure opens it again, and if all succeed it closes.
//	B2  An outcome counts in the generation in which its call began, or not at all.
//	B3  A trial always ends: Cancel frees its place (deferred, also after a panic), and so does TrialTimeout.
//	B4  Adaptive: p = max(0, (requests - K*accepts)/(requests+1)), rejected calls being requests.
//	U3  A call that is rejected is no failure. It counts in Metrics.Requests and Metrics.Rejected, and in no window
//	    but that of B4, where the formula asks for it.
//
// What leaks to a dead backend and how soon it is used again when it is back, both are bounded, and
// simulation_test.go asserts it. For a backend that gets R requests a second and is dead for a time D:
//
//	            calls that reach it                            used in full again after
//	Consecutive Failures + under way + Trials*(D/Timeout+1)    Timeout + a call
//	Rate        the same                                       the same
//	Adaptive    about R*w*(1-1/2K) + D/w, w = 3 s              about w * ln(R*w/K)/x, x = 1.13 for K = 5/3 and 1.59 for 2;
//	                                                           one in ten w*2.3*K/x later, one in a million w*14*K/x
//
// All take the time from a passed monotonic clock, have no goroutine, and allocate nothing.
//
// # Reading order
//
// breaker.go, gate.go (the states), consecutive.go, rate.go, adaptive.go.
//
// Sources: Nygard, "Release It!", 2007 (the pattern); Beyer, Jones, Petoff and Murphy, "Site Reliability Engineering",
// 2016, chapter 21 (adaptive throttling); kratos#2777, gobreaker#30, #49, #91, #122 (what goes wrong).
package breaker
