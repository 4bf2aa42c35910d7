package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/route"
)

// compiled is a route that runs: the Payload of a [route.Route]. It never changes, and
// a route whose text stays as it is keeps its compiled value over reloads (C3).
//
//	text                           compiled
//	-> retry(2)                    filters    [retry, setPath, breaker]      in order, and back
//	-> setPath("/x")               roundTrip  retry.Wrap(breaker.Wrap(call)) built once
//	-> breaker(5)
//	-> <random, "http://a", ...>   upstream   the pool
//
// What thousands of routes have in common is there once (share.go): it is less to collect, and is in the processor's
// caches when the next request of another route comes.
type compiled struct {
	def       *eskip.Route
	filters   []filters.Filter
	roundTrip filters.RoundTrip
	// upstream is nil for <shunt>, <loopback> and <dynamic>.
	upstream filters.Upstream
	stats    *routeStats

	made []madeFilter // filters, with what each was made of: requests do not look there
	pool *sharedPool
}

// madeFilter is a filter with the call of this route that it was made of.
type madeFilter struct {
	*instance
	call *eskip.Call
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
		c.stats = new(routeStats)
	}
	if n := len(def.Filters); n > 0 {
		c.filters, c.made = make([]filters.Filter, 0, n), make([]madeFilter, 0, n)
	}
	for i := range def.Filters {
		call := &def.Filters[i]
		f, err := g.filter(call, c, was)
		if err != nil {
			errs = located(errs, def, call.Pos, err)
			continue
		}
		f.held++
		c.filters, c.made = append(c.filters, f.Filter), append(c.made, f)
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
func (g *Gateway) filter(call *eskip.Call, c, was *compiled) (madeFilter, error) {
	if was != nil {
		for _, f := range was.made {
			if f.call.Name == call.Name && slices.Equal(f.call.Args, call.Args) && !c.holds(f) {
				return madeFilter{f.instance, call}, nil
			}
		}
	}
	spec := g.registry.filters[call.Name]
	if spec == nil {
		return madeFilter{}, g.registry.unknownFilter(call.Name)
	}
	i, err := g.shared.filter(spec, call)
	if err != nil {
		return madeFilter{}, fmt.Errorf("filter %s: %w", call.Name, err)
	}
	return madeFilter{i, call}, nil
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
		if f, is := f.(filters.Configurer); is {
			f.Configure(&o)
		}
	}
	if b := c.def.Backend; b.Kind == eskip.Network || b.Kind == eskip.Balanced {
		if b.Algorithm != "" {
			o.Algorithm = b.Algorithm
		}
		pool, err := g.shared.pool(g.pools, b.Addresses, o)
		if err != nil {
			return err
		}
		c.pool, c.upstream = pool, newPoolUpstream(pool.Pool)
	}
	c.roundTrip = callUpstream
	for _, f := range slices.Backward(c.filters) {
		if f, is := f.(filters.Wrapper); is {
			c.roundTrip = f.Wrap(c.roundTrip)
		}
	}
	return nil
}

func (c *compiled) holds(f madeFilter) bool {
	return slices.ContainsFunc(c.made, func(mine madeFilter) bool { return mine.instance == f.instance })
}

// release lets go of what routes have, and closes what no other route goes on with. Requests that
// are under way may go on using all of it: to close a pool or a filter ends what it does in
// the background, and makes it keep no connection for longer than somebody needs it.
func (g *Gateway) release(routes ...*compiled) {
	for _, c := range routes {
		for _, f := range c.made {
			g.warn(c, g.shared.dropFilter(f.instance))
		}
		if c.pool != nil {
			g.warn(c, g.shared.dropPool(c.pool))
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
