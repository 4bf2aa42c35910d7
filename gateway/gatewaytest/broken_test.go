package gatewaytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/gatewaytest"
)

// everything is claimed by proxies that are broken on purpose.
var everything = gatewaytest.Capabilities{
	Strict: true, Canonical: true, Untouched: true, Forwarded: true, Informational: true, Trailers: true, CleanTrailers: true, RequestTrailers: true, EarlyAnswer: true,
	Continue: true, Upgrade: true, EarlyBytes: true, CleanUpgrade: true, Retry: true, Drain: true, Reload: true, Clean: true,
}

// A kit that lets wrong proxies pass is worse than none: each rule must fail one that breaks it. Those that a
// ReverseProxy breaks as it is are proven by it.
func TestEveryRuleFailsABrokenProxy(t *testing.T) {
	left := make(chan struct{})
	t.Cleanup(func() { close(left) })
	broken, met := brokenProxies(left), map[string]bool{}
	rules := gatewaytest.Rules()
	errs := make([]error, len(rules))
	var all sync.WaitGroup
	for _, r := range rules {
		require.NotContains(t, met, r.ID, "two rules of one name")
		met[r.ID] = true
		require.NotEmpty(t, r.Text)
		require.NotEmpty(t, r.Source)
		require.Contains(t, broken, r.ID, "the rule has no broken proxy")
	}
	for _, alone := range []bool{true, false} {
		for i, r := range rules {
			check := func() { errs[i] = r.Check(broken[r.ID], everything, 250*time.Millisecond) }
			switch {
			case (r.ID == "clean") != alone: // which counts goroutines
			case alone:
				check()
			default:
				all.Go(check) // many can only be waited for
			}
		}
	}
	all.Wait()
	require.Len(t, broken, len(met), "there are broken proxies for rules that are not")
	for i, r := range rules {
		t.Run(r.ID, func(t *testing.T) { require.ErrorContains(t, errs[i], "RULE "+r.Of+": "+r.ID+" (") })
	}
}

