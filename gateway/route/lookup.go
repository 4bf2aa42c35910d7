package route

import (
	"math"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// A Lookup is one request's question to a table, and the answer. Whoever asks fills in
// the fields, which predicates read; it can be used again after Reset, by one goroutine at a time.
type Lookup struct {
	// Client is the address of the client, as far as proxies are trusted (F6). If it is
	// not valid, predicates take the connection's.
	Client netip.Addr
	// Draw is one number of the request, uniform in [0, 1): TrafficSegment (M4).
	Draw float64
	// Now is when the request came: Between, Cron and the like. The zero time is never in an interval.
	Now time.Time

	route *Route // the answer
	path  string // in match form
	draws uint64 // numbers that NextDraw has given
	// wild are the parts of path that wildcards took, of which the first found are the answer's.
	wild  [maxWildcards]span
	found int
	trace *Explanation // nil but in Explain
}

// A span is a part of Lookup.path.
type span struct{ from, to int }

// maxWildcards of one path: so many fit into a Lookup without an allocation.
const maxWildcards = 16

// NextDraw is a number like Draw, but independent of it and of those that it gave before in this
// lookup: for predicates that throw a coin each (Traffic). The same Draw gives the same numbers.
func (l *Lookup) NextDraw() float64 {
	l.draws++
	x := math.Float64bits(l.Draw) + l.draws*0x9e3779b97f4a7c15 // SplitMix64
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

// Reset forgets the request and the answer.
func (l *Lookup) Reset() { *l = Lookup{} }

// Param is the value of a wildcard of the route that was found, decoded once (M2), or "" if it has none
// of that name. The value of a free wildcard begins with a slash; at the root of a PathSubtree it
// is "/". A free wildcard without a name is called "*".
//
//	Path("/docs/:lang/*page")   /docs/en/a/b   lang = "en", page = "/a/b"
//	PathSubtree("/docs")        /docs          * = "/"
func (l *Lookup) Param(name string) string {
	if l.route == nil {
		return ""
	}
	for i, n := range l.route.names {
		if n != name {
			continue
		}
		free := l.route.free && i == len(l.route.names)-1
		switch {
		case free && i >= l.found:
			return "/"
		case free:
			return slashes(l.path[l.wild[i].from-1 : l.wild[i].to])
		}
		return slashes(l.path[l.wild[i].from:l.wild[i].to])
	}
	return ""
}

// find is the walk (M1): the routes below n are tried, the most specific path first, until one
// has all its predicates true. n stands behind path[:at], and wilds wildcards were passed on the way.
//
// Only where a wildcard begins is there a choice, and only there it calls itself. It comes to
// every node of the tree at most once, however the routes are made.
func (l *Lookup) find(r *http.Request, n *node, at, wilds int) *Route {
	for {
		s := n.stop
		if at == len(l.path) {
			if s == nil {
				return nil
			}
			if s.hosts != nil {
				return l.firstOf(r, s.ends, &s.hosts.ends, wilds)
			}
			return l.first(r, s.ends, wilds)
		}
		child := n.child(l.path[at])
		if child != nil && len(child.text) > 1 && !strings.HasPrefix(l.path[at:], child.text) {
			child = nil // the first byte is the same: a text of one byte, which most are among many routes, is not looked at
		}
		if s == nil || s.param == nil && s.below == nil && s.hosts == nil {
			if child == nil {
				return nil
			}
			at += len(child.text)
			n = child
			continue
		}
		if child != nil {
			if found := l.find(r, child, at+len(child.text), wilds); found != nil {
				return found
			}
		}
		return l.wildcards(r, s, at, wilds)
	}
}

// wildcards tries what is less specific than a name: any one segment, then all that is left.
func (l *Lookup) wildcards(r *http.Request, s *stop, at, wilds int) *Route {
	if s.param != nil {
		end := at
		for end < len(l.path) && l.path[end] != '/' {
			end++
		}
		if end > at {
			l.wild[wilds] = span{at, end}
			if found := l.find(r, s.param, end, wilds+1); found != nil {
				return found
			}
		}
	}
	if s.below == nil && s.hosts == nil {
		return nil
	}
	if at > 0 { // routes without a path have no wildcard: their leaves hang below the root
		l.wild[wilds] = span{at, len(l.path)}
		wilds++
	}
	if s.hosts != nil {
		return l.firstOf(r, s.below, &s.hosts.below, wilds)
	}
	return l.first(r, s.below, wilds)
}

// first is the first route of a list whose predicates are all true: the heaviest (M3).
func (l *Lookup) first(r *http.Request, leaves []leaf, wilds int) *Route {
next:
	for i := range leaves {
		for j, t := range leaves[i].tests {
			if !t.MatchLookup(r, l) {
				if l.trace != nil {
					l.trace.failed(r, l, leaves[i].route, j)
				}
				continue next
			}
		}
		l.route, l.found = leaves[i].route, wilds
		if l.trace != nil {
			l.trace.won(l)
		}
		return l.route
	}
	return nil
}
