package gatewaytest

import (
	"strings"
)

// What one client or upstream does is no matter of the others.

func othersRules() []Rule {
	return []Rule{
		{ID: "slow-reader", Of: "P8", Source: "issue", Text: "A client that does not take its answer holds up nobody.", tell: slowReader},
		{ID: "slow-writer", Of: "P8", Source: "issue", Text: "Clients that stop in the middle of a header or a body hold up nobody.", tell: slowWriter},
		{ID: "hanging-upstream", Of: "P8", Source: "issue", Text: "An upstream that does not answer holds up no request to another, nor one to itself.", tell: hangingUpstream},
	}
}

func slowReader(s *stage) {
	begun := newSignal()
	s.with(func(c *call) {
		if c.URL.Path == "/endless" {
			begun.give()
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for piece := chunked(strings.Repeat("x", 32<<10), 32<<10); c.say(piece) == nil; {
			}
			c.hangUp()
			return
		}
		mirror(c)
	})
	for range 2 {
		c := s.dial()
		_ = c.SetReadBuffer(4 << 10)
		c.send(get("/endless"))
	}
	await(s, begun.c, "the request for an answer without an end arrives")
	for range 3 {
		s.ask(get("/small"))
	}
}

func slowWriter(s *stage) {
	arrived := make(chan struct{}, 2)
	s.with(func(c *call) {
		if c.URL.Path == "/slow" {
			arrived <- struct{}{}
		}
		mirror(c)
	})
	s.dial().send("GET / HTTP/1.1\r\nHost: kit")
	s.dial()
	for _, half := range []string{"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"} {
		s.dial().send("POST /slow HTTP/1.1\r\nHost: kit.example\r\n" + half)
		await(s, arrived, "a request arrives of whose body only a part has come")
	}
	for range 3 {
		s.ask(requestWith("POST", "/", "hello"))
	}
}

func hangingUpstream(s *stage) {
	hangs, asked := make(chan struct{}), make(chan struct{}, 10)
	a := s.backend(func(c *call) {
		if c.URL.Path == "/a/hang" {
			asked <- struct{}{}
			c.wait(hangs)
		}
		mirror(c)
	})
	b := s.backend(mirror)
	s.start(Route{Prefix: "/a", Upstream: a.addr}, Route{Prefix: "/b", Upstream: b.addr})
	var waiting []*client
	for range 5 {
		waiting = append(waiting, s.dial().send(get("/a/hang")))
		await(s, asked, "a request arrives while others hang")
	}
	s.ask(get("/b"))
	s.ask(get("/a/fine"))
	close(hangs)
	for _, c := range waiting {
		c.ok("GET")
	}
}
