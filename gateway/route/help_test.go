package route_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
	"github.com/flagship-go/flagship/gateway/route"
)

// The predicates of these tests: Method, Header, Segment (a part of the request's Draw), Coin, Heavy and Wrong.
type testSpec struct {
	name   string
	weight int
	create func(args []any) route.Predicate
}

func (s testSpec) Name() string { return s.name }
func (s testSpec) Weight() int  { return s.weight }
func (s testSpec) Create(args []any) (p route.Predicate, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("the arguments %v are not those of %s", args, s.name)
		}
	}()
	return s.create(args), nil
}

var testSpecs = []route.PredicateSpec{
	testSpec{"Method", 0, func(a []any) route.Predicate { return method(a[0].(string)) }},
	testSpec{"Header", 0, func(a []any) route.Predicate { return header{a[0].(string), a[1].(string)} }},
	testSpec{"Segment", -1, func(a []any) route.Predicate { return segment{a[0].(float64), a[1].(float64)} }},
	testSpec{"Heavy", 5, func([]any) route.Predicate { return header{"Heavy", "1"} }},
	testSpec{"Coin", 0, func([]any) route.Predicate { return coin{} }},
	testSpec{"Hosts", 0, func(a []any) route.Predicate {
		var h hosts
		for _, host := range a {
			h = append(h, host.(string))
		}
		return h
	}},
	testSpec{"Wrong", 0, func([]any) route.Predicate { panic(errors.New("always")) }},
}

type method string

func (m method) Match(r *http.Request) bool { return r.Method == string(m) }
func (m method) Key() (string, []string)    { return "method", []string{string(m)} }

type header struct{ name, value string }

func (h header) Match(r *http.Request) bool { return r.Header.Get(h.name) == h.value }

type segment struct{ from, to float64 }

func (s segment) Match(*http.Request) bool { panic("asked without the lookup") }
func (s segment) MatchLookup(_ *http.Request, l *route.Lookup) bool {
	return s.from <= l.Draw && l.Draw < s.to
}
func (s segment) Excludes(other route.Predicate) bool {
	o, is := other.(segment)
	return is && (s.to <= o.from || o.to <= s.from)
}

type hosts []string

func (h hosts) Match(r *http.Request) bool { return slices.Contains(h, strings.ToLower(r.Host)) }
func (h hosts) Key() (string, []string)    { return "host", h }

type coin struct{}

func (coin) Varies()                                           {}
func (coin) Match(*http.Request) bool                          { panic("asked without the lookup") }
func (coin) MatchLookup(_ *http.Request, l *route.Lookup) bool { return l.NextDraw() < 0.5 }

func specs(t testing.TB) route.Specs {
	t.Helper()
	s, err := route.NewSpecs(testSpecs...)
	require.NoError(t, err)
	return s
}

// parse reads routes; each needs no more than its predicates.
func parse(t testing.TB, text string) []*eskip.Route {
	t.Helper()
	defs, err := eskip.Parse("test.eskip", text)
	require.NoError(t, err)
	return defs
}

func compile(t testing.TB, defs []*eskip.Route) []*route.Route {
	t.Helper()
	s := specs(t)
	routes := make([]*route.Route, len(defs))
	for i, def := range defs {
		r, err := route.Compile(def, s)
		require.NoError(t, err)
		routes[i] = r
	}
	return routes
}

func build(t testing.TB, text string) *route.Table {
	t.Helper()
	table, err := route.Build(compile(t, parse(t, text)))
	require.NoError(t, err)
	return table
}

// request reads "METHOD /path Name=value ..." and makes the path canonical.
func request(t testing.TB, text string) *http.Request {
	t.Helper()
	words := strings.Fields(text)
	u, err := url.ParseRequestURI(words[1])
	require.NoError(t, err)
	require.NoError(t, route.Canonical(u), text)
	r := &http.Request{Method: words[0], URL: u, Host: "shop.example.org", Header: http.Header{}}
	for _, field := range words[2:] {
		name, value, _ := strings.Cut(field, "=")
		r.Header.Set(name, value)
	}
	return r
}

func id(r *route.Route) string {
	if r == nil {
		return ""
	}
	return r.Def.ID
}

// randomRoutes makes routes of few paths and predicates, so that they meet.
func randomRoutes(t testing.TB, rng *rand.Rand, n int, prefix string) []*eskip.Route {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s%d: %s -> <shunt>;\n", prefix, i, randomPredicates(rng))
	}
	return parse(t, b.String())
}

