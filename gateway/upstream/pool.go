package upstream

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// Errors that callers tell apart with errors.Is. A gateway answers 503 to each.
var (
	// ErrNoEndpoint: all endpoints are down or ejected, and the pool's PanicThreshold forbids to ask them nevertheless.
	ErrNoEndpoint = errors.New("upstream: no endpoint is usable")
	// ErrFull: all usable endpoints have MaxConcurrent requests under way. Retry later.
	ErrFull = errors.New("upstream: all endpoints are full")
	// ErrClosed: the registry is closed.
	ErrClosed = errors.New("upstream: closed")
)

// A Pool is the endpoints of one route. Pick and the tokens are safe for concurrent use, take no lock and
// allocate nothing.
type Pool struct {
	registry *Registry
	options  Options
	max      int64
	members  []member
	balancer balancer
	view     atomic.Pointer[view]
	close    sync.Once
}

// Pick chooses an endpoint. Key is for consistentHash: requests of one key stay together. Not is an endpoint
// that has failed this request before: another is taken if there is one; nil for a first try.
// The token must be given back with [Token.Done], on every way out. The error is ErrNoEndpoint, ErrFull or
// ErrClosed, with the addresses.
func (p *Pool) Pick(key uint64, not *Endpoint) (Token, error) {
	r := p.registry
	now := r.elapsed()
	v := p.view.Load()
	if v == nil || v.version != r.version.Load() || now >= v.until {
		version := r.version.Load() // before the states, so that a change in between is seen the next time
		v = look(p.members, version, now, p.options)
		p.view.Store(v)
	}
	switch {
	case r.closed.Load():
		return Token{}, p.fail(ErrClosed)
	case len(v.set) == 0:
		return Token{}, p.fail(ErrNoEndpoint)
	}
	c := choice{view: v, key: key, now: now, random: r.random, not: not, max: p.max, fading: now < v.fadeEnd}
	if e := p.place(c); e != nil {
		return p.token(e, now), nil
	}
	return Token{}, p.fail(ErrFull)
}

// place asks the balancer until somebody has been acquired. What a request would rather not is given up
// when nobody is left: first the fade-in, then that it has failed there before. MaxConcurrent never is.
func (p *Pool) place(c choice) *Endpoint {
	const tries = 8 // lost to others who took the place meanwhile
	for range tries {
		e, most := p.balancer.pick(c)
		if e == nil && c.fading {
			c.fading = false
			e, most = p.balancer.pick(c)
		}
		if e == nil && c.not != nil {
			c.not = nil
			e, most = p.balancer.pick(c)
		}
		if e == nil {
			return nil
		}
		if e.acquire(min(most, c.max), c.now) {
			return e
		}
	}
	e, _ := random{}.pick(c)
	if e == nil || !e.acquire(c.max, c.now) {
		return nil
	}
	return e
}

// fail says of whom an error is.
func (p *Pool) fail(err error) error { return fmt.Errorf("%w: %s", err, p) }

// String is the algorithm and the addresses, as a route has them.
func (p *Pool) String() string {
	var b strings.Builder
	b.WriteString("<" + p.options.Algorithm)
	for _, m := range p.members {
		fmt.Fprintf(&b, ", %q", m.Address())
	}
	return b.String() + ">"
}

// Endpoints are the pool's, in the order written, each once.
func (p *Pool) Endpoints() []*Endpoint {
	all := make([]*Endpoint, len(p.members))
	for i, m := range p.members {
		all[i] = m.Endpoint
	}
	return all
}

// Close lets go of the endpoints. Those that no other pool has are checked no more, and their idle connections
// closed; when it returns, no goroutine of them is left. Requests under way go on, and requests
// that have found this pool in a table that was replaced meanwhile can still Pick: a reload drops nobody (C3).
// A pool that takes this one's place is made before this one is closed: so the endpoints' states live on.
func (p *Pool) Close() error {
	p.close.Do(func() { p.registry.drop(p) })
	return nil
}
