package predicates

import (
	"net/http"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// Cookie("group", "^test$") is true if the request has that cookie, and its value matches.
type cookie struct {
	name    string
	pattern pattern
}

func newCookie(a *arguments) route.Predicate {
	return &cookie{a.cookieName(), a.pattern("a regular expression for the value", "")}
}

func (a *arguments) cookieName() string {
	const what = "the name of a cookie"
	s := a.text(what)
	if !isToken(s) {
		a.wrong(what)
	}
	return s
}

func (c *cookie) Match(r *http.Request) bool {
	value, ok := cookieValue(r, c.name)
	return ok && c.pattern.match(value)
}

// cookieValue is the first cookie of a name: Request.Cookie without allocations. (Of two, the first is the one
// with the longer path, RFC 6265, 5.4.)
func cookieValue(r *http.Request, name string) (value string, ok bool) {
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			n, v, _ := strings.Cut(trimSpace(part), "=")
			if trimSpace(n) != name {
				continue
			}
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			if isCookieValue(v) {
				return v, true
			}
		}
	}
	return "", false
}

// trimSpace cuts off what HTTP takes for space.
func trimSpace(s string) string { return strings.Trim(s, " \t\r\n") }

func isCookieValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}
