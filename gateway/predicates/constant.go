package predicates

import (
	"net/http"

	"github.com/flagship-go/flagship/gateway/route"
)

// True() always holds, which makes its route a bit heavier (M3). False() never does: it switches a route off.
type constant bool

func newConstant(value bool) func(*arguments) route.Predicate {
	return func(*arguments) route.Predicate { return constant(value) }
}

func (c constant) Match(*http.Request) bool { return bool(c) }

// Shutdown is the spec of Shutdown(), which holds while the gateway goes down: a health check can turn
// bad before the last connection is closed (C4).
//
//	up:   Path("/healthz") -> status(200) -> <shunt>;
//	down: Path("/healthz") && Shutdown() -> status(503) -> <shunt>;
type Shutdown struct {
	// Down tells whether the gateway is going down; safe for concurrent use. It is asked by each match, so that it can be set until the
	// first request. Nil: never.
	Down func() bool
}

// Name is "Shutdown".
func (*Shutdown) Name() string { return "Shutdown" }

// Create makes the predicate, which has no arguments.
func (s *Shutdown) Create(args []any) (route.Predicate, error) {
	return spec{usage: "Shutdown()", create: func(*arguments) route.Predicate { return shutdown{s} }}.Create(args)
}

type shutdown struct{ spec *Shutdown }

func (s shutdown) Match(*http.Request) bool { return s.spec.Down != nil && s.spec.Down() }
