package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/internal/versus"
)

// connections is how many clients there are, each with a connection of its own, on which it waits for an answer
// before it asks again.
const connections = 64

// clients know just enough HTTP to cost little: an answer is a header, up to an empty line, and a body of the
// size that it has, which begins with what was asked for.
type clients struct {
	conns    []net.Conn
	requests []question
	process  *peer.Process // the proxy; nil if they ask the backend itself
}

// question is a request as bytes, and the target in it.
type question struct{ text, target []byte }

// dialClients connects to a proxy. Each question has been asked once when it returns: the connections behind the proxy
// are open.
func dialClients(ctx context.Context, addr string, routes int, process *peer.Process) (*clients, error) {
	c := &clients{process: process}
	for _, path := range peer.Paths(routes) {
		target := path + "?color=red"
		text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"+
			"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n"+
			"Cookie: session=0123456789abcdef; theme=dark\r\nX-Request-Id: 3e1f0a7c\r\n\r\n", target, addr)
		c.requests = append(c.requests, question{[]byte(text), []byte(target)})
	}
	for range connections {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.conns = append(c.conns, conn)
	}
	// An answer that does not come is an error, and not a program that stands still.
	context.AfterFunc(ctx, func() {
		for _, conn := range c.conns {
			_ = conn.SetDeadline(time.Now())
		}
	})
	each := len(c.requests) / connections
	err := c.all(func(i int, ask func(int) error) error {
		for k := range each {
			if err := ask(i*each + k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// all lets each client do something, which asks questions by number.
func (c *clients) all(do func(i int, ask func(question int) error) error) error {
	errs := make([]error, len(c.conns))
	var all sync.WaitGroup
	for i, conn := range c.conns {
		all.Go(func() {
			buf := make([]byte, 4096)
			errs[i] = do(i, func(k int) error { return exchange(conn, c.requests[k%len(c.requests)], buf) })
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func exchange(conn net.Conn, q question, buf []byte) error {
	if _, err := conn.Write(q.text); err != nil {
		return err
	}
	n, body := 0, -1
	for body < 0 || n < body+peer.BodySize {
		if n == len(buf) {
			return fmt.Errorf("an answer of more than %d bytes: %q", n, buf[:200])
		}
		more, err := conn.Read(buf[n:])
		if err != nil {
			return fmt.Errorf("after %q: %w", buf[:n], err)
		}
		n += more
		if body < 0 {
			if end := bytes.Index(buf[:n], []byte("\r\n\r\n")); end >= 0 {
				body = end + 4
				if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200 ")) {
					return fmt.Errorf("asked for %s: %q", q.target, buf[:n])
				}
			}
		}
	}
	if n > body+peer.BodySize || !bytes.HasPrefix(buf[body:], q.target) {
		return fmt.Errorf("asked for %s: %q", q.target, buf[:n])
	}
	return nil
}

// Run asks until it is enough.
func (c *clients) Run(_ context.Context, w *versus.Work) error {
	counters := make([]*versus.Client, len(c.conns))
	for i := range counters {
		counters[i] = w.NewClient()
	}
	each := len(c.requests) / connections
	return c.all(func(i int, ask func(int) error) error {
		counter := counters[i]
		for k := i * each; counter.Next(); k++ {
			start := time.Now()
			if err := ask(k); err != nil {
				return err
			}
			counter.Record(time.Since(start))
		}
		return nil
	})
}

// Usage is the proxy's.
func (c *clients) Usage() (versus.Usage, error) {
	if c.process == nil {
		return versus.Usage{}, nil
	}
	u, err := c.process.Usage()
	return versus.Usage(u), err
}

// Close ends the proxy, too.
func (c *clients) Close() (err error) {
	for _, conn := range c.conns {
		err = errors.Join(err, conn.Close())
	}
	if c.process != nil {
		err = errors.Join(err, c.process.Close())
	}
	return err
}
