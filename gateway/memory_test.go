package gateway

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memoryListener is a net.Listener whose connections are memory: with buffers and deadlines, and
// without anything that testing/synctest cannot see through.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
	open   atomic.Int64 // ends of connections that were not closed
	peer   string       // where clients come from
}

func listenMemory() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{}), peer: "192.0.2.1:4711"}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error   { l.close.Do(func() { close(l.closed) }); return nil }
func (l *memoryListener) Addr() net.Addr { return address("198.51.100.1:80") }

// Dial is the other side of Accept.
func (l *memoryListener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := l.pair()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		l.open.Add(-2)
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: net.ErrClosed}
	case <-ctx.Done():
		l.open.Add(-2)
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: ctx.Err()}
	}
}

func (l *memoryListener) pair() (client, server *memoryConn) {
	up, down := newStream(), newStream()
	l.open.Add(2)
	client = &memoryConn{in: down, out: up, local: address(l.peer), remote: address(l.Addr().String()), open: &l.open}
	server = &memoryConn{in: up, out: down, local: client.remote, remote: client.local, open: &l.open}
	return client, server
}

type address string

func (a address) Network() string { return "memory" }
func (a address) String() string  { return string(a) }

type memoryConn struct {
	in, out       *stream
	local, remote net.Addr
	open          *atomic.Int64
	close         sync.Once
}

func (c *memoryConn) Read(p []byte) (int, error)         { return c.in.read(p) }
func (c *memoryConn) Write(p []byte) (int, error)        { return c.out.write(p) }
func (c *memoryConn) LocalAddr() net.Addr                { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr               { return c.remote }
func (c *memoryConn) SetReadDeadline(t time.Time) error  { c.in.readers.set(c.in, t); return nil }
func (c *memoryConn) SetWriteDeadline(t time.Time) error { c.out.writers.set(c.out, t); return nil }
func (c *memoryConn) SetDeadline(t time.Time) error {
	c.in.readers.set(c.in, t)
	c.out.writers.set(c.out, t)
	return nil
}

// CloseWrite ends one direction, as a client does that has said all it has to say.
func (c *memoryConn) CloseWrite() error { c.out.end(false); return nil }

func (c *memoryConn) Close() error {
	c.close.Do(func() { c.open.Add(-1) })
	c.in.end(true)
	c.out.end(false)
	return nil
}

// A stream is one direction: at most so many bytes that were written and not yet read.
type stream struct {
	mu      sync.Mutex
	change  sync.Cond
	buf     []byte
	ended   bool // no more is written
	gone    bool // nobody reads
	readers deadline
	writers deadline
}

const streamSize = 64 << 10

func newStream() *stream {
	s := &stream{}
	s.change.L = &s.mu
	return s
}

type deadline struct {
	timer *time.Timer
	past  bool
}

func (d *deadline) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	wait := time.Until(t)
	d.past = !t.IsZero() && wait <= 0
	if !t.IsZero() && wait > 0 {
		var mine *time.Timer
		mine = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if d.timer == mine {
				d.past = true
				s.change.Broadcast()
			}
		})
		d.timer = mine
	}
	s.change.Broadcast()
}

func (s *stream) end(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.gone = true, s.gone || gone
	for _, d := range []*deadline{&s.readers, &s.writers} {
		if gone && d.timer != nil {
			d.timer.Stop()
		}
	}
	s.change.Broadcast()
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.gone:
			return 0, net.ErrClosed
		case s.readers.past:
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0 || len(p) == 0:
			n := copy(p, s.buf)
			s.buf = s.buf[n:]
			s.change.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.change.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		room := min(streamSize-len(s.buf), len(p))
		switch {
		case s.ended:
			return n, io.ErrClosedPipe
		case s.writers.past:
			return n, os.ErrDeadlineExceeded
		case room > 0:
			s.buf = append(s.buf, p[:room]...)
			n, p = n+room, p[room:]
			s.change.Broadcast()
		}
		if len(p) == 0 {
			return n, nil
		}
		if room == 0 {
			s.change.Wait()
		}
	}
}

func TestMemoryConnections(t *testing.T) {
	l := listenMemory()
	client, server := l.pair()
	go client.Write([]byte("hello"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "hello" {
		t.Fatal(string(got), err)
	}
	server.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := server.Read(got); !os.IsTimeout(err) {
		t.Fatal(err)
	}
	client.Close()
	server.SetReadDeadline(time.Time{})
	if _, err := server.Read(got); err != io.EOF {
		t.Fatal(err)
	}
	if l.open.Load() != 1 {
		t.Fatal("one end is open")
	}
}
