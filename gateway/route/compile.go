package route

import (
	"errors"
	"fmt"
	"math"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// A Route is a route of text that is ready to hang in tables. [Compile] makes one; it is not changed any
// more once a table has it, and can be in several.
type Route struct {
	Def *eskip.Route
	// Payload is for whoever compiled the route: what is to be done with its requests.
	Payload any

	pattern
	path    string // of Path or PathSubtree, or ""
	subtree bool
	weight  int  // M3
	varies  bool // it has a VaryingPredicate
	tests   []LookupPredicate
	texts   []string // of tests
}

// Compile checks the predicates of a route and makes them. An error is an [eskip.ErrorList], with the place of each
// predicate that is wrong.
//
// A route has at most one Path or PathSubtree; these do not count for its weight, as they decide
// before it. Each other predicate counts 1, and Weight(n) counts n in place of 1 (M3).
func Compile(def *eskip.Route, specs Specs) (*Route, error) {
	r := &Route{Def: def}
	var errs eskip.ErrorList
	if n := len(def.Predicates); n > 0 {
		r.tests, r.texts = make([]LookupPredicate, 0, n), make([]string, 0, n)
	}
	for _, call := range def.Predicates {
		if err := r.add(call, specs); err != nil {
			errs = append(errs, &eskip.Error{File: def.File, Pos: call.Pos, Msg: fmt.Sprintf("route %s: %v", def.ID, err)})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	if r.places == nil { // without a path: behind everything that has one
		r.places = anywhere
	}
	return r, nil
}

// anywhere is the place of routes without a path.
var anywhere = []place{{"", true}}

var errTwoPaths = errors.New("there is a second Path or PathSubtree; a route has one, and may have a PathRegexp beside it")

// add takes one predicate into the route.
func (r *Route) add(call eskip.Call, specs Specs) error {
	switch call.Name {
	case "*":
		return nil
	case weightName:
		return r.addWeight(call.Args)
	case pathName, pathSubtree:
		text, err := oneString(call.Args)
		if err != nil {
			return fmt.Errorf("predicate %s: %w", call.Name, err)
		}
		if r.places != nil {
			return errTwoPaths
		}
		r.path, r.subtree = text, call.Name == pathSubtree
		if r.pattern, err = parsePattern(text, r.subtree); err != nil {
			return fmt.Errorf("predicate %v: %w", call, err)
		}
		return nil
	}
	m, err := specs.create(call)
	if err != nil {
		return err
	}
	r.tests, r.texts = append(r.tests, m.test), append(r.texts, m.text)
	r.weight += m.weight
	if _, is := original(m.test).(VaryingPredicate); is {
		r.varies = true
	}
	return nil
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
