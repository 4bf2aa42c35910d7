package predicates

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// QueryParam("q") is true if the URL has that parameter, also an empty one; QueryParam("q", "^x") if
// one of its values matches.
type queryParam struct {
	name    string
	pattern pattern // the zero pattern matches anything
}

func newQueryParam(a *arguments) route.Predicate {
	q := &queryParam{name: a.name("the name of a parameter")}
	if a.left() > 0 {
		q.pattern = a.pattern("a regular expression for the value", "")
	}
	return q
}

func (q *queryParam) Match(r *http.Request) bool {
	value, rest, ok := nextParam(r.URL.RawQuery, q.name)
	for ; ok; value, rest, ok = nextParam(rest, q.name) {
		if q.pattern.match(value) {
			return true
		}
	}
	return false
}

// nextParam is the next value of a parameter in a query, and what is behind it: what url.ParseQuery finds, but without a map and, if
// nothing is encoded, without an allocation.
func nextParam(raw, name string) (value, rest string, ok bool) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		n, value, _ := strings.Cut(pair, "=")
		if n != name && strings.IndexByte(n, '%') < 0 && strings.IndexByte(n, '+') < 0 || strings.IndexByte(pair, ';') >= 0 {
			continue
		}
		if n, err := url.QueryUnescape(n); err != nil || n != name {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			return value, raw, true
		}
	}
	return "", "", false
}
