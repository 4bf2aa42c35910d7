package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// A poolUpstream is the innermost call: it picks an endpoint of a pool, sends the request
// there, and gives back what it has picked when the answer's body is closed (U1).
type poolUpstream struct {
	*upstream.Pool
}

func newPoolUpstream(pool *upstream.Pool) filters.Upstream { return poolUpstream{pool} }

// attempt is what an exchange knows of its last call.
type attempt struct {
	failed *upstream.Endpoint // a retry passes it over
	lease  *lease
}

func (u poolUpstream) RoundTrip(c filters.FilterContext) (*http.Response, error) {
	var not *upstream.Endpoint
	e, mine := c.(*exchange) // a shadow request has a context of another kind (F5)
	if mine {
		not = e.attempt.failed
	}
	token, err := u.Pick(c.HashKey(), not)
	if err != nil {
		return nil, &filters.Error{Status: http.StatusServiceUnavailable, Reason: "no endpoint", Local: true, Err: err}
	}
	done := false
	defer func() {
		if !done { // a transport panicked
			token.Done(upstream.Canceled)
		}
	}()
	end := token.Endpoint()
	req := c.Request()
	req.URL.Scheme, req.URL.Host = end.URL().Scheme, end.URL().Host
	res, err := end.Transport().RoundTrip(req)
	outcome := judge(c, res, err)
	token.Answered(outcome)
	done = true
	if err != nil {
		token.Done(outcome)
		if mine {
			e.attempt.failed = end
		}
		err = fmt.Errorf("%s: %w", end, err)
		if outcome == upstream.Canceled {
			// Breakers must know too (U3): else whoever sends a broken body opens them. The status is blame's to say.
			err = &filters.Error{Status: http.StatusBadRequest, Reason: "the request broke off", Local: true, Err: err}
		}
		return nil, err
	}
	if res.Body == nil {
		res.Body = http.NoBody // not every transport is net/http's
	}
	l := &lease{ReadCloser: res.Body, token: token, origin: c.OriginalRequest()}
	if mine {
		e.attempt.lease = l
		if outcome == upstream.Failed {
			e.attempt.failed = end
		}
	}
	res.Body = l
	if conn, is := l.ReadCloser.(io.ReadWriteCloser); is && res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = &leasedConn{lease: l, Writer: conn}
	}
	return res, nil
}

// judge is [upstream.Judge], for who knows more: an error that the client is to blame for is none of the endpoint's (P4, U3).
func judge(c filters.FilterContext, res *http.Response, err error) upstream.Outcome {
	if err != nil && clientGone(c.OriginalRequest()) {
		return upstream.Canceled
	}
	if e, is := c.(*exchange); is && err != nil && e.out.body.failure() != nil {
		return upstream.Canceled
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) { // requestBodyLimit has stopped the client
		return upstream.Canceled
	}
	if err != nil && c.Request().Context().Err() != nil {
		err = context.Cause(c.Request().Context()) // HTTP/2 says of any end of a context that it was canceled; backendTimeout's is the endpoint's fault
	}
	return upstream.Judge(res, err)
}

// A lease is the body of an answer, and gives the endpoint back when it is closed.
type lease struct {
	io.ReadCloser
	token  upstream.Token
	origin *http.Request
	broken atomic.Bool
}

func (l *lease) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !clientGone(l.origin) {
		l.broken.Store(true)
	}
	return n, err
}

// Close may be called more than once, and from any goroutine.
func (l *lease) Close() error {
	err := l.ReadCloser.Close()
	if l.broken.Load() {
		l.token.Done(upstream.Failed)
	} else {
		l.token.Done(upstream.OK)
	}
	return err
}

// leasedConn is a connection that was upgraded. That it breaks is how WebSockets end.
type leasedConn struct {
	*lease
	io.Writer
}

func (c *leasedConn) Read(p []byte) (int, error) { return c.ReadCloser.Read(p) }

// dynamicUpstream is for a route that ends in <dynamic>, where a filter has said where to go: in the request's URL, or
// in the state bag under Skipper's names. Nil: none has.
func (e *exchange) dynamicUpstream() filters.Upstream {
	u := e.out.req.URL
	if text, is := e.bag[filters.DynamicURL].(string); is {
		if to, err := url.Parse(text); err == nil {
			u.Scheme, u.Host = to.Scheme, to.Host
		}
	}
	if host, is := e.bag[filters.DynamicHost].(string); is {
		u.Host = host
	}
	if scheme, is := e.bag[filters.DynamicScheme].(string); is {
		u.Scheme = scheme
	}
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return dynamic{e.gw}
}

// dynamic sends a request to where its URL says. Nothing is known of such an endpoint: no health, no breaker of its own.
type dynamic struct{ gw *Gateway }

func (d dynamic) RoundTrip(c filters.FilterContext) (*http.Response, error) {
	return d.gw.path.dynamic.RoundTrip(c.Request())
}

func (d dynamic) String() string { return "<dynamic>" }

// dynamicTransport is one for all addresses that filters come up with.
func dynamicTransport(o Options) http.RoundTripper {
	if o.Transport != nil {
		return o.Transport(o.Upstream.Transport)
	}
	return upstream.NewTransport(o.Upstream.Transport)
}

func (p *dataPath) closeIdle() {
	if t, is := p.dynamic.(interface{ CloseIdleConnections() }); is {
		t.CloseIdleConnections()
	}
}
