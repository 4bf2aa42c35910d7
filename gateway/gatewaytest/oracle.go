package gatewaytest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// A SlowTable is what a route table is, said as simply as possible: the routes whose path fits, sorted by M1 and
// M3, of which the first wins that has all its predicates true. It knows nothing of trees. Path, PathSubtree and Weight
// are its own; all other predicates come from specs.
type SlowTable struct {
	routes []*slowRoute
}

type slowRoute struct {
	def        *eskip.Route
	segments   []string // of its path; nil: any path
	subtree    bool
	weight     int
	predicates []route.Predicate
}

// NewSlowTable takes routes that are right, and whose paths are canonical; it panics at a predicate that cannot be made.
func NewSlowTable(defs []*eskip.Route, specs ...route.PredicateSpec) *SlowTable {
	t := &SlowTable{}
	for _, def := range defs {
		r := &slowRoute{def: def}
		for _, call := range def.Predicates {
			switch call.Name {
			case "Path":
				r.segments = strings.Split(call.Args[0].(string)[1:], "/")
			case "PathSubtree":
				r.subtree = true
				path := strings.TrimSuffix(call.Args[0].(string), "/")
				if last := path[strings.LastIndexByte(path, '/')+1:]; !strings.HasPrefix(last, "*") {
					path += "/**"
				}
				r.segments = strings.Split(path[1:], "/")
			case "Weight":
				r.weight += int(call.Args[0].(float64))
			default:
				r.add(call, specs)
			}
		}
		t.routes = append(t.routes, r)
	}
	return t
}

// add makes a predicate that is not about the path, and adds what it weighs.
func (s *slowRoute) add(call eskip.Call, specs []route.PredicateSpec) {
	for _, spec := range specs {
		if spec.Name() != call.Name {
			continue
		}
		p, err := spec.Create(call.Args)
		if err != nil {
			panic(err)
		}
		s.predicates = append(s.predicates, p)
		s.weight++
		if w, is := spec.(route.WeightedPredicateSpec); is {
			s.weight += w.Weight()
		}
	}
}

// A candidate is a route whose path fits, and how specific it is: for each segment, from the left, 0
// for a name, 1 for :param, 2 for a free wildcard, 3 for no path at all.
type candidate struct {
	*slowRoute
	vague  []int
	params map[string]string
}

// candidates are the routes whose path fits that of a request, in the order in which they are to be tried.
func (t *SlowTable) candidates(r *http.Request) []candidate {
	path := strings.Split(r.URL.EscapedPath()[1:], "/")
	for i := range path {
		path[i], _ = url.PathUnescape(path[i])
	}
	var fit []candidate
	for _, route := range t.routes {
		if c, ok := route.fits(path); ok {
			fit = append(fit, c)
		}
	}
	slices.SortFunc(fit, func(a, b candidate) int {
		subtree := map[bool]int{true: 1}
		return cmp.Or(
			slices.Compare(a.vague, b.vague),      // M1
			cmp.Compare(b.weight, a.weight),       // M3
			subtree[a.subtree]-subtree[b.subtree], // a Path before a PathSubtree
			cmp.Compare(a.def.ID, b.def.ID))       // what is written
	})
	return fit
}

// Find is the route of a request whose path is canonical, or nil, and the parameters of its path.
func (t *SlowTable) Find(r *http.Request, l *route.Lookup) (*eskip.Route, map[string]string) {
	for _, c := range t.candidates(r) {
		if c.holds(r, l) {
			return c.def, c.params
		}
	}
	return nil, nil
}

// Order is which routes are tried for a request, by name, until one wins, which may be nil.
func (t *SlowTable) Order(r *http.Request, won *eskip.Route) (names []string) {
	for _, c := range t.candidates(r) {
		if names = append(names, c.def.ID); c.def == won {
			break
		}
	}
	return names
}

func (s *slowRoute) holds(r *http.Request, l *route.Lookup) bool {
	for _, p := range s.predicates {
		if ask, is := p.(route.LookupPredicate); is {
			if !ask.MatchLookup(r, l) {
				return false
			}
		} else if !p.Match(r) {
			return false
		}
	}
	return true
}

// fits compares a route's path with decoded segments.
func (s *slowRoute) fits(path []string) (candidate, bool) {
	c := candidate{slowRoute: s, params: map[string]string{}}
	if s.segments == nil {
		c.vague = []int{3}
		return c, true
	}
	for i, segment := range s.segments {
		switch {
		case strings.HasPrefix(segment, "*"):
			name := cmp.Or(segment[1:], "*")
			rest := ""
			if i <= len(path) {
				rest = strings.Join(path[i:], "/")
			}
			c.params[name] = "/" + rest
			if rest != "" {
				c.vague = append(c.vague, 2)
				return c, true
			}
			if !s.subtree || i > len(path) {
				return c, false
			}
			c.vague = c.vague[:i]
			for len(c.vague) < len(path) { // its root with a slash
				c.vague = append(c.vague, 0)
			}
			return c, true
		case i >= len(path):
			return c, false
		case strings.HasPrefix(segment, ":"):
			if path[i] == "" {
				return c, false
			}
			c.params[segment[1:]] = path[i]
			c.vague = append(c.vague, 1)
		default:
			if literal, _ := url.PathUnescape(segment); literal != path[i] {
				return c, false
			}
			c.vague = append(c.vague, 0)
		}
	}
	return c, len(s.segments) == len(path)
}
