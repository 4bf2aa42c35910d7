package gatewaytest

import "strings"

// After a 101 there are only bytes, both ways: WebSockets, and whatever else two sides agree on.

func upgradeRules() []Rule {
	return []Rule{
		{ID: "upgrade", Of: "P5", Source: "RFC 9110, 7.8", Claim: "Upgrade", Text: "After a 101, bytes pass both ways as they are.", tell: upgrade},
		{ID: "upgrade-ends", Of: "P5", Source: "issue", Claim: "Upgrade", Text: "When one side of an upgraded connection ends, so does the other.", tell: upgradeEnds},
		{ID: "upgrade-refused", Of: "P5", Source: "pitfall 3", Claim: "Upgrade", Text: "An upstream that does not switch is answered for in HTTP, and one that switches unasked is an error.", tell: upgradeRefused},
		{ID: "early-bytes-down", Of: "P5", Source: "pitfall 3", Claim: "Upgrade", Text: "What the upstream says together with its 101 arrives.", tell: earlyBytesDown},
		{ID: "early-bytes-up", Of: "P5", Source: "pitfall 3", Claim: "EarlyBytes", Text: "What the client says together with its request arrives.", tell: earlyBytesUp},
		{ID: "hop-101", Of: "P1", Source: "pitfall 3", Claim: "CleanUpgrade", Text: "Of a 101 only Connection and Upgrade are between neighbours and pass.", tell: hop101},
	}
}

const (
	asksForShout = "Upgrade: shout"
	switched     = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n"
)

// shout switches to a protocol in which what a client says, up to a ;, comes back in capitals.
func shout(c *call) {
	c.say(switched + "\r\n")
	for {
		word, err := c.in.ReadString(';')
		if err != nil || word == "bye;" {
			c.hangUp()
			return
		}
		c.say(strings.ToUpper(word))
	}
}

// switches sends a request for that protocol and reads the 101.
func (c *client) switches(early string) answer {
	a := c.send(get("/", "Connection: Upgrade", asksForShout) + early).head("GET")
	same(a.StatusCode, 101, "the status of an upgrade")
	return a
}

// shouts says a word and wants it back.
func (c *client) shouts(word string) {
	c.send(word)
	same(c.until(";"), strings.ToUpper(word), "what comes back through an upgraded connection")
}

func upgrade(s *stage) {
	s.with(shout)
	c := s.dial()
	a := c.switches("")
	same(a.Header.Get("Upgrade"), "shout", "the protocol")
	c.shouts("hello;")
	c.shouts("GET / HTTP/1.1\r\n\x00\xff\n;")
	c.shouts(strings.Repeat("long", 20_000) + ";")
}

func upgradeEnds(s *stage) {
	b := s.with(shout)
	c := s.dial()
	c.switches("")
	c.send("bye;")
	check(c.ended(), "the upstream has closed an upgraded connection, and the client's is open")
	c = s.dial()
	c.switches("")
	c.shouts("hello;")
	c.Close()
	s.until("a client has closed its upgraded connection, and so is the upstream's", func() bool { return b.open.Load() == 0 })
}

func upgradeRefused(s *stage) {
	s.with(func(c *call) {
		if c.URL.Path == "/no" {
			c.answer(403, "no")
			return
		}
		shout(c)
	})
	a := s.dial().send(get("/no", "Connection: Upgrade", asksForShout)).answer("GET")
	same(a.StatusCode, 403, "the status of an upgrade that is refused")
	same(a.body, "no", "its body")
	a = s.dial().send(get("/unasked")).head("GET")
	check(a.StatusCode >= 500, "a switch that nobody asked for was answered with %s", a.Status)
}

func earlyBytesDown(s *stage) {
	s.with(func(c *call) {
		c.say(switched + "\r\nearly;")
		c.gone()
	})
	c := s.dial()
	c.switches("")
	same(c.until(";"), "early;", "what the upstream said together with its 101")
}

func earlyBytesUp(s *stage) {
	s.with(shout)
	c := s.dial()
	c.switches("early;")
	same(c.until(";"), "EARLY;", "what comes back of what the client said together with its request")
	c.shouts("late;")
}

func hop101(s *stage) {
	s.with(func(c *call) {
		c.say(switched + "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 1\r\n\r\n")
		c.gone()
	})
	a := s.dial().switches("")
	none(a.Header, "X-Hop", "Keep-Alive")
	same(a.Header.Get("X-End"), "1", "a field that is not between neighbours")
	same(strings.ToLower(strings.Join(a.Header["Connection"], ",")), "upgrade", "Connection")
}
