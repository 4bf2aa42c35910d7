package route_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/gatewaytest"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/internal/tries"
)

func shadows(rep route.Report) string {
	var all []string
	for _, s := range rep.Shadowed {
		var by []string
		for _, r := range s.By {
			by = append(by, id(r))
		}
		all = append(all, id(s.Route)+"<"+strings.Join(by, ","))
	}
	return strings.Join(all, " ")
}

func ties(rep route.Report) string {
	var all []string
	for _, tie := range rep.Ties {
		all = append(all, id(tie.First)+"="+id(tie.Second))
	}
	return strings.Join(all, " ")
}

func TestTheReportNamesRoutesThatCanNeverWin(t *testing.T) {
	for _, c := range []struct{ routes, want string }{
		{`a: Path("/x") -> <shunt>; b: Path("/x") -> <shunt>;`, "b<a"},
		{`a: Path("/x") && Method("GET") && Header("X", "1") -> <shunt>; b: Path("/x") && Header("X", "1") && Method("GET") -> <shunt>;`, "b<a"},
		{`a: Path("/x") -> <shunt>; b: Path("/x") && Method("GET") -> <shunt>;`, ""},
		{`a: Path("/x") && Coin() -> <shunt>; b: Path("/x") && Coin() -> <shunt>;`, ""}, // a second coin
		{`a: Path("/x") && Weight(1) -> <shunt>; b: Path("/x") && Method("GET") -> <shunt>;`, "b<a"},
		{`a: Path("/x") && Weight(2) -> <shunt>; b: Path("/x") && Method("GET") -> <shunt>; c: Path("/x") && Heavy() -> <shunt>;`, "b<a"},
		{`a: Path("/x") && Method("GET") -> <shunt>; b: Path("/x") && Method("POST") -> <shunt>;`, ""},
		{`a: Path("/:x") -> <shunt>; b: Path("/:y") -> <shunt>;`, "b<a"},
		{`a: Path("/:x") && Weight(9) -> <shunt>; b: Path("/y") -> <shunt>; c: Path("/y/z") -> <shunt>;`, ""},
		{`a: PathSubtree("/x") && Weight(1) -> <shunt>; b: Path("/x") -> <shunt>; c: Path("/x/") -> <shunt>; d: Path("/x/**") -> <shunt>; e: Path("/x/y") -> <shunt>;`, "b<a c<a d<a"},
		{`a: Path("/x") -> <shunt>; b: PathSubtree("/x") -> <shunt>;`, ""},
		{`a: Path("/x") -> <shunt>; b: PathSubtree("/x") -> <shunt>; c: Path("/x/") -> <shunt>; d: Path("/x/**") -> <shunt>;`, "b<a,c,d"},
		{`a: PathSubtree("/x/:y") -> <shunt>; b: Path("/x/**") && Method("GET") -> <shunt>; c: PathSubtree("/x") -> <shunt>;`, "b<a"},
		{`a: PathSubtree("/x/:y") && Method("PUT") -> <shunt>; b: Path("/x/**") && Method("GET") -> <shunt>;`, ""},
		{`a: Path("/x/:y") -> <shunt>; b: Path("/x/**") -> <shunt>;`, ""},
		{`a: Path("/x/:y") -> <shunt>; b: Path("/x/:y/") -> <shunt>; c: PathSubtree("/x/:y/:z") -> <shunt>; d: Path("/x/**") -> <shunt>;`, "d<a,b,c"},
		{`a: PathSubtree("/") -> <shunt>; b: * -> <shunt>; c: Method("GET") && Weight(9) -> <shunt>;`, "b<a c<a"},
		{`a: PathSubtree("/") && Method("GET") -> <shunt>; b: * -> <shunt>; c: Method("GET") && Header("X", "1") -> <shunt>;`, "c<a"},
		{`a: Path("/") -> <shunt>; b: Path("/**") -> <shunt>; c: * -> <shunt>;`, "c<a,b"},
		{`a: Path("/**") -> <shunt>; c: * -> <shunt>;`, ""},
		{`a: * -> <shunt>; b: * -> <shunt>; c: Path("/c") -> <shunt>;`, "b<a"},
	} {
		if got := shadows(build(t, c.routes).Report()); got != c.want {
			t.Errorf("RULE M7: of %s\nthe report says %q, want %q", c.routes, got, c.want)
		}
	}
}

func TestTheReportNamesPairsThatOnlyTheTieBreakDecides(t *testing.T) {
	for _, c := range []struct{ routes, want string }{
		{`a: Path("/x") && Method("GET") -> <shunt>; b: Path("/x") && Header("X", "1") -> <shunt>;`, "a=b"},
		{`b: Path("/x") && Method("GET") -> <shunt>; a: Path("/x") && Header("X", "1") -> <shunt>; c: Path("/x") && Header("Y", "1") -> <shunt>;`, "a=b a=c b=c"},
		{`a: Path("/x") && Method("GET") -> <shunt>; b: Path("/x") && Method("PUT") -> <shunt>;`, ""},
		{`a: Path("/x") && Segment(0, 0.5) -> <shunt>; b: Path("/x") && Segment(0.5, 1) -> <shunt>;`, ""},
		{`a: Path("/x") && Segment(0, 0.6) -> <shunt>; b: Path("/x") && Segment(0.5, 1) -> <shunt>;`, "a=b"},
		{`a: Path("/x") && Method("GET") -> <shunt>; b: Path("/y") && Header("X", "1") -> <shunt>;`, ""},
		{`a: Path("/x") && Method("GET") -> <shunt>; b: Path("/x") && Header("X", "1") && Weight(1) -> <shunt>;`, ""},
		{`a: Path("/x") && Method("GET") -> <shunt>; b: PathSubtree("/x") && Header("X", "1") -> <shunt>;`, ""},
		{`a: PathSubtree("/x") && Method("GET") -> <shunt>; b: PathSubtree("/x") && Header("X", "1") -> <shunt>;`, "a=b"},
		{`a: Path("/:x") && Method("GET") -> <shunt>; b: Path("/:y") && Header("X", "1") -> <shunt>;`, "a=b"},
		{`a: Method("GET") -> <shunt>; b: Header("X", "1") -> <shunt>;`, "a=b"},
		{`a: Path("/x") -> <shunt>; b: Path("/x") -> <shunt>;`, ""}, // told as shadowed
	} {
		if got := ties(build(t, c.routes).Report()); got != c.want {
			t.Errorf("RULE M7: of %s\nthe report says %q, want %q", c.routes, got, c.want)
		}
	}
}

