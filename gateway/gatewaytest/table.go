package gatewaytest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// Router is a route table under test.
type Router interface {
	// Find is the name of the request's route, "" if there is none, and the values of the path's wildcards, by name.
	// The request's path is canonical. Number is the one that TrafficSegment looks at, in [0, 1).
	Find(r *http.Request, number float64) (id string, params map[string]string)
}

// BuildRouter makes a table. The predicates of the routes are those of Skipper:
//
//	Path("/a/:name/*rest") PathSubtree("/a") Method("GET") Header("X", "1") Weight(2) and TrafficSegment(0, 0.5)
//
// and of two routes with one path the heavier wins: one for each of Method and Header, nothing for TrafficSegment, and
// what Weight adds. Ties are broken by what is written (M3).
type BuildRouter func(routes []*eskip.Route) (Router, error)

// What capabilities ask of a Router.
type (
	// Updater is for TableClaims.Update: another table, in which routes of the same name are replaced.
	Updater interface {
		Update(set []*eskip.Route, remove []string) (Router, error)
	}
	// Explainer is for TableClaims.Explain: the names of the routes that are tried, in order, up to the one that wins.
	Explainer interface {
		Explain(r *http.Request, number float64) (tried []string)
	}
)

// TableClaims are what a table claims beyond the required rules.
type TableClaims struct {
	Params   bool // names of wildcards have values
	Segments bool // TrafficSegment
	Update   bool // see [Updater]
	Explain  bool // see [Explainer]
}

// Tries says how long random rules try. The zero value takes some tenths of a second.
type Tries struct {
	Seed   uint64
	Tables int // default 60
}

// Table grades a route table, much like [Run]. What it is compared with is [SlowTable].
func Table(t *testing.T, build BuildRouter, claims TableClaims, tries Tries) {
	t.Helper()
	run(t, tableStories(build, claims, tries), claims)
}

// GradeTable is Table without a testing.T.
func GradeTable(build BuildRouter, claims TableClaims, tries Tries) []Result {
	return grade(tableStories(build, claims, tries), claims)
}

// tables is where stories of tables take place.
type tables struct {
	build  BuildRouter
	claims TableClaims
	tries  Tries
}

func tableStories(build BuildRouter, claims TableClaims, tries Tries) []story {
	if tries.Tables == 0 {
		tries.Tables = 60
	}
	t := &tables{build, claims, tries}
	return []story{
		{Rule{ID: "most-specific", Of: "M1", Source: "Skipper", Text: "The most specific path wins, segment by segment from the left."}, t.mostSpecific},
		{Rule{ID: "backtracks", Of: "M1", Source: "pitfall 5", Text: "A route whose predicates fail makes way for a less specific path."}, t.backtracks},
		{Rule{ID: "heavier", Of: "M3", Source: "Skipper", Text: "Of one path, the heavier route wins, then a Path, then the smaller name."}, t.heavier},
		{Rule{ID: "order", Of: "M3", Source: "pitfall 6", Text: "The order in which routes are given does not matter."}, t.order},
		{Rule{ID: "decoded-once", Of: "M2", Source: "pitfall 4", Text: "Segments are decoded once and apart: %2F is no slash, + a plus, %2541 not an A."}, t.decodedOnce},
		{Rule{ID: "agrees", Of: "M1", Source: "the slow table", Text: "Whatever the routes and the request, the slow table finds the same."}, t.agrees},
		{Rule{ID: "params", Of: "M2", Source: "Skipper", Text: "Wildcards have the values that they took, decoded.", Claim: "Params"}, t.params},
		{Rule{ID: "segments", Of: "M4", Source: "pitfall 7", Text: "Segments that adjoin share out all requests exactly.", Claim: "Segments"}, t.segments},
		{Rule{ID: "update", Of: "M5", Source: "issue", Text: "A table that came about by changes is the one that would have been built, and those before are as they were.", Claim: "Update"}, t.update},
		{Rule{ID: "explain", Of: "M6", Source: "issue", Text: "Explained is what happens.", Claim: "Explain"}, t.explain},
	}
}

func (t *tables) of(routes []*eskip.Route) Router {
	r, err := t.build(routes)
	check(err == nil, "the table cannot be built: %v", err)
	return r
}

func mustParse(text string) []*eskip.Route {
	routes, err := eskip.Parse("kit.eskip", text)
	if err != nil {
		panic(err) // the kit's own
	}
	return routes
}

// expect builds a table and wants requests, as "METHOD path Name=value", to go to these routes.
func (t *tables) expect(text string, wants [][2]string) {
	table := t.of(mustParse(text))
	for _, w := range wants {
		got, _ := table.Find(tableRequest(w[0]), 0)
		same(got, w[1], "%s goes to", w[0])
	}
}

