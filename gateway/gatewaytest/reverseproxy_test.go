package gatewaytest_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/gatewaytest"
)

// What a ReverseProxy behind a ServeMux does not claim, and why.
var notClaimed = map[string]string{
	"Strict":          "net/http takes several messages for which RFC 9112 has one reading (two lengths, HTTP/1.0 in chunks, bare LF), and h2c is passed on",
	"Canonical":       "ServeMux answers such paths with a redirection, and passes dots on that are percent-encoded",
	"Untouched":       "net/http guesses a Content-Type, if the first piece of the body is there in time",
	"Informational":   "1xx answers are passed on with fields between neighbours, and 100 is, beside the server's own",
	"CleanTrailers":   "so are trailers",
	"RequestTrailers": "the request is cloned before they have come",
	"EarlyBytes":      "what net/http has read of the client's bytes stays in its buffer",
	"CleanUpgrade":    "a 101 is passed on as it came",
	"Retry":           "it has none",
}

var reverseProxyClaims = gatewaytest.Capabilities{
	Forwarded: true, Trailers: true, EarlyAnswer: true, Continue: true, Upgrade: true, Drain: true, Reload: true, Clean: true,
}

// With -short it claims nothing, and is graded by what is required; package gateway's own tests claim everything.
func TestReverseProxy(t *testing.T) {
	claims := reverseProxyClaims
	if testing.Short() {
		claims = gatewaytest.Capabilities{}
	}
	gatewaytest.Run(t, newReverseProxy, claims)
}

func TestReverseProxyHasAReasonForWhatItDoesNotClaim(t *testing.T) {
	claims := reflect.ValueOf(reverseProxyClaims)
	for i, f := range reflect.VisibleFields(claims.Type()) {
		require.NotEqual(t, claims.Field(i).Bool(), notClaimed[f.Name] != "", f.Name)
	}
}

// reverseProxy is net/http/httputil's, set up as well as it can be, behind a ServeMux; or bent.
type reverseProxy struct {
	bend      bend
	ln        net.Listener
	server    *http.Server
	transport *http.Transport
	handler   atomic.Pointer[http.Handler]
	draining  atomic.Bool
	cut       context.CancelFunc
}

// bend is what may be wrong with a reverseProxy.
type bend struct {
	front     func(http.Handler) http.Handler // before the routes
	routes    func([]gatewaytest.Route, func(gatewaytest.Route) http.Handler) http.Handler
	rewrite   func(*httputil.ProxyRequest)
	modify    func(*http.Response)
	transport func(*http.Transport) http.RoundTripper
	server    func(*http.Server)
	conn      func(net.Conn) net.Conn
	failed    func(http.ResponseWriter, *http.Request, error)
	reload    func() (also bool) // before the new routes, or instead of them
	shutdown  func(*reverseProxy, context.Context) error
	close     func(*reverseProxy) error
}

func newReverseProxy(c gatewaytest.Config) (gatewaytest.Proxy, error) { return newBent(bend{})(c) }

func newBent(b bend) gatewaytest.NewProxy {
	return func(c gatewaytest.Config) (gatewaytest.Proxy, error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		p := &reverseProxy{bend: b, ln: ln, transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true, ExpectContinueTimeout: time.Minute}}
		p.route(c.Routes)
		ctx, cut := context.WithCancel(context.Background())
		p.cut = cut
		p.server = &http.Server{
			Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.handler.Load()).ServeHTTP(w, r) }),
			ErrorLog: log.New(io.Discard, "", 0), BaseContext: func(net.Listener) context.Context { return ctx },
		}
		if b.server != nil {
			b.server(p.server)
		}
		if b.conn != nil {
			ln = bentListener{ln, b.conn}
		}
		go func() { _ = p.server.Serve(ln) }()
		return p, nil
	}
}

func (p *reverseProxy) route(routes []gatewaytest.Route) {
	var all http.Handler
	if p.bend.routes != nil {
		all = p.bend.routes(routes, p.to)
	} else {
		mux := http.NewServeMux()
		for _, r := range routes {
			mux.Handle(r.Prefix, p.to(r))
			if r.Prefix != "/" {
				mux.Handle(r.Prefix+"/", p.to(r))
			}
		}
		all = mux
	}
	if p.bend.front != nil {
		all = p.bend.front(all)
	}
	p.handler.Store(&all)
}

// to is the way to an upstream.
func (p *reverseProxy) to(route gatewaytest.Route) http.Handler {
	target := &url.URL{Scheme: "http", Host: route.Upstream}
	proxy := &httputil.ReverseProxy{
		Transport: p.transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), ErrorHandler: p.bend.failed,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.URL.RawQuery = r.In.URL.RawQuery // also what net/url cannot read
			if _, said := r.In.Header["User-Agent"]; !said {
				r.Out.Header["User-Agent"] = nil
			}
			if p.bend.rewrite != nil {
				p.bend.rewrite(r)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if p.bend.modify != nil {
				p.bend.modify(r)
			}
			return nil
		},
	}
	if p.bend.transport != nil {
		proxy.Transport = p.bend.transport(p.transport)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, r)
	})
}

func (p *reverseProxy) Addr() string { return p.ln.Addr().String() }
func (p *reverseProxy) Ready() bool  { return !p.draining.Load() }

func (p *reverseProxy) Reload(c gatewaytest.Config) error {
	if p.bend.reload == nil || p.bend.reload() {
		p.route(c.Routes)
	}
	return nil
}

func (p *reverseProxy) Shutdown(ctx context.Context) error {
	if p.bend.shutdown != nil {
		return p.bend.shutdown(p, ctx)
	}
	p.draining.Store(true)
	err := p.server.Shutdown(ctx)
	if err != nil {
		p.server.Close()
	}
	return err
}

func (p *reverseProxy) Close() error {
	if p.bend.close != nil {
		return p.bend.close(p)
	}
	err := p.server.Close()
	p.cut() // upgraded connections, of which the server knows nothing
	p.transport.CloseIdleConnections()
	return err
}

type bentListener struct {
	net.Listener
	bend func(net.Conn) net.Conn
}

func (l bentListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.bend(c), nil
}

// replacing is a connection in which words are replaced as they are read.
type replacing struct {
	net.Conn
	words *strings.Replacer
}

func (c replacing) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return copy(p, c.words.Replace(string(p[:n]))), err
}
