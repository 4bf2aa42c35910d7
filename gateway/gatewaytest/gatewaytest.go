package gatewaytest

import "context"

// Route says where requests go whose path begins with Prefix.
type Route struct {
	// Prefix is / for everything, or whole segments: /a is /a and what is below it, and not /ab. The longest
	// that fits counts.
	Prefix string
	// Upstream is where to, as 127.0.0.1:port. HTTP/1.1 is spoken there, without TLS. The path stays as it is.
	Upstream string
	// Retry sends a request that may be repeated once more when it got no answer. It is only set where
	// [Capabilities].Retry is claimed.
	Retry bool
}

// Config is how the kit wants a proxy.
type Config struct{ Routes []Route }

// Proxy is what is graded: a process, or a server in this one, that listens on a socket.
type Proxy interface {
	// Addr is where clients connect to, as host:port. HTTP/1.1 is spoken there, without TLS.
	Addr() string
	// Close ends it: its connections to both sides are closed when it returns, or soon after.
	Close() error
}

// NewProxy starts a proxy that is ready when it returns. Each rule asks for one of its own.
type NewProxy func(Config) (Proxy, error)

// What capabilities ask of a Proxy beyond the rest. A claim without the methods fails.
type (
	// Reloader is for Capabilities.Reload: when Reload has returned, the new routes count.
	Reloader interface{ Reload(Config) error }
	// Drainer is for Capabilities.Drain. Shutdown returns when all requests have ended, or with ctx's error. Ready
	// is what a load balancer in front would be told, and false as soon as Shutdown has begun.
	Drainer interface {
		Ready() bool
		Shutdown(ctx context.Context) error
	}
)

// Capabilities are what a proxy claims beyond the required rules. What it does not claim is printed as not
// claimed, and not graded.
type Capabilities struct {
	Strict          bool // refuses whatever two parsers could read differently, also where RFC 9112 allows one reading
	Canonical       bool // forwards the path that it has matched: dot segments and double slashes resolved, %2F kept
	Untouched       bool // adds nothing to an answer that says what the body is or who has sent it
	Forwarded       bool // says who the client is in X-Forwarded-For, and believes no client about it
	Informational   bool // passes 1xx answers on, without what is between neighbours
	Trailers        bool // passes trailers of answers on, announced or not
	CleanTrailers   bool // but not those that are between neighbours. Needs Trailers
	RequestTrailers bool // passes trailers of requests on
	EarlyAnswer     bool // passes an answer on that comes before the request's body has ended
	Continue        bool // asks a client that waits with its body (Expect) for it only when the upstream does
	Upgrade         bool // connects the two sides after a 101
	EarlyBytes      bool // loses none of the bytes that came with a 101, or with the request for one. Needs Upgrade
	CleanUpgrade    bool // passes on nothing of a 101 that is between neighbours. Needs Upgrade
	Retry           bool // see [Route].Retry
	Drain           bool // see [Drainer]
	Reload          bool // see [Reloader]
	Clean           bool // leaves no goroutine in this process
}
