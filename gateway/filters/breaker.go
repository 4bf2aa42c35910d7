package filters

import (
	"errors"
	"net/http"
	"time"

	"github.com/flagship-go/flagship/gateway/breaker"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// Circuit breakers around the call upstream. Each is of its route alone.

func breakers(env Env) []Spec {
	return []Spec{
		NewSpec("consecutiveBreaker", "failures, timeout?, trials?, idleTTL?", func(a *Args) Filter {
			o := breaker.ConsecutiveOptions{Failures: a.Int("failures", 1, 1<<30)}
			o.GateOptions = a.gate(env)
			if a.Done() != nil {
				return nil
			}
			b, err := breaker.NewConsecutive(o)
			a.Check(err)
			return &circuit{name: "consecutive", b: b}
		}),
		NewSpec("rateBreaker", "failures, window, timeout?, trials?, idleTTL?", func(a *Args) Filter {
			o := breaker.RateOptions{Failures: a.Int("failures", 1, 1<<20), Of: a.Int("window", 1, 1<<20)}
			o.GateOptions = a.gate(env)
			if a.Done() != nil {
				return nil
			}
			b, err := breaker.NewRate(o)
			a.Check(err)
			return &circuit{name: "rate", b: b}
		}),
		NewSpec("adaptiveBreaker", "k?, minimum of requests?", func(a *Args) Filter {
			o := breaker.AdaptiveOptions{Elapsed: env.Elapsed, Rand: env.Rand}
			if a.More() {
				o.K = a.Number("k", 1.01, 100)
			}
			if a.More() {
				o.MinRequests = a.Int("minimum of requests", 1, 1<<30)
			}
			if a.Done() != nil {
				return nil
			}
			b, err := breaker.NewAdaptive(o)
			a.Check(err)
			return &circuit{name: "adaptive", b: b}
		}),
		// There are no breakers but those of the route itself: nothing to disable, but Skipper's files have it.
		NewSpec("disableBreaker", "", func(*Args) Filter { return Nothing{} }),
	}
}

// gate is the next three arguments of Skipper's breakers. The last one says when Skipper forgets the breaker of
// a backend that nobody calls: these are not kept by backend.
func (a *Args) gate(env Env) breaker.GateOptions {
	o := breaker.GateOptions{Elapsed: env.Elapsed}
	if a.More() {
		o.Timeout = a.Duration("timeout", time.Millisecond)
	}
	if a.More() {
		o.Trials = a.Int("trials", 1, 1<<20)
	}
	if a.More() {
		a.Duration("idleTTL", 0)
	}
	return o
}

// circuit asks a breaker before each call, and tells it how the call went.
type circuit struct {
	Nothing
	name string
	b    breaker.Breaker
}

// Wrap stands around the call. For a stream it is over when the header is there: what comes after may take hours.
func (f *circuit) Wrap(next RoundTrip) RoundTrip {
	return func(c FilterContext) (*http.Response, error) {
		ticket, err := f.b.Allow()
		if err != nil {
			c.Event("breaker", "rejected")
			return nil, &Error{Status: http.StatusServiceUnavailable, Reason: "breaker is open", Local: true, Err: err}
		}
		defer ticket.Cancel() // B3: does nothing after Done
		r, err := next(c)
		switch {
		case err == nil:
			ticket.Done(upstream.StatusOf(r) < 500) // U12
		case !blameless(c, err):
			ticket.Done(false)
		}
		return r, err
	}
}

// blameless tells whether an error says nothing about the backend: it was not reached, or the client has gone
// away or sent too much (P4, U3).
func blameless(c FilterContext, err error) bool {
	var large *http.MaxBytesError
	return IsLocal(err) || errors.As(err, &large) || c.OriginalRequest().Context().Err() != nil
}

// Report says how the breaker stands.
func (f *circuit) Report() Report {
	m := f.b.Metrics()
	return Report{Kind: "breaker", Name: f.name, State: m.State.String(), Counts: []Count{
		{"requests", m.Requests}, {"rejected", m.Rejected}, {"success", m.Successes}, {"failure", m.Failures},
		{"canceled", m.Canceled}, {"late", m.Late}, {"opened", m.Opened},
	}}
}
