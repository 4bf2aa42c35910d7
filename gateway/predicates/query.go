package predicates

import (
	"iter"
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
	for name, value := range query(r.URL.RawQuery) {
		if name == q.name && q.pattern.match(value) {
			return true
		}
	}
	return false
}

// query has the parameters of a query in its order: those that url.ParseQuery finds, without a map and, if nothing is encoded,
// without an allocation.
func query(raw string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for raw != "" {
			var pair string
			pair, raw, _ = strings.Cut(raw, "&")
			if pair == "" || strings.Contains(pair, ";") {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(name)
			if err != nil {
				continue
			}
			if value, err = url.QueryUnescape(value); err == nil && !yield(name, value) {
				return
			}
		}
	}
}
