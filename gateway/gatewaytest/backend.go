package gatewaytest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// A backend is one of the kit's own upstreams: it keeps what it is sent, byte for byte, and does with each request
// what the story says.
type backend struct {
	addr  string
	stage *stage
	ln    net.Listener
	serve func(*call)
	open  atomic.Int64 // connections
	all   sync.WaitGroup

	mu    sync.Mutex
	calls []*call
	taps  []*tap
	over  bool
}

// A call is a request as it came.
type call struct {
	*http.Request
	raw  string // request line and header
	body string // what of it was read by take
	err  error  // with which the body broke off
	conn net.Conn
	in   *bufio.Reader
	b    *backend
	over bool // the connection is not to be used any more
}

// backend starts one. Serve is called for each request, from a goroutine for each connection, and must not fail
// the rule itself.
func (s *stage) backend(serve func(*call)) *backend {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil, "the kit cannot listen: %v", err)
	b := &backend{addr: ln.Addr().String(), stage: s, ln: ln, serve: serve}
	s.backends = append(s.backends, b)
	b.all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t := &tap{Conn: conn}
			b.mu.Lock()
			if b.over {
				conn.Close()
			}
			b.taps = append(b.taps, t)
			b.mu.Unlock()
			b.open.Add(1)
			b.all.Go(func() {
				defer b.open.Add(-1)
				defer conn.Close()
				b.connection(t)
			})
		}
	})
	return b
}

// cut closes all connections, also those to come.
func (b *backend) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	for _, t := range b.taps {
		t.Close()
	}
}

// close ends it.
func (b *backend) close() {
	b.cut()
	b.ln.Close()
	b.all.Wait()
}

func (b *backend) connection(t *tap) {
	in := bufio.NewReader(t)
	for {
		start := t.size() - in.Buffered()
		r, err := http.ReadRequest(in)
		if err != nil {
			_, _ = io.Copy(io.Discard, in) // what is no request is kept too
			return
		}
		c := &call{Request: r, raw: t.text()[start : t.size()-in.Buffered()], conn: t, in: in, b: b}
		b.mu.Lock()
		b.calls = append(b.calls, c)
		b.mu.Unlock()
		b.serve(c)
		if c.over {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
	}
}

// seen are the calls that have come up to now.
func (b *backend) seen() []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[:len(b.calls):len(b.calls)]
}

// last is the call before the answer that was just read.
func (b *backend) last() *call {
	seen := b.seen()
	check(len(seen) > 0, "the upstream got no request")
	return seen[len(seen)-1]
}

// streams is all that came, by connection.
func (b *backend) streams() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.taps {
		all = append(all, t.text())
	}
	return all
}

// take reads the request's body.
func (c *call) take() *call {
	body, err := io.ReadAll(c.Body)
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.body, c.err = string(body), err
	return c
}

// say writes bytes. That nobody takes them shows elsewhere.
func (c *call) say(text string) error {
	_, err := io.WriteString(c.conn, text)
	return err
}

// answer writes an answer with a length. Fields are whole lines.
func (c *call) answer(status int, body string, fields ...string) {
	text := fmt.Sprintf("HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for _, f := range fields {
		text += f + "\r\n"
	}
	c.say(text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

// hangUp closes the connection.
func (c *call) hangUp() {
	c.over = true
	c.conn.Close()
}

// wait waits for what a story sends, or until it is over.
func (c *call) wait(on <-chan struct{}) {
	select {
	case <-on:
	case <-c.b.stage.over:
	}
}

// gone waits until the proxy has closed the connection.
func (c *call) gone() {
	_, _ = io.Copy(io.Discard, c.in)
	c.over = true
}

// mirror answers ok, and what the request's body was.
func mirror(c *call) {
	c.take()
	if c.err == nil {
		c.answer(200, "ok "+c.body)
	}
}

// tap keeps what is read.
type tap struct {
	net.Conn
	mu  sync.Mutex
	got []byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	t.got = append(t.got, p[:n]...)
	t.mu.Unlock()
	return n, err
}

func (t *tap) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.got)
}

func (t *tap) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.got)
}

// signal is closed once.
type signal struct {
	c    chan struct{}
	once sync.Once
}

func newSignal() *signal { return &signal{c: make(chan struct{})} }

func (s *signal) give() { s.once.Do(func() { close(s.c) }) }
