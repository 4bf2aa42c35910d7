package upstream

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Registry is the endpoints of a gateway. Pools that name the same address with the same
// [TransportOptions] share one [Endpoint]: connections, counts, and what is known of it. So a pool that a reload
// puts in another's place begins with what the other knew. Safe for concurrent use.
type Registry struct {
	elapsed      func() time.Duration
	random       func() uint64
	newTransport func(TransportOptions) http.RoundTripper
	log          *slog.Logger
	leases       sync.Pool // of *lease

	version atomic.Uint64 // counts changes of any endpoint's state
	closed  atomic.Bool

	mu        sync.Mutex
	endpoints map[endpointKey]*Endpoint
}

// RegistryOptions are what a registry gets from outside. The zero value is a good default.
type RegistryOptions struct {
	// Elapsed is a monotonic clock from any beginning, for latencies, ejection and fade-in. Nil: the time since NewRegistry.
	// Active checks wait on real time.
	Elapsed func() time.Duration
	// Random is a source of uniform numbers, safe for concurrent use. Nil: math/rand/v2.
	Random func() uint64
	// NewTransport makes the connections of one endpoint. A CloseIdleConnections method is called at the end. Nil: [NewTransport].
	NewTransport func(TransportOptions) http.RoundTripper
	// Log hears of endpoints that go down, come up and are ejected. Nil: silence.
	Log *slog.Logger
}

// NewRegistry makes an empty one. Close it.
func NewRegistry(o RegistryOptions) *Registry {
	r := &Registry{elapsed: o.Elapsed, random: o.Random, newTransport: o.NewTransport, log: o.Log}
	r.leases.New = func() any { return new(lease) }
	r.endpoints = map[endpointKey]*Endpoint{}
	if r.elapsed == nil {
		start := time.Now()
		r.elapsed = func() time.Duration { return time.Since(start) }
	}
	if r.random == nil {
		r.random = rand.Uint64
	}
	if r.newTransport == nil {
		r.newTransport = func(o TransportOptions) http.RoundTripper { return NewTransport(o) }
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Pool makes a pool of addresses, such as "http://10.0.0.1:8080". An address that is named twice is
// one endpoint. Nothing is connected to or resolved yet. Errors name the address or option and the remedy;
// ErrClosed after Close. Close the pool.
func (r *Registry) Pool(addresses []string, o Options) (*Pool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, errors.New("upstream: a pool without addresses; name at least one")
	}
	p := &Pool{registry: r, options: o, max: int64(o.MaxConcurrent)}
	if p.balancer, err = newBalancer(o); err != nil {
		return nil, err
	}
	if p.max == 0 {
		p.max = unbounded
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return nil, ErrClosed
	}
	found := make([]*Endpoint, 0, len(addresses)) // all of them, before any is joined
	for _, text := range addresses {
		e, err := r.find(text, o.Transport)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(f *Endpoint) bool { return f.key.address == e.key.address }) {
			found = append(found, e)
		}
	}
	p.members = make([]member, len(found))
	for i, e := range found {
		p.members[i] = r.join(e, o.Health)
	}
	return p, nil
}

// find is the endpoint of an address, or a new one that nobody has joined yet. Most routes of a table go
// to where others go too, and spell it alike: then there is nothing to parse.
func (r *Registry) find(text string, o TransportOptions) (*Endpoint, error) {
	if e := r.endpoints[endpointKey{text, o}]; e != nil {
		return e, nil
	}
	u, err := parseAddress(text, o)
	if err != nil {
		return nil, err
	}
	key := endpointKey{u.String(), o}
	if e := r.endpoints[key]; e != nil {
		return e, nil
	}
	return &Endpoint{key: key, url: u, seed: seedOf(key.address)}, nil
}

// join counts one more pool of an endpoint, which begins with the first.
func (r *Registry) join(e *Endpoint, o HealthOptions) member {
	if e.refs++; e.refs == 1 {
		e.transport, e.since = r.newTransport(e.key.transport), r.elapsed()
		e.checks = map[HealthOptions]*checker{}
		r.endpoints[e.key] = e
	}
	m := member{Endpoint: e}
	if o.Path != "" {
		if m.check = e.checks[o]; m.check == nil {
			m.check = r.newChecker(e, o)
			e.checks[o] = m.check
		}
		m.check.refs++
	}
	return m
}

// drop is the end of a pool.
func (r *Registry) drop(p *Pool) {
	var ended []*checker
	var gone []*Endpoint
	r.mu.Lock()
	for _, m := range p.members {
		if c := m.check; c != nil {
			if c.refs--; c.refs == 0 {
				delete(m.checks, c.options)
				ended = append(ended, c)
			}
		}
		if m.refs--; m.refs == 0 {
			delete(r.endpoints, m.key)
			m.gone.Store(true)
			gone = append(gone, m.Endpoint)
		}
	}
	r.mu.Unlock()
	r.end(ended, gone)
}

// end waits for checkers, without the lock that they do not need, and closes what nobody will use.
func (r *Registry) end(checkers []*checker, endpoints []*Endpoint) {
	for _, c := range checkers {
		c.stop()
	}
	for _, c := range checkers {
		<-c.done
	}
	for _, e := range endpoints {
		e.closeIdle()
	}
}

// Close ends all checks and closes all idle connections; requests under way go on. Pools that are
// still open answer ErrClosed from now on. It waits for the goroutines of checks, and may be called more than once.
func (r *Registry) Close() error {
	var ended []*checker
	var gone []*Endpoint
	r.mu.Lock()
	r.closed.Store(true)
	for _, e := range r.endpoints {
		for _, c := range e.checks {
			ended = append(ended, c)
		}
		e.gone.Store(true)
		gone = append(gone, e)
	}
	r.mu.Unlock()
	r.end(ended, gone)
	return nil
}
