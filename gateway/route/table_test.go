package route_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/internal/tries"
)

func TestTheMostSpecificPathWins(t *testing.T) {
	table := build(t, `
		new:      Path("/shop/new") -> <shunt>;
		item:     Path("/shop/:item") -> <shunt>;
		reviews:  Path("/shop/:item/reviews") -> <shunt>;
		files:    Path("/shop/new/*file") -> <shunt>;
		shop:     PathSubtree("/shop") && Weight(9) -> <shunt>;
		slash:    Path("/slash/") -> <shunt>;
		deep:     Path("/deep/**") -> <shunt>;
		verb:     Path("/v1/items:batch") -> <shunt>;
		root:     Path("/") -> <shunt>;
		get:      Method("GET") -> <shunt>;
	`)
	for _, c := range []struct{ request, route string }{
		{"GET /shop/new", "new"},
		{"GET /shop/newer", "item"},
		{"GET /shop/ne", "item"},
		{"GET /shop/7", "item"},
		{"GET /shop/7/reviews", "reviews"},
		{"GET /shop/7/other", "shop"},
		{"GET /shop/new/reviews", "files"}, // a name before :item decides, whatever comes behind
		{"GET /shop/new/a/b", "files"},
		{"GET /shop/new/", "shop"}, // a free wildcard takes something
		{"GET /shop", "shop"},
		{"GET /shop/", "shop"}, // :item is not empty
		{"PUT /shopping", ""},
		{"PUT /slash/", "slash"},
		{"PUT /slash", ""}, // a slash at the end counts
		{"PUT /deep/", ""},
		{"PUT /deep/er", "deep"},
		{"PUT /v1/items:batch", "verb"},
		{"PUT /", "root"},
		{"GET /nowhere", "get"},
		{"PUT /nowhere", ""},
	} {
		if got := id(table.Lookup(request(t, c.request), new(route.Lookup))); got != c.route {
			t.Errorf("RULE M1: %s goes to %q, want %q", c.request, got, c.route)
		}
	}
}

// Whoever forgets Canonical gets no parameter that is empty.
func TestAWildcardTakesSomething(t *testing.T) {
	table := build(t, `a: Path("/shop/:item/reviews") -> <shunt>; b: Path("/shop/*rest") -> <shunt>;`)
	r := request(t, "GET /")
	r.URL.Path = "/shop//reviews"
	if got := id(table.Lookup(r, new(route.Lookup))); got != "b" {
		t.Errorf("RULE M1: %s goes to %q, want b", r.URL.Path, got)
	}
}

// Pitfall 5: what is behind a name must not hide what is behind a wildcard.
func TestARouteWhosePredicatesFailMakesWayForALessSpecificPath(t *testing.T) {
	table := build(t, `
		name:   Path("/a/b") && Method("POST") -> <shunt>;
		param:  Path("/a/:x/c") -> <shunt>;
		one:    Path("/a/:x") && Method("GET") -> <shunt>;
		free:   Path("/a/**") && Header("X", "1") -> <shunt>;
		deeper: Path("/a/b/c/d") -> <shunt>;
		all:    PathSubtree("/") && Method("PUT") -> <shunt>;
		none:   * -> <shunt>;
	`)
	for _, c := range []struct{ request, route string }{
		{"POST /a/b", "name"},
		{"GET /a/b", "one"},
		{"PUT /a/b X=1", "free"},
		{"PUT /a/b", "all"},
		{"HEAD /a/b", "none"},
		{"GET /a/b/c", "param"}, // the tree has b/c on the way to b/c/d
		{"GET /a/b/c/e X=1", "free"},
		{"GET /a/b/c/d", "deeper"},
	} {
		if got := id(table.Lookup(request(t, c.request), new(route.Lookup))); got != c.route {
			t.Errorf("RULE M1: %s goes to %q, want %q", c.request, got, c.route)
		}
	}
}

