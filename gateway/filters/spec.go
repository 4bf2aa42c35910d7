package filters

import "io"

// NewSpec makes a Spec of a function that reads arguments and makes a filter of them.
// Usage names the arguments, for messages: "code, location?". Create may stop in the middle once
// [Args.Failed]; what it made then is not used, and closed if it is an io.Closer.
func NewSpec(name, usage string, create func(*Args) Filter) Spec {
	return &spec{name, usage, create}
}

type spec struct {
	name, usage string
	create      func(*Args) Filter
}

func (s *spec) Name() string { return s.name }

func (s *spec) CreateFilter(args []any) (Filter, error) {
	a := ReadArgs(s.usage, args)
	f := s.create(a)
	if err := a.Done(); err != nil {
		if c, is := f.(io.Closer); is {
			c.Close()
		}
		return nil, err
	}
	return f, nil
}

// Stateless makes one of those whose filters are the same for every route: see [StatelessSpec]. It takes what
// NewSpec made.
func Stateless(s Spec) Spec { return stateless{s} }

type stateless struct{ Spec }

func (stateless) Stateless() {}

// OnRequest is a filter that acts on requests only.
type OnRequest func(FilterContext)

// Request calls the function.
func (f OnRequest) Request(c FilterContext) { f(c) }

// Response does nothing.
func (OnRequest) Response(FilterContext) {}

// OnResponse is a filter that acts on answers only.
type OnResponse func(FilterContext)

// Request does nothing.
func (OnResponse) Request(FilterContext) {}

// Response calls the function.
func (f OnResponse) Response(c FilterContext) { f(c) }

// Nothing is a filter that does nothing, to be embedded in those that are asked in one direction only, or
// around the call, or when the table is built.
type Nothing struct{}

// Request does nothing.
func (Nothing) Request(FilterContext) {}

// Response does nothing.
func (Nothing) Response(FilterContext) {}

// All are the filters of this package, in the order of the table in its documentation.
func All(env Env) []Spec {
	env = env.WithDefaults()
	var all []Spec
	for _, family := range [][]Spec{requestHeaders(), responseHeaders(), cookies(), paths(), queries(), redirects()} {
		for _, s := range family {
			all = append(all, Stateless(s))
		}
	}
	for _, family := range [][]Spec{
		destinations(),
		contents(), statics(), compression(), crossOrigin(),
		basicAuths(env), keyAuths(env), jwts(env),
		limits(env), breakers(env), retries(env), timeouts(), bodyLimits(),
		tees(env), faults(env),
		accessLogs(), traces(),
		poolOptions(env), hashKeys(),
		canaries(env), splits(env),
		remarks(),
	} {
		all = append(all, family...)
	}
	return all
}
