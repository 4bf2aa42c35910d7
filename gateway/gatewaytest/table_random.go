package gatewaytest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// Random routes and requests: of few paths and predicates, so that they meet.

// each calls f for random routes, as often as Tries says, divided by a part.
func (t *tables) each(part int, f func(rng *rand.Rand, defs []*eskip.Route)) {
	for i := range max(1, t.tries.Tables/part) {
		rng := rand.New(rand.NewPCG(t.tries.Seed, uint64(i)))
		f(rng, t.randomRoutes(rng, 1+rng.IntN(60)))
	}
}

func (t *tables) randomRoutes(rng *rand.Rand, n int) []*eskip.Route {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "r%d: %s -> <shunt>;\n", i, t.randomPredicates(rng))
	}
	return mustParse(b.String())
}

func (t *tables) randomPredicates(rng *rand.Rand) string {
	of := []string{`Method("GET")`, `Method("POST")`, `Header("X", "1")`, `Header("X", "2")`, `Header("Y", "1")`, `Weight(2)`}
	if t.claims.Segments {
		of = append(of, `TrafficSegment(0, 0.5)`, `TrafficSegment(0.5, 1)`)
	}
	var all []string
	if rng.IntN(10) > 0 {
		all = append(all, randomPath(rng))
	}
	for range rng.IntN(3) {
		all = append(all, of[rng.IntN(len(of))])
	}
	if len(all) == 0 {
		return "*"
	}
	return strings.Join(all, " && ")
}

func randomPath(rng *rand.Rand) string {
	literals := []string{"a", "b", "ab", "abc", "a%2Fb", "100%25", "ü", "a+b"}
	var b strings.Builder
	for i := range rng.IntN(4) {
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

func (t *tables) randomRequest(rng *rand.Rand) *http.Request {
	segments := []string{"a", "b", "ab", "abc", "a%2Fb", "a%2fb", "%61", "100%25", "%C3%BC", "a+b", "z"}
	var b strings.Builder
	for range rng.IntN(5) {
		b.WriteString("/" + segments[rng.IntN(len(segments))])
	}
	if b.Len() == 0 || rng.IntN(4) == 0 {
		b.WriteByte('/')
	}
	text := [...]string{"GET ", "POST ", "PUT "}[rng.IntN(3)] + b.String()
	for _, field := range []string{" X=1", " X=2", " Y=1"} {
		if rng.IntN(3) == 0 {
			text += field
		}
	}
	return tableRequest(text)
}

// The predicates of these routes, for the slow table.
type slowSpec struct {
	name   string
	weight int // beyond 1
	match  func(args []any, r *http.Request, l *route.Lookup) bool
}

var slowSpecs = []route.PredicateSpec{
	slowSpec{"Method", 0, func(args []any, r *http.Request, _ *route.Lookup) bool { return r.Method == args[0] }},
	slowSpec{"Header", 0, func(args []any, r *http.Request, _ *route.Lookup) bool {
		return r.Header.Get(args[0].(string)) == args[1]
	}},
	slowSpec{"TrafficSegment", -1, func(args []any, _ *http.Request, l *route.Lookup) bool {
		return args[0].(float64) <= l.Draw && l.Draw < args[1].(float64)
	}},
}

func (s slowSpec) Name() string                               { return s.name }
func (s slowSpec) Weight() int                                { return s.weight }
func (s slowSpec) Create(args []any) (route.Predicate, error) { return slowPredicate{s, args}, nil }

type slowPredicate struct {
	slowSpec
	args []any
}

func (p slowPredicate) Match(r *http.Request) bool { return p.MatchLookup(r, new(route.Lookup)) }
func (p slowPredicate) MatchLookup(r *http.Request, l *route.Lookup) bool {
	return p.match(p.args, r, l)
}
