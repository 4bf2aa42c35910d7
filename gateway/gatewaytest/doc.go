// Package gatewaytest grades what a gateway is made of, in the manner of testing/fstest: [Run] grades a proxy from outside, over
// loopback TCP; [Table] a route table; [Split], [Limit] and [Break] splits, limiters and circuit breakers. It grades
// package gateway, a student's homework and, through an adapter, a production proxy.
//
// # Grade your own
//
//	package myproxy_test
//
//	type graded struct{ *myproxy.Proxy } // Addr() and Close(): see Proxy
//
//	func start(c gatewaytest.Config) (gatewaytest.Proxy, error) {
//		p := myproxy.New()
//		for _, r := range c.Routes {
//			p.Handle(r.Prefix, r.Upstream) // /a and what is below it goes to 127.0.0.1:port
//		}
//		return graded{p}, p.Start("127.0.0.1:0")
//	}
//
//	func TestMyProxy(t *testing.T) {
//		// Claim what you have built; the rest is printed as not claimed, and not graded.
//		gatewaytest.Run(t, start, gatewaytest.Capabilities{Upgrade: true, Trailers: true})
//	}
//
// A broken rule fails its own subtest, TestMyProxy/required/hop-request-named, and says what was seen:
//
//	RULE P1: hop-request-named (pitfall 1): X-Hop came through: ["1"]
//
// P1 is the rule of package gateway, whose essay tells more about it; a pitfall is one of the list below. Begin with no
// claims at all: the required rules are what breaks users of a proxy that does not keep them.
//
// # How a proxy is judged
//
// The kit is on both sides. Its clients write bytes as they are, its upstreams see what came as it was:
//
//	client --- "POST / HTTP/1.1\r\nTransfer-Encoding:\tchunked ..." ---> proxy ---> upstream
//	   \_______ is the answer 4xx, and the connection closed? ...and was anything sent on? ___/
//
// What a kit of this kind must not do is wait and see. Nothing here sleeps: an upstream that sends a stream sends the next
// event when the client has read the one before, so that a proxy which holds it back waits for ever, and the story
// fails when its patience is over; an upstream that looks for a client's going away reads until its connection ends. A
// right proxy passes at its own speed, in well under a second for all rules; only broken ones take time.
//
// What the kit keeps to itself:
//
//  1. It looks at messages, never inside. What HTTP leaves open, it leaves open: a path of no route may be 404 or 502.
//  2. Every rule asks for something good to happen, too: a proxy that refuses everything keeps no rule.
//  3. Each rule has a proxy of its own, and a port of its own that nobody else can get meanwhile.
//  4. A panic is reported as such and not as RULE: it was stumbled over.
//
// The required rules are kept by net/http/httputil's ReverseProxy, set up well; the capabilities are what is beyond it, or
// what some proxies do not set out to do. reverseproxy_test.go lists what it cannot claim, and why.
//
// # Smuggling
//
// [Rules] smuggle, one-reading and strict share one table of payloads (rules_smuggle.go). A message that RFC 9112 calls
// faulty must be refused. For others it allows one reading, Transfer-Encoding before Content-Length for one; who takes them
// must send them on so that nobody can read them otherwise; who claims Strict refuses them as well, since what is in front
// may have believed the other reading.
//
// # Tables
//
// A route table is compared with [SlowTable], which is the definition, written down: all routes whose path fits, sorted. Routes
// and requests are random, from a seed; where the two disagree, routes are left out as long as they still do:
//
//	RULE M1: agrees (the slow table): GET /a/b X=1, number 0.31, goes to "", and to "r7" by the slow table, of these routes:
//		r3: Path("/a/b") && Method("POST") -> <shunt>;
//		r7: Path("/a/:p1") -> <shunt>;
//
// [Tries] says how many; a night's run sets Tables to 100,000.
//
// # How the kit is proven
//
// A grader that lets wrong code pass is worse than none. For each rule there is a proxy, a table, a split, a limiter or a
// breaker that is broken on purpose, and fails it (broken_test.go, table_test.go, small_test.go); and bugs planted in
// package gateway fail rules of the kit (gateway/testdata/bugs).
//
// # Pitfalls
//
// The numbers name mistakes that gateways have made, many of them in production: 1 fields that Connection names, 2 two
// parsers and one message, 3 what is around a 101 or a 1xx, 4 a path matched in one form and forwarded in another, 5 no way
// back from a wildcard, 6 ties decided by the order of a map, 7 a fresh number for each predicate, 8 ramps that reshuffle
// users, 11 repeating what must not be, 12 the defaults of http.Transport, 13 clients that go away, 14 outcomes of another
// state, 16 windows that never forget, 17 clients that say who they are, and buckets that drift, 21 reloads that leave
// something behind, 22 going down in the wrong order, 23 streams held back and lengths that are those of before.
//
// # Reading order
//
//	gatewaytest.go        what is graded: Config, Proxy, Capabilities
//	rule.go               a rule as data, and how its story is judged
//	stage.go              where stories of proxies take place: client.go and backend.go, the kit's two ends
//	rules_forward.go      then the rules: a message arrives as it was sent,
//	rules_message.go      bodies, lengths and trailers,
//	rules_hop.go          fields between neighbours,
//	rules_smuggle.go      messages that can be read in two ways,
//	rules_stream.go       piece by piece,
//	rules_broken.go       what breaks off, and what is repeated,
//	rules_others.go       who holds up whom,
//	rules_upgrade.go      what follows a 101,
//	rules_path.go         matched is forwarded,
//	rules_life.go         beginning, changing and ending
//	oracle.go             a table, said as simply as possible; table.go, table_random.go
//	split.go limiter.go breaker.go   the small ones
package gatewaytest