// Many routes of one path are sorted by what they ask for before they are compared.
func TestTheReportOfManyRoutesOfOnePathIsTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 20 {
		var b strings.Builder
		n := 17 + rng.IntN(40)
		for i := range n {
			if rng.IntN(40) == 0 {
				fmt.Fprintf(&b, "r%02d: Path(\"/x\") && Weight(%d) -> <shunt>;\n", i, rng.IntN(3))
				continue
			}
			fmt.Fprintf(&b, `r%02d: Path("/x") && %s("%d")`, i, []string{"Method", "Method", "Method", "Many", "Free"}[rng.IntN(5)], rng.IntN(12))
			switch rng.IntN(3) {
			case 0:
				fmt.Fprintf(&b, ` && Header("X", "%d")`, rng.IntN(9))
			case 1:
				fmt.Fprintf(&b, ` && Weight(1)`)
			}
			b.WriteString(" -> <shunt>;\n")
		}
		s, err := route.NewSpecs(append(slowSpecs()[:2:2],
			testSpec{"Many", 0, func(a []any) route.Predicate { return many{a[0].(string), "3"} }},
			testSpec{"Free", 0, func(a []any) route.Predicate { return header{"Free", a[0].(string)} }})...)
		require.NoError(t, err)
		var routes []*route.Route
		for _, def := range parse(t, b.String()) {
			r, err := route.Compile(def, s)
			require.NoError(t, err)
			routes = append(routes, r)
		}
		table, err := route.Build(routes)
		require.NoError(t, err)
		rep := table.Report()
		if got, want := shadows(rep)+"; "+ties(rep), slowReport(routes); got != want {
			t.Fatalf("RULE M7: of\n%sthe report says\n%s\nwant\n%s", b.String(), got, want)
		}
	}
}

// many is a method that is one of two.
type many [2]string

func (m many) Match(r *http.Request) bool { return r.Method == m[0] || r.Method == m[1] }
func (m many) Key() (string, []string)    { return "method", m[:] }

// slowReport compares every route of one path with every other.
func slowReport(routes []*route.Route) string {
	hidden := map[string]bool{}
	var shadow, tie []string
	for _, b := range routes {
		var by string
		for _, a := range route.InOrder(routes) {
			if a == b {
				break
			}
			if route.Covers(a, b) {
				by = id(a)
				break
			}
		}
		if by != "" {
			hidden[id(b)] = true
			shadow = append(shadow, id(b)+"<"+by)
		}
	}
	for i, a := range routes {
		for _, b := range routes[i+1:] {
			if !hidden[id(a)] && !hidden[id(b)] && route.SameWeight(a, b) && !route.Exclusive(a, b) {
				tie = append(tie, id(a)+"="+id(b))
			}
		}
	}
	return strings.Join(shadow, " ") + "; " + strings.Join(tie, " ")
}

func TestWhatIsReportedAsShadowedNeverWins(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	shadowed, times := 0, tries.Of(20, 5)
	for range times {
		defs := randomRoutes(t, rng, 50, "r")
		table, err := route.Build(compile(t, defs))
		require.NoError(t, err)
		hidden := map[string]bool{}
		for _, s := range table.Report().Shadowed {
			hidden[id(s.Route)] = true
			shadowed++
		}
		slow := gatewaytest.NewSlowTable(defs, slowSpecs()...)
		for range 100 {
			r, l := randomRequest(t, rng), &route.Lookup{Draw: rng.Float64()}
			if won, _ := slow.Find(r, l); won != nil && hidden[won.ID] {
				t.Fatalf("RULE M7: %s is reported as shadowed, and %s %s goes there\n%v", won.ID, r.Method, r.URL, won)
			}
		}
	}
	require.Greater(t, shadowed, times)
}

func TestTiesAreToldUpToANumber(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "r%d: Path(\"/x\") && Header(\"X%d\", \"1\") -> <shunt>;\n", i, i)
	}
	rep := build(t, b.String()).Report()
	require.Len(t, rep.Ties, route.MaxTies)
	require.True(t, rep.More)
	require.Contains(t, rep.String(), "and more ties than 1000")
}

func TestAReportIsForPeople(t *testing.T) {
	rep := build(t, `a: Path("/x") && Method("GET") -> <shunt>;
b: Path("/x") && Method("GET") -> <shunt>;
c: Path("/x") && Header("X", "1") -> <shunt>;`).Report()
	require.Equal(t, 3, rep.Routes)
	require.Equal(t, `b (test.eskip:2:1) can never win: a (test.eskip:1:1) comes before it, and asks for nothing more
a (test.eskip:1:1) and c (test.eskip:3:1) differ only in their names: a request that has the predicates of both goes to the first; Weight decides otherwise
`, rep.String())
}
