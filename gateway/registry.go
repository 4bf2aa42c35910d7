package gateway

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/predicates"
	"github.com/flagship-go/flagship/gateway/route"
)

// A Registry says which predicates and filters there are, by name. It is where a plugin
// is put: a Go value with a name, compiled in. Nothing is global; a registry belongs to
// the one gateway that [New] makes of it, and is filled before that, by one goroutine.
type Registry struct {
	env        filters.Env
	predicates []route.PredicateSpec
	filters    map[string]filters.Spec
	names      map[string]bool // of predicates
	owner      atomic.Pointer[Gateway]
}

// NewRegistry has all predicates and filters of this module. What env leaves nil gets
// its default; NewUpstream's is the pools of the gateway that the registry ends in.
func NewRegistry(env filters.Env) *Registry {
	r := &Registry{filters: map[string]filters.Spec{}, names: map[string]bool{}}
	if env.NewUpstream == nil {
		env.NewUpstream = r.newUpstream
	}
	r.env = env.WithDefaults()
	for _, p := range predicates.All() {
		if shutdown, is := p.(*predicates.Shutdown); is {
			shutdown.Down = r.down
		}
		must(r.AddPredicate(p))
	}
	for _, f := range filters.All(r.env) {
		must(r.AddFilter(f))
	}
	return r
}

// must is for what only a mistake in this module can bring about.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Env is what the registry's filters live in, for filters of one's own.
func (r *Registry) Env() filters.Env { return r.env }

// AddPredicate makes a predicate known. It fails if the name is taken.
func (r *Registry) AddPredicate(p route.PredicateSpec) error {
	if r.names[p.Name()] {
		return fmt.Errorf("gateway: there is a predicate %s already; give this one another name", p.Name())
	}
	r.names[p.Name()] = true
	r.predicates = append(r.predicates, p)
	return nil
}

// AddFilter makes a filter known. It fails if the name is taken.
func (r *Registry) AddFilter(f filters.Spec) error {
	if r.filters[f.Name()] != nil {
		return fmt.Errorf("gateway: there is a filter %s already; give this one another name", f.Name())
	}
	r.filters[f.Name()] = f
	return nil
}

var errNoGateway = errors.New("gateway: the registry is in no gateway yet: pass it to New before its filters are made")

// down tells whether the gateway is going down (C4): the predicate Shutdown.
func (r *Registry) down() bool {
	g := r.owner.Load()
	return g != nil && g.draining.Load()
}

// newUpstream is Env.NewUpstream: a pool of the gateway that the registry ends in.
func (r *Registry) newUpstream(addresses []string, algorithm string) (filters.Upstream, error) {
	g := r.owner.Load()
	if g == nil {
		return nil, errNoGateway
	}
	return g.newUpstream(addresses, algorithm)
}
