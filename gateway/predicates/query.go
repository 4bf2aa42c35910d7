package predicates

import (
	"net/http"
	"net/url"

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
		end, equals, encoded, refused := 0, -1, false, false
		for ; end < len(raw) && raw[end] != '&'; end++ {
			switch raw[end] {
			case '=':
				if equals < 0 {
					equals = end
				}
			case '%', '+':
				encoded = true
			case ';':
				refused = true
			}
		}
		n, value := raw[:end], ""
		if equals >= 0 {
			n, value = raw[:equals], raw[equals+1:end]
		}
		raw = raw[min(end+1, len(raw)):]
		if encoded && !refused {
			var bad, alsoBad error
			n, bad = url.QueryUnescape(n)
			if n == name { // or its value need not be decoded
				value, alsoBad = url.QueryUnescape(value)
			}
			refused = bad != nil || alsoBad != nil
		}
		if n == name && !refused {
			return value, raw, true
		}
	}
	return "", "", false
}
