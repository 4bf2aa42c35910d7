package gateway

import (
	"errors"
	"fmt"
	"slices"

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
	table := g.table.Load()
	for _, def := range routes {
		if old := table.Get(def.ID); old == nil || !eskip.Equal(old.Def, def) {
			set = append(set, def)
		}
	}
	for r := range table.Routes() {
		if wanted[r.Def.ID] == nil {
			remove = append(remove, r.Def.ID)
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
	before := g.table.Load()
	built, err := g.build(set, before)
	if err != nil {
		return err
	}
	ids := changed(set, remove)
	after, err := nextTable(before, built, remove, ids)
	if err != nil {
		g.release(payloads(built)...)
		return err
	}
	g.table.Store(after)
	g.ready.Store(true)

	// C3: what is closed here goes on working for requests that began with the table before.
	var gone []*compiled
	for _, id := range ids {
		if was := before.Get(id); was != nil {
			gone = append(gone, payload(was))
		}
	}
	g.release(gone...)
	return nil
}

// nextTable changes a table (M5), or builds one anew if more than half of the routes change: to take
// them all out would be as much work as to put the new ones in.
func nextTable(before *route.Table, set []*route.Route, remove, ids []string) (*route.Table, error) {
	if len(ids) <= before.Len()/2 {
		return before.Update(set, remove)
	}
	all := slices.Clone(set)
	for r := range before.Routes() {
		if _, changes := slices.BinarySearch(ids, r.Def.ID); !changes {
			all = append(all, r)
		}
	}
	return route.Build(all)
}

// changed are all ids of a change, sorted, each once.
func changed(set []*eskip.Route, remove []string) []string {
	ids := slices.Clone(remove)
	for _, def := range set {
		ids = append(ids, def.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// build compiles all routes or none. It gives up after maxErrors.
func (g *Gateway) build(defs []*eskip.Route, before *route.Table) ([]*route.Route, error) {
	var errs eskip.ErrorList
	built := make([]*route.Route, 0, len(defs))
	for _, def := range defs {
		var was *compiled
		if r := before.Get(def.ID); r != nil {
			was = payload(r)
		}
		r, err := g.compile(def, was)
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

func payloads(routes []*route.Route) []*compiled {
	all := make([]*compiled, len(routes))
	for i, r := range routes {
		all[i] = payload(r)
	}
	return all
}
