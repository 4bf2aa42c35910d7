package gateway

import (
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// maxErrors is how many errors of one configuration are told.
const maxErrors = eskip.MaxErrors

// ErrEmpty says that a configuration has no routes, and Options.AllowEmpty is not set.
var ErrEmpty = errors.New("the configuration has no routes: the last one stays (AllowEmpty would apply it)")

// Apply makes routes the whole configuration, or fails and leaves everything as it was
// (C1). Routes that are written as before keep what they have: breakers, limits, pools. The error
// is an [eskip.ErrorList] if it is about what is written. The routes must not be changed afterwards.
func (g *Gateway) Apply(routes []*eskip.Route) error {
	return g.applyFrom(Configuration{Routes: routes}, "Apply")
}

// Update changes some routes and leaves the others: set takes the place of those with
// the same ids, or comes new, and remove are ids. Like Apply it does all of it or nothing. It takes
// time for what it changes, not for all routes.
func (g *Gateway) Update(set []*eskip.Route, remove []string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	started := g.env.Elapsed()
	_, err := byID(set)
	if err == nil {
		err = g.change(set, remove)
	}
	g.record(Configuration{}, "Update", started, len(set), len(remove), err)
	return err
}

// applyFrom is Apply for a named source.
func (g *Gateway) applyFrom(c Configuration, source string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	started := g.env.Elapsed()
	set, remove, err := g.difference(c.Routes)
	if err == nil {
		err = g.change(set, remove)
	}
	g.record(c, source, started, len(set), len(remove), err)
	return err
}

// difference is what must change so that routes are the configuration.
func (g *Gateway) difference(routes []*eskip.Route) (set []*eskip.Route, remove []string, err error) {
	if len(routes) == 0 && !g.opts.AllowEmpty {
		return nil, nil, ErrEmpty
	}
	wanted, err := byID(routes)
	if err != nil {
		return nil, nil, err
	}
	for _, def := range routes {
		if old := g.routes[def.ID]; old == nil || !eskip.Equal(old.Def, def) {
			set = append(set, def)
		}
	}
	for id := range g.routes {
		if wanted[id] == nil {
			remove = append(remove, id)
		}
	}
	return set, remove, nil
}

// byID fails if two routes have one id, and names both places.
func byID(routes []*eskip.Route) (map[string]*eskip.Route, error) {
	var errs eskip.ErrorList
	all := make(map[string]*eskip.Route, len(routes))
	for _, def := range routes {
		other := all[def.ID]
		if other == nil {
			all[def.ID] = def
			continue
		}
		errs = append(errs, &eskip.Error{File: def.File, Pos: def.Pos, Msg: fmt.Sprintf(
			"there is a route %s already, at %s:%s; ids are to be unique", def.ID, other.File, other.Pos)})
	}
	if len(errs) > 0 {
		return nil, errs[:min(len(errs), maxErrors)]
	}
	return all, nil
}

// change builds, swaps, and lets go of what was. Nothing before the swap can be seen from
// outside, and nothing after it can fail (C1).
func (g *Gateway) change(set []*eskip.Route, remove []string) error {
	if g.closed {
		return ErrClosed
	}
	built, err := g.build(set)
	if err != nil {
		return err
	}
	table, err := g.tableWith(built, remove)
	if err != nil {
		g.release(payloads(built)...)
		return err
	}
	g.table.Store(table)
	g.ready.Store(true)

	// C3: what is closed here goes on working for requests that began with the table before.
	var old []*compiled
	for _, id := range remove {
		if was := g.payloadOf(id); was != nil {
			old = append(old, was)
			delete(g.routes, id)
		}
	}
	for _, r := range built {
		if was := g.payloadOf(r.Def.ID); was != nil {
			old = append(old, was)
		}
		g.routes[r.Def.ID] = r
	}
	g.release(old...)
	return nil
}

// build compiles all routes or none. It gives up after maxErrors.
func (g *Gateway) build(defs []*eskip.Route) ([]*route.Route, error) {
	var errs eskip.ErrorList
	built := make([]*route.Route, 0, len(defs))
	for _, def := range defs {
		r, err := g.compile(def, g.payloadOf(def.ID))
		if err == nil {
			built = append(built, r)
			continue
		}
		if errs = located(errs, def, def.Pos, err); len(errs) >= maxErrors {
			break
		}
	}
	if len(errs) > 0 {
		g.release(payloads(built)...)
		return nil, errs[:min(len(errs), maxErrors)]
	}
	return built, nil
}

// payloadOf is what a route has now, or nil.
func (g *Gateway) payloadOf(id string) *compiled {
	if r := g.routes[id]; r != nil {
		return payload(r)
	}
	return nil
}

// tableWith makes the next table: of the present one if little changes, else from the beginning.
func (g *Gateway) tableWith(set []*route.Route, remove []string) (*route.Table, error) {
	if (len(set)+len(remove))*rebuildShare <= len(g.routes) {
		return g.table.Load().Update(set, remove)
	}
	gone := make(map[string]bool, len(remove)+len(set))
	for _, id := range remove {
		gone[id] = true
	}
	for _, r := range set {
		gone[r.Def.ID] = true
	}
	all := make([]*route.Route, 0, len(g.routes)+len(set))
	for id, r := range g.routes {
		if !gone[id] {
			all = append(all, r)
		}
	}
	return route.Build(append(all, set...))
}

// rebuildShare: a table is changed in place of built again if at most one of so many routes changes.
const rebuildShare = 4

func payloads(routes []*route.Route) []*compiled {
	all := make([]*compiled, len(routes))
	for i, r := range routes {
		all[i] = payload(r)
	}
	return all
}