func tableRequest(text string) *http.Request {
	words := strings.Fields(text)
	u, err := url.ParseRequestURI(words[1])
	if err != nil {
		panic(err)
	}
	r := &http.Request{Method: words[0], URL: u, Host: "kit.example", Header: http.Header{}}
	for _, field := range words[2:] {
		name, value, _ := strings.Cut(field, "=")
		r.Header.Set(name, value)
	}
	return r
}

func (t *tables) mostSpecific() {
	t.expect(`new: Path("/shop/new") -> <shunt>; item: Path("/shop/:item") -> <shunt>; reviews: Path("/shop/:item/reviews") -> <shunt>;
		files: Path("/shop/new/*file") -> <shunt>; shop: PathSubtree("/shop") && Weight(9) -> <shunt>; slash: Path("/slash/") -> <shunt>;
		deep: Path("/deep/**") -> <shunt>; root: Path("/") -> <shunt>; get: Method("GET") -> <shunt>;`, [][2]string{
		{"GET /shop/new", "new"}, {"GET /shop/newer", "item"}, {"GET /shop/ne", "item"}, {"GET /shop/7/reviews", "reviews"}, {"GET /shop/7/other", "shop"},
		{"GET /shop/new/reviews", "files"}, {"GET /shop/new/", "shop"}, {"GET /shop", "shop"}, {"GET /shop/", "shop"}, {"PUT /shopping", ""},
		{"PUT /slash/", "slash"}, {"PUT /slash", ""}, {"PUT /deep/", ""}, {"PUT /deep/er", "deep"}, {"PUT /", "root"}, {"GET /nowhere", "get"},
	})
}

func (t *tables) backtracks() {
	t.expect(`name: Path("/a/b") && Method("POST") -> <shunt>; param: Path("/a/:x/c") -> <shunt>; one: Path("/a/:x") && Method("GET") -> <shunt>;
		free: Path("/a/**") && Header("X", "1") -> <shunt>; deeper: Path("/a/b/c/d") -> <shunt>; all: PathSubtree("/") && Method("PUT") -> <shunt>; none: * -> <shunt>;`, [][2]string{
		{"POST /a/b", "name"}, {"GET /a/b", "one"}, {"PUT /a/b X=1", "free"}, {"PUT /a/b", "all"}, {"HEAD /a/b", "none"}, {"GET /a/b/c", "param"},
		{"GET /a/b/c/e X=1", "free"}, {"GET /a/b/c/d", "deeper"},
	})
}

func (t *tables) heavier() {
	t.expect(`plain: Path("/x") -> <shunt>; get: Path("/x") && Method("GET") -> <shunt>; two: Path("/x") && Method("GET") && Header("X", "1") -> <shunt>;
		weight: Path("/x") && Header("Y", "1") && Weight(1) -> <shunt>; heavy: Path("/x") && Header("Z", "1") && Weight(5) -> <shunt>; below: PathSubtree("/x") && Method("GET") -> <shunt>;`, [][2]string{
		{"POST /x", "plain"}, {"GET /x", "get"}, {"GET /x/", "below"}, {"GET /x X=1", "two"}, {"GET /x X=1 Y=1", "two"}, {"POST /x Y=1", "weight"}, {"GET /x X=1 Y=1 Z=1", "heavy"},
	})
}

func (t *tables) decodedOnce() {
	t.expect(`slash: Path("/a%2Fb") -> <shunt>; two: Path("/a/b") -> <shunt>; plus: Path("/a+b") -> <shunt>; percent: Path("/%2541") -> <shunt>; umlaut: Path("/ü") -> <shunt>;`, [][2]string{
		{"GET /a%2Fb", "slash"}, {"GET /a%2fb", "slash"}, {"GET /a/b", "two"}, {"GET /%61/b", "two"}, {"GET /a+b", "plus"}, {"GET /a%2Bb", "plus"}, {"GET /a%20b", ""},
		{"GET /%2541", "percent"}, {"GET /%41", ""}, {"GET /%C3%BC", "umlaut"}, {"GET /%c3%bc", "umlaut"},
	})
}

func (t *tables) segments() {
	table := t.of(mustParse(`a: Path("/") && TrafficSegment(0, 0.5) -> <shunt>; b: Path("/") && TrafficSegment(0.5, 0.8) -> <shunt>; c: Path("/") && TrafficSegment(0.8, 1) -> <shunt>;`))
	count := map[string]int{}
	for i := range 1000 {
		id, _ := table.Find(tableRequest("GET /"), float64(i)/1000)
		count[id]++
	}
	same(fmt.Sprint(count), "map[a:500 b:300 c:200]", "1000 requests are shared out as")
}

