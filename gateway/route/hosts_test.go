package route_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/internal/tries"
)

// hostRoutes are routes of two paths, most of which ask for hosts.
func hostRoutes(t testing.TB, rng *rand.Rand, ids []int) []*eskip.Route {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "r%d: PathSubtree(\"/%s\")", id, []string{"", "a"}[rng.IntN(2)])
		switch rng.IntN(5) {
		case 0:
		case 1:
			fmt.Fprintf(&b, ` && Hosts("h%d.org", "h%d.org", "h1.org")`, rng.IntN(9), rng.IntN(9))
		default:
			fmt.Fprintf(&b, ` && Hosts("h%d.org")`, rng.IntN(9))
		}
		for range rng.IntN(3) {
			b.WriteString([...]string{` && Method("GET")`, ` && Header("X", "1")`, ` && Weight(2)`, ` && Coin()`}[rng.IntN(4)])
		}
		b.WriteString(" -> <shunt>;\n")
	}
	return parse(t, b.String())
}

func hostRequest(t testing.TB, rng *rand.Rand) *http.Request {
	r := request(t, [...]string{"GET", "PUT"}[rng.IntN(2)]+[...]string{" /", " /a", " /a/b", " /b"}[rng.IntN(4)]+[...]string{"", " X=1"}[rng.IntN(2)])
	r.Host = fmt.Sprintf([...]string{"h%d.org", "H%d.org", "h%d.or"}[rng.IntN(3)], rng.IntN(10))
	return r
}

// Routes of one path that differ in their hosts are tried in the order that one list of them would have, as the
// list grows past the number from which it is divided, and shrinks again.
func TestManyHostsOfOnePathAreTriedInOneOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range tries.Of(4, 1) {
		now := map[string]*eskip.Route{}
		table := build(t, "")
		for step := range 12 {
			ids := rng.Perm(70)
			n := rng.IntN(30)
			var remove []string
			for _, i := range ids[n : n+[]int{5, 40}[step/8]] {
				remove = append(remove, fmt.Sprintf("r%d", i))
				delete(now, remove[len(remove)-1])
			}
			set := hostRoutes(t, rng, ids[:n])
			for _, def := range set {
				now[def.ID] = def
			}
			next, err := table.Update(compile(t, set), remove)
			require.NoError(t, err)
			requireHosts(t, rng, next, slices.Collect(maps.Values(now)))
			table = next
		}
		for id := range now {
			next, err := table.Update(nil, []string{id})
			require.NoError(t, err)
			table = next
		}
		if !route.IsEmpty(table) {
			t.Fatal("RULE M5: a table of which everything was removed has nodes left")
		}
	}
}

func requireHosts(t *testing.T, rng *rand.Rand, table *route.Table, defs []*eskip.Route) {
	t.Helper()
	slow := gatewaytest.NewSlowTable(defs, slowSpecs()...)
	built, err := route.Build(compile(t, defs))
	require.NoError(t, err)
	for range 20 {
		r, draw := hostRequest(t, rng), rng.Float64()
		want, _ := slow.Find(r, &route.Lookup{Draw: draw})
		got := table.Lookup(r, &route.Lookup{Draw: draw})
		if want == nil != (got == nil) || want != nil && want.ID != got.Def.ID {
			t.Fatalf("RULE M3: %s %s%s %v goes to %q, want %v of\n%v", r.Method, r.Host, r.URL, r.Header, id(got), want, defs)
		}
		a, b := table.Explain(r, &route.Lookup{Draw: draw}).String(), built.Explain(r, &route.Lookup{Draw: draw}).String()
		if a != b {
			t.Fatalf("RULE M5: a table that came about by changes explains\n%sone that was built\n%s", a, b)
		}
	}
	if a, b := table.Report().String(), built.Report().String(); a != b {
		t.Fatalf("RULE M5: a table that came about by changes reports\n%sone that was built\n%s", a, b)
	}
}

func TestOfManyHostsOnlyTheRequestsOwnIsTried(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "r%d: PathSubtree(\"/\") && Hosts(\"h%d.org\") -> <shunt>;\n", i, i)
	}
	table := build(t, b.String()+`a: PathSubtree("/") && Method("GET") && Header("X", "1") -> <shunt>; z: PathSubtree("/") -> <shunt>;`)
	r := request(t, "GET /x")
	r.Host = "h777.org"
	e := table.Explain(r, new(route.Lookup))
	if e.Route != "r777" || len(e.Tried) != 2 {
		t.Errorf("RULE M3: of 1002 routes with one path %d are tried, and %s wins", len(e.Tried), e.Route)
	}
	r.Host = "other.org"
	require.Equal(t, "z", id(table.Lookup(r, new(route.Lookup))))
	require.Empty(t, table.Report().Ties)
	require.Empty(t, table.Report().Shadowed)
}
