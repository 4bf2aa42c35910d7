package eskip

import "fmt"

// A Pos is a place in a text: line and column begin at 1, and columns count bytes.
// The zero Pos says that a value was not parsed.
type Pos struct{ Line, Column int }

// String is line:column.
func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// A Call is a predicate or a filter as it is written: a name and its arguments.
type Call struct {
	Name string
	// Args are strings (regular expressions are strings too) and float64s.
	Args []any
	Pos  Pos
}

// A BackendKind says how a route ends.
type BackendKind uint8

// How a route ends. The names are Skipper's.
const (
	Network  BackendKind = iota // "http://host:port": one address
	Shunt                       // <shunt>: the filters answer
	Loopback                    // <loopback>: what the filters made of it is looked up again
	Dynamic                     // <dynamic>: a filter says where
	Balanced                    // <algorithm, "http://a", "http://b">: one of several
)

// A Backend is where a route goes.
type Backend struct {
	Kind BackendKind
	// Algorithm chooses one of several addresses. Empty: the default. Balanced only.
	Algorithm string
	// Addresses are URLs without a path: one if Network, at least one if Balanced.
	Addresses []string
	Pos       Pos
}

// A Route is one rule of a routing table, as it is written. A parsed route is never changed.
type Route struct {
	ID         string
	Predicates []Call // all must hold; none, or the one that is written *, holds always
	Filters    []Call // in the order in which requests pass them
	Backend    Backend
	Pos        Pos
	// File is the text's name, for messages.
	File string
}
