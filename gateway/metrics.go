package gateway

import (
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/push"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// Metrics are what a gateway has counted, as plain data; counts begin with the gateway, or with the filter that counts.
type Metrics struct {
	InFlight  int64             `json:"inFlight"` // requests being served, upgraded connections among them
	Routes    []RouteMetrics    `json:"routes"`   // those that have had a request, by id
	Unrouted  RouteMetrics      `json:"unrouted"` // requests that no route was found for
	Events    []EventCount      `json:"events"`   // by route, name and outcome
	Filters   []FilterReport    `json:"filters"`  // of filters that have something to show
	Endpoints []upstream.Status `json:"endpoints"`
	Config    ConfigMetrics     `json:"config"`
	Push      *push.Metrics     `json:"push,omitempty"` // of Options.Publisher
}

// RouteMetrics are one route's.
type RouteMetrics struct {
	Route    string         `json:"route"`
	Statuses map[int]uint64 `json:"statuses"` // how many answers by status; 499 is a client that went away first
	Bytes    uint64         `json:"bytes"`    // of answers' bodies
	Latency  []uint64       `json:"latency"`  // how many took up to LatencyBounds()[i]; the last: longer
	Took     time.Duration  `json:"took"`     // all together
}

// EventCount is how often a filter has said of itself that something happened: FilterContext.Event.
type EventCount struct {
	Route   string `json:"route"`
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	N       uint64 `json:"n"`
}

// FilterReport is what a filter of a route shows of itself.
type FilterReport struct {
	Route  string `json:"route"`
	Filter string `json:"filter"` // its name, with "#2" and so on if the route has several of it
	filters.Report
}

// ConfigMetrics tell how the configuration is.
type ConfigMetrics struct {
	Routes  int       `json:"routes"`
	Applied int       `json:"applied"` // number of the version that is in force; 0: none yet
	Refused int       `json:"refused"` // how many versions were
	Last    time.Time `json:"last"`    // when one was applied
	// Err is why the last one was refused; empty: it is in force.
	Err string `json:"err,omitempty"`
}

// Requests is how many requests there were.
func (m RouteMetrics) Requests() uint64 {
	n := uint64(0)
	for _, c := range m.Latency {
		n += c
	}
	return n
}

// Failures is how many answers had a status of 500 or more.
func (m RouteMetrics) Failures() uint64 {
	n := uint64(0)
	for status, c := range m.Statuses {
		if status >= 500 {
			n += c
		}
	}
	return n
}

// Quantile is a bound that a share q of the requests did not exceed: the upper end of
// a bucket of the histogram. Zero if there were none; the last bound stands for all that is longer.
func (m RouteMetrics) Quantile(q float64) time.Duration {
	wanted, seen := q*float64(m.Requests()), uint64(0)
	for i, c := range m.Latency {
		if seen += c; c > 0 && float64(seen) >= wanted {
			return latencyBounds[min(i, len(latencyBounds)-1)]
		}
	}
	return 0
}

// LatencyBounds are the upper ends of the buckets of RouteMetrics.Latency.
func LatencyBounds() []time.Duration { return slices.Clone(latencyBounds[:]) }

// Metrics is a snapshot. It takes time for all routes, and stops no request.
func (g *Gateway) Metrics() Metrics {
	m := Metrics{
		InFlight: g.inFlight.Load(), Unrouted: g.unrouted.metrics(""),
		Endpoints: g.pools.Status(),
	}
	t := g.table.Load()
	for r := range t.Routes() { // by id
		c := payload(r)
		if s := c.stats.metrics(r.Def.ID); s.Requests() > 0 {
			m.Routes = append(m.Routes, s)
		}
		m.Events = append(m.Events, c.stats.events.list(r.Def.ID)...)
		m.Filters = append(m.Filters, c.reports()...)
	}
	m.Config = g.history.metrics()
	m.Config.Routes = t.Len()
	if g.opts.Publisher != nil {
		pushed := g.opts.Publisher.Metrics()
		m.Push = &pushed
	}
	return m
}

// reports asks the route's filters, in their order.
func (c *compiled) reports() []FilterReport {
	var all []FilterReport
	for _, f := range c.made {
		reporter, is := f.Filter.(filters.Reporter)
		if !is {
			continue
		}
		r := FilterReport{Route: c.def.ID, Filter: f.call.Name, Report: reporter.Report()}
		for i := range r.Shares {
			if r.Shares[i].Target == "" { // the route's own upstream, which a filter does not know by name
				r.Shares[i].Target = c.target()
			}
		}
		for i := 2; slices.ContainsFunc(all, func(o FilterReport) bool { return o.Filter == r.Filter }); i++ {
			r.Filter = fmt.Sprintf("%s#%d", f.call.Name, i)
		}
		all = append(all, r)
	}
	return all
}

// target is where the route goes, for people.
func (c *compiled) target() string {
	if c.upstream == nil {
		return "the route's own"
	}
	return c.upstream.String()
}
