package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// A listener hands net/http connections that are ready for HTTP. What has to be read before
// that (a PROXY header, a TLS handshake) is read by a goroutine each, so that a client that is
// slow about it holds up no other.
type listener struct {
	net.Listener
	server  *Server
	greeted bool // something is to be read before HTTP
	ready   chan net.Conn
	failed  chan error // why the real listener accepts no more
	ctx     context.Context
	stop    context.CancelFunc
	greets  sync.WaitGroup
	close   sync.Once
}

func newListener(s *Server, ln net.Listener) net.Listener {
	l := &listener{Listener: ln, server: s, ready: make(chan net.Conn), failed: make(chan error, 1)}
	l.ctx, l.stop = context.WithCancel(context.Background())
	if l.greeted = s.tls != nil || len(s.opts.ProxyProtocol) > 0; l.greeted {
		l.greets.Go(l.accept)
	}
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	if !l.greeted {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		return l.guard(conn), nil
	}
	select {
	case conn := <-l.ready:
		return conn, nil
	case err := <-l.failed:
		return nil, err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close also waits for connections that were in the middle of their greeting; those are closed.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.close.Do(func() {
		l.stop()
		err = l.Listener.Close()
		l.greets.Wait()
	})
	return err
}

// accept greets each new connection.
func (l *listener) accept() {
	for {
		conn, err := l.Listener.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			l.greets.Go(func() { l.greet(conn) })
		case errors.As(err, &temporary) && temporary.Temporary() && l.ctx.Err() == nil:
			l.pause() // out of file descriptors: net/http waits too
		default:
			l.failed <- err
			return
		}
	}
}

func (l *listener) pause() {
	t := time.NewTimer(5 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.ctx.Done():
	}
}

func (l *listener) greet(raw net.Conn) {
	stop := context.AfterFunc(l.ctx, func() { raw.Close() })
	conn, err := l.open(raw)
	if err != nil {
		stop()
		raw.Close()
		l.server.gw.log.Debug("gateway: a connection that did not begin as it should", "from", raw.RemoteAddr(), "err", err)
		return
	}
	select {
	case l.ready <- conn:
		stop()
	case <-l.ctx.Done():
		raw.Close()
	}
}

// open reads what comes before HTTP.
func (l *listener) open(raw net.Conn) (net.Conn, error) {
	o := l.server.opts
	if err := raw.SetDeadline(time.Now().Add(o.HeaderTimeout)); err != nil {
		return nil, err
	}
	conn, err := behindProxy(raw, o.ProxyProtocol)
	if err != nil {
		return nil, err
	}
	if config := l.server.tls; config != nil {
		secure := tls.Server(&slowWriter{Conn: conn, timeout: o.WriteTimeout}, config)
		if err := secure.HandshakeContext(l.ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return l.guard(conn), nil
}

// guard puts a guard before net/http's HTTP/1 server. HTTP/2 has frames, and net/http wants its
// connections as they are.
func (l *listener) guard(conn net.Conn) net.Conn {
	o := &l.server.opts
	g := &guardedConn{Conn: conn, body: o.BodyTimeout, write: o.WriteTimeout, max: o.MaxHeaderBytes + 4096}
	secure, is := conn.(*tls.Conn)
	switch {
	case !is:
		g.h2c = o.H2C
		return g
	case secure.ConnectionState().NegotiatedProtocol == "h2":
		return secure
	}
	g.write = 0 // slowWriter's
	return guardedTLSConn{g, secure}
}

// A slowWriter gives each piece that is written its time.
type slowWriter struct {
	net.Conn
	timeout time.Duration
	set     deadlines
}

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.timeout > 0 {
		w.set.piece(w.Conn.SetWriteDeadline, &w.set.write, w.timeout)
	}
	return w.Conn.Write(p)
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error {
	return w.set.store(w.Conn.SetWriteDeadline, t, &w.set.write)
}

func (w *slowWriter) SetDeadline(t time.Time) error {
	return w.set.store(w.Conn.SetDeadline, t, &w.set.write)
}
