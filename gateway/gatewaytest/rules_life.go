package gatewaytest

import (
	"context"
	"net"
	"runtime"
)

// Beginning, changing and ending.

func lifeRules() []Rule {
	return []Rule{
		{ID: "closes", Of: "P6", Source: "issue", Text: "A proxy that is closed leaves no connection open, on either side.", tell: closes},
		{ID: "clean", Of: "P6", Source: "issue", Claim: "Clean", Text: "Nor a goroutine, whatever clients and upstreams have done.", tell: clean},
		{ID: "drain", Of: "C4", Source: "pitfall 22", Claim: "Drain", Text: "Going down, it first says so, then takes no more connections, and answers the requests that are under way.", tell: drain},
		{ID: "drain-deadline", Of: "C4", Source: "issue", Claim: "Drain", Text: "When the time to go down is over, what is left is cut.", tell: drainDeadline},
		{ID: "reload", Of: "C3", Source: "pitfall 21", Claim: "Reload", Text: "New requests meet new routes, and those under way end as they began.", tell: reload},
		{ID: "reload-upgraded", Of: "C3", Source: "issue", Claim: "Reload", Text: "A reload cuts no upgraded connection.", tell: reloadUpgraded},
	}
}

func closes(s *stage) {
	b := s.with(func(c *call) {
		if c.URL.Path == "/hang" {
			c.gone()
			return
		}
		mirror(c)
	})
	idle, hangs := s.dial(), s.dial()
	idle.send(get("/")).ok("GET")
	hangs.send(get("/hang"))
	s.until("two requests have come", func() bool { return len(b.seen()) == 2 })
	s.closed = true
	check(s.proxy.Close() == nil, "Close fails")
	check(idle.ended() && hangs.ended(), "the proxy was closed, and a client's connection is open")
	s.until("the proxy was closed, and so are its connections to the upstream", func() bool { return b.open.Load() == 0 })
	if conn, err := net.Dial("tcp", s.proxy.Addr()); err == nil {
		conn.Close()
		failf("a proxy that was closed takes connections")
	}
}

func clean(s *stage) {
	before := runtime.NumGoroutine()
	asked := make(chan struct{}, 1)
	s.with(func(c *call) {
		switch c.URL.Path {
		case "/":
			mirror(c)
		case "/half":
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
			c.hangUp()
		case "/hang":
			asked <- struct{}{}
			c.gone()
		case "/switch":
			c.say(switched + "\r\n")
			c.gone()
		}
	})
	for range 3 {
		s.ask(get("/"))
		s.dial().send(get("/half")).ended()
		s.dial().send(request("POST", "/", "Content-Length: 100") + "half").Close()
		c := s.dial().send(get("/hang"))
		await(s, asked, "a request arrives")
		c.Close()
		if s.claims.Upgrade {
			s.dial().send(get("/switch", "Connection: Upgrade", asksForShout)).head("GET")
		}
	}
	s.stop()
	s.backends[0].close()
	s.until("the proxy was closed, and its goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func drain(s *stage) {
	hangs, asked := make(chan struct{}), make(chan struct{}, 1)
	s.with(func(c *call) {
		if c.URL.Path == "/slow" {
			asked <- struct{}{}
			c.wait(hangs)
		}
		mirror(c)
	})
	s.ask(get("/"))
	d, is := s.proxy.(Drainer)
	check(is, "Drain is claimed, but the proxy has no methods for it")
	check(d.Ready(), "a proxy that has just started is not ready")
	slow := s.dial().send(get("/slow"))
	await(s, asked, "a request arrives")
	down := make(chan error, 1)
	go func() { down <- d.Shutdown(context.Background()) }()
	s.until("it is not ready any more", func() bool { return !d.Ready() })
	s.until("no more connections are taken", func() bool {
		conn, err := net.Dial("tcp", s.proxy.Addr())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-down:
		failf("Shutdown has returned (%v) while a request is under way", err)
	default:
	}
	close(hangs)
	slow.ok("GET")
	err := await(s, down, "Shutdown returns when the last request has ended")
	check(err == nil, "Shutdown: %v", err)
}

func drainDeadline(s *stage) {
	asked := make(chan struct{}, 1)
	s.with(func(c *call) {
		asked <- struct{}{}
		c.gone()
	})
	d, is := s.proxy.(Drainer)
	check(is, "Drain is claimed, but the proxy has no methods for it")
	slow := s.dial().send(get("/"))
	await(s, asked, "a request arrives")
	ctx, cancel := context.WithCancel(context.Background())
	down := make(chan error, 1)
	go func() { down <- d.Shutdown(ctx) }()
	s.until("it is not ready any more", func() bool { return !d.Ready() })
	cancel()
	err := await(s, down, "Shutdown returns when its time is over")
	check(err != nil, "Shutdown says that all has ended, and a request has not")
	check(slow.ended(), "Shutdown has returned, and a client's connection is open")
}

// reloaded is what Reload is asked of.
func (s *stage) reload(to *backend) {
	r, is := s.proxy.(Reloader)
	check(is, "Reload is claimed, but the proxy has no method for it")
	err := r.Reload(Config{Routes: []Route{{Prefix: "/", Upstream: to.addr}}})
	check(err == nil, "Reload: %v", err)
}

func reload(s *stage) {
	hangs, asked := make(chan struct{}), make(chan struct{}, 1)
	s.with(func(c *call) {
		if c.URL.Path == "/slow" {
			asked <- struct{}{}
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("old", 3))
			c.wait(hangs)
			c.say(lastChunk)
			return
		}
		c.answer(200, "old")
	})
	slow, kept := s.dial().send(get("/slow")), s.dial()
	await(s, asked, "a request arrives")
	same(kept.send(get("/")).ok("GET").body, "old", "before the reload the answer")
	s.reload(s.backend(named("new")))
	same(s.ask(get("/")).body, "new", "after the reload the answer")
	same(kept.send(get("/")).ok("GET").body, "new", "after the reload the answer on a connection from before")
	close(hangs)
	same(slow.ok("GET").body, "old", "the answer to a request that was under way")
}

func reloadUpgraded(s *stage) {
	if !s.claims.Upgrade {
		return
	}
	s.with(shout)
	c := s.dial()
	c.switches("")
	c.shouts("before;")
	s.reload(s.backend(named("new")))
	same(s.ask(get("/")).body, "new", "after the reload the answer")
	c.shouts("after;")
}