func (t *tables) order() {
	t.each(2, func(rng *rand.Rand, defs []*eskip.Route) {
		first := t.of(defs)
		rng.Shuffle(len(defs), func(i, j int) { defs[i], defs[j] = defs[j], defs[i] })
		second := t.of(defs)
		for range 30 {
			r, number := t.randomRequest(rng), rng.Float64()
			a, _ := first.Find(r, number)
			b, _ := second.Find(r, number)
			same(a, b, "%s goes to one route in one replica and to another in another", asked{r})
		}
	})
}

func (t *tables) agrees() {
	t.each(1, func(rng *rand.Rand, defs []*eskip.Route) {
		table, slow := t.of(defs), NewSlowTable(defs, slowSpecs...)
		for range 50 {
			r, number := t.randomRequest(rng), rng.Float64()
			want, _ := slow.Find(r, &route.Lookup{Draw: number})
			if got, _ := table.Find(r, number); got != name(want) {
				t.shrink(defs, r, number)
			}
		}
	})
}

func name(r *eskip.Route) string {
	if r == nil {
		return ""
	}
	return r.ID
}

// shrink leaves out routes as long as the two disagree, and then says about what.
func (t *tables) shrink(defs []*eskip.Route, r *http.Request, number float64) {
	differ := func(defs []*eskip.Route) (got, want string, is bool) {
		found, _ := NewSlowTable(defs, slowSpecs...).Find(r, &route.Lookup{Draw: number})
		got, _ = t.of(defs).Find(r, number)
		return got, name(found), got != name(found)
	}
	for i := 0; i < len(defs); {
		without := slices.Delete(slices.Clone(defs), i, i+1)
		if _, _, is := differ(without); is {
			defs = without
		} else {
			i++
		}
	}
	got, want, _ := differ(defs)
	var text strings.Builder
	for _, def := range defs {
		text.WriteString("\n\t" + def.String())
	}
	failf("%s, number %.2f, goes to %q, and to %q by the slow table, of these routes:%s", asked{r}, number, got, want, text.String())
}

// asked is a request, as text once somebody reads it.
type asked struct{ *http.Request }

func (r asked) String() string {
	text := r.Method + " " + r.URL.EscapedPath()
	for _, name := range []string{"X", "Y"} {
		if v := r.Header.Get(name); v != "" {
			text += " " + name + "=" + v
		}
	}
	return text
}

func (t *tables) params() {
	t.each(2, func(rng *rand.Rand, defs []*eskip.Route) {
		table, slow := t.of(defs), NewSlowTable(defs, slowSpecs...)
		for range 30 {
			r, number := t.randomRequest(rng), rng.Float64()
			won, want := slow.Find(r, &route.Lookup{Draw: number})
			_, got := table.Find(r, number)
			for name, value := range want {
				same(got[name], value, "%s goes to %s, where %s is", asked{r}, won.ID, name)
			}
		}
	})
}

func (t *tables) explain() {
	t.each(2, func(rng *rand.Rand, defs []*eskip.Route) {
		table, slow := t.of(defs), NewSlowTable(defs, slowSpecs...)
		e, is := table.(Explainer)
		check(is, "Explain is claimed, but the table has no method for it")
		for range 30 {
			r, number := t.randomRequest(rng), rng.Float64()
			won, _ := slow.Find(r, &route.Lookup{Draw: number})
			got, want := e.Explain(r, number), slow.Order(r, won)
			check(slices.Equal(got, want), "%s: tried are %v, want %v", asked{r}, got, want)
		}
	})
}

func (t *tables) update() {
	t.each(2, func(rng *rand.Rand, defs []*eskip.Route) {
		before := t.of(defs)
		u, is := before.(Updater)
		check(is, "Update is claimed, but the table has no method for it")
		set, all := t.randomRoutes(rng, 6), []*eskip.Route(nil)
		for _, def := range set[3:] {
			def.ID = "new" + def.ID
		}
		var remove []string
		for i, def := range defs {
			switch {
			case i < 3: // is replaced
			case i < 10:
				remove = append(remove, def.ID)
			default:
				all = append(all, def)
			}
		}
		after, err := u.Update(set, remove)
		check(err == nil, "Update: %v", err)
		t.compare(rng, after, append(all, set...), "after a change")
		t.compare(rng, before, defs, "in the table from before a change")
	})
}

func (t *tables) compare(rng *rand.Rand, table Router, defs []*eskip.Route, when string) {
	slow := NewSlowTable(defs, slowSpecs...)
	for range 30 {
		r, number := t.randomRequest(rng), rng.Float64()
		want, _ := slow.Find(r, &route.Lookup{Draw: number})
		got, _ := table.Find(r, number)
		same(got, name(want), "%s %s goes to", when, asked{r})
	}
}
