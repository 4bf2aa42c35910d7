package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// A Gateway takes requests along routes: an [http.Handler]. It is safe for concurrent
// use. Without routes it answers 404; [Gateway.Apply], [Gateway.Update] and
// [Gateway.Run] give it some, at any time.
type Gateway struct {
	opts     Options
	registry *Registry
	env      filters.Env
	log      *slog.Logger
	specs    route.Specs
	pools    *upstream.Registry

	// table is what requests meet of the configuration, and all that they meet of it.
	table atomic.Pointer[route.Table]

	mu     sync.Mutex // one change of the configuration at a time
	closed bool
	shared shared

	path     dataPath // what serve uses again and again
	history  history
	unrouted *routeStats // requests that no route was found for
	inFlight atomic.Int64
	ready    atomic.Bool // a configuration was applied
	draining atomic.Bool
}

// ErrClosed says that the gateway takes no configuration any more.
var ErrClosed = errors.New("gateway: closed")

// New makes a gateway without routes. It is to be closed.
func New(o Options) (*Gateway, error) {
	o = o.withDefaults()
	env := o.Registry.Env()
	g := &Gateway{
		opts: o, registry: o.Registry, env: env, log: env.Log,
		unrouted: new(routeStats),
	}
	if !o.Registry.owner.CompareAndSwap(nil, g) {
		return nil, errors.New("gateway: the registry is another gateway's; make one for each with NewRegistry")
	}
	specs, err := route.NewSpecs(o.Registry.predicates...)
	if err != nil {
		return nil, err
	}
	g.specs = specs
	g.pools = upstream.NewRegistry(upstream.RegistryOptions{Elapsed: env.Elapsed, NewTransport: o.Transport, Log: env.Log})
	g.path.dynamic = dynamicTransport(o)
	g.table.Store(new(route.Table))
	return g, nil
}

// ServeHTTP takes one request along its route. A [Server] in front of it also refuses what net/http lets
// through although it can be read in two ways (P2), and cuts slow clients (P8).
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.inFlight.Add(1)
	defer g.inFlight.Add(-1)
	// C2: the table is asked for once; loopbacks and everything else of this request use this one.
	g.serve(w, r, g.table.Load())
}

// newUpstream makes a pool for a filter: filters.Env.NewUpstream.
func (g *Gateway) newUpstream(addresses []string, algorithm string) (filters.Upstream, error) {
	o := g.opts.Upstream
	if algorithm != "" {
		o.Algorithm = algorithm
	}
	pool, err := g.pools.Pool(addresses, o)
	if err != nil {
		return nil, err
	}
	return newPoolUpstream(pool), nil
}

// Close lets go of all routes: health checks end, idle connections are closed. Requests
// go on being answered, with 404. A second Close does nothing.
func (g *Gateway) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	g.ready.Store(false)
	for r := range g.table.Swap(new(route.Table)).Routes() {
		g.release(payload(r))
	}
	g.path.closeIdle()
	return g.pools.Close()
}
