package predicates

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // for machines without a database of time zones

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// create makes a predicate from its text.
func create(text string) (route.Predicate, error) {
	routes, err := eskip.Parse("", text+" -> <shunt>")
	if err != nil {
		return nil, err
	}
	call := routes[0].Predicates[0]
	for _, s := range All() {
		if s.Name() == call.Name {
			return s.Create(call.Args)
		}
	}
	panic("there is no predicate " + call.Name)
}

func mustCreate(t testing.TB, text string) route.Predicate {
	t.Helper()
	p, err := create(text)
	require.NoError(t, err)
	return p
}

// ask asks as a table does.
func ask(p route.Predicate, r *http.Request, l *route.Lookup) bool {
	if lp, ok := p.(route.LookupPredicate); ok {
		return lp.MatchLookup(r, l)
	}
	return p.Match(r)
}

// request reads "GET /path?query", and lines of header fields; the field Peer is the connection's other end.
func request(lines ...string) *http.Request {
	method, target, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, target, nil)
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Host":
			r.Host = value
		case "Peer":
			r.RemoteAddr = value
		default:
			r.Header.Add(name, value)
		}
	}
	return r
}

// at is a lookup at a time.
func at(s string) *route.Lookup {
	now, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return &route.Lookup{Now: now}
}

func from(ip string) *route.Lookup { return &route.Lookup{Client: netip.MustParseAddr(ip)} }
