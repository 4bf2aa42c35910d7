package gatewaytest

import (
	"fmt"
	"strings"
)

// Bodies, and what says how long they are.

func messageRules() []Rule {
	return []Rule{
		{ID: "bodies", Of: "P3", Source: "RFC 9112, 6", Text: "Bodies of all lengths arrive whole, both ways, with a length and in chunks.", tell: bodies},
		{ID: "one-connection", Of: "P2", Source: "RFC 9112, 9.3", Text: "Requests of one connection are answered in their order, also when all came at once.", tell: oneConnection},
		{ID: "no-body", Of: "F7", Source: "RFC 9112, 6.3; pitfall 23", Text: "HEAD, 204 and 304 have no body, and what HEAD says of its length stays.", tell: noBody},
		{ID: "until-close", Of: "P7", Source: "RFC 9112, 6.3", Text: "An answer that ends with the upstream's connection arrives whole.", tell: untilClose},
		{ID: "continue", Of: "P3", Source: "RFC 9110, 10.1.1", Text: "A client that waits for 100 with its body is told to send it.", tell: expectContinue},
		{ID: "continue-once", Of: "P3", Source: "RFC 9110, 15.2", Claim: "Informational", Text: "It is told so once, not by the upstream and by the proxy.", tell: continueOnce},
		{ID: "continue-refused", Of: "P3", Source: "RFC 9110, 10.1.1", Claim: "Continue", Text: "If the upstream refuses before the body, the client is told so without being asked for it.", tell: continueRefused},
		{ID: "early-answer", Of: "P3", Source: "RFC 9112, 9.5", Claim: "EarlyAnswer", Text: "An answer that comes before the request's body has ended is passed on then.", tell: earlyAnswer},
		{ID: "trailers", Of: "P3", Source: "RFC 9110, 6.5; pitfall 23", Claim: "Trailers", Text: "Trailers of an answer arrive, announced or not.", tell: trailers},
		{ID: "hop-trailers", Of: "P1", Source: "RFC 9110, 6.5.1", Claim: "CleanTrailers", Text: "What is between neighbours is no trailer.", tell: hopTrailers},
		{ID: "request-trailers", Of: "P3", Source: "RFC 9110, 6.5", Claim: "RequestTrailers", Text: "Trailers of a request arrive.", tell: requestTrailers},
	}
}

// chunked is a body in chunks of a size, without its end.
func chunked(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}

const lastChunk = "0\r\n\r\n"

func bodies(s *stage) {
	b := s.with(func(c *call) {
		if c.take(); c.Header.Get("X-Chunks") == "" {
			c.answer(200, c.body)
			return
		}
		c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(c.body, 1000) + lastChunk)
	})
	c := s.dial()
	for _, size := range []int{0, 1, 1000, 70_000} {
		body := strings.Repeat("0123456789\r\n\x00\xff", size/14+1)[:size]
		for name, text := range map[string]string{
			"with a length": request("POST", "/", fmt.Sprintf("Content-Length: %d", size)) + body,
			"in chunks":     request("POST", "/", "X-Chunks: 1", "Transfer-Encoding: chunked") + chunked(body, 777) + lastChunk,
		} {
			go c.send(text)
			a := c.ok("POST")
			same(b.last().body, body, "a body of %d bytes %s", size, name)
			same(a.body, body, "a body of %d bytes, of an answer %s", size, name)
		}
	}
}

func oneConnection(s *stage) {
	// An answer before the request is whole may end the connection.
	s.with(func(c *call) { c.take().answer(200, c.URL.Path) })
	c := s.dial()
	var all strings.Builder
	for i := range 20 {
		all.WriteString(request("POST", fmt.Sprintf("/%d", i), "Content-Length: 5") + "hello")
	}
	c.send(all.String())
	for i := range 20 {
		same(c.ok("POST").body, fmt.Sprintf("/%d", i), "answer %d of 20 to requests that came at once", i)
	}
}