// brokenProxies has one for each rule. Left ends the goroutines that one of them leaves.
func brokenProxies(left chan struct{}) map[string]gatewaytest.NewProxy {
	return map[string]gatewaytest.NewProxy{
		"methods":        newBent(bend{front: changed(func(r *http.Request) { r.Method = strings.ToUpper(r.Method) })}),
		"target":         newBent(bend{rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.RawQuery = r.In.URL.Query().Encode() }}),
		"fields":         newBent(bend{rewrite: firstLines}),
		"nothing-added":  newBent(bend{rewrite: func(r *httputil.ProxyRequest) { r.Out.Header.Set("User-Agent", "proxy") }}),
		"untouched":      newBent(bend{modify: func(r *http.Response) { r.Header.Set("Server", "proxy") }}),
		"host":           newBent(bend{rewrite: func(r *httputil.ProxyRequest) { r.Out.Host = "proxy" }}),
		"statuses":       newBent(bend{transport: func(t *http.Transport) http.RoundTripper { return follows{t} }}),
		"routes":         newTunnel,
		"longest-prefix": newBent(bend{routes: firstThatFits}),
		"encoded":        newBent(bend{transport: func(t *http.Transport) http.RoundTripper { t.DisableCompression = false; return t }}),
		"big-header":     newBent(bend{server: func(s *http.Server) { s.MaxHeaderBytes = 8 << 10 }}),
		"huge-header":    newBent(bend{server: func(s *http.Server) { s.MaxHeaderBytes = 64 << 20 }}),

		"bodies":           newBent(bend{modify: body(func(r io.Reader) io.Reader { return io.LimitReader(r, 60_000) })}),
		"one-connection":   newBent(bend{modify: func(r *http.Response) { r.Header.Set("Connection", "close") }}),
		"no-body":          newBent(bend{modify: func(r *http.Response) { r.Header.Del("Content-Length") }}),
		"until-close":      newBent(bend{modify: body(func(r io.Reader) io.Reader { return io.LimitReader(r, 10_000) })}),
		"continue":         newBent(bend{conn: func(c net.Conn) net.Conn { return replacing{c, strings.NewReplacer("Expect: 100-continue\r\n", "")} }}),
		"continue-once":    newBent(bend{front: saysTwice}),
		"continue-refused": newBent(bend{front: changed(readFirst)}),
		"early-answer":     newBent(bend{front: changed(readFirst)}),
		"trailers":         newBent(bend{transport: answers(func(r *http.Response) { r.Trailer = nil })}),
		"hop-trailers":     newReverseProxy,
		"request-trailers": newReverseProxy,

		"hop-request": newBent(bend{rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Header["Proxy-Authorization"] = r.In.Header["Proxy-Authorization"]
		}}),
		"hop-request-named": newBent(bend{rewrite: func(r *httputil.ProxyRequest) { r.Out.Header["X-Hop"] = r.In.Header["X-Hop"] }}),
		"hop-answer":        newBent(bend{transport: answers(func(r *http.Response) { r.Header.Del("Connection") })}),
		"informational":     newReverseProxy,
		"forwarded": newBent(bend{rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		}}),
		"forwarded-kept": newBent(bend{rewrite: func(r *httputil.ProxyRequest) {
			for name := range strings.SplitSeq(r.In.Header.Get("Connection"), ", ") {
				r.Out.Header.Del(name)
			}
		}}),

		"smuggle":            newTunnel,
		"one-reading":        newTunnel,
		"answer-one-reading": newTunnel,
		"strict":             newReverseProxy,
		"h2c":                newReverseProxy,

		"events":         newBent(bend{modify: body(holdBack)}),
		"chunks":         newBent(bend{modify: body(holdBack)}),
		"header-first":   newBent(bend{modify: body(readWhole)}),
		"request-stream": newBent(bend{front: changed(readFirst)}),
		"both-streams":   newBent(bend{front: changed(readFirst)}),

		"answer-breaks-off":  newBent(bend{modify: body(endsWell)}),
		"request-breaks-off": newBent(bend{front: changed(func(r *http.Request) { stays(r); r.Body, r.ContentLength = closing(endsWell(r.Body)), -1 })}),
		"no-upstream": newBent(bend{failed: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}}),
		"post-once":       newBent(bend{transport: func(t *http.Transport) http.RoundTripper { return twice{t} }}),
		"canceled":        newBent(bend{front: changed(stays)}),
		"canceled-stream": newBent(bend{front: changed(stays)}),
		"retry":           newReverseProxy,
		"retry-not":       newBent(bend{transport: func(t *http.Transport) http.RoundTripper { return twice{t} }}),

		"slow-reader":      newBent(bend{front: oneAtATime}),
		"slow-writer":      newBent(bend{front: oneAtATime}),
		"hanging-upstream": newBent(bend{transport: func(t *http.Transport) http.RoundTripper { t.MaxConnsPerHost = 1; return t }}),

		"upgrade":          newBent(bend{front: changed(func(r *http.Request) { r.Header.Del("Upgrade") })}),
		"upgrade-ends":     newBent(bend{transport: answers(tunneled(func(c *switchedConn) { c.deaf = true }))}),
		"upgrade-refused":  newBent(bend{modify: func(r *http.Response) { r.StatusCode = http.StatusBadGateway }}),
		"early-bytes-down": newBent(bend{transport: answers(tunneled(func(c *switchedConn) { c.drop = true }))}),
		"early-bytes-up":   newReverseProxy,
		"hop-101":          newReverseProxy,

		"path-stays-inside": newBent(bend{routes: firstThatFits}),
		"encoded-dots":      newReverseProxy,
		"canonical":         newReverseProxy,
		"no-path":           newReverseProxy,

		"closes":          newBent(bend{close: func(p *reverseProxy) error { return p.ln.Close() }}),
		"clean":           newBent(bend{front: changed(func(*http.Request) { leaves(left) })}),
		"drain":           newBent(bend{shutdown: func(p *reverseProxy, ctx context.Context) error { return p.server.Shutdown(ctx) }}),
		"drain-deadline":  newBent(bend{shutdown: withoutEnd}),
		"reload":          newBent(bend{reload: func() bool { return false }}),
		"reload-upgraded": cutsAtReload(),
	}
}

// changed changes requests as they come.
func changed(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			change(r)
			next.ServeHTTP(w, r)
		})
	}
}

// withoutEnd goes down, however long it takes.
func withoutEnd(p *reverseProxy, _ context.Context) error {
	p.draining.Store(true)
	return p.server.Shutdown(context.Background())
}

// cutsAtReload cuts all clients that it has.
func cutsAtReload() gatewaytest.NewProxy {
	return func(c gatewaytest.Config) (gatewaytest.Proxy, error) {
		var mu sync.Mutex
		var open []net.Conn
		return newBent(bend{
			conn: func(c net.Conn) net.Conn {
				mu.Lock()
				defer mu.Unlock()
				open = append(open, c)
				return c
			},
			reload: func() bool {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range open {
					c.Close()
				}
				return true
			},
		})(c)
	}
}

