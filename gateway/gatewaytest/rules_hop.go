package gatewaytest

import (
	"net/http"
	"strings"
)

// Fields between neighbours (RFC 9110, section 7.6.1).

func hopRules() []Rule {
	return []Rule{
		{ID: "hop-request", Of: "P1", Source: "RFC 9110, 7.6.1", Text: "A request's fields between neighbours stop at the proxy.", tell: hopRequest},
		{ID: "hop-request-named", Of: "P1", Source: "pitfall 1", Text: "So do those that Connection names.", tell: hopRequestNamed},
		{ID: "hop-answer", Of: "P1", Source: "RFC 9110, 7.6.1", Text: "An answer's fields between neighbours stop at the proxy, and those that Connection names.", tell: hopAnswer},
		{ID: "informational", Of: "P1", Source: "RFC 9110, 15.2; pitfall 3", Claim: "Informational", Text: "1xx answers are passed on, without fields between neighbours, and do not mix with what follows.", tell: informational},
		{ID: "forwarded", Of: "F6", Source: "pitfall 17", Claim: "Forwarded", Text: "X-Forwarded-For is the client's address, whatever the client writes.", tell: forwarded},
		{ID: "forwarded-kept", Of: "P1", Source: "golang/go#50580", Claim: "Forwarded", Text: "What the proxy says itself cannot be taken away by naming it in Connection.", tell: forwardedKept},
	}
}

func none(h http.Header, names ...string) {
	for _, name := range names {
		check(h[http.CanonicalHeaderKey(name)] == nil, "%s came through: %q", name, h[http.CanonicalHeaderKey(name)])
	}
}

func hopRequest(s *stage) {
	b := s.with(mirror)
	s.ask(get("/", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic YTpi", "TE: gzip", "X-End: 1", "Connection: keep-alive"))
	got := b.last().Header
	none(got, "Keep-Alive", "Proxy-Connection", "Proxy-Authorization")
	for _, te := range got["Te"] {
		check(strings.EqualFold(te, "trailers"), "TE: %s came through", te)
	}
	same(got.Get("X-End"), "1", "a field that is not between neighbours")
}

func hopRequestNamed(s *stage) {
	b := s.with(mirror)
	s.ask(get("/", "Connection: x-hop ,, X-Other", "X-Hop: 1", "X-Other: 2", "X-End: 3", "Connection: X-Third", "X-Third: 4"))
	got := b.last().Header
	none(got, "X-Hop", "X-Other", "X-Third")
	same(got.Get("X-End"), "3", "a field that is not between neighbours")
}

func hopAnswer(s *stage) {
	s.with(func(c *call) {
		c.answer(200, "ok", "Connection: X-Hop, keep-alive", "Connection: x-other", "X-Hop: 1", "X-Other: 2", "X-End: 3", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Upgrade: h2c")
	})
	got := s.ask(get("/")).Header
	none(got, "X-Hop", "X-Other", "Keep-Alive", "Proxy-Connection", "Upgrade")
	same(got.Get("X-End"), "3", "a field that is not between neighbours")
}

func informational(s *stage) {
	s.with(func(c *call) {
		c.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Early: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n")
		c.say("HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n")
		c.answer(200, "ok", "X-End: 1")
	})
	a := s.ask(get("/"))
	same(len(a.early), 2, "the number of 1xx answers")
	for i, link := range []string{"</a.css>", "</b.css>"} {
		same(a.early[i].StatusCode, 103, "the status of an early answer")
		same(strings.Join(a.early[i].Header["Link"], " "), link, "the link of early answer %d", i)
		none(a.early[i].Header, "X-Hop", "Keep-Alive")
	}
	none(a.early[1].Header, "X-Early")
	none(a.Header, "Link", "X-Early")
}

func forwarded(s *stage) {
	b := s.with(mirror)
	s.ask(get("/", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 6.6.6.7", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Forwarded-Host: six.example"))
	got := b.last()
	same(strings.Join(got.Header["X-Forwarded-For"], ", "), "127.0.0.1", "X-Forwarded-For")
	check(!strings.Contains(got.Header.Get("X-Forwarded-Host"), "six"), "X-Forwarded-Host is what the client says: %s", got.Header.Get("X-Forwarded-Host"))
	check(!strings.Contains(got.Header.Get("Forwarded"), "6.6.6"), "Forwarded is what the client says: %s", got.Header.Get("Forwarded"))
}

func forwardedKept(s *stage) {
	b := s.with(mirror)
	s.ask(get("/", "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Hop", "X-Forwarded-For: 6.6.6.6", "X-Hop: 1"))
	got := b.last().Header
	same(strings.Join(got["X-Forwarded-For"], ", "), "127.0.0.1", "X-Forwarded-For, which the client has named in Connection")
	none(got, "X-Hop")
}
