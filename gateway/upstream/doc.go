// Package upstream is where requests go: pools of endpoints, who of a pool gets the next
// request, and who is left alone for a while.
//
// # The problem
//
// A service is three processes, or three hundred. Some are slow today, one hangs, one has just
// started and is cold, one was replaced a minute ago. None says so; a gateway has to find
// out from what it sees, and act on it for the next request, without a lock that all
// requests would wait at. And it must not be too clever: whoever shuts out everybody who has failed once
// has no service at all in the moment when the network hiccups.
//
// # The picture
//
//	route ---> Pool ---> view: who is usable -------> balancer ---> Endpoint ---> Transport ---> backend
//	           Pick      (not down, not ejected;      one of six    in flight     connections
//	             |       or all, if too few are: U2)                latency
//	           Token                 ^                              ejection  <--- outcomes of calls
//	             |                   | a version has changed           ^
//	           Done: exactly once (U1)                              checker   <--- GET /healthz every 5 s
//
// Endpoints belong to the [Registry], and are shared by all pools that name them. A reload makes the new
// pools before it closes the old ones: so an endpoint that is in both keeps its connections, its latency and its
// sentence, and its checker goes on. What only the old ones had ends with them.
//
// # State, and decisions on it
//
// What is known of an endpoint is a handful of atomic words: requests under way, a latency, failures in a row, a time until
// which it is ejected. A [Pool] adds a view: the list of those who are usable, made again only when the registry's
// version says that somebody's state has changed. So a pick is: read a clock, read a pointer, ask a balancer, add one.
//
// A balancer is a function of that list, those words, a clock and a random source, the last two of
// them passed in: its tests run in virtual time, and with one seed end in one way.
//
//	roundRobin             one after the other; equal shares to the request, whoever is passed over
//	random                 equal shares in the mean, nothing shared between cores
//	powerOfRandomNChoices  of two random ones that with fewer requests under way
//	leastConnections       of all the one with the fewest requests under way
//	peakEWMA               of two random ones that with the smaller latency x (requests under way + 1)
//	consistentHash         the same key to the same endpoint, within a bound on its load
//
// One of three endpoints takes 100 ms, the others 10; a hundred requests a second come for a minute (the simulation in
// TestPeakEWMAPrefersTheFast):
//
//	                       to the slow one   mean latency
//	roundRobin                  33.3 %          40 ms
//	random                      33.9 %          41 ms
//	consistentHash              15.0 %          24 ms      its bound is what helps
//	powerOfRandomNChoices       13.0 %          22 ms
//	leastConnections            11.4 %          20 ms
//	peakEWMA                     0.3 %          10 ms      one request every three seconds: is it still slow?
//
// Fade-in, MaxConcurrent, and "not where it has failed before" are not in any of them: such an
// endpoint is open, or it is not (choice.open).
//
// # Who is left alone
//
// Two judges, who do not know of each other. Active checks (health) ask whether a process can serve; they see one that takes
// no requests, and come back to it. Passive ones (ejection) see what requests see, at once, and
// give the endpoint a sentence that grows if it does not help. Both are overruled when fewer than PanicThreshold of
// a pool would be left (U2). What never reached the backend counts for neither (U3): see [Outcome].
//
// # Reading order
//
//	options.go                   what can be set
//	endpoint.go ewma.go          one address, and what is known of it
//	pool.go token.go view.go     a pick, and giving it back
//	balance.go                   what balancers see
//	rotate.go choices.go rendezvous.go   the six
//	fade.go                      slow start
//	health.go ejection.go        the two judges
//	registry.go                  who shares what, and how it ends
//	transport.go                 connections, and which errors prove that nothing was sent
//	status.go                    for people and metrics
//
// Sources: Mitzenmacher 2001 (two choices); Finagle's PeakEwma; Thaler and Ravishankar 1998 (rendezvous hashing); Mirrokni,
// Thorup and Zadimoghaddam 2018 (bounded loads); Envoy's documentation of outlier detection and of its panic threshold.
package upstream
