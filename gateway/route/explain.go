package route

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// An Explanation says why a request has the route that it has. It is plain data.
type Explanation struct {
	Method, Host, Path string
	// Tried are the routes whose path fits (and, where many have one path, whose host), in the order in which they were
	// tried; the last one has won, unless none has.
	Tried []Attempt
	// Route is the name of the one that has won, or "".
	Route string
	// Params are the values of its wildcards.
	Params []Param
}

// An Attempt is a route that was tried.
type Attempt struct {
	Route string
	File  string
	Pos   eskip.Pos
	// Path is its path predicate, or "".
	Path   string
	Weight int
	// Failed are those of its predicates that do not hold. The first one decided; of the others Lookup does not
	// ask. It is empty for the route that has won.
	Failed []string
}

// A Param is a wildcard's name and what it stands for.
type Param struct{ Name, Value string }

// Explain is Lookup, telling what it does (M6). It leaves the answer in l too.
func (t *Table) Explain(r *http.Request, l *Lookup) Explanation {
	e := Explanation{Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath()}
	l.trace = &e
	t.Lookup(r, l)
	l.trace = nil
	return e
}

// failed notes a route of which the predicate at first does not hold.
func (e *Explanation) failed(r *http.Request, l *Lookup, route *Route, first int) {
	a := attempt(route)
	a.Failed = []string{route.texts[first]}
	draws := l.draws // those below are not asked on the way, and take nothing from it (M6)
	for i := first + 1; i < len(route.tests); i++ {
		if !route.tests[i].MatchLookup(r, l) {
			a.Failed = append(a.Failed, route.texts[i])
		}
	}
	l.draws = draws
	e.Tried = append(e.Tried, a)
}

// won notes the answer of l.
func (e *Explanation) won(l *Lookup) {
	e.Tried = append(e.Tried, attempt(l.route))
	e.Route = l.route.Def.ID
	for _, name := range l.route.names {
		e.Params = append(e.Params, Param{name, l.Param(name)})
	}
}

func attempt(r *Route) Attempt {
	a := Attempt{Route: r.Def.ID, File: r.Def.File, Pos: r.Def.Pos, Weight: r.weight}
	if r.path != "" {
		name := pathName
		if r.subtree {
			name = pathSubtree
		}
		a.Path = eskip.Call{Name: name, Args: []any{r.path}}.String()
	}
	return a
}

// String is for a terminal:
//
//	POST shop.example.org/shop/7
//	  1. beta      Path("/shop/:item")  weight 2  no: Header("X-Test", "b")
//	  2. checkout  Path("/shop/:item")  weight 1  yes: item = "7"
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s\n", e.Method, e.Host, e.Path)
	name, path := 0, 0
	for _, a := range e.Tried {
		name, path = max(name, len(a.Route)), max(path, len(a.pathText()))
	}
	for i, a := range e.Tried {
		fmt.Fprintf(&b, "%3d. %-*s  %-*s  weight %d  ", i+1, name, a.Route, path, a.pathText(), a.Weight)
		if len(a.Failed) > 0 {
			fmt.Fprintf(&b, "no: %s\n", strings.Join(a.Failed, ", "))
			continue
		}
		b.WriteString("yes")
		for j, p := range e.Params {
			fmt.Fprintf(&b, "%s %s = %q", [2]string{":", ","}[min(j, 1)], p.Name, p.Value)
		}
		b.WriteByte('\n')
	}
	if e.Route == "" {
		b.WriteString("  no route: ")
		if len(e.Tried) == 0 {
			b.WriteString("none has a path that fits\n")
		} else {
			b.WriteString("no predicates of those whose path fits hold\n")
		}
	}
	return b.String()
}

func (a Attempt) pathText() string {
	if a.Path == "" {
		return "any path"
	}
	return a.Path
}
