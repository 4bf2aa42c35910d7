package route

import "net/http"

// A Predicate is asked whether a request has a property. It is asked from many
// goroutines at once, and does not change the request.
type Predicate interface {
	Match(*http.Request) bool
}

// A PredicateSpec makes predicates of one name. Create checks the arguments (strings and
// float64s) once, when the table is built; its error says what is expected. What it makes
// serves all calls that are written alike.
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

// A KeyedPredicate holds only for requests whose value in some dimension is one of those
// it lists: Method("GET") has the dimension "method" and the value "GET". Two of one dimension that have no
// value in common exclude each other, so that the report (M7) need not warn of their order. The values of the
// dimension "host" are request hosts in lower case; where many routes have one path, only those of the request's host are tried.
type KeyedPredicate interface {
	Predicate
	Key() (dimension string, values []string)
}

// An ExcludingPredicate knows of others that never hold together with it, where that cannot
// be said with keys: TrafficSegments that do not overlap. It is symmetric.
type ExcludingPredicate interface {
	Predicate
	Excludes(other Predicate) bool
}

// A VaryingPredicate may answer otherwise when it is asked again about the same request: each Traffic throws a
// coin of its own. A route that has one hides no other from the report (M7), not even one that is written alike.
type VaryingPredicate interface {
	Predicate
	Varies()
}
