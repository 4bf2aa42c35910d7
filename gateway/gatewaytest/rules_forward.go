package gatewaytest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What every proxy does: a message arrives as it was sent.

func forwardRules() []Rule {
	return []Rule{
		{ID: "methods", Of: "P3", Source: "RFC 9110, 9.1", Text: "A method arrives as it was sent, also one that nobody knows.", tell: methods},
		{ID: "target", Of: "M2", Source: "RFC 9110, 7.1", Text: "Path and query arrive as they were sent, byte for byte.", tell: target},
		{ID: "fields", Of: "P3", Source: "RFC 9110, 5.3", Text: "Fields arrive both ways, with all their lines, in their order.", tell: fields},
		{ID: "nothing-added", Of: "U9", Source: "net/http", Text: "A request gets no User-Agent, Accept-Encoding, Accept or Content-Type that its client has not sent.", tell: nothingAdded},
		{ID: "untouched", Of: "U9", Source: "net/http", Claim: "Untouched", Text: "An answer gets no Content-Type or Server that its upstream has not sent.", tell: untouched},
		{ID: "host", Of: "P2", Source: "RFC 9112, 3.2.2", Text: "There is one Host, the client's or the upstream's; an absolute target counts before the Host field.", tell: host},
		{ID: "statuses", Of: "P3", Source: "RFC 9110, 15", Text: "Statuses arrive as they were sent, and redirections are the client's to follow.", tell: statuses},
		{ID: "routes", Of: "M1", Source: "issue", Text: "A request goes where its path says, and one that no route has goes nowhere.", tell: routes},
		{ID: "longest-prefix", Of: "M1", Source: "issue", Text: "Of prefixes that fit, the longest counts, by whole segments.", tell: longestPrefix},
		{ID: "encoded", Of: "U9", Source: "pitfall 12", Text: "An encoding is between client and upstream: it is neither asked for nor undone.", tell: encoded},
		{ID: "big-header", Of: "P8", Source: "issue", Text: "A header of 32 KiB passes.", tell: bigHeader},
		{ID: "huge-header", Of: "P8", Source: "issue", Text: "A header of 2 MiB is refused, and the upstream hears nothing of it.", tell: hugeHeader},
	}
}

func methods(s *stage) {
	b := s.with(mirror)
	c := s.dial()
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"} {
		c.send(request(m, "/x", "Content-Length: 0")).ok(m)
		same(b.last().Method, m, "the method")
	}
}

func target(s *stage) {
	b := s.with(mirror)
	c := s.dial()
	for _, t := range []string{"/", "/a/b", "/a/b?x=1&x=2&y=%20+%2B&z", "/?", "/a;b=1/c", "/a?q=a/../b//c", "/a?q=%", "/%C3%BC", "/a%3Fb"} {
		c.send(get(t)).ok("GET")
		got := strings.Fields(b.last().raw)[1]
		if t == "/?" { // a query that is empty may be left out
			got = strings.TrimSuffix(got, "?") + "?"
		}
		same(got, t, "the target")
	}
}

func fields(s *stage) {
	b := s.with(func(c *call) {
		c.answer(200, "ok", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "X-Many: 3", "X-Many: 1, 2", "X-Empty:", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "Server: kit")
	})
	a := s.dial().send(get("/", "X-Many: 3", "X-Many: 1, 2", "Cookie: a=1; b=\"2\"", "X-Empty:", "x_under: u", "Accept: */*", "User-Agent: kit", "Authorization: Basic YTpi")).ok("GET")
	in := b.last().Header
	list := func(h http.Header, name string) string { return strings.Join(h[name], ", ") }
	same(list(in, "X-Many"), "3, 1, 2", "a field of two lines")
	for name, want := range map[string]string{"Cookie": `a=1; b="2"`, "Accept": "*/*", "User-Agent": "kit", "Authorization": "Basic YTpi", "X-Empty": ""} {
		check(len(in[name]) == 1, "%s came as %q", name, in[name])
		same(in.Get(name), want, "the field %s", name)
	}
	same(list(a.Header, "X-Many"), "3, 1, 2", "a field of two lines in an answer")
	check(slices.Equal(a.Header["Set-Cookie"], []string{"a=1; Path=/", "b=2"}), "two cookies came as %q", a.Header["Set-Cookie"])
	same(list(a.Header, "Date"), "Thu, 01 Jan 1970 00:00:00 GMT", "the date of an answer")
	check(len(a.Header["X-Empty"]) == 1, "an empty field of an answer is gone")
	same(a.body, "ok", "the body")
}

func nothingAdded(s *stage) {
	b := s.with(mirror)
	s.ask(requestWith("POST", "/", "<html>"))
	none(b.last().Header, "User-Agent", "Accept-Encoding", "Accept", "Content-Type")
}

