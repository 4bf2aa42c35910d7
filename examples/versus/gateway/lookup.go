package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	julien "github.com/julienschmidt/httprouter"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/predicates"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/internal/versus"
)

// Which route a request takes. Ours look at the path, the method, the host, a header and a parameter of the query; the
// others' look at the path and the method. An operation is a request that finds its route. The request is one, whose
// path changes, as a server has it just read.

// find tells whether a path has a route.
type find func(path string) bool

// finders are routers that have their routes: those of the cell that is measured, since a hundred thousand take a
// while to be made, and all of them together a lot of memory.
type finders struct {
	routes int
	of     map[string]find
}

var routers = []struct {
	name, module string
	build        func(routes int) (find, error)
}{
	{ours, oursModule, findOurs},
	{httprouter, "github.com/julienschmidt/httprouter", findHttprouter},
	{chiName, "github.com/go-chi/chi/v5", findChi},
	{muxName, "", findServeMux},
}

func lookupTable(o *session) *table {
	t := &table{Table: versus.Table{
		Name: "lookup", Title: "A request finds its route", Ours: ours,
		Cells: []versus.Cell{"routes=10", "routes=1000", "routes=10000", "routes=100000"}, Quick: []versus.Cell{"routes=10", "routes=1000"},
	}}
	t.Goals = []versus.Goal{cpu(1.5, httprouter, t.Cells[2:]...)}
	t.limits = noAllocation(t.Cells...)
	for _, r := range routers {
		t.Contenders = append(t.Contenders, versus.Contender{Name: r.name, Module: r.module, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
			n := cell.Int("routes", 1)
			if o.finders.routes != n {
				o.finders = finders{n, map[string]find{}}
			}
			f := o.finders.of[r.name]
			if f == nil {
				var err error
				if f, err = r.build(n); err != nil {
					return nil, err
				}
				o.finders.of[r.name] = f
			}
			return finding{f, peer.Paths(n)}, nil
		}})
	}
	return t
}

type finding struct {
	find
	paths []string
}

func (f finding) Run(_ context.Context, w *versus.Work) error {
	c := w.NewClient()
	for i := 0; c.Next(); i++ {
		if path := f.paths[i%len(f.paths)]; !f.find(path) {
			return fmt.Errorf("no route for %s", path)
		}
	}
	return nil
}

func (f finding) Close() error { return nil }

// request is the one whose path changes.
func request() (*http.Request, error) {
	r, err := http.NewRequest(http.MethodGet, "http://api.example.org/?v=1", nil)
	if err == nil {
		r.Header.Set("X-Tenant", "a")
	}
	return r, err
}

// definitions are the routes of this table and of those that build one.
func definitions(n int) ([]*eskip.Route, error) {
	text := make([]byte, 0, n*180)
	for i := range n {
		text = fmt.Appendf(text, "r%d: Path(%q) && Method(\"GET\") && Host(/^api[.]example[.]org$/) && Header(\"X-Tenant\", \"a\") && QueryParam(\"v\") -> <shunt>;\n",
			i, peer.Path(i, ":id"))
	}
	return eskip.Parse("", string(text))
}

func compileAll(defs []*eskip.Route) ([]*route.Route, error) {
	specs, err := route.NewSpecs(predicates.All()...)
	if err != nil {
		return nil, err
	}
	routes := make([]*route.Route, len(defs))
	for i, def := range defs {
		if routes[i], err = route.Compile(def, specs); err != nil {
			return nil, err
		}
	}
	return routes, nil
}

func findOurs(n int) (find, error) {
	defs, err := definitions(n)
	if err != nil {
		return nil, err
	}
	routes, err := compileAll(defs)
	if err != nil {
		return nil, err
	}
	table, err := route.Build(routes)
	if err != nil {
		return nil, err
	}
	r, err := request()
	l := &route.Lookup{}
	return func(path string) bool {
		r.URL.Path = path
		return table.Lookup(r, l) != nil
	}, err
}

// handlerPatterns are the routes as the others write them: with an id of this form.
func handlerPatterns(n int, id string) []string {
	patterns := make([]string, n)
	for i := range patterns {
		patterns[i] = peer.Path(i, id)
	}
	return patterns
}

// findHttprouter asks by ServeHTTP; what it finds is called, and so are the next two's.
func findHttprouter(n int) (find, error) {
	found := false
	router := buildHttprouter(handlerPatterns(n, ":id"), func(http.ResponseWriter, *http.Request, julien.Params) { found = true })
	r, err := request()
	return func(path string) bool {
		found = false
		r.URL.Path = path
		router.ServeHTTP(nil, r)
		return found
	}, err
}

func buildHttprouter(patterns []string, h julien.Handle) *julien.Router {
	router := julien.New()
	for _, p := range patterns {
		router.GET(p, h)
	}
	return router
}

// findChi asks by Match with a context that is used again: by ServeHTTP it would also copy the request.
func findChi(n int) (find, error) {
	mux, ctx := buildChi(handlerPatterns(n, "{id}"), func(http.ResponseWriter, *http.Request) {}), chi.NewRouteContext()
	return func(path string) bool {
		ctx.Reset()
		return mux.Match(ctx, http.MethodGet, path)
	}, nil
}

func buildChi(patterns []string, h http.HandlerFunc) *chi.Mux {
	mux := chi.NewRouter()
	for _, p := range patterns {
		mux.Get(p, h)
	}
	return mux
}

func findServeMux(n int) (find, error) {
	found := false
	mux := buildServeMux(handlerPatterns(n, "{id}"), func(http.ResponseWriter, *http.Request) { found = true })
	r, err := request()
	return func(path string) bool {
		found = false
		r.URL.Path = path
		mux.ServeHTTP(nil, r)
		return found
	}, err
}

func buildServeMux(patterns []string, h http.HandlerFunc) *http.ServeMux {
	mux := http.NewServeMux()
	for _, p := range patterns {
		mux.HandleFunc("GET "+p, h)
	}
	return mux
}
