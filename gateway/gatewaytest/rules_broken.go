package gatewaytest

import (
	"io"
	"strconv"
	"strings"
	"sync"
)

// What breaks off is seen as broken, and nothing is sent twice that must not be.

func brokenRules() []Rule {
	return []Rule{
		{ID: "answer-breaks-off", Of: "P7", Source: "RFC 9112, 8", Text: "An answer that breaks off does so for the client, too.", tell: answerBreaksOff},
		{ID: "request-breaks-off", Of: "P7", Source: "RFC 9112, 8", Text: "A request whose body breaks off never looks whole to the upstream.", tell: requestBreaksOff},
		{ID: "no-upstream", Of: "U3", Source: "RFC 9110, 15.6.3", Text: "An upstream that is not there, or answers something that is no HTTP, is a 502, 503 or 504.", tell: noUpstream},
		{ID: "post-once", Of: "F4", Source: "RFC 9110, 9.2.2; pitfall 11", Text: "A POST is sent once, also when its connection breaks.", tell: postOnce},
		{ID: "canceled", Of: "P4", Source: "pitfall 13", Text: "A client that goes away before it is answered takes its upstream request with it.", tell: canceled},
		{ID: "canceled-stream", Of: "P4", Source: "pitfall 13", Text: "So does one that goes away in the middle of an answer.", tell: canceledStream},
		{ID: "retry", Of: "F4", Source: "issue", Claim: "Retry", Text: "A request that may be repeated is, when it got no answer, with its body.", tell: retry},
		{ID: "retry-not", Of: "F4", Source: "pitfall 11", Claim: "Retry", Text: "None is that may not be, nor one whose answer has begun.", tell: retryNot},
	}
}

func answerBreaksOff(s *stage) {
	s.with(func(c *call) {
		switch c.URL.Path {
		case "/length":
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		case "/chunks":
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		case "/chunk":
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf")
		case "/bad-chunk":
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n+4\r\nhalf\r\n0\r\n\r\n")
		}
		c.hangUp()
	})
	for _, path := range []string{"/length", "/chunks", "/chunk", "/bad-chunk"} {
		c := s.dial().send(get(path))
		a, err := c.tryHead("GET")
		if err != nil || a.StatusCode >= 500 {
			continue
		}
		body, err := io.ReadAll(a.Body)
		check(err != nil, "%s: half an answer came as a whole one: %q", path, body)
		check(c.ended(), "%s: the connection of an answer that broke off is open", path)
	}
}

func requestBreaksOff(s *stage) {
	s.with(func(c *call) {
		c.take()
		c.hangUp()
	})
	for _, body := range []string{"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
		c := s.dial().send("POST /broken HTTP/1.1\r\nHost: kit.example\r\n" + body)
		_ = c.CloseWrite()
		check(c.ended(), "half a request has come to its end, and its connection is open")
	}
	s.stop() // a proxy may also keep such a request to itself, so there is nothing else to wait for
	for _, b := range s.backends {
		for _, c := range b.seen() {
			check(c.err != nil, "half a request came as a whole one: %q", c.raw+c.body)
		}
	}
}

func noUpstream(s *stage) {
	nobody := s.nobody()
	mute := s.backend(func(c *call) { c.hangUp() })
	garbage := s.backend(func(c *call) { c.say("this is no HTTP\r\n\r\n"); c.hangUp() })
	s.start(Route{Prefix: "/dead", Upstream: nobody}, Route{Prefix: "/mute", Upstream: mute.addr}, Route{Prefix: "/garbage", Upstream: garbage.addr})
	for _, path := range []string{"/dead", "/mute", "/garbage"} {
		a := s.dial().send(request("POST", path, "Content-Length: 0")).answer("POST")
		check(a.StatusCode >= 502 && a.StatusCode <= 504, "%s was answered with %s", path, a.Status)
		for _, addr := range []string{nobody, mute.addr, garbage.addr} {
			check(!strings.Contains(a.body, addr), "the client is told where the upstream is: %q", a.body)
		}
	}
}

func postOnce(s *stage) {
	b := s.with(func(c *call) {
		if c.Method == "GET" {
			c.answer(200, "ok")
			return
		}
		c.take()
		c.hangUp()
	})
	c := s.dial()
	for _, body := range []string{"", "hello"} {
		c.send(get("/")).ok("GET") // now there is a connection to be used again
		before := len(b.seen())
		status := s.dial().send(requestWith("POST", "/once", body)).answer("POST").StatusCode
		check(status >= 500, "a POST without an answer was answered with %d", status)
		same(len(b.seen())-before, 1, "how often a POST was sent")
	}
}

// gone is a backend's part in a story about clients that go away.
type gone struct{ asked, left *signal }

func (s *stage) goneAfter(say string) gone {
	g := gone{newSignal(), newSignal()}
	s.with(func(c *call) {
		c.say(say)
		g.asked.give()
		c.gone()
		g.left.give()
	})
	return g
}

func canceled(s *stage) {
	g := s.goneAfter("")
	c := s.dial().send(get("/"))
	await(s, g.asked.c, "the request arrives")
	c.Close()
	await(s, g.left.c, "the upstream hears that the client has gone")
}

func canceledStream(s *stage) {
	g := s.goneAfter("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hello", 5))
	c := s.dial().send(get("/"))
	a := c.head("GET")
	_, err := io.ReadFull(a.Body, make([]byte, 5))
	check(err == nil, "the beginning of a stream: %v", err)
	c.Close()
	await(s, g.left.c, "the upstream hears that the client has gone")
}

// retrying is a proxy that sends requests again, in front of a backend that breaks off the first one of each path.
func (s *stage) retrying() *backend {
	var before sync.Map
	b := s.backend(func(c *call) {
		if _, again := before.LoadOrStore(c.URL.Path, true); again {
			mirror(c)
			return
		}
		c.take()
		c.hangUp()
	})
	s.start(Route{Prefix: "/", Upstream: b.addr, Retry: true})
	return b
}

func requestWith(method, target, body string) string {
	return request(method, target, "Content-Length: "+strconv.Itoa(len(body))) + body
}

func retry(s *stage) {
	b := s.retrying()
	for i, method := range []string{"GET", "PUT", "DELETE"} {
		body := ""
		if method == "PUT" {
			body = "kept"
		}
		same(s.ask(requestWith(method, "/"+method, body)).body, "ok "+body, "the answer to a %s that was sent again", method)
		same(len(b.seen()), 2*(i+1), "the number of requests that came")
	}
}

func retryNot(s *stage) {
	begun := s.backend(func(c *call) { c.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"); c.hangUp() })
	mute := s.backend(func(c *call) { c.take(); c.hangUp() })
	s.start(Route{Prefix: "/begun", Upstream: begun.addr, Retry: true}, Route{Prefix: "/mute", Upstream: mute.addr, Retry: true})
	s.dial().send(get("/begun")).ended()
	same(len(begun.seen()), 1, "how often a request was sent whose answer had begun")
	status := s.dial().send(requestWith("POST", "/mute", "hello")).answer("POST").StatusCode
	check(status >= 500, "a POST without an answer was answered with %d", status)
	same(len(mute.seen()), 1, "how often a POST was sent")
}
