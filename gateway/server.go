package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// ServerOptions are for what clients connect to. The zero value serves HTTP/1.1.
type ServerOptions struct {
	// TLS: nil serves without. HTTP/2 is spoken to clients that offer it by ALPN.
	TLS *TLSOptions
	// H2C also takes HTTP/2 without TLS, from clients that begin with it ("prior knowledge"): gRPC inside a network.
	H2C bool
	// ProxyProtocol are the networks whose connections begin with a PROXY header, version 1 or 2, which says who
	// the client is. A connection from there without one is refused; from elsewhere no header is read.
	ProxyProtocol []netip.Prefix

	// HeaderTimeout is for a request's header, a TLS handshake and a PROXY header, each. 0: 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is for the next piece of a request's body, not for all of it. 0: 30 s. Negative: no limit.
	BodyTimeout time.Duration
	// WriteTimeout is for a piece of an answer to be taken. 0: 60 s. Negative: no limit.
	WriteTimeout time.Duration
	// IdleTimeout is for the next request of a connection. 0: 90 s, above what load balancers in front keep theirs for (60 s).
	IdleTimeout time.Duration
	// MaxHeaderBytes of a request. More is answered with 431. 0: 64 KiB.
	MaxHeaderBytes int

	// ReadyDelay is how long Shutdown waits between the moment when readiness turns false and the one when no connections
	// are taken any more: longer than those in front take to notice. 0: not at all.
	ReadyDelay time.Duration
}

func (o ServerOptions) withDefaults() ServerOptions {
	set := func(d *time.Duration, value time.Duration) {
		switch {
		case *d == 0:
			*d = value
		case *d < 0:
			*d = 0
		}
	}
	set(&o.HeaderTimeout, 10*time.Second)
	set(&o.BodyTimeout, 30*time.Second)
	set(&o.WriteTimeout, time.Minute)
	set(&o.IdleTimeout, 90*time.Second)
	if o.MaxHeaderBytes == 0 {
		o.MaxHeaderBytes = 64 << 10
	}
	return o
}

// A Server takes connections for a gateway:
//
//	listener -> PROXY header -> TLS -> guard -> net/http -> Gateway
//	            (proxyproto.go) (tls.go) (guard.go)
//
// It is safe for concurrent use.
type Server struct {
	gw      *Gateway
	opts    ServerOptions
	http    *http.Server
	tls     *tls.Config // nil: no TLS
	tunnels tunnels
}

type serverKey struct{}

// NewServer makes a server. It fails if certificates cannot be read.
func NewServer(g *Gateway, o ServerOptions) (*Server, error) {
	s := &Server{gw: g, opts: o.withDefaults()}
	ctx := context.WithValue(context.Background(), serverKey{}, s)
	s.http = &http.Server{
		Handler: g,
		// OPTIONS * is a request too: net/http's own answer would pass no route, and say nothing of an Upgrade (P2).
		DisableGeneralOptionsHandler: true,

		ReadHeaderTimeout: s.opts.HeaderTimeout,
		IdleTimeout:       s.opts.IdleTimeout,
		MaxHeaderBytes:    s.opts.MaxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
		// A peer that is gone without a word is noticed by a ping; one that takes nothing, by its writes.
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second,
			WriteByteTimeout: s.opts.WriteTimeout,
		},
	}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetUnencryptedHTTP2(s.opts.H2C)
	if o.TLS != nil {
		config, err := o.TLS.config()
		if err != nil {
			return nil, fmt.Errorf("gateway: %w", err)
		}
		s.http.Protocols.SetHTTP2(true)
		s.tls, s.http.TLSConfig = config, config
	}
	return s, nil
}

// Serve takes connections until Shutdown or Close, and returns [http.ErrServerClosed] then. It closes the listener.
func (s *Server) Serve(ln net.Listener) error {
	return s.http.Serve(newListener(s, ln))
}

// Shutdown takes the server out of service without dropping anybody (C4). Readiness turns false, and everything goes on
// as before for ReadyDelay; then no connections are taken any more, and those that are open end with
// their requests. It returns when all have ended, upgraded connections among them. When ctx is over, what is
// left is cut, and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.gw.draining.Store(true)
	if s.opts.ReadyDelay > 0 {
		wait := time.NewTimer(s.opts.ReadyDelay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	err := s.http.Shutdown(ctx)
	if err == nil {
		select {
		case <-s.tunnels.idle():
			return nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return errors.Join(err, s.cut())
}

// Close ends everything at once.
func (s *Server) Close() error {
	s.gw.draining.Store(true)
	return s.cut()
}

func (s *Server) cut() error {
	err := s.http.Close()
	s.tunnels.cut()
	return err
}
