package route

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// The predicates that are the tree's own: they say where a route hangs, and how it is weighed.
const (
	pathName       = "Path"
	pathSubtree    = "PathSubtree"
	pathRegexpName = "PathRegexp"
	weightName     = "Weight"
)

// Specs are the predicates that routes can have. It is safe for concurrent use; copies are the same.
type Specs struct {
	byName map[string]PredicateSpec
	names  []string // with the tree's own, sorted
	made   *made
}

// NewSpecs knows Path, PathSubtree, PathRegexp and Weight, and these. It fails if a name is taken.
func NewSpecs(specs ...PredicateSpec) (Specs, error) {
	s := Specs{
		byName: map[string]PredicateSpec{pathRegexpName: pathRegexpSpec{}},
		names:  []string{pathName, pathSubtree, pathRegexpName, weightName},
		made:   &made{},
	}
	for _, spec := range specs {
		if slices.Contains(s.names, spec.Name()) {
			return Specs{}, fmt.Errorf("route: there is a predicate %s already; give this one another name", spec.Name())
		}
		s.byName[spec.Name()] = spec
		s.names = append(s.names, spec.Name())
	}
	slices.Sort(s.names)
	return s, nil
}

// Names are all names that routes can use, sorted.
func (s Specs) Names() iter.Seq[string] { return slices.Values(s.names) }

func (s Specs) unknown(name string) error {
	if near := eskip.Suggest(name, s.Names()); near != "" {
		return fmt.Errorf("there is no predicate %s; did you mean %s?", name, near)
	}
	return fmt.Errorf("there is no predicate %s; predicates of your own are given to NewSpecs", name)
}

// pathRegexpSpec is PathRegexp(/expression/): the path, decoded but for %2F, matches.
type pathRegexpSpec struct{}

func (pathRegexpSpec) Name() string { return pathRegexpName }

func (pathRegexpSpec) Create(args []any) (Predicate, error) {
	text, err := oneString(args)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, errors.New("the expression is empty, which every path matches: leave the predicate out")
	}
	expression, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the argument is no regular expression as Go has them: %w", err)
	}
	return pathRegexp{expression}, nil
}

type pathRegexp struct{ *regexp.Regexp }

func (p pathRegexp) Match(r *http.Request) bool { return p.matches(matchForm(r.URL)) }

func (p pathRegexp) MatchLookup(_ *http.Request, l *Lookup) bool { return p.matches(l.path) }

func (p pathRegexp) matches(path string) bool {
	if strings.IndexByte(path, '\\') >= 0 {
		path = strings.ReplaceAll(path, `\`, "%2F")
	}
	return p.MatchString(path)
}

func oneString(args []any) (string, error) {
	if len(args) == 1 {
		if s, is := args[0].(string); is {
			return s, nil
		}
	}
	return "", fmt.Errorf("one string is expected, not %v", args)
}
