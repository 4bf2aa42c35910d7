package gatewaytest

import (
	"net/url"
	"strings"
)

// What is matched is what is forwarded.

func pathRules() []Rule {
	return []Rule{
		{ID: "path-stays-inside", Of: "M2", Source: "pitfall 4", Text: "No way of writing a path gets to an upstream what another route has.", tell: pathStaysInside},
		{ID: "encoded-dots", Of: "M2", Source: "pitfall 4", Claim: "Canonical", Text: "Nor does one with dots that are percent-encoded.", tell: encodedDots},
		{ID: "canonical", Of: "M2", Source: "RFC 3986, 6; pitfall 4", Claim: "Canonical", Text: "Dot segments and double slashes are resolved for the route and the upstream alike, and nothing else is decoded.", tell: canonical},
		{ID: "no-path", Of: "M2", Source: "RFC 3986, 2.1", Claim: "Canonical", Text: "A path with a broken escape, a NUL or a backslash is refused.", tell: noPath},
	}
}

func pathStaysInside(s *stage) {
	staysInside(s, "/open/../closed/x", "/open/./../closed/x", "/open//../../closed/x", "//open/../closed/x", "/open/a/../../closed/x",
		"/open/..", "/open/../", "/./closed/../open/x", "/open/x?/../closed", "http://kit.example/open/../closed/x", "/%6fpen/../closed")
}

func encodedDots(s *stage) {
	staysInside(s, "/open/%2e%2e/closed/x", "/open/.%2E/closed/x", "/open/%2e./closed", "/open/%2e/../closed/x", "/%6fpen/%2e%2e/closed", "/open/a/%2e%2e/%2e%2e/closed")
}

func staysInside(s *stage, targets ...string) {
	open, closed := s.backend(mirror), s.backend(mirror)
	s.start(Route{Prefix: "/open", Upstream: open.addr}, Route{Prefix: "/closed", Upstream: closed.addr})
	s.ask(get("/open/x"))
	s.ask(get("/closed/x"))
	for _, target := range targets {
		c := s.dial().send(get(target))
		_, err := c.tryHead("GET")
		check(!timedOut(err), "%s is not answered", target)
	}
	for _, side := range []struct {
		b    *backend
		root string
	}{{open, "/open"}, {closed, "/closed"}} {
		for _, c := range side.b.seen() {
			path, _, _ := strings.Cut(strings.Fields(c.raw)[1], "?")
			got := resolve(path)
			check(got == side.root || strings.HasPrefix(got, side.root+"/"), "the upstream of %s was asked for %s, which is %s", side.root, path, got)
		}
	}
}

// resolve is what an upstream makes of a path that decodes it and then resolves dot segments.
func resolve(path string) string {
	u, err := url.PathUnescape(strings.ReplaceAll(strings.ToLower(path), "%2f", "%252f"))
	if err != nil {
		return path
	}
	return (&url.URL{Path: "/"}).JoinPath(u).Path
}

func canonical(s *stage) {
	b := s.backend(mirror)
	s.start(Route{Prefix: "/open", Upstream: b.addr})
	for from, want := range map[string]string{
		"/open/a//b":           "/open/a/b",
		"//open/a":             "/open/a",
		"/open/a/./b/../c":     "/open/a/c",
		"/closed/../open/x":    "/open/x",
		"/open/%2e%2E/open/x":  "/open/x",
		"/open/a%2Fb":          "/open/a%2Fb",
		"/open/a%2fb/c%252Fd":  "/open/a%2fb/c%252Fd",
		"/open/a+b%20c":        "/open/a+b%20c",
		"/open/a...b/..c":      "/open/a...b/..c",
		"/open/a/..?x=/../y//": "/open/?x=/../y//",
	} {
		s.ask(get(from))
		same(strings.Fields(b.last().raw)[1], want, "%s arrives as", from)
	}
}

func noPath(s *stage) {
	b := s.with(mirror)
	s.ask(get("/fine"))
	for _, target := range []string{"/a%", "/a%zz", "/a%0", "/a%00b", `/a\b`, "/a%5Cb", "/a%5c..%5cb"} {
		a := s.dial().send(get(target)).answer("GET")
		same(a.StatusCode, 400, "the answer to %s", target)
	}
	same(len(b.seen()), 1, "the number of requests that came")
}
