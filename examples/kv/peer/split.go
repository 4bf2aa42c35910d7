package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// helloTimeout bounds TLS and the first byte: a stranger that connects and is
// silent holds nothing for longer.
const helloTimeout = 5 * time.Second

// acceptPause is between two attempts to accept, when the first failed.
const acceptPause = 100 * time.Millisecond

// split shares a listener between two protocols by the first byte that a
// client sends.
type split struct {
	net.Listener
	tls         *tls.Config
	raft, calls chan net.Conn
	done        chan struct{}
	once        sync.Once
	err         error
}

// listen starts to accept.
func listen(l net.Listener, config *tls.Config) *split {
	s := &split{Listener: l, tls: config, raft: make(chan net.Conn), calls: make(chan net.Conn), done: make(chan struct{})}
	go s.accept()
	return s
}

// accept takes connections until the listener is closed. What else keeps it from
// that, a process without file descriptors for instance, passes.
func (s *split) accept() {
	for {
		conn, err := s.Accept()
		switch {
		case err == nil:
			go s.sort(conn)
			continue
		case errors.Is(err, net.ErrClosed):
			s.close()
			return
		}
		select {
		case <-time.After(acceptPause):
		case <-s.done:
			return
		}
	}
}

func (s *split) close() error {
	s.once.Do(func() {
		close(s.done)
		s.err = s.Listener.Close()
	})
	return s.err
}

// sort hands a connection to who speaks its protocol.
func (s *split) sort(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(helloTimeout))
	if s.tls != nil {
		ctx, cancel := context.WithTimeout(context.Background(), helloTimeout)
		defer cancel()
		t := tls.Server(conn, s.tls)
		if t.HandshakeContext(ctx) != nil {
			conn.Close()
			return
		}
		conn = t
	}
	r := bufio.NewReaderSize(conn, 16)
	first, err := r.Peek(1)
	if err != nil {
		conn.Close()
		return
	}
	conn.SetDeadline(time.Time{})
	to := s.calls
	if first[0] == 'r' {
		to = s.raft
	}
	select {
	case to <- &peeked{conn, r}:
	case <-s.done:
		conn.Close()
	}
}

// peeked is a connection whose first bytes have been read.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.r.Buffered() > 0 {
		return p.r.Read(b)
	}
	return p.Conn.Read(b) // past the first bytes without a copy
}

// half is the listener of one of the protocols. Closing one closes both.
type half struct {
	*split
	conns chan net.Conn
}

func (h half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h half) Close() error { return h.close() }