func randomPredicates(rng *rand.Rand) string {
	var all []string
	if rng.IntN(10) > 0 {
		all = append(all, randomPath(rng))
	}
	for range rng.IntN(3) {
		all = append(all, []string{
			`Method("GET")`, `Method("POST")`, `Header("X", "1")`, `Header("X", "2")`, `Header("Y", "1")`, `Weight(2)`,
			`Segment(0, 0.5)`, `Segment(0.5, 1)`, `Heavy()`, `PathRegexp("a.*b")`, `PathRegexp("%2F")`, `Coin()`,
		}[rng.IntN(12)])
	}
	if len(all) == 0 {
		return "*"
	}
	return strings.Join(all, " && ")
}

var literals = []string{"a", "b", "ab", "abc", "a%2Fb", "100%25", "ü", "a+b"}

func randomPath(rng *rand.Rand) string {
	var b strings.Builder
	depth := rng.IntN(4)
	for i := range depth {
		if rng.IntN(3) == 0 {
			fmt.Fprintf(&b, "/:p%d", i)
		} else {
			b.WriteString("/" + literals[rng.IntN(len(literals))])
		}
	}
	if rng.IntN(3) == 0 {
		return fmt.Sprintf(`PathSubtree("%s%s")`, b.String(), [...]string{"/", "/*rest", "/**"}[rng.IntN(3)])
	}
	b.WriteString([...]string{"", "/", "/**", "/*rest"}[rng.IntN(4)])
	if b.Len() == 0 {
		b.WriteByte('/')
	}
	return fmt.Sprintf(`Path("%s")`, b.String())
}

func randomRequest(t testing.TB, rng *rand.Rand) *http.Request {
	var b strings.Builder
	for range rng.IntN(5) {
		b.WriteString("/" + [...]string{"a", "b", "ab", "abc", "a%2Fb", "a%2fb", "%61", "100%25", "ü", "%C3%BC", "a+b", "z", "", ".", "%2e%2E"}[rng.IntN(15)])
	}
	if b.Len() == 0 || rng.IntN(4) == 0 {
		b.WriteByte('/')
	}
	text := [...]string{"GET ", "POST ", "PUT "}[rng.IntN(3)] + b.String()
	for _, field := range []string{" X=1", " X=2", " Y=1", " Heavy=1"} {
		if rng.IntN(3) == 0 {
			text += field
		}
	}
	return request(t, text)
}

// requireSame asks a table in both ways, and the slow one, and wants one answer.
func requireSame(t testing.TB, slow *gatewaytest.SlowTable, table *route.Table, r *http.Request, draw float64) {
	t.Helper()
	l := &route.Lookup{Draw: draw}
	want, params := slow.Find(r, l)
	got := table.Lookup(r, l)
	rule := "M1"
	if got != nil && want != nil && samePath(got.Def, want) {
		rule = "M3"
	}
	wantID := ""
	if want != nil {
		wantID = want.ID
	}
	if id(got) != wantID {
		t.Fatalf("RULE %s: %s %s %v draw %v goes to %q, want %q", rule, r.Method, r.URL.EscapedPath(), r.Header, draw, id(got), wantID)
	}
	for name, value := range params {
		if l.Param(name) != value {
			t.Fatalf("RULE M2: %s on %s: %s is %q, want %q", r.URL.EscapedPath(), id(got), name, l.Param(name), value)
		}
	}
	order := slow.Order(r, want)
	e := table.Explain(r, l)
	var tried []string
	for _, a := range e.Tried {
		if tried = append(tried, a.Route); (len(a.Failed) == 0) != (a.Route == wantID) {
			t.Fatalf("RULE M6: %s %s: %s has won, but of %s the explanation says %v", r.Method, r.URL.EscapedPath(), wantID, a.Route, a.Failed)
		}
	}
	if e.Route != wantID || fmt.Sprint(tried) != fmt.Sprint(order) {
		t.Fatalf("RULE M6: %s %s: the explanation is %s of %v, want %s of %v", r.Method, r.URL.EscapedPath(), e.Route, tried, wantID, order)
	}
}

func samePath(a, b *eskip.Route) bool {
	path := func(r *eskip.Route) (s string) {
		for _, c := range r.Predicates {
			if strings.HasPrefix(c.Name, "Path") && c.Name != "PathRegexp" {
				s = c.String()
			}
		}
		return s
	}
	return path(a) == path(b)
}
