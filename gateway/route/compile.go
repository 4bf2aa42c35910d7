package route

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// A Route is a route of text that is ready to hang in tables. [Compile] makes one; it is not changed any
// more once a table has it, and can be in several.
type Route struct {
	Def *eskip.Route
	// Payload is for whoever compiled the route: what is to be done with its requests.
	Payload any

	pattern
	*terms
	path    string // of Path or PathSubtree, or ""
	subtree bool
	weight  int // M3
}

// Compile checks the predicates of a route and makes them. An error is an [eskip.ErrorList], with the place of each
// predicate that is wrong.
//
// A route has at most one Path or PathSubtree; these do not count for its weight, as they decide
// before it. Each other predicate counts 1, and Weight(n) counts n in place of 1 (M3).
func Compile(def *eskip.Route, specs Specs) (*Route, error) {
	r := &Route{Def: def}
	var errs eskip.ErrorList
	fail := func(call eskip.Call, err error) {
		errs = append(errs, &eskip.Error{File: def.File, Pos: call.Pos, Msg: fmt.Sprintf("route %s: %v", def.ID, err)})
	}
	var buffer [8]eskip.Call
	others := buffer[:0]
	for _, call := range def.Predicates {
		if own, err := r.place(call); err != nil {
			fail(call, err)
		} else if !own {
			others = append(others, call)
		}
	}
	r.terms = specs.terms(others, fail)
	if len(errs) > 0 {
		slices.SortStableFunc(errs, func(a, b *eskip.Error) int {
			return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
		})
		return nil, errs
	}
	r.weight += r.terms.weight
	if r.places == nil { // without a path: behind everything that has one
		r.places = anywhere
	}
	return r, nil
}

// anywhere is the place of routes without a path.
var anywhere = []place{{"", true}}

var errTwoPaths = errors.New("there is a second Path or PathSubtree; a route has one, and may have a PathRegexp beside it")

// place takes a predicate that is the tree's own: where the route hangs, and what it weighs.
func (r *Route) place(call eskip.Call) (own bool, err error) {
	switch call.Name {
	case "*":
		return true, nil
	case weightName:
		return true, r.addWeight(call.Args)
	case pathName, pathSubtree:
	default:
		return false, nil
	}
	text, err := oneString(call.Args)
	if err != nil {
		return true, fmt.Errorf("predicate %s: %w", call.Name, err)
	}
	if r.places != nil {
		return true, errTwoPaths
	}
	r.path, r.subtree = text, call.Name == pathSubtree
	if r.pattern, err = parsePattern(text, r.subtree); err != nil {
		return true, fmt.Errorf("predicate %v: %w", call, err)
	}
	return true, nil
}

// maxWeight keeps sums of weights within an int of 32 bits.
const maxWeight = 1 << 24

func (r *Route) addWeight(args []any) error {
	if len(args) == 1 {
		if n, is := args[0].(float64); is && n == math.Trunc(n) && math.Abs(n) <= maxWeight {
			r.weight += int(n)
			return nil
		}
	}
	return fmt.Errorf("predicate Weight: one whole number is expected, at most %d, not %v", maxWeight, args)
}
