package route

import (
	"net/http"
	"slices"
	"strings"
)

// Where thousands of routes differ in their host alone, as PathSubtree("/") && Host(...) of a gateway for many
// sites, they are all at one place of the tree. From some number on, those that ask for hosts (a
// [KeyedPredicate] of the dimension "host") are in a tree by host of their own, and a lookup goes through two short lists in place of a
// long one: the leaves of its host, and the open ones that ask for none. Both are in order, and it takes
// what comes first of both, so that M3 holds as in one list.
//
//	open   (weight 3) x    (weight 1) y
//	hosts  a.org: (weight 2) p, (weight 1) q     b.org: ...
//
//	a request to a.org tries x, p, q, y
type hosts struct {
	ends, below hosted // of those places of the stop
}

// hosted are leaves by host, each under every one of its hosts. The zero value is none.
type hosted struct {
	tree node
	size int // how many leaves
}

// hostDimension is that of predicates which ask for r.Host, with its port if it has one. Values are in lower case.
const hostDimension = "host"

// manyLeaves are so many that it is worth it.
const manyLeaves = 16

// editLeaves is a place with changes, which are in order: its open leaves, and those by host. How they are
// divided depends on what they are and not on the changes that led there.
func (h hosted) editLeaves(open []leaf, cs []change) ([]leaf, hosted) {
	if len(cs) == 0 {
		return open, h
	}
	if h.size == 0 {
		open = merge(open, cs)
		if len(open) <= manyLeaves || !slices.ContainsFunc(open, func(l leaf) bool { return len(l.route.hosts) > 0 }) {
			return open, h
		}
		cs = make([]change, 0, len(open)) // all leaves hang anew
		for _, l := range open {
			cs = append(cs, change{route: l.route})
		}
		open = nil
	}
	var rest, byHost []change
	for _, c := range cs {
		if len(c.route.hosts) == 0 {
			rest = append(rest, c)
			continue
		}
		for _, host := range c.route.hosts {
			byHost = append(byHost, change{place{host, false}, c.route, c.gone})
		}
		if h.size++; c.gone {
			h.size -= 2
		}
	}
	sortChanges(byHost)
	open = merge(open, rest)
	h.tree = h.tree.edit(0, byHost)
	if len(open)+h.size <= manyLeaves {
		return h.all(open), hosted{}
	}
	return open, h
}

// all are the leaves of a place in order.
func (h hosted) all(open []leaf) []leaf {
	if h.size == 0 {
		return open
	}
	all := slices.Clone(open)
	h.tree.each(func(s *stop) bool { all = append(all, s.ends...); return true })
	slices.SortFunc(all, func(a, b leaf) int { return order(a.route, b.route) })
	return slices.CompactFunc(all, func(a, b leaf) bool { return a.route == b.route })
}

// of are the leaves of a host.
func (h *hosted) of(host string) []leaf {
	if strings.IndexFunc(host, func(c rune) bool { return 'A' <= c && c <= 'Z' }) >= 0 {
		host = strings.ToLower(host)
	}
	return h.tree.get(host)
}

// hostsOf is where routes of some terms are listed, or nil if these ask for no host.
func hostsOf(t *terms) []string {
	values := slices.Clone(t.values(hostDimension))
	if slices.ContainsFunc(values, func(host string) bool { return strings.IndexByte(host, param) >= 0 }) {
		return nil
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// firstOf is the first route whose predicates are all true, among open leaves and those of the request's host.
func (l *Lookup) firstOf(r *http.Request, open []leaf, h *hosted, wilds int) *Route {
	mine := h.of(r.Host)
	for len(mine) > 0 && len(open) > 0 {
		next := &open
		if order(mine[0].route, open[0].route) < 0 {
			next = &mine
		}
		if found := l.first(r, (*next)[:1], wilds); found != nil {
			return found
		}
		*next = (*next)[1:]
	}
	if len(mine) > 0 {
		open = mine
	}
	return l.first(r, open, wilds)
}
