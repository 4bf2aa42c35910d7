package route

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
)

// A Table finds routes. It never changes (M5), and is safe for concurrent use.
type Table struct {
	paths node // by path
	ids   node // by name, as paths that end: Update finds what it replaces
	size  int
}

// Build makes a table of routes that Compile made, in any order (M3). Two of one name are an error.
func Build(routes []*Route) (*Table, error) { return new(Table).Update(routes, nil) }

// Len is how many routes there are.
func (t *Table) Len() int { return t.size }

// Get is the route of a name, or nil.
func (t *Table) Get(id string) *Route {
	if leaves := t.ids.get(id); len(leaves) > 0 {
		return leaves[0].route
	}
	return nil
}

// Routes are all routes, by name.
func (t *Table) Routes() iter.Seq[*Route] {
	return func(yield func(*Route) bool) {
		t.ids.each(func(s *stop) bool { return s.ends == nil || yield(s.ends[0].route) })
	}
}

// Lookup finds the route of a request, whose URL is canonical ([Canonical]), or nil. It leaves the route's
// parameters in l. It allocates nothing, unless the path has an encoded slash: then once.
func (t *Table) Lookup(r *http.Request, l *Lookup) *Route {
	l.path, l.route, l.found, l.draws = matchForm(r.URL), nil, 0, 0
	return l.find(r, &t.paths, 0, 0)
}

// each visits all stops in the order of their keys, until f says that it is enough.
func (n *node) each(f func(*stop) bool) bool {
	if s := n.stop; s != nil && (!f(s) || s.param != nil && !s.param.each(f)) {
		return false
	}
	for i := range n.children {
		if !n.children[i].each(f) {
			return false
		}
	}
	return true
}

// checkNew tells of routes that cannot be in one table.
func checkNew(routes []*Route) error {
	var errs []error
	seen := make(map[string]*Route, len(routes))
	for _, r := range routes {
		if r == nil || r.places == nil {
			errs = append(errs, errors.New("route: a route was not made by Compile"))
			continue
		}
		id := r.Def.ID
		for i := range len(id) {
			if id[i] == param {
				errs = append(errs, fmt.Errorf("route: the name %q has a NUL; leave it out", id))
				break
			}
		}
		if first := seen[id]; first != nil {
			errs = append(errs, fmt.Errorf("route: %s:%v: the name %s is taken by the route at %s:%v; give this one another",
				r.Def.File, r.Def.Pos, id, first.Def.File, first.Def.Pos))
		}
		seen[id] = r
	}
	return errors.Join(errs...)
}
