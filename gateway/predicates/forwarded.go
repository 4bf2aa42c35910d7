package predicates

import (
	"net/http"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// ForwardedHost("^a[.]example$") and ForwardedProtocol("https") are about the header Forwarded (RFC 7239): what the last proxy said
// that said something about it.
//
//	Forwarded: host=a.example;proto=https, for=10.0.0.1;host="b.example"     host is b.example, protocol is https
//
// Everybody can send this header. Use them behind a proxy that replaces it or adds to it.
type forwardedHost struct{ pattern pattern }

func newForwardedHost(a *arguments) route.Predicate {
	return &forwardedHost{a.pattern("a regular expression for the host", "(?i)")}
}

func (f *forwardedHost) Match(r *http.Request) bool {
	host, ok := forwarded(r, "host")
	return ok && f.pattern.match(host)
}

type forwardedProtocol string

func newForwardedProtocol(a *arguments) route.Predicate {
	const what = `"http" or "https"`
	s := a.text(what)
	if s != "http" && s != "https" {
		a.wrong(what)
	}
	return forwardedProtocol(s)
}

func (f forwardedProtocol) Match(r *http.Request) bool {
	proto, ok := forwarded(r, "proto")
	return ok && strings.EqualFold(proto, string(f))
}

func (f forwardedProtocol) Key() (string, []string) { return "forwarded protocol", []string{string(f)} }

// forwarded is the last value of a parameter in all elements of Forwarded.
func forwarded(r *http.Request, name string) (value string, ok bool) {
	for _, line := range r.Header["Forwarded"] {
		for line != "" {
			var pair string
			pair, line = cutUnquoted(line)
			n, v, found := strings.Cut(trimSpace(pair), "=")
			if found && v != "" && strings.EqualFold(n, name) {
				value, ok = unquote(v), true
			}
		}
	}
	return value, ok
}

// cutUnquoted cuts s at the first comma or semicolon that is not in quotes.
func cutUnquoted(s string) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case (c == ',' || c == ';') && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote takes a quoted string of HTTP out of its quotes (RFC 9110, 5.6.4).
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
