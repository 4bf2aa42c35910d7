package route

import (
	"net/http"
	"net/netip"
	"time"
)

// A Predicate is asked whether a request has a property. It is asked from many
// goroutines at once, and does not change the request.
type Predicate interface {
	Match(*http.Request) bool
}

// A PredicateSpec makes predicates of one name. Create checks the arguments (strings and
// float64s) once, when the table is built; its error says what is expected.
type PredicateSpec interface {
	Name() string
	Create(args []any) (Predicate, error)
}

// A WeightedPredicateSpec adds Weight to the weight of each route that has one of its
// predicates, beyond the 1 that every predicate has (M3).
type WeightedPredicateSpec interface {
	PredicateSpec
	Weight() int
}

// A LookupPredicate also needs what belongs to the lookup and not to the request. A table
// asks MatchLookup in place of Match.
type LookupPredicate interface {
	Predicate
	MatchLookup(*http.Request, *Lookup) bool
}

// A Lookup is one request's question to a table, and the answer. Whoever asks fills in
// the fields, which predicates read; it can be used again after Reset, by one goroutine at a time.
type Lookup struct {
	// Client is the address of the client, as far as proxies are trusted (F6). If it is
	// not valid, predicates take the connection's.
	Client netip.Addr
	// Draw is one number of the request, uniform in [0, 1): TrafficSegment (M4).
	Draw float64
	// Now is when the request came: Between, Cron and the like. The zero time is never in an interval.
	Now time.Time

	params []param
}

type param struct{ name, value string }