func TestTheHeavierOfOnePathWins(t *testing.T) {
	table := build(t, `
		plain:   Path("/x") -> <shunt>;
		get:     Path("/x") && Method("GET") -> <shunt>;
		two:     Path("/x") && Method("GET") && Header("X", "1") -> <shunt>;
		weight:  Path("/x") && Header("Y", "1") && Weight(1) -> <shunt>;
		heavy:   Path("/x") && Heavy() -> <shunt>;
		below:   PathSubtree("/x") && Method("GET") -> <shunt>;
		light:   Path("/x") && Method("PUT") && Segment(0, 1) -> <shunt>;
		put:     Path("/x") && Method("PUT") -> <shunt>;
	`)
	for _, c := range []struct{ request, route, why string }{
		{"POST /x", "plain", "it has no predicates"},
		{"GET /x", "get", "a Path comes before a PathSubtree of its weight"},
		{"GET /x/", "below", "only a PathSubtree has the slash"},
		{"GET /x X=1", "two", "two predicates are more than one"},
		{"GET /x X=1 Y=1", "two", "of one weight the smaller name wins"},
		{"GET /x X=1 Y=1 Heavy=1", "heavy", "a predicate may weigh more than 1"},
		{"PUT /x", "light", "a Segment weighs nothing, so the names decide"},
	} {
		if got := id(table.Lookup(request(t, c.request), new(route.Lookup))); got != c.route {
			t.Errorf("RULE M3: %s goes to %q, want %q: %s", c.request, got, c.route, c.why)
		}
	}
}

// Pitfall 6: replicas read the same routes in different orders.
func TestTheOrderOfRoutesDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	var reports [][2]string
	for range 15 {
		routes := compile(t, randomRoutes(t, rng, 40, "r"))
		first, err := route.Build(routes)
		require.NoError(t, err)
		rng.Shuffle(len(routes), func(i, j int) { routes[i], routes[j] = routes[j], routes[i] })
		second, err := route.Build(routes)
		require.NoError(t, err)
		for range 50 {
			r, l := randomRequest(t, rng), &route.Lookup{Draw: rng.Float64()}
			if a, b := id(first.Lookup(r, l)), id(second.Lookup(r, l)); a != b {
				t.Fatalf("RULE M3: %s %s goes to %q in one replica and to %q in another", r.Method, r.URL, a, b)
			}
		}
		reports = append(reports, [2]string{first.Report().String(), second.Report().String()})
	}
	for _, pair := range reports {
		if pair[0] != pair[1] {
			t.Fatalf("RULE M7: one replica reports\n%sanother one\n%s", pair[0], pair[1])
		}
	}
}

func TestSegmentsOfARequestSeeOneNumber(t *testing.T) {
	table := build(t, `
		a: Path("/") && Segment(0, 0.5) -> <shunt>;
		b: Path("/") && Segment(0.5, 0.8) -> <shunt>;
		c: Path("/") && Segment(0.8, 1) -> <shunt>;
	`)
	count := map[string]int{}
	for i := range 1000 {
		count[id(table.Lookup(request(t, "GET /"), &route.Lookup{Draw: float64(i) / 1000}))]++
	}
	if want := map[string]int{"a": 500, "b": 300, "c": 200}; fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("RULE M4: 1000 requests were shared out as %v, want %v", count, want)
	}
}

func TestATableAgreesWithTheSlowOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 8))
	for range tries.Of(60, 8) {
		defs := randomRoutes(t, rng, 1+rng.IntN(60), "r")
		table, err := route.Build(compile(t, defs))
		require.NoError(t, err)
		slow := gatewaytest.NewSlowTable(defs, slowSpecs()...)
		for range 50 {
			requireSame(t, slow, table, randomRequest(t, rng), rng.Float64())
		}
	}
}

func FuzzATableAgreesWithTheSlowOne(f *testing.F) {
	f.Add(`a: Path("/a/:x/c") -> <shunt>; b: Path("/a/b") && Method("POST") -> <shunt>`, "GET", "/a/b")
	f.Add(`a: PathSubtree("/a/:x") -> <shunt>; b: Path("/a/**") -> <shunt>`, "GET", "/a/b/")
	f.Add(`a: Path("/a%2Fb") -> <shunt>; b: Path("/*all") && Weight(3) -> <shunt>`, "GET", "/a%2fb")
	f.Fuzz(func(t *testing.T, text, method, target string) {
		defs, err := eskip.Parse("fuzz.eskip", text)
		if err != nil || len(defs) > 50 {
			return
		}
		s := specs(t)
		seen := map[string]bool{}
		var routes []*route.Route
		for _, def := range defs {
			r, err := route.Compile(def, s)
			if err != nil || seen[def.ID] || strings.Contains(def.ID, "\x00") || strings.Contains(def.String(), "//") || strings.Contains(def.String(), ".") {
				return // the slow one takes patterns that are canonical
			}
			seen[def.ID] = true
			routes = append(routes, r)
		}
		table, err := route.Build(routes)
		require.NoError(t, err)
		if r := fuzzRequest(method, target); r != nil {
			requireSame(t, gatewaytest.NewSlowTable(defs, slowSpecs()...), table, r, 0.3)
		}
	})
}