func noBody(s *stage) {
	s.with(func(c *call) {
		switch {
		case c.Method == "HEAD":
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n")
		case c.URL.Path == "/204":
			c.say("HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n")
		case c.URL.Path == "/304":
			c.say("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")
		default:
			c.answer(200, "hello", "ETag: \"x\"")
		}
	})
	c := s.dial()
	for range 2 { // what is left over would be taken for the next answer
		for _, w := range []struct {
			method, path string
			status       int
			length       int64
			body         string
		}{{"HEAD", "/", 200, 5, ""}, {"GET", "/204", 204, 0, ""}, {"GET", "/304", 304, 0, ""}, {"GET", "/", 200, 5, "hello"}} {
			a := c.send(request(w.method, w.path)).answer(w.method)
			same(a.StatusCode, w.status, "the status of %s %s", w.method, w.path)
			same(a.ContentLength, w.length, "the length of %s %s", w.method, w.path)
			same(a.body, w.body, "the body of %s %s", w.method, w.path)
			same(a.Header.Get("ETag"), `"x"`, "a field of %s %s", w.method, w.path)
		}
	}
}

func untilClose(s *stage) {
	s.with(func(c *call) {
		c.say("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + strings.Repeat("until", 10_000))
		c.hangUp()
	})
	same(s.ask(get("/")).body, strings.Repeat("until", 10_000), "the body")
}

func expectContinue(s *stage) { continued(s) }

func continueOnce(s *stage) {
	same(len(continued(s).early), 0, "the number of 1xx answers that follow the first")
}

// continued is what comes after the body of a client that has waited for 100.
func continued(s *stage) answer {
	b := s.with(func(c *call) {
		if c.Header.Get("Expect") != "" {
			c.say("HTTP/1.1 100 Continue\r\n\r\n")
		}
		mirror(c)
	})
	c := s.dial().send(request("POST", "/", "Content-Length: 4", "Expect: 100-continue"))
	said := c.until("\r\n\r\n")
	check(strings.HasPrefix(said, "HTTP/1.1 100"), "a client that waits with its body is told %q", said)
	c.send("body")
	a := c.ok("POST")
	same(a.body, "ok body", "the answer")
	same(b.last().body, "body", "the body")
	return a
}

func continueRefused(s *stage) {
	s.with(func(c *call) {
		c.answer(403, "no", "Connection: close")
		c.hangUp()
	})
	a := s.dial().send(request("POST", "/", "Content-Length: 4", "Expect: 100-continue")).answer("POST")
	same(a.StatusCode, 403, "the status")
	same(len(a.early), 0, "the number of 1xx answers to a client whose body nobody wants")
}

func earlyAnswer(s *stage) {
	s.with(func(c *call) {
		c.answer(413, "too much", "Connection: close")
		c.gone()
	})
	a := s.dial().send(request("POST", "/", "Content-Length: 100") + "half").answer("POST") // and no more
	same(a.StatusCode, 413, "the status")
	same(a.body, "too much", "the body")
}

// trailing sends an answer with trailers.
func trailing(s *stage) answer {
	s.with(func(c *call) {
		c.say("HTTP/1.1 200 OK\r\nTrailer: X-Said\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" +
			"X-Said: 1\r\nX-Unsaid: 2\r\nConnection: X-Said\r\nKeep-Alive: 3\r\n\r\n")
	})
	return s.ask(get("/", "TE: trailers"))
}

func trailers(s *stage) {
	a := trailing(s)
	same(a.body, "hello", "the body")
	same(a.Trailer.Get("X-Said"), "1", "a trailer that was announced")
	same(a.Trailer.Get("X-Unsaid"), "2", "a trailer that was not announced")
}

func hopTrailers(s *stage) {
	a := trailing(s)
	none(a.Trailer, "Connection", "Keep-Alive")
	same(a.Trailer.Get("X-Said"), "1", "a trailer that is not between neighbours")
}

func requestTrailers(s *stage) {
	b := s.with(mirror)
	s.ask(request("POST", "/", "Trailer: X-Said", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\nX-Said: 1\r\nConnection: X-Said\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
	got := b.last()
	same(got.body, "hello", "the body")
	same(got.Trailer.Get("X-Said"), "1", "a trailer")
	same(got.Trailer.Get("Connection")+got.Trailer.Get("X-Forwarded-For"), "", "trailers that are none")
}
