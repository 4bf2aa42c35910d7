package route_test

import (
	"github.com/flagship-go/flagship/gateway/predicates"
	"github.com/flagship-go/flagship/gateway/route"
)

// benchSpecs are the predicates that a gateway has.
func benchSpecs() []route.PredicateSpec { return predicates.All() }
