package route_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/predicates"
	"github.com/flagship-go/flagship/gateway/route"
)

// The routes of the benchmarks: /svcA/vB/itemsC/:id and .../detail, with a method, a host and two predicates more.
func benchDefs(tb testing.TB, n int) []*eskip.Route {
	text := make([]byte, 0, n*180)
	for i := range n {
		text = fmt.Appendf(text, "r%d: Path(\"%s\") && Method(\"GET\") && Host(/^api[.]example[.]org$/) && Header(\"X-Tenant\", \"a\") && QueryParam(\"v\") -> <shunt>;\n",
			i, benchPath(i, ":id"))
	}
	return parse(tb, string(text))
}

func benchPath(i int, id string) string {
	path := fmt.Sprintf("/svc%d/v%d/items%d/%s", i/2%100, i/200%10, i/2000, id)
	if i%2 == 1 {
		path += "/detail"
	}
	return path
}

func benchRoutes(tb testing.TB, defs []*eskip.Route) []*route.Route {
	s, err := route.NewSpecs(predicates.All()...)
	require.NoError(tb, err)
	routes := make([]*route.Route, len(defs))
	for i, def := range defs {
		if routes[i], err = route.Compile(def, s); err != nil {
			tb.Fatal(err)
		}
	}
	return routes
}

// benchPaths are paths that requests ask for. The request itself is one, as a gateway has just read it, and it is warm.
func benchPaths(n int) []string {
	rng := rand.New(rand.NewPCG(1, 1))
	paths := make([]string, 1024)
	for i := range paths {
		paths[i] = benchPath(rng.IntN(n), strconv.Itoa(rng.IntN(1e6)))
	}
	return paths
}

func benchLookup(b *testing.B, defs []*eskip.Route) {
	table, err := route.Build(benchRoutes(b, defs))
	require.NoError(b, err)
	paths := benchPaths(len(defs))
	r, l := request(b, "GET /?v=1 X-Tenant=a"), &route.Lookup{}
	r.Host = "api.example.org"
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.URL.Path = paths[i%len(paths)]
		if table.Lookup(r, l) == nil {
			b.Fatal("not found")
		}
	}
}

var benchSizes = []int{10, 1000, 10000, 100000}

func BenchmarkLookup(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) { benchLookup(b, benchDefs(b, n)) })
	}
}

// The walk alone: routes without predicates.
func BenchmarkLookupPath(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			defs := benchDefs(b, n)
			for _, def := range defs {
				def.Predicates = def.Predicates[:1]
			}
			benchLookup(b, defs)
		})
	}
}

// From routes of text to a table and its report.
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			defs := benchDefs(b, n)
			b.ReportAllocs()
			for b.Loop() {
				table, err := route.Build(benchRoutes(b, defs))
				if rep := table.Report(); err != nil || len(rep.Shadowed)+len(rep.Ties) > 0 {
					b.Fatal(err, rep)
				}
			}
		})
	}
}

// One route more, and one less.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{10000, 100000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			routes := benchRoutes(b, benchDefs(b, n))
			table, err := route.Build(routes)
			require.NoError(b, err)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r := routes[i*7919%n : i*7919%n+1]
				without, err := table.Update(nil, []string{r[0].Def.ID})
				if err == nil {
					table, err = without.Update(r, nil)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Many sites behind one path: what decides is the host.
func BenchmarkLookupHost(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			text := make([]byte, 0, n*100)
			for i := range n {
				text = fmt.Appendf(text, "r%d: PathSubtree(\"/\") && Host(/^site%d[.]example[.]org$/) -> <shunt>;\n", i, i)
			}
			table, err := route.Build(benchRoutes(b, parse(b, string(text))))
			require.NoError(b, err)
			r, l := request(b, "GET /a/b"), &route.Lookup{}
			hosts := make([]string, 1024)
			for i := range hosts {
				hosts[i] = fmt.Sprintf("site%d.example.org", i*7919%n)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Host = hosts[i%len(hosts)]
				if table.Lookup(r, l) == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkCanonical(b *testing.B) {
	r := request(b, "GET "+benchPath(4711, "42"))
	b.ReportAllocs()
	for b.Loop() {
		if err := route.Canonical(r.URL); err != nil {
			b.Fatal(err)
		}
	}
}
