package predicates

import (
	"net/http"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// Method("GET") and Methods("GET", "HEAD"). A method has a case (RFC 9110, 9.1), but nobody means a method get: the standard
// ones can be written in lower case, others (PROPFIND, or one's own) are taken as they are.
type methods []string

func newMethod(a *arguments) route.Predicate { return methods{method(a)} }

func newMethods(a *arguments) route.Predicate {
	m := methods{method(a)}
	for a.left() > 0 {
		m = append(m, method(a))
	}
	return m
}

func (m methods) Match(r *http.Request) bool { return slices.Contains(m, r.Method) }

// Key tells the report which routes exclude each other.
func (m methods) Key() (string, []string) { return "method", m }

func method(a *arguments) string {
	const what = "a method, such as GET"
	s := a.text(what)
	if !isToken(s) {
		a.wrong(what)
	}
	switch upper := strings.ToUpper(s); upper {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return upper
	}
	return s
}

// isToken is RFC 9110's token: what methods, header fields and cookies have for names.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