func TestBuildRefusesTwoRoutesOfOneName(t *testing.T) {
	_, err := route.Build(compile(t, parse(t, "a: * -> <shunt>;\nb: * -> <shunt>;\na: Path(\"/\") -> <shunt>;")))
	require.ErrorContains(t, err, "test.eskip:3:1: the name a is taken by the route at test.eskip:1:1")
	_, err = route.Build([]*route.Route{{Def: &eskip.Route{ID: "a"}}})
	require.ErrorContains(t, err, "not made by Compile")
	_, err = route.Build([]*route.Route{nil})
	require.ErrorContains(t, err, "not made by Compile")
}

func TestRoutesAreListedByName(t *testing.T) {
	table := build(t, `b: * -> <shunt>; ab: * -> <shunt>; a: * -> <shunt>; c: * -> <shunt>;`)
	var names []string
	for r := range table.Routes() {
		names = append(names, id(r))
	}
	require.Equal(t, []string{"a", "ab", "b", "c"}, names)
	for range table.Routes() {
		break
	}
	require.Equal(t, 4, table.Len())
	require.Equal(t, "ab", id(table.Get("ab")))
	for _, name := range []string{"", "abc", "x", "a "} {
		require.Nil(t, table.Get(name), name)
	}
}

// Regular expressions are not in it: package regexp has its memory from a sync.Pool, of which nothing is promised.
func TestLookupAllocatesNothing(t *testing.T) {
	table := build(t, `
		a: Path("/a/:x/:y/*rest") && Method("GET") && Header("X", "1") && Segment(0, 1) -> <shunt>;
		b: Path("/a/b/**") && Method("POST") -> <shunt>;
	`)
	r, l := request(t, "GET /a/b/c/d X=1"), &route.Lookup{}
	allocations := testing.AllocsPerRun(100, func() {
		if table.Lookup(r, l) == nil || l.Param("rest") != "/d" || l.Param("x") != "b" {
			t.Fatal("not found")
		}
	})
	require.Zero(t, allocations)
}

func TestALookupIsUsedAgain(t *testing.T) {
	table := build(t, `a: Path("/a/:x") -> <shunt>; b: Path("/b") -> <shunt>;`)
	l := &route.Lookup{Draw: 0.5}
	require.Equal(t, "a", id(table.Lookup(request(t, "GET /a/1"), l)))
	require.Equal(t, "1", l.Param("x"))
	require.Empty(t, l.Param("y"))
	require.Equal(t, "b", id(table.Lookup(request(t, "GET /b"), l)))
	require.Empty(t, l.Param("x"))
	require.Nil(t, table.Lookup(request(t, "GET /c"), l))
	require.Empty(t, l.Param("x"))
	l.Reset()
	require.Zero(t, *l)
}

// Tables and specs are used by many at once, while others make the next table.
func TestManyUseATableAtOnce(t *testing.T) {
	s := specs(t)
	defs := parse(t, `a: Path("/a/:x") && Method("GET") -> <shunt>; b: Path("/a/b") && PathRegexp("b$") && Method("GET") -> <shunt>;`)
	table, err := route.Build(nil)
	require.NoError(t, err)
	r := request(t, "GET /a/b")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			mine := table
			for _, def := range defs {
				compiled, err := route.Compile(def, s)
				if err == nil {
					mine, err = mine.Update([]*route.Route{compiled}, nil)
				}
				if err != nil || mine.Lookup(r, new(route.Lookup)) != compiled || mine.Report().Routes != mine.Len() {
					t.Errorf("%s: %v", def.ID, err)
				}
			}
		})
	}
	wait.Wait()
	require.Zero(t, table.Len())
}

func slowSpecs() []route.PredicateSpec {
	return append(slices.Clip(testSpecs), testSpec{"PathRegexp", 0, slowPathRegexp})
}
