package predicates

import (
	"net/http"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// Host("^www[.]example[.]org$") matches the request's host, with its port if it has one. Hosts
// have no case (RFC 9110, 4.2.3): neither has the expression. One that is just a name is a HostAny.
type host struct{ pattern pattern }

func newHost(a *arguments) route.Predicate {
	p := a.pattern("a regular expression for the host", "(?i)")
	if p.shape == equals && (p.fold || !hasCase(p.text)) {
		return hostAny{strings.ToLower(p.text)}
	}
	return &host{p}
}

func (h *host) Match(r *http.Request) bool { return h.pattern.match(r.Host) }

// HostAny("www.example.org", "localhost:9090") is true if the host, with its port if it has one, is one of those.
type hostAny []string

func newHostAny(a *arguments) route.Predicate {
	names := a.texts("a host, such as www.example.org")
	for i, name := range names {
		names[i] = strings.ToLower(name)
	}
	return hostAny(names)
}

func (h hostAny) Match(r *http.Request) bool {
	for _, name := range h { // in lower case, as nearly all requests have it
		if len(name) == len(r.Host) && (name == r.Host || strings.EqualFold(name, r.Host)) {
			return true
		}
	}
	return false
}

// Key tells the report which routes exclude each other.
func (h hostAny) Key() (string, []string) { return "host", h }
