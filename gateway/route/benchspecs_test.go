package route_test

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

func benchSpecs() []route.PredicateSpec {
	return append(slowSpecs()[:2:2],
		testSpec{"Host", 0, func(a []any) route.Predicate {
			return hostIs{strings.ReplaceAll(strings.Trim(a[0].(string), "^$"), "[.]", "."), nil}
		}},
		testSpec{"QueryParam", 0, func(a []any) route.Predicate { return query(a[0].(string)) }})
}

type hostIs struct {
	name string
	_    *regexp.Regexp
}

func (h hostIs) Match(r *http.Request) bool { return r.Host == h.name }

type query string

func (q query) Match(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, string(q)) }
