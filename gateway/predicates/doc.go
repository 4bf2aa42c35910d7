// Package predicates is when a route is meant: what a request can be asked, beside its path, which is the
// business of the route table.
//
//	shop: Path("/shop/:item") && Method("GET") && Header("X-Tester", "yes") && TrafficSegment(0, 0.1, "cookie:uid") -> ...
//	                             '----------- here: all of these must hold ------------------------------------'
//
// A [route.PredicateSpec] makes a [route.Predicate] out of arguments, once, when the table is built: expressions are compiled there, times
// parsed, names brought into the form that requests have them in. What is left for a request is a comparison. Those that
// nearly every route has (host, method, header, traffic) do not allocate.
//
// A predicate is a pure function of the request and of the [route.Lookup], which has what is not in a request:
// the time, the client's address as far as proxies are trusted (F6), and one random number (M4). So a lookup can be
// explained, and repeated.
//
// # Skipper's predicates
//
// All that its reference names, and what became of each:
//
//	Path, PathSubtree, PathRegexp       in package route: they are the tree
//	Weight                              likewise
//	Host, HostAny                       here; without case
//	ForwardedHost, ForwardedProtocol    here; all lines of the header, the last word counts
//	Method, Methods                     here; also methods that are not standard
//	Header, HeaderRegexp                here; Host is a header too
//	HeaderSHA256                        here
//	Cookie                              here
//	JWTPayloadAllKV, -AnyKV, -Regexp    here
//	QueryParam                          here
//	Between, Before, After              here
//	Cron                                here; names, steps, and a place as second argument are ours
//	Source, SourceFromLast              here; both are the client behind trusted proxies (F6)
//	ClientIP                            here
//	Traffic                             here
//	TrafficSegment                      here; with a key and a name it is stable (T1..T3)
//	ContentLengthBetween                here
//	True, False, Shutdown               here
//	Tee                                 left out: it marks requests that teeLoopback sends through the table again;
//	                                    our tee sends its copy to a backend, and it passes no table
//	OTelBaggage                         left out: it needs OpenTelemetry, which the gateway does not link;
//	                                    HeaderRegexp("Baggage", "(^|,) *key *=") asks the same of the header
//	Any                                 not a predicate any more: the parser reads Any() as *
//
// Files in reading order: spec.go (names and arguments), all.go (the table of them), pattern.go (expressions that are none),
// host.go, method.go, header.go, query.go, cookie.go, forwarded.go, content.go, source.go, interval.go, cron.go, traffic.go, jwt.go, constant.go.
package predicates
