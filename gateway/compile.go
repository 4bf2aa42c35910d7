package gateway

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// compiled is a route that runs: the Payload of a [route.Route]. It never changes, and
// a route whose text stays as it is keeps its compiled value over reloads (C3).
//
//	text                           compiled
//	-> retry(2)                    filters    [retry, setPath, breaker]      in order, and back
//	-> setPath("/x")               roundTrip  retry.Wrap(breaker.Wrap(call)) built once
//	-> breaker(5)
//	-> <random, "http://a", ...>   upstream   the pool
type compiled struct {
	def       *eskip.Route
	filters   []namedFilter
	roundTrip filters.RoundTrip
	// upstream is nil for <shunt>, <loopback> and <dynamic>.
	upstream filters.Upstream
	stats    *routeStats

	pool *upstream.Pool
}

// namedFilter is a filter with what it was made of.
type namedFilter struct {
	filters.Filter
	call *eskip.Call
	// held counts the compiled routes that have this instance, guarded by Gateway.mu: a changed
	// route takes it over from the one before, and the last one to let go closes it.
	held *int
}

// payload is what the gateway made of a route.
func payload(r *route.Route) *compiled { return r.Payload.(*compiled) }

var errNoUpstream = errors.New("the route has no upstream: no filter has chosen one for <dynamic>")

// callUpstream is the innermost RoundTrip, around which Wrappers stand.
func callUpstream(c filters.FilterContext) (*http.Response, error) {
	u := c.Upstream()
	if u == nil {
		return nil, fmt.Errorf("route %s: %w", c.RouteID(), errNoUpstream)
	}
	return u.RoundTrip(c)
}

// compile makes a route of text into one that runs. was is the route that it takes the
// place of, or nil: filters that are written as they were are taken over with their state.
// If it fails nothing is left open, and the error is an [eskip.ErrorList].
func (g *Gateway) compile(def *eskip.Route, was *compiled) (*route.Route, error) {
	def = def.Clone() // a route that outlives its file's other routes is not to keep all of the file's text
	r, err := route.Compile(def, g.specs)
	errs := located(nil, def, def.Pos, err)
	c := &compiled{def: def}
	if was != nil {
		c.stats = was.stats
	} else {
		c.stats = newRouteStats()
	}
	for i := range def.Filters {
		call := &def.Filters[i]
		f, err := g.filter(call, c, was)
		if err != nil {
			errs = located(errs, def, call.Pos, err)
			continue
		}
		*f.held++
		c.filters = append(c.filters, f)
	}
	if len(errs) == 0 {
		errs = located(errs, def, def.Backend.Pos, g.connect(c))
	}
	if len(errs) > 0 {
		g.release(c)
		return nil, errs
	}
	r.Payload = c
	return r, nil
}

// filter makes one, or takes over the one that was written the same way.
func (g *Gateway) filter(call *eskip.Call, c, was *compiled) (namedFilter, error) {
	if was != nil {
		for _, f := range was.filters {
			if f.call.Name == call.Name && slices.Equal(f.call.Args, call.Args) && !c.holds(f) {
				f.call = call
				return f, nil
			}
		}
	}
	spec := g.registry.filters[call.Name]
	if spec == nil {
		return namedFilter{}, g.registry.unknownFilter(call.Name)
	}
	f, err := spec.CreateFilter(call.Args)
	if err != nil {
		return namedFilter{}, fmt.Errorf("filter %s: %w", call.Name, err)
	}
	return namedFilter{f, call, new(int)}, nil
}

func (r *Registry) unknownFilter(name string) error {
	if s := eskip.Suggest(name, maps.Keys(r.filters)); s != "" {
		return fmt.Errorf("there is no filter %s; did you mean %s?", name, s)
	}
	return fmt.Errorf("there is no filter %s; filters of your own are made known with Registry.AddFilter", name)
}

// connect makes the pool, as Configurers want it, and composes the Wrappers.
func (g *Gateway) connect(c *compiled) error {
	o := g.opts.Upstream
	for _, f := range c.filters {
		if f, is := f.Filter.(filters.Configurer); is {
			f.Configure(&o)
		}
	}
	if b := c.def.Backend; b.Kind == eskip.Network || b.Kind == eskip.Balanced {
		if b.Algorithm != "" {
			o.Algorithm = b.Algorithm
		}
		pool, err := g.pools.Pool(b.Addresses, o)
		if err != nil {
			return err
		}
		c.pool, c.upstream = pool, newPoolUpstream(pool)
	}
	c.roundTrip = callUpstream
	for _, f := range slices.Backward(c.filters) {
		if f, is := f.Filter.(filters.Wrapper); is {
			c.roundTrip = f.Wrap(c.roundTrip)
		}
	}
	return nil
}

func (c *compiled) holds(f namedFilter) bool {
	return slices.ContainsFunc(c.filters, func(mine namedFilter) bool { return mine.held == f.held })
}

// release lets go of what routes have, and closes what no other route goes on with. Requests that
// are under way may go on using all of it: to close a pool or a filter ends what it does in
// the background, and makes it keep no connection for longer than somebody needs it.
func (g *Gateway) release(routes ...*compiled) {
	for _, c := range routes {
		for _, f := range c.filters {
			*f.held--
			if closer, is := f.Filter.(io.Closer); is && *f.held == 0 {
				g.warn(c, closer.Close())
			}
		}
		if c.pool != nil {
			g.warn(c, c.pool.Close())
		}
	}
}

func (g *Gateway) warn(c *compiled, err error) {
	if err != nil {
		g.log.Warn("gateway: letting go of a route that was replaced", "route", c.def.ID, "err", err)
	}
}

// located adds an error about a part of a route to a list. One that has no place of its own gets pos.
func located(list eskip.ErrorList, def *eskip.Route, pos eskip.Pos, err error) eskip.ErrorList {
	var many eskip.ErrorList
	var one *eskip.Error
	switch {
	case err == nil:
		return list
	case errors.As(err, &many):
		return append(list, many...)
	case errors.As(err, &one):
		return append(list, one)
	}
	return append(list, &eskip.Error{File: def.File, Pos: pos, Msg: "route " + def.ID + ": " + err.Error()})
}
