package gatewaytest

import (
	"net"
	"runtime"
	"strings"
	"time"
)

// A stage is where one rule's story takes place:
//
//	client, client ... --socket--> the proxy under test --socket--> backend, backend ...
//	client.go                                                       backend.go
//
// Clients write bytes as they are, and backends show what came as it was.
type stage struct {
	newProxy NewProxy
	claims   Capabilities
	patience time.Duration

	proxy    Proxy
	backends []*backend
	clients  []net.Conn
	closed   bool
	over     chan struct{} // closed when the story is over: whoever waits for something gives up
}

// start starts the proxy.
func (s *stage) start(routes ...Route) Proxy {
	p, err := s.newProxy(Config{Routes: routes})
	check(err == nil, "the proxy does not start: %v", err)
	s.proxy = p
	return p
}

// with starts a proxy that sends everything to one backend, which does this.
func (s *stage) with(serve func(*call)) *backend {
	b := s.backend(serve)
	s.start(Route{Prefix: "/", Upstream: b.addr})
	return b
}

// stop ends clients and proxy, and waits until the proxy has closed its connections to backends. What they have
// been sent can be looked at then.
func (s *stage) stop() {
	for _, c := range s.clients {
		c.Close()
	}
	s.closed = true
	err := s.proxy.Close()
	check(err == nil, "Close: %v", err)
	s.until("the proxy has been closed, and so are its connections to upstreams", func() bool {
		for _, b := range s.backends {
			if b.open.Load() > 0 {
				return false
			}
		}
		return true
	})
}

// clear ends everything, however the story has gone. Backends go on listening until there is no proxy any more: a port
// that is free might be taken by somebody else, who would get what this proxy still sends.
func (s *stage) clear() {
	close(s.over)
	for _, c := range s.clients {
		c.Close()
	}
	for _, b := range s.backends {
		b.cut()
	}
	if s.proxy != nil && !s.closed {
		_ = s.proxy.Close()
	}
	for _, b := range s.backends {
		b.close()
	}
}

// nobody is an address where nobody listens, and nobody can while the story lasts: the client's end of a connection.
func (s *stage) nobody() string {
	conn, err := net.Dial("tcp", s.backend(mirror).addr)
	check(err == nil, "the kit cannot connect to itself: %v", err)
	s.clients = append(s.clients, conn)
	return conn.LocalAddr().String()
}

// until waits for something that nobody reports.
func (s *stage) until(what string, is func() bool) {
	for start := time.Now(); !is(); runtime.Gosched() {
		check(time.Since(start) < s.patience, "waited in vain until %s", what)
	}
}

// await takes what comes from a channel.
func await[T any](s *stage, from <-chan T, what string) T {
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		failf("waited in vain for this: %s", what)
	}
	panic("not reached")
}

// request is a request without a body, as bytes. Fields are whole lines, without their ends.
func request(method, target string, fields ...string) string {
	var b strings.Builder
	b.WriteString(method + " " + target + " HTTP/1.1\r\nHost: kit.example\r\n")
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	return b.String() + "\r\n"
}

func get(target string, fields ...string) string { return request("GET", target, fields...) }