// saysTwice says 100 although the server does.
func saysTwice(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 1)
		_, _ = r.Body.Read(first) // the server says it here
		w.WriteHeader(http.StatusContinue)
		r.Body = closing(io.MultiReader(bytes.NewReader(first), r.Body))
		next.ServeHTTP(w, r)
	})
}

// leaves leaves more goroutines than other tests, still ending theirs, can hide.
func leaves(left chan struct{}) {
	for range 100 {
		go func() { <-left }()
	}
}

// answers changes answers before a ReverseProxy sees them.
func answers(change func(*http.Response)) func(*http.Transport) http.RoundTripper {
	return func(t *http.Transport) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			res, err := t.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			copied := *res
			change(&copied)
			return &copied, nil
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// body changes bodies of answers, and with them their length.
func body(change func(io.Reader) io.Reader) func(*http.Response) {
	return func(r *http.Response) {
		if r.StatusCode != http.StatusSwitchingProtocols {
			r.Body = struct {
				io.Reader
				io.Closer
			}{change(r.Body), r.Body}
			r.ContentLength = -1
			r.Header.Del("Content-Length")
		}
	}
}

func closing(r io.Reader) io.ReadCloser { return io.NopCloser(r) }

func firstLines(r *httputil.ProxyRequest) {
	for name, values := range r.Out.Header {
		r.Out.Header[name] = values[:min(1, len(values))]
	}
}

func readFirst(r *http.Request) {
	whole, _ := io.ReadAll(r.Body)
	r.Body, r.ContentLength = closing(bytes.NewReader(whole)), int64(len(whole))
}

// stays has a request go on when its client has gone.
func stays(r *http.Request) {
	*r = *r.WithContext(stubborn{context.WithoutCancel(r.Context())})
}

// stubborn looks as if it could be canceled; otherwise a ReverseProxy finds other ways to hear of it.
type stubborn struct{ context.Context }

func (stubborn) Done() <-chan struct{} { return make(chan struct{}) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// holdBack gives a piece when the next is there.
func holdBack(r io.Reader) io.Reader {
	var held []byte
	return readerFunc(func(p []byte) (int, error) {
		next := make([]byte, len(p))
		n, err := r.Read(next)
		if held == nil && err == nil {
			held = next[:n]
			n, err = r.Read(next[n:])
		}
		copied := copy(p, held)
		held = next[:n]
		return copied, err
	})
}

func readWhole(r io.Reader) io.Reader {
	whole, _ := io.ReadAll(r)
	return bytes.NewReader(whole)
}

// endsWell takes every end for a good one.
func endsWell(r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if err != nil {
			err = io.EOF
		}
		return n, err
	})
}

// follows follows redirections for the client.
type follows struct{ *http.Transport }

func (f follows) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RequestURI = ""
	return (&http.Client{Transport: f.Transport}).Do(r)
}

// twice sends a request again, whatever it is.
type twice struct{ *http.Transport }

func (t twice) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	for range 2 {
		again := r.Clone(r.Context())
		again.Body = closing(bytes.NewReader(body))
		res, err := t.Transport.RoundTrip(again)
		if err == nil {
			return res, nil
		}
	}
	return nil, errors.New("both have failed")
}

// firstThatFits looks for prefixes of letters, in the order written.
func firstThatFits(routes []gatewaytest.Route, to func(gatewaytest.Route) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, route := range routes {
			if strings.HasPrefix(r.URL.Path, route.Prefix) {
				to(route).ServeHTTP(w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
}

func oneAtATime(next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// switchedConn is an upgraded connection to an upstream.
type switchedConn struct {
	io.ReadWriteCloser
	deaf bool // does not hear its end
	drop bool // loses what has come together with the 101
	over chan struct{}
	once sync.Once
}

func tunneled(bend func(*switchedConn)) func(*http.Response) {
	return func(r *http.Response) {
		if conn, is := r.Body.(io.ReadWriteCloser); is {
			c := &switchedConn{ReadWriteCloser: conn, over: make(chan struct{})}
			bend(c)
			r.Body = c
		}
	}
}

func (c *switchedConn) Read(p []byte) (int, error) {
	if c.drop {
		c.drop = false
		_, _ = c.ReadWriteCloser.Read(p)
	}
	n, err := c.ReadWriteCloser.Read(p)
	if err != nil && c.deaf {
		<-c.over
	}
	return n, err
}

func (c *switchedConn) Close() error {
	c.once.Do(func() { close(c.over) })
	return c.ReadWriteCloser.Close()
}