func untouched(s *stage) {
	s.with(func(c *call) { c.answer(200, "<html>") })
	none(s.ask(get("/")).Header, "Content-Type", "Server")
}

func host(s *stage) {
	b := s.with(mirror)
	for _, c := range []struct{ text, want string }{
		{get("/h"), "kit.example"},
		{get("http://other.example/h"), "other.example"},
		{"GET /h HTTP/1.1\r\nHost: kit.example:8080\r\n\r\n", "kit.example:8080"},
	} {
		s.ask(c.text)
		got := b.last()
		same(strings.Count(strings.ToLower(got.raw), "\nhost:"), 1, "the number of Host fields")
		same(got.URL.Path, "/h", "the path")
		check(got.Host == c.want || got.Host == b.addr, "the upstream is asked for host %q, not %q nor its own", got.Host, c.want)
	}
}

func statuses(s *stage) {
	s.with(func(c *call) {
		var status int
		fmt.Sscanf(c.URL.Path, "/%d", &status)
		c.answer(status, "said", "Location: /200", "WWW-Authenticate: Basic realm=kit", "Retry-After: 1")
	})
	c := s.dial()
	for _, status := range []int{200, 201, 206, 299, 301, 307, 401, 404, 418, 429, 500, 503, 599} {
		a := c.send(get(fmt.Sprintf("/%d", status))).answer("GET")
		same(a.StatusCode, status, "the status")
		same(a.body, "said", "the body of %d", status)
		same(a.Header.Get("Location"), "/200", "a field of %d", status)
	}
}

// named answers with the backend's name.
func named(name string) func(*call) { return func(c *call) { c.answer(200, name) } }

func routes(s *stage) {
	a, b := s.backend(named("a")), s.backend(named("b"))
	s.start(Route{Prefix: "/a", Upstream: a.addr}, Route{Prefix: "/b", Upstream: b.addr})
	c := s.dial()
	for _, want := range []string{"a", "b", "a"} {
		same(c.send(get("/"+want+"/x")).ok("GET").body, want, "/%s/x went to", want)
	}
	same(c.send(get("/b")).ok("GET").body, "b", "/b went to")
	got := c.send(get("/c")).answer("GET").StatusCode
	check(got >= 400 && got < 600, "a path of no route was answered with %d", got)
	check(len(a.seen()) == 2 && len(b.seen()) == 2, "the upstreams got %d and %d requests, want 2 each", len(a.seen()), len(b.seen()))
}

func longestPrefix(s *stage) {
	all, a, deep := s.backend(named("all")), s.backend(named("a")), s.backend(named("deep"))
	s.start(Route{Prefix: "/", Upstream: all.addr}, Route{Prefix: "/a", Upstream: a.addr}, Route{Prefix: "/a/b", Upstream: deep.addr})
	c := s.dial()
	for path, want := range map[string]string{"/": "all", "/a": "a", "/a/x": "a", "/ab": "all", "/a/b": "deep", "/a/b/c": "deep", "/a/bc": "a"} {
		same(c.send(get(path)).ok("GET").body, want, "%s went to", path)
	}
}

func encoded(s *stage) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("hello"))
	_ = z.Close()
	b := s.with(func(c *call) { c.answer(200, zipped.String(), "Content-Encoding: gzip", "Vary: Accept-Encoding") })
	for _, accept := range [][]string{nil, {"Accept-Encoding: gzip"}, {"Accept-Encoding: br, gzip;q=0.5"}} {
		a := s.ask(get("/", accept...))
		got := b.last().Header["Accept-Encoding"]
		check(len(got) == len(accept) && (len(got) == 0 || "Accept-Encoding: "+got[0] == accept[0]), "the client sent %q, the upstream got Accept-Encoding %q", accept, got)
		same(a.body, zipped.String(), "a body with an encoding")
		same(a.Header.Get("Content-Encoding"), "gzip", "Content-Encoding")
	}
}

func bigHeader(s *stage) {
	b := s.with(func(c *call) { c.answer(200, "ok", "X-Big: "+strings.Repeat("b", 30<<10)) })
	a := s.ask(get("/?"+strings.Repeat("q", 4<<10), "X-A: "+strings.Repeat("a", 8<<10), "X-B: "+strings.Repeat("b", 16<<10)))
	same(len(a.Header.Get("X-Big")), 30<<10, "the length of an answer's field")
	same(len(b.last().Header.Get("X-B")), 16<<10, "the length of a field")
}

func hugeHeader(s *stage) {
	b := s.with(mirror)
	s.ask(get("/"))
	c := s.dial()
	go c.send("GET /huge HTTP/1.1\r\nHost: kit.example\r\nX-Huge: " + strings.Repeat("h", 2<<20) + "\r\n\r\n")
	c.refused("a header of 2 MiB", true)
	s.stop()
	same(len(b.seen()), 1, "the number of requests that came")
}
