package filters

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/flagship-go/flagship/gateway/upstream"
)

// A Filter acts on requests on their way in and on answers on their way out. One
// instance serves all requests of its route, from many goroutines at once.
type Filter interface {
	Request(FilterContext)
	Response(FilterContext)
}

// A Spec makes filters of one name. CreateFilter checks the arguments (strings and float64s)
// once, when the table is built; its error says what is expected (F3).
type Spec interface {
	Name() string
	CreateFilter(args []any) (Filter, error)
}

// A StatelessSpec makes filters that remember nothing of the requests they have seen, and are not an io.Closer, a
// [Wrapper] or a [Configurer]: a gateway makes one of those that are written alike, for all routes. See [Stateless].
type StatelessSpec interface {
	Spec
	Stateless()
}

// FilterContext is one request on its way. It belongs to the goroutine that serves the
// request, and is not to be kept after the filter has returned.
type FilterContext interface {
	// Request is what will be sent upstream. Filters may change it: URL (the path that is sent),
	// Header, Body, Host. An empty Host is the backend's address. With a new Body goes a new ContentLength.
	Request() *http.Request
	// SetRequest puts another in its place: a copy with another context or body. A transport may hold
	// on to the one of an earlier call, so Wrappers change none that was sent, but copy it and its URL.
	SetRequest(*http.Request)
	// OriginalRequest is what the client sent. It is only to be read; its body is Request's.
	OriginalRequest() *http.Request
	// Response is the answer that is on its way back. Nil in Filter.Request, until somebody Serves.
	Response() *http.Response
	// Serve answers in the upstream's place: filters that were not entered yet are not, the others see
	// the answer on its way back (F1). A nil Header or Body is empty.
	Serve(*http.Response)
	// Served tells whether somebody has called Serve.
	Served() bool

	// PathParam is the value of :name or of a free wildcard *name in the route's path, decoded.
	PathParam(name string) string
	// RouteID is the name of the route.
	RouteID() string
	// StateBag is for filters of one request to leave things for each other.
	StateBag() map[string]any
	// Client is the address of the client, as far as proxies are trusted (F6).
	Client() netip.Addr
	// Identity is who the client has proved to be (basicAuth, keyAuth, jwt), or "".
	Identity() string
	SetIdentity(string)

	// Upstream is where the request goes: the route's, unless a filter has called
	// SetUpstream. Nil for a route that ends in <shunt>, <loopback> or <dynamic>.
	Upstream() Upstream
	SetUpstream(Upstream)

	// HashKey is what consistentHash chooses an endpoint by: a hash of the client's
	// address, unless a filter has called SetHashKey.
	HashKey() uint64
	SetHashKey(uint64)

	// Controller reaches the client's connection, for deadlines. Nil for a request that has none (a shadow).
	Controller() *http.ResponseController
	// Log is the gateway's, with the route's name.
	Log() *slog.Logger
	// Now is the gateway's clock.
	Now() time.Time
	// Event counts what a filter did, by name and outcome, for metrics: ("ratelimit", "rejected").
	Event(name, outcome string)
}

// An Upstream takes calls. [*upstream.Pool] behind the gateway's transport is one. It can be
// given any FilterContext, not only the gateway's own: a shadow request has one of another kind (F5).
// What NewUpstream makes is an io.Closer too.
type Upstream interface {
	RoundTrip(FilterContext) (*http.Response, error)
	// String is its address, or addresses, for people.
	String() string
}

// A RoundTrip sends FilterContext.Request to FilterContext.Upstream. An error means
// that there is no answer; if it is an [Error], with errors.As, it says which one the client gets.
type RoundTrip func(FilterContext) (*http.Response, error)

// A Wrapper is a filter that also stands around the call to the upstream: retry, breaker,
// timeout. Wrap is called when the table is built; the filter that is written first is outermost. A filter
// that a changed route keeps is wrapped around another next then, so it does not hold next itself: the RoundTrip does.
type Wrapper interface {
	Filter
	Wrap(next RoundTrip) RoundTrip
}

// A Configurer is a filter that does nothing to requests: it says how the route's pool
// is to be, when the table is built (fadeIn, healthCheck, backendProtocol, connection limits).
type Configurer interface {
	Filter
	Configure(*upstream.Options)
}

// Env is what filters are given by the gateway they live in.
type Env struct {
	// Now is the wall clock. Nil: time.Now.
	Now func() time.Time
	// Elapsed is a monotonic clock from any beginning, for limits and breakers. Nil: time.Since of the start.
	Elapsed func() time.Duration
	// Rand is uniform in [0, 1), safe for concurrent use. Nil: math/rand/v2.Float64.
	Rand func() float64
	// Sleep waits, for latency and retries, and ends early with the context's error. Nil: a timer.
	Sleep func(*http.Request, time.Duration) error
	// NewUpstream makes a pool that a filter sends to (canary, split, tee). It lives as long as the filter:
	// a filter that called it implements io.Closer, and closes it.
	NewUpstream func(addresses []string, algorithm string) (Upstream, error)
	// ReadFile reads a file that a filter's argument names (static, keyAuth, jwt). Nil: os.ReadFile.
	ReadFile func(name string) ([]byte, error)
	Log      *slog.Logger
}
