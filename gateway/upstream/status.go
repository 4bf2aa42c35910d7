package upstream

import (
	"cmp"
	"slices"
	"time"
)

// A Status is an endpoint at one moment, for people and metrics.
type Status struct {
	Address  string `json:"address"`
	Protocol string `json:"protocol,omitempty"` // "", "http1", "h2", "h2c"
	// State is "up", "down" (active checks) or "ejected" (passive ones). An endpoint that two pools check in
	// different ways is down if it is for one of them.
	State    string `json:"state"`
	InFlight int64  `json:"inFlight"`
	Requests uint64 `json:"requests"` // picked so far
	Failures uint64 `json:"failures"` // given back as Failed so far
	// Latency is the peak-sensitive average; 0: nothing is known. JSON has nanoseconds.
	Latency   time.Duration `json:"latency"`
	Ejections uint64        `json:"ejections"`
	// Ejected is for how long it will still be.
	Ejected time.Duration `json:"ejected,omitempty"`
	// CheckError is why the last active check failed, or "".
	CheckError string `json:"checkError,omitempty"`
}

// A PoolStatus is a pool at one moment.
type PoolStatus struct {
	Algorithm string
	// Panic: too few endpoints are usable, so that all are asked (U2).
	Panic     bool
	Endpoints []Status
}

// Status is all endpoints, by address.
func (r *Registry) Status() []Status {
	now := r.elapsed()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Status, 0, len(r.endpoints))
	for _, e := range r.endpoints {
		var checks []*checker
		for _, c := range e.checks {
			checks = append(checks, c)
		}
		all = append(all, e.status(now, checks...))
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Protocol, b.Protocol))
	})
	return all
}

// Status is the pool's endpoints, in the order written.
func (p *Pool) Status() PoolStatus {
	now := p.registry.elapsed()
	s := PoolStatus{Algorithm: p.options.Algorithm, Panic: look(p.members, 0, now, p.options).panic}
	for _, m := range p.members {
		if m.check != nil {
			s.Endpoints = append(s.Endpoints, m.status(now, m.check))
		} else {
			s.Endpoints = append(s.Endpoints, m.status(now))
		}
	}
	return s
}

func (e *Endpoint) status(now time.Duration, checks ...*checker) Status {
	s := Status{
		Address: e.Address(), Protocol: e.key.transport.Protocol, State: "up",
		InFlight: e.InFlight(), Requests: e.requests.Load(), Failures: e.failures.Load(),
		Latency: time.Duration(e.latency.value()), Ejections: e.ejection.total.Load(),
		Ejected: max(e.ejection.end()-now, 0),
	}
	if s.Ejected > 0 {
		s.State = "ejected"
	}
	for _, c := range checks {
		h := c.state.Load()
		if h.down {
			s.State = "down"
		}
		if h.err != nil {
			s.CheckError = h.err.Error()
		}
	}
	return s
}
