// Package filters is what happens to requests on their way in, and to answers on their way out.
//
// # The problem
//
// Most of what a gateway is for is none of routing: who may come in, how often, what is done when a
// backend fails, who tries the new version. Each of these is small, but they stand in each other's
// way: a breaker must not take a limit's rejection for a failure, a retry must not send what a
// shadow has read half of, and a body that is compressed no longer has its length. So each is a filter of
// its own, written into the route in the order in which it acts, and these are the seams between them.
//
// # The picture
//
//	           Request, in order                     Wrap, the first is outermost
//	client --> setPath --> clientRatelimit --> tee --> retry( breaker( timeout( upstream )))
//	                            |                                      |
//	                            Serve: 429                             |
//	                            v                                      v
//	client <-- setPath <-- clientRatelimit <-- tee <------------------ answer
//	           Response, in reverse, of those entered (F1)
//
// A filter is made once for a route, when its arguments are checked (F3), and serves all of the route's requests at once.
// It may also be a [Wrapper], which stands around the call upstream; a [Configurer], which says how the route's
// pool is to be; a [Reporter], which has something to show; an io.Closer.
//
// # The filters
//
// Names and arguments are Skipper's where Skipper has the filter. Those marked + are ours. Durations are text ("1m30s") or
// milliseconds. Text marked $ takes placeholders: see [Template].
//
//	headers.go      setRequestHeader, appendRequestHeader(name, value$)    dropRequestHeader(name)
//	                copyRequestHeader(from, to)                            modRequestHeader(name, regexp, replacement)
//	                dropRequestHeaderValueRegexp(name, regexp)             and all of them for Response
//	                setContextRequestHeader, appendContextRequestHeader(name, key): "auth-user" is the identity
//	cookies.go      requestCookie(name, value)  dropRequestCookie(name)  dropResponseCookie(name)
//	                responseCookie, jsCookie(name, value, maxAge?, "change-only"?)
//	path.go         modPath(regexp, replacement)  setPath(path$)
//	query.go        setQuery(key$, value$)  dropQuery(key$)  stripQuery("true"?)
//	                queryToHeader(key, name, format?)  headerToQuery(name, key)
//	redirect.go     redirectTo, redirectToLower(code, location?)
//	destination.go  preserveHost("true")  setDynamicBackendUrl, -Host, -Scheme(value), -UrlFromHeader, -HostFromHeader, -SchemeFromHeader(header)
//	content.go      status(code)  inlineContent(text, type?)  inlineContentIfStatus(code, text, type?)
//	static.go       static(prefix, directory)
//	compress.go     compress(level?, "..."?, types...): gzip
//	cors.go         corsOrigin(origins...)
//	              + cors(origins..., "methods=", "headers=", "expose=", "credentials=true", "maxAge="): answers preflights too
//	basicauth.go    basicAuth(htpasswd file, realm?): {SHA}, $apr1$, $5$, $6$; no bcrypt
//	keyauth.go    + keyAuth(file, header?): lines of name:key or name:sha256:digest
//	jwt.go        + jwt(key file, "iss=", "aud=", "leeway=", "CLAIM=VALUE"...): HS256, RS256, ES256, EdDSA, as the keys are
//	ratelimit.go    ratelimit(number, period, status?)  clientRatelimit(number, period, headers?)
//	breaker.go      consecutiveBreaker(failures, timeout?, trials?, idleTTL?)  disableBreaker()
//	                rateBreaker(failures, window, timeout?, trials?, idleTTL?)
//	              + adaptiveBreaker(k?, minimum of requests?)
//	retry.go      + retry(times, budget?, backoff?): budget is a share of the requests, 0.2
//	timeout.go      backendTimeout(d)  readTimeout(d)  writeTimeout(d)
//	bodylimit.go  + requestBodyLimit(bytes)
//	tee.go          tee, teenf(backend, regexp?, replacement?)
//	fault.go        latency(d), on the way back  backendLatency(d), on the way there
//	              + abort(status, share?)
//	accesslog.go    enableAccessLog, disableAccessLog(prefixes of statuses...)
//	trace.go        flowId("reuse"?)
//	              + traceparent(): W3C Trace Context
//	configure.go    fadeIn(d, exponent?)  consistentHashBalanceFactor(factor)  consistentHashKey(key$)
//	              + healthCheck(path, interval?, timeout?, healthy?, unhealthy?)  ejection(failures, base?, max?)
//	              + maxConcurrent(n)  backendProtocol("http1", "h2" or "h2c")  backendTLS(roots, certificate?, key?)
//	canary.go     + canary(upstreams, "percentage=", "start=", "duration=", "steps=", "hash=", "hash_header=", "hash_cookie=", "groups=",
//	                "canary_by_header_name=", "upstream_fallback=", "name="): Kong's
//	split.go      + split(name, hash, weight, upstreams, weight, upstreams, ...): any number of ways, "" is the route's own
//	remark.go       comment(text)  annotate(key, value)
//
// # What is different from Skipper
//
//   - ${request.source} and its like, clientRatelimit and consistent hashing go by the client's address as far as proxies are trusted, not by what
//     X-Forwarded-For says (F6). clientRatelimit goes by the identity, if there is one.
//   - setContextRequestHeader drops the field if there is nothing to set: what a client wrote there would pass for it.
//   - Fields of the connection (Content-Length, Connection, Transfer-Encoding, ...) cannot be set by filters (P2).
//   - setQuery and dropQuery leave other parameters as they are written. A parameter of the path stays in its segment, and
//     what takes the place of any other placeholder of setPath below it (M2).
//   - tee follows no redirects, and has bounds (F5). Breakers and limits are the route's own, not the backend's.
//   - A rateBreaker's failures are not older than a minute (B1), and the idleTTL of breakers says nothing.
//   - A file of users or keys is looked at again every ten seconds, while requests come.
//
// # What is left out of Skipper, and why
//
//   - cluster*Ratelimit, backendRatelimit, clusterLeakyBucketRatelimit, ratelimitFailClosed: they need a shared store; limits are each gateway's own.
//   - lifo, fifo and their groups: a queue in front of a backend that is slow makes everybody wait; maxConcurrent and
//     adaptiveBreaker refuse at once. admissionControl and physicsShedder: adaptiveBreaker, with a formula that has a proven bound (B4).
//   - oauth*, oidc*, webhook, opa*, jwtValidation, jwtMetrics: they ask another service for each request or its keys; jwt has its keys in a file.
//   - mtls*: the server verifies certificates before a request exists. tlsPassClientCertificates: a plugin of five lines.
//   - xforward, xforwardFirst, rfcHost, rfcPath: the gateway does that for all requests (P1, M2), and once.
//   - sed*, blockContent*, wrapContent*, logBody, auditLog: they hold or search whole bodies; a gateway passes bodies on (P3).
//   - randomContent, repeatContent*, chunks, bandwidth, backendChunks, backendBandwidth, tarpit, absorb*, *RequestLatency, *ResponseLatency: tools for load
//     tests; latency, backendLatency and abort are the faults that tests of clients need.
//   - decompress, brotli, zstd, deflate: everything that asks for compression takes gzip. cache: a cache is a project of its own.
//   - loopbackIfStatus, teeLoopback: a request enters the table again by <loopback> only. teeResponse, backendIsProxy, awsSigv4, bearerinjector,
//     setRequestHeaderFromSecret, lua, encode*Header, decodeBase64*Header, encodeBase64*Header: for going out to services, not for taking requests in.
//   - tracing*, stateBagToTag, apiUsageMonitoring, originMarker, endpointCreated, maskAccessLogQuery, unverifiedAuditLog, logHeader: of Skipper's own tracing,
//     metrics and Kubernetes source. accessLogDisabled, localRatelimit: deprecated there.
//
// # Reading order
//
//	filter.go error.go env.go report.go   the vocabulary
//	args.go spec.go template.go           how a filter is made
//	headers.go path.go content.go         the simple ones
//	answer.go repeat.go file.go           what they share
//	breaker.go retry.go timeout.go        around the call
//	tee.go detached.go                    a request that outlives its exchange
//	canary.go split.go key.go target.go   who goes where
//	filtertest/                           for tests of filters, also of yours
//
// Sources: Skipper's filter reference; Kong's documentation of the canary release plugin; RFC 9110 (methods, fields, encodings), 6750, 7518, 7519,
// 7617; the Fetch standard (CORS); W3C Trace Context; Google's SRE book, chapters 21 and 22 (retry budgets).
package filters
