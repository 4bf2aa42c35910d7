// Package gateway is an HTTP gateway: it takes requests, finds the route that each
// belongs to by predicates, passes it through the route's filters, sends it to one of
// several upstreams, and takes the answer back through the same filters in reverse.
// Its language and its shapes are Skipper's; what it does about canaries is Kong's, and
// about calls that fail Kratos's and Envoy's.
//
// # The problem
//
// A service is moved, split, tried out on a tenth of its users and rolled back, many
// times a day, while requests are under way and WebSockets have been open for hours.
// Whoever sits in front must know for every request where it goes now, and be able to
// say why; must change its mind without dropping anything; must not let one slow
// upstream take down the others; and must be all but free, since everything passes it.
//
// # The picture
//
//	                     table, one pointer, swapped whole
//	                                  |
//	client -> server -> canonical -> lookup -> filters in -> wrapped call -> pool -> upstream
//	          (TLS,      path (M2)   (route)   (Request)      (retry,         (pick,
//	          PROXY)                                           breaker,        health)
//	                                                           timeout)
//	client <- server <--------------------- filters out <----- answer  <----------- upstream
//	                                        (Response, reversed)
//
// A configuration takes another way, and meets requests at one place, the pointer:
//
//	source -> parse -> validate -> build what changed -> swap -> let go of what was
//	(file, directory,   (eskip)    (route, filters,
//	HTTP, push)                     upstream)
//
// # A route
//
//	checkout: Path("/shop/:item") && Method("POST") && Header("X-Test", "b") // when
//	  -> ratelimit(20, "1s") -> setRequestHeader("X-From", "gateway")         // what happens on the way
//	  -> <powerOfRandomNChoices, "http://10.0.0.1:8080", "http://10.0.0.2:8080">; // where it goes
//
// Predicates are asked, filters act. Both are compiled in: a plugin is a Go value that
// somebody put into the [Registry]. Their arguments are checked once, when the table is
// built, and what a request meets is the finished instance.
//
// # The rules
//
// The code cites the rule where it obeys it; gatewaytest grades by the same ones, and
// each has a planted bug that proves its test.
//
// The language (gateway/eskip)
//
//	E1   What is printed reads as what was printed, whatever is in a string. What Skipper reads is read alike.
//	E2   A mistake is told with file, line and column, and what was expected there.
//	E3   The address of a backend is a scheme, a host and perhaps a port; anything else is told, not ignored.
//	E4   After a mistake reading goes on with the next route, so that one mistake is one error; ten are enough.
//	E5   A route costs at most a box for each of its arguments, and a share of larger pieces.
//
// Matching (gateway/route, gateway/predicates)
//
//	M1   The most specific path wins, segment by segment from the left: a name beats
//	     :param, which beats the free wildcard. If no route behind it has all its
//	     predicates true, the next less specific one is tried: backtracking. At its root a PathSubtree
//	     is as specific as a Path.
//	M2   What is matched is what is forwarded. The path is made canonical once, before
//	     the table is asked: dot segments resolved, also percent-encoded ones, double slashes
//	     merged, nothing else decoded. Parameters are decoded once, segment by segment:
//	     %2F stays inside a segment, and + is a plus.
//	M3   Among routes of one path the heavier wins: the number of predicates plus what
//	     Weight and weighted predicates add. Ties are broken by what is written (a Path before a
//	     PathSubtree, then the smaller name), never by the order of a map or of files: two replicas route alike.
//	M4   All TrafficSegments of a request see one number, so that segments that adjoin
//	     share out all requests exactly.
//	M5   A table never changes. A change makes another one that shares what is as before.
//	M6   Explain and Lookup agree: they are one walk.
//	M7   The report names each route that can never win, and each pair whose order only the tie-break decides.
//	M8   A predicate holds when its comment says so, and at no other time. Intervals are half open: those that adjoin leave no gap.
//	M9   What is read by a shortcut (an expression that is just a name, a cookie, a query) is read as the standard library reads it.
//	M10  What nearly every request is asked does not allocate.
//
// Filters (gateway/filters)
//
//	F1   Requests pass filters in the order written, answers in reverse, and only those filters
//	     that the request has entered, also when one of them has answered itself.
//	F2   A filter that panics costs its request: 500, a log entry, and nothing else.
//	F3   Arguments are checked when the table is built: kind, number, range. The error has file, line
//	     and column, and what is close to a name that nobody knows.
//	F4   Only what can be repeated is: an idempotent method, a body that was kept whole or
//	     never begun, no byte of an answer passed on, and a budget that has something
//	     left: retries stay below a share of the requests (20 % by default), however bad things are.
//	F5   A shadow request is bounded in number and bytes, and never waited for.
//	F6   Who a client is comes from the connection and from proxies that are trusted, never from what
//	     anybody can write into a header.
//	F7   Who changes a body changes what is said of it: length, encoding, validators. Neither HEAD nor 204 and 304 get one, and
//	     nothing is encoded twice.
//
// Traffic (gateway/split)
//
//	T1   The side a user is on is a function of the key and the configuration alone.
//	T2   A user moves from i to j only if w_j/w_i has grown; a ramp from 5 to 10 percent adds users and moves none back.
//	T3   Different splits are independent: the name of the split is part of the hash.
//
// Upstreams (gateway/upstream), breakers and limits (gateway/breaker, gateway/limit)
//
//	U1   What is picked is given back exactly once: on success, error, cancellation, hijack and panic.
//	U2   An endpoint that is down or ejected is passed over, as long as at least half are left
//	     (panic threshold): below, all are asked again. At most half are ever ejected. One that is full is always passed over.
//	U3   A call that never reached the backend (breaker open, limit, client gone) is no
//	     failure of the backend, in metrics, ejection and breakers (kratos#2777).
//	U4   Two choices are two different endpoints.
//	U5   A consistent hash moves only the keys of what has come or gone, and no endpoint gets more than its bounded share.
//	U6   Whoever is passed over, the others share its part equally. The share of a new endpoint grows from 0 to its full
//	     part (fade-in); if all are new, all have theirs at once.
//	U7   A failed call is not a fast one, and an endpoint that was not asked for long is asked.
//	U8   An endpoint that a reload names again keeps its state; with its last pool its goroutine and idle connections end.
//	U9   An error counts as never sent only if that is certain. Connections are kept for reuse, answers passed on untouched.
//	U10  Who fails several times in a row is ejected, longer each time, and comes back; late outcomes of before count nothing.
//	U11  Active checks take an endpoint down and up again after several results in a row; one that hangs has failed.
//	U12  A gRPC call that fails at once is judged by its grpc-status, not by the 200 beside it.
//	B1   A breaker opens on failures of its window, never on older ones. Open, it lets nobody through until its
//	     time is over; then at most a given number of trials; one failure closes the door, enough successes open it.
//	B2   The outcome of a call that began in an earlier state counts nothing (generation).
//	B3   A trial always ends: panic, cancellation and a forgotten answer free its place.
//	B4   The adaptive breaker rejects with p = max(0, (requests - K*accepts)/(requests+1)); what it rejects
//	     itself counts as a request, which bounds both the load that leaks to a dead backend and the time to recover.
//	L1   A bucket never gives more than burst + rate*time, in any interval; time that goes back gives nothing.
//	L2   What is kept for each client is bounded, and who is forgotten has a full bucket then anyhow; in a flood in
//	     which nobody has, the fullest of those looked at.
//
// Proxying (this package)
//
//	P1   Hop-by-hop fields stop here, both ways, with those that Connection names, also in 1xx and trailers; but what
//	     the gateway sets itself cannot be taken away by naming it (golang/go#50580).
//	P2   A request whose end two parsers could see in different places is refused with 400 and its connection closed.
//	P3   Trailers, 1xx answers, and streams (SSE, gRPC, chunks) go through at once, unbuffered.
//	P4   A client that goes away takes its upstream request with it, and is no failure of the upstream.
//	P5   An upgrade (101) passes all bytes both ways, also those that came early, and closes both sides when one ends.
//	P6   Every body is closed, every buffer returned, on every way out. A connection that a body was left on ends with the
//	     answer, which says so.
//	P7   An answer that broke off is seen as broken off by the client too, never as a short one.
//	P8   A client that is slow with its header, its body or taking its answer holds a connection for a bounded time.
//
// Configuration (this package, gateway/push)
//
//	C1   A configuration is applied whole or not at all. One that is wrong leaves the last good one in
//	     place, and says where it is wrong.
//	C2   A request sees one table from its beginning to its end.
//	C3   A reload drops no request, cuts no WebSocket, and leaves nothing running. State (breakers, limits, health)
//	     of what did not change is kept.
//	C4   Going down: readiness turns false, then, after a while, no new connections, then requests end or a deadline does.
//	C5   A subscriber gets the newest version, not each of them; a slow one holds up nobody; a version
//	     is encoded once; who refuses one (NACK) says why and keeps the last good.
//
// Transcoding (gateway/transcode)
//
//	X1   JSON is protobuf's JSON mapping: 64-bit integers as text, enums by name, unknown fields refused.
//	X2   A path template is google.api.http's, with its precedence; a field is set by one source only: path, body or query.
//	X3   A status is mapped as the gRPC-HTTP table says; an error in the middle of a stream is the stream's last message.
//	X4   A message is bounded before memory is taken for it, in both directions, compressed or not; one that is cut off is no end.
//
// # Reading order
//
//	eskip/       the language: text to routes and back
//	route/       the table: tree, lookup, change, explanation, report
//	predicates/  when: one predicate a file, or a family
//	filters/     what happens on the way
//	split/ limit/ breaker/   small deterministic values: who is on which side, how much, whether at all
//	upstream/    where it goes: pools, balancing, health
//	registry.go  which predicates and filters there are
//	compile.go   a route of text becomes one that runs
//	gateway.go   the table's pointer
//	apply.go     how it is swapped: what changes is built, what was is let go
//	exchange.go  one request on its way (filters.Context)
//	outgoing.go  what of it a transport gets
//	proxy.go     its way there and back; headers.go, body.go, upgrade.go, errors.go beside it
//	pool.go      the innermost call: pick an endpoint, send, give back
//	source.go    where configurations come from: source_file.go, source_http.go, source_push.go; history.go remembers
//	server.go    what clients connect to, and how it goes down; listener.go, tls.go, proxyproto.go beside it
//	guard.go     messages that could be read in two ways
//	deadlines.go limits for pieces, beside those for the whole
//	stats.go     what is counted; metrics.go, prometheus.go and accesslog.go tell it
//	admin.go     what one can see, and admin.html for people; explain.go: why which route
//	transcode/ push/   HTTP/JSON to gRPC; one configuration to many
//	gatewaytest/ grades this gateway, and others, by these rules; conformance_test.go is where it does
//
// Sources: Skipper's reference (opensource.zalando.com/skipper), RFC 9110, 9112, 9113 and 6455; Google's SRE book chapter
// 21 (adaptive throttling); Mirrokni et al. 2018 (consistent hashing with bounded loads); Mitzenmacher 2001 (two
// choices); Schindelhauer and Schomaker 2005 (weighted rendezvous); google/api/http.proto.
package gateway
